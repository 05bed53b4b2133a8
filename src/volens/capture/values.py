"""Read one record strictly, whatever its nesting, and take typed fields out of it.

Accessors never raise: a field of another type is the same as no field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import ijson

from volens.capture.model import Limits
from volens.core.canonical import MAX_INTEGER, Json, read_strict
from volens.core.errors import InvalidInput
from volens.core.time import from_millis

_SHALLOW = 200  # levels that the standard reader may recurse into
_LONG_STRING_BYTES = 256 * 1024
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_SURROGATE = re.compile(rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F]))*+", re.DOTALL)
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_BCP_47 = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_MAX_ID = 200
_CLOSINGS = frozenset({"end_map", "end_array"})
NOTHING: Mapping[str, Json] = {}


def read_value(data: bytes, limits: Limits) -> Json:
    """Read the bytes of one record.

    Raises:
        InvalidInput: with a code of `core.canonical.read_strict`; a code names the fault, and the
            message may hold content, so only the code goes further.
    """
    if len(data) > _LONG_STRING_BYTES and _has_long_string(data):
        return _read_deep(data, limits)
    try:
        return read_strict(
            data, max_bytes=limits.record_bytes, max_depth=min(_SHALLOW, limits.depth)
        )
    except RecursionError:
        pass
    except InvalidInput as error:
        if error.code != "json_depth":
            raise
    return _read_deep(data, limits)


def _has_long_string(data: bytes) -> bool:
    """Tell whether one string would cost the standard reader's depth check much memory."""
    return any(found.end() - found.start() > _LONG_STRING_BYTES for found in _STRING.finditer(data))


def _read_deep(data: bytes, limits: Limits) -> Json:
    """Read a deeply nested record with a stack of our own; as strict as the shallow reader."""
    _refuse_lone_surrogates(data)
    root: list[Json] = []
    stack: list[list[Json] | dict[str, Json]] = [root]
    keys: list[str] = [""]
    try:
        # one buffer: a string that spans several is scanned again from its start each time
        for event, value in ijson.basic_parse(data, use_float=True, buf_size=len(data) + 1):
            if event == "map_key":
                _refuse_again(value, stack[-1])
                keys[-1] = value
            elif event in _CLOSINGS:
                stack.pop()
                keys.pop()
            else:
                _grow(stack, keys, event, value, limits)
    except ijson.JSONError as error:
        raise InvalidInput("json_syntax", "not JSON") from error
    return root[0]


def _grow(
    stack: list[list[Json] | dict[str, Json]],
    keys: list[str],
    event: str,
    value: Json,
    limits: Limits,
) -> None:
    """Put a new value where the stack stands; an opened list or object becomes its top."""
    into = stack[-1]
    opened: list[Json] | dict[str, Json] | None = None
    if event == "start_map":
        value = opened = {}
    elif event == "start_array":
        value = opened = []
    elif event == "number":
        _check_number(value)
    if isinstance(into, dict):
        into[keys[-1]] = value
    else:
        into.append(value)
    if opened is not None:
        stack.append(opened)
        keys.append("")
        if len(stack) > limits.depth + 1:
            raise InvalidInput("json_depth", "too deeply nested")


def _refuse_again(name: str, into: list[Json] | dict[str, Json]) -> None:
    if name in into:
        raise InvalidInput("duplicate_key", "a member stands twice")


def _check_number(value: Json) -> None:
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise InvalidInput("json_number", "a number is out of range")
    elif not isinstance(value, float) or not math.isfinite(value):
        raise InvalidInput("json_number", "a number is out of range")


def _refuse_lone_surrogates(data: bytes) -> None:
    """Raise on an escaped half of a pair; the C reader would write a question mark for it."""
    at = 0
    while at < len(data):
        plain = _NO_SURROGATE.match(data, at)
        at = plain.end() if plain else at
        pair = _PAIR.match(data, at)
        if pair is None and at < len(data):
            raise InvalidInput("json_surrogate", "a lone surrogate")
        at = pair.end() if pair else at


def members(value: Json) -> Mapping[str, Json]:
    """Return an object's members; none if it is not an object."""
    return value if isinstance(value, Mapping) else NOTHING


def elements(value: Json) -> Sequence[Json]:
    """Return an array's elements; none if it is not an array."""
    return value if isinstance(value, list) else ()


def string(value: Json) -> str:
    """Return a string; empty if it is not one."""
    return value if isinstance(value, str) else ""


def is_absent_or(value: Json, words: frozenset[str]) -> bool:
    """Return whether a member is not there, or is one of these words."""
    return value is None or string(value) in words


def first_string(record: Mapping[str, Json], *names: str) -> str:
    """Return the first of these members that is a string with something in it."""
    for name in names:
        found = record.get(name)
        if isinstance(found, str) and found:
            return found
    return ""


def identifier(record: Mapping[str, Json], *names: str) -> str:
    """Return the source's own id of a record.

    Raises:
        InvalidInput: ``source_id`` if there is none, or it is not a short printable string.
    """
    for name in names:
        found = record.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if isinstance(found, str) and found:
            if len(found) <= _MAX_ID and found.isprintable():
                return found
            break
    raise InvalidInput("source_id", f"no usable id in {', '.join(names)}")


def account_id(value: Json) -> str | None:
    """Return an account's id or address as the export writes it, if it is a usable one."""
    if isinstance(value, str) and 0 < len(value) <= _MAX_ID and value.isprintable():
        return value
    return None


def language(value: Json) -> str:
    """Return a language tag (BCP 47) if `value` looks like one."""
    tag = string(value)
    return tag.replace("_", "-") if len(tag) <= 35 and _BCP_47.fullmatch(tag) else ""  # noqa: PLR2004 - RFC 5646, 4.4.1


def moment(value: Json) -> datetime | None:
    """Read a time: RFC 3339 text or seconds, milli-, micro- or nanoseconds since 1970.

    Text without a timezone is taken as UTC. What can't be read is None: a time decides nothing.
    """
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
            read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return read
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    seconds = float(value)
    for bound, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if abs(seconds) >= bound:
            seconds /= unit
            break
    try:
        return from_millis(round(seconds * 1000))
    except OverflowError:
        return None


_UP = frozenset({"thumbsup", "up", "upvote", "like", "liked", "good", "positive", "1"})
_DOWN = frozenset(
    {"thumbsdown", "down", "downvote", "dislike", "disliked", "bad", "negative", "flag", "-1"}
)


def rating(value: Json) -> int:
    """Return -1, 0 or 1 for a person's rating in any of the spellings exports use."""
    if isinstance(value, Mapping):
        return rating(value.get("rating")) or rating(value.get("type"))
    if isinstance(value, bool) or value is None:
        return 0
    if isinstance(value, int | float):
        return (value > 0) - (value < 0)
    word = string(value).casefold().replace("_", "").replace(" ", "")
    word = word if word == "-1" else word.replace("-", "")
    return (word in _UP) - (word in _DOWN)
