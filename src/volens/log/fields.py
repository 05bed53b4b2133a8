"""What may stand in a field of a log entry: the closed list of types.

There is deliberately no type for names, free text, stable ids or hashes of private data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from volens.core.canonical import MAX_INTEGER, Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment, parse_moment
from volens.log.merkle import HASH_BYTES

Value = StrEnum | tuple[StrEnum, ...] | str | int | bool | bytes | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """How one field is written and read; both raise `InvalidInput` on any other value."""

    write: Callable[[Value], Json]
    read: Callable[[Json], Value]
    optional: bool = False


def _wrong(wanted: str) -> InvalidInput:
    return InvalidInput("entry_value", f"a field wants {wanted}")


def word(vocabulary: type[StrEnum]) -> FieldType:
    """Return the type for one word of a closed list."""
    wanted = f"a {vocabulary.__name__}"

    def write(value: Value) -> Json:
        if not isinstance(value, vocabulary):
            raise _wrong(wanted)
        return value.value

    def read(value: Json) -> StrEnum:
        try:
            return vocabulary(str(value))
        except ValueError as error:
            raise _wrong(wanted) from error

    return FieldType(write=write, read=read)


def words(vocabulary: type[StrEnum]) -> FieldType:
    """Return the type for at least one word of a closed list, sorted, none twice."""
    one = word(vocabulary)

    def write(value: Value) -> Json:
        if not isinstance(value, tuple):
            raise _wrong(f"a tuple of {vocabulary.__name__}")
        return _in_order([str(one.write(each)) for each in value])

    def read(value: Json) -> Value:
        if not isinstance(value, list):
            raise _wrong(f"a list of {vocabulary.__name__}")
        return tuple(
            vocabulary(each) for each in _in_order([str(one.read(each)) for each in value])
        )

    return FieldType(write=write, read=read)


def _in_order(words: list[str]) -> list[str]:
    if not words or words != sorted(set(words)):
        raise _wrong("a list that is sorted, not empty, with no word twice")
    return words


def _text(wanted: str, pattern: str) -> FieldType:
    """Text of a narrow alphabet, too narrow for a sentence."""
    expression = re.compile(pattern, re.ASCII)

    def check(value: object) -> str:
        if not isinstance(value, str) or not expression.fullmatch(value):
            raise _wrong(wanted)
        return value

    return FieldType(write=check, read=check)


def _write_count(value: Value) -> Json:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise _wrong("a whole number from 0 to 2^53-1")
    return value


def _read_count(value: Json) -> Value:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong("a whole number from 0 to 2^53-1")
    return value


def _write_flag(value: Value) -> Json:
    if not isinstance(value, bool):
        raise _wrong("true or false")
    return value


def _read_flag(value: Json) -> Value:
    if not isinstance(value, bool):
        raise _wrong("true or false")
    return value


def _write_hash(value: Value) -> Json:
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise _wrong(f"{HASH_BYTES} bytes")
    return value.hex()


def _read_hash(value: Json) -> Value:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _wrong(f"{2 * HASH_BYTES} lower-case hex digits")
    return bytes.fromhex(value)


def _write_moment(value: Value) -> Json:
    if not isinstance(value, datetime):
        raise _wrong("a moment")
    return format_moment(value)


def _read_moment(value: Json) -> Value:
    if not isinstance(value, str):
        raise _wrong("a moment")
    return parse_moment(value)


_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)

COUNT: Final = FieldType(write=_write_count, read=_read_count)
"""How many, how long, or which entry or epoch."""
FLAG: Final = FieldType(write=_write_flag, read=_read_flag)
MOMENT: Final = FieldType(write=_write_moment, read=_read_moment)
COMMITMENT: Final = FieldType(write=_write_hash, read=_read_hash)
"""A salted commitment (`commit`): says nothing without its salt."""
ROOT: Final = FieldType(write=_write_hash, read=_read_hash)
"""The Merkle root over salted commitments."""
PUBLIC_HASH: Final = FieldType(write=_write_hash, read=_read_hash)
"""SHA-256 of a document that everybody may read: a policy pack, a notice."""
PACK: Final = _text("a pack name: a-z, 0-9, hyphens, at most 40", r"[a-z][a-z0-9-]{0,39}")
PACK_VERSION: Final = _text(
    "a version: 0-9, a-z, dots, hyphens, at most 24", r"[0-9a-z][0-9a-z.-]{0,23}"
)
LANGUAGE: Final = _text(
    "a language tag such as en or zh-Hans", r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}"
)


def optional(one: FieldType) -> FieldType:
    """Return the same type for a field that may be absent."""
    return FieldType(write=one.write, read=one.read, optional=True)
