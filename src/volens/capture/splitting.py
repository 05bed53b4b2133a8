"""Cut a stream of JSON into records without holding more than one of them.

A record is an element of the outermost array, a line of a JSON Lines file, or a whole document.
Cutting looks only at quotes, brackets and commas, so a record that is broken inside costs that
record alone, and nesting costs no stack. Each record is read strictly afterwards (`values.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from volens.capture.model import Limits
from volens.core.errors import InvalidInput

_SPACE = b" \t\r\n"
_BLANK_BYTES = 64 * 1024
_BODY = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_INSIDE = re.compile(
    rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL
)  # up to the next bracket, or a quote that doesn't close yet
_TOP = re.compile(rb'[^"\[\]{},]*+(?:' + _STRING + rb'[^"\[\]{},]*+)*+', re.DOTALL)
_OPEN, _CLOSE, _COMMA, _QUOTE = b"[{", b"]}", ord(","), ord('"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """The bytes of one record, cut out but not yet read."""

    index: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A record that can't be handed out."""

    index: int
    reason: str


def split_records(chunks: Iterable[bytes], limits: Limits) -> Iterator[Raw | Broken]:
    """Yield the records of a JSON array, a JSON document or a JSON Lines file, in order.

    Raises:
        InvalidInput: ``empty_file`` or ``not_json`` before the first record; whatever the
            chunks raise.
    """
    stream = iter(chunks)
    head = _head(stream, limits)
    if not head:
        raise InvalidInput("empty_file", "the file is empty")
    if head[0] == ord("["):
        del head[:1]
        yield from _Cutter(head, stream, limits).elements()
    elif head[0] == ord("{"):
        if _is_lines(bytes(head)):
            yield from _lines(head, stream, limits)
        else:
            yield from _Cutter(head, stream, limits).documents()
    else:
        raise InvalidInput("not_json", "the file does not start like JSON")


def _head(stream: Iterator[bytes], limits: Limits) -> bytearray:
    """Return as much of the start as tells lines from one document."""
    head = bytearray()
    newline = -1
    for chunk in stream:
        start = len(head)
        head += chunk if head else chunk.lstrip(_SPACE)
        newline = head.find(b"\n", start) if newline < 0 else newline
        if head and head[0] != ord("{"):
            break
        if newline >= 0 and (chunk.strip(_SPACE) if newline < start else head[newline:].strip()):
            break
        if len(head) - max(newline, 0) > (_BLANK_BYTES if newline >= 0 else limits.record_bytes):
            break
    return head


def _is_lines(head: bytes) -> bool:
    """Tell JSON Lines from one document: each line stands alone or the next starts a new one."""
    first, newline, rest = head.partition(b"\n")
    if not newline:
        return False
    goes_on = first.rstrip(_SPACE)[-1:] in {b":", b",", b"[", b"{"}
    return _balance(first) == 0 or (rest.lstrip(_SPACE)[:1] == b"{" and not goes_on)


def _balance(line: bytes) -> int:
    """Return how many brackets stay open at the end of a line."""
    depth = at = 0
    while True:
        found = _INSIDE.match(line, at)
        at = found.end() if found else at
        if at >= len(line):
            return depth
        if line[at] == _QUOTE:
            return depth + 1
        depth += 1 if line[at] in _OPEN else -1
        at += 1


def _lines(pending: bytearray, stream: Iterator[bytes], limits: Limits) -> Iterator[Raw | Broken]:
    index = 0
    searched = 0
    too_long = False
    while True:
        end = pending.find(b"\n", searched)
        if end < 0:
            searched = len(pending)
            if searched > limits.record_bytes:
                too_long = True  # keep the place, drop the bytes
                pending.clear()
                searched = 0
            chunk = next(stream, b"")
            pending += chunk
            if chunk:
                continue
            end = len(pending)
        yield from _line(index, bytes(pending[:end]), limits, too_long=too_long)
        if end == len(pending):
            return
        del pending[: end + 1]
        index, searched, too_long = index + 1, 0, False


