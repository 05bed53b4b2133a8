"""Canonical JSON out (RFC 8785), strict JSON in.

What Volens signs, hashes or logs is written by `canonical_json` and read by `read_strict`, which
accepts only what a second implementation could not read differently: no duplicate member names, no
NaN or infinities, no integer beyond 2^53-1, no lone surrogates, bounded depth and size (RFC 7493).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

import rfc8785

from volens.core.errors import InvalidInput

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)  # never backtracks
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def canonical_json(value: Json) -> bytes:
    """Write `value` in the one form of RFC 8785 (UTF-8, sorted members, no spaces).

    Raises:
        InvalidInput: if `value` has no such form (NaN, a large integer, a lone surrogate, ...).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidInput("not_canonical", f"no canonical JSON form: {error}") from error


def read_strict(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Json:
    """Read one JSON document, refusing whatever two readers could read differently.

    Args:
        data: UTF-8 without a byte order mark.
        max_bytes: the most bytes accepted.
        max_depth: the most arrays and objects inside one another.

    Raises:
        InvalidInput: with the code ``json_size``, ``json_depth``, ``json_syntax``,
            ``duplicate_key``, ``json_number``, ``json_surrogate`` or ``json_encoding``.
    """
    if len(data) > max_bytes:
        raise InvalidInput("json_size", f"JSON of {len(data)} bytes, at most {max_bytes}")
    _check_depth(data, max_depth)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("json_encoding", f"not UTF-8 at byte {error.start}") from error
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput("json_syntax", f"not JSON at {place}: {error.msg}") from error
    if _SURROGATE_ESCAPE.search(data) and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise InvalidInput("json_surrogate", "a lone surrogate stands in a string")
    return value


def read_canonical(data: bytes) -> Json:
    """Read a document that must already be in canonical form, byte for byte.

    Raises:
        InvalidInput: as `read_strict`, and ``not_canonical`` if re-encoding gives other bytes.
    """
    value = read_strict(data)
    if canonical_json(value) != data:
        raise InvalidInput("not_canonical", "the JSON is not in canonical form (RFC 8785)")
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return  # wherever they stand, so few can't nest deeper
    depth = 0
    for token in _TOKEN.finditer(data):
        first = token[0][0]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise InvalidInput("json_depth", f"JSON deeper than {max_depth} levels")
        elif first in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidInput("duplicate_key", f"the member {name[:60]!r} stands twice")
        members[name] = value
    return members


def _constant(name: str) -> Json:
    raise InvalidInput("json_number", f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput("json_number", f"the number {text[:40]} is out of range")
    return value


def _integer(text: str) -> int:
    if len(text) > len(str(MAX_INTEGER)) + 1 or abs(int(text)) > MAX_INTEGER:
        raise InvalidInput("json_number", f"the integer {text[:40]} is beyond 2^53-1")
    return int(text)