def _line(index: int, line: bytes, limits: Limits, *, too_long: bool) -> Iterator[Raw | Broken]:
    line = line.strip(_SPACE)
    if too_long or len(line) > limits.record_bytes:
        yield Broken(index=index, reason="record_size")
    elif line:
        yield Raw(index=index, data=line)


class _Cutter:
    """A scanner that keeps its place inside a string or a bracket across chunks."""

    def __init__(self, buffer: bytearray, stream: Iterator[bytes], limits: Limits) -> None:
        self._buffer = buffer
        self._stream = stream
        self._limits = limits
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._too_long = False
        self._ended = False

    def elements(self) -> Iterator[Raw | Broken]:
        """Yield the elements of an array whose opening bracket is already gone."""
        index = 0
        while True:
            mark = self._next_mark(commas=True)
            if mark == -1:
                yield from self._rest(index)
                return
            if mark == _COMMA or self._depth < 0:
                size = self._at - 1
                last = self._depth < 0
                is_empty_list = last and index == 0 and not self._buffer[:size].strip(_SPACE)
                cut = self._cut(index, size)
                if not (is_empty_list and isinstance(cut, Broken) and cut.reason == "json_syntax"):
                    yield cut
                index += 1
                if last:
                    break
        yield from self._trailing(index)

    def documents(self) -> Iterator[Raw | Broken]:
        """Yield top-level objects that follow one another."""
        index = 0
        while True:
            mark = self._next_mark(commas=False)
            if mark == -1:
                if self._too_long or self._depth > 0 or self._buffer.strip(_SPACE):
                    yield Broken(index=index, reason="truncated" if self._depth else "json_syntax")
                return
            if self._depth <= 0:
                yield self._cut(index, self._at)
                index += 1
                self._depth = 0

    def _next_mark(self, *, commas: bool) -> int:
        """Move behind the next bracket that changes something, or the next comma between records.

        Returns the byte, or -1 at the end of the stream.
        """
        while True:
            if self._in_string and not self._leave_string():
                return -1
            pattern = _TOP if commas and self._depth == 0 else _INSIDE
            found = pattern.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at >= len(self._buffer):
                if not self._more():
                    return -1
                continue
            byte = self._buffer[self._at]
            self._at += 1
            if byte == _QUOTE:
                self._in_string = True
            elif byte == _COMMA:
                return byte
            else:
                self._depth += 1 if byte in _OPEN else -1
                if self._depth <= 0:
                    return byte

    def _leave_string(self) -> bool:
        while True:
            found = _BODY.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer) and self._buffer[self._at] == _QUOTE:
                self._at += 1
                self._in_string = False
                return True
            if not self._more():
                return False

    def _more(self) -> bool:
        if self._at > self._limits.record_bytes:
            self._too_long = True  # keep the place, drop the bytes
            del self._buffer[: self._at]
            self._at = 0
        chunk = b"" if self._ended else next(self._stream, b"")
        self._ended = not chunk
        self._buffer += chunk
        return bool(chunk)

    def _cut(self, index: int, size: int) -> Raw | Broken:
        data = bytes(self._buffer[:size]).strip(_SPACE)
        del self._buffer[: self._at]
        self._at = 0
        too_long, self._too_long = self._too_long, False
        if too_long or len(data) > self._limits.record_bytes:
            return Broken(index=index, reason="record_size")
        if not data:
            return Broken(index=index, reason="json_syntax")
        return Raw(index=index, data=data)

    def _rest(self, index: int) -> Iterator[Raw | Broken]:
        """Hand out a last element that is whole, and say that the array doesn't end."""
        rest = bytes(self._buffer).strip(_SPACE)
        if self._depth == 0 and not self._too_long and rest[-1:] in {b"}", b"]"}:
            yield Raw(index=index, data=rest)
            index += 1
        yield Broken(index=index, reason="truncated")

    def _trailing(self, index: int) -> Iterator[Broken]:
        while True:
            if self._buffer.strip(_SPACE):
                yield Broken(index=index, reason="trailing_bytes")
                return
            self._buffer.clear()
            self._at = 0
            if not self._more():
                return
