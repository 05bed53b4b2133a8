"""One readable file as a stream of UTF-8, inflated within limits, whatever it is packed in."""

from __future__ import annotations

import codecs
import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from volens.capture.model import Limits, Skipped
from volens.core.errors import InvalidInput, Unavailable, VolensError

CHUNK = 64 * 1024
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_MAGIC = b"\x1f\x8b"
_OTHER_ARCHIVES = (b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"(\xb5/\xfd", b"Rar!")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
Opened = BinaryIO | gzip.GzipFile
Opener = Callable[[ExitStack], Opened]
OnPosition = Callable[[int], None]


@dataclass(slots=True)
class Spent:
    """Inflated bytes of one archive so far, over all its members, and its stored bytes."""

    inflated: int = 0
    stored: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One readable file: on disk, gzipped, or a zip's member."""

    place: str
    name: str
    stored_bytes: int
    compressed: bool
    opener: Opener = field(repr=False)
    declared_bytes: int = 0
    """What a zip says the member inflates to; 0 if nothing says so."""
    spent: Spent = field(default_factory=Spent, repr=False)

    def chunks(self, limits: Limits, on_position: OnPosition | None = None) -> Iterator[bytes]:
        """Yield the content as UTF-8 without a byte order mark.

        Raises:
            InvalidInput: ``inflated_size``, ``inflated_ratio``, ``truncated``,
                ``corrupt_archive``, ``json_encoding``.
            Unavailable: ``unreadable`` if the file can't be read.
        """
        with ExitStack() as stack:
            try:
                opened = self.opener(stack)
            except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise _reading_fault(error) from error
            yield from _utf8(self._guarded(opened, limits, on_position))

    def _guarded(
        self, opened: Opened, limits: Limits, on_position: OnPosition | None
    ) -> Iterator[bytes]:
        # `read1` hands out what was inflated before a fault, `read` would lose it
        read = cast("Callable[[int], bytes]", getattr(opened, "read1", opened.read))
        own = 0
        while True:
            try:
                chunk = read(CHUNK)
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
                raise _reading_fault(error) from error
            if not chunk:
                return
            own += len(chunk)
            self.spent.inflated += len(chunk)
            if self.compressed:
                self._check(own, limits)
            if on_position is not None:
                on_position(min(self.stored_bytes, self._position(opened, own)))
            yield chunk

    def _position(self, opened: Opened, own: int) -> int:
        """Return about how many stored bytes were gone through."""
        if isinstance(opened, gzip.GzipFile):
            return os.lseek(opened.fileno(), 0, os.SEEK_CUR)
        return self.stored_bytes * own // max(self.declared_bytes, own, 1)

    def _check(self, own: int, limits: Limits) -> None:
        if own > limits.member_bytes or self.spent.inflated > limits.total_bytes:
            raise InvalidInput("inflated_size", "inflates beyond the limit")
        floor = limits.ratio_floor_bytes
        is_bomb = own > floor and own > limits.ratio * self.stored_bytes
        # many small members, each below the floor, are a bomb together
        together = self.spent.inflated > floor + limits.ratio * self.spent.stored
        if is_bomb or (together and self.spent.stored > 0):
            raise InvalidInput("inflated_ratio", "inflates like a bomb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Files that lie beside one another and may speak about each other."""

    place: str
    entries: tuple[Entry, ...] = ()
    refused: tuple[Skipped, ...] = ()
    is_zip: bool = False
    is_folder: bool = False


def shown(name: str) -> str:
    """Return a path or member name as one printable line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:500]


def open_regular(path: Path, stack: ExitStack, *, follow: bool) -> BinaryIO:
    """Open a regular file; a link or a pipe put in its place since the walk is refused."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not follow:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    opened = stack.enter_context(os.fdopen(os.open(path, flags), "rb"))
    if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        raise OSError("not a regular file")
    return opened


def _reading_fault(error: Exception) -> VolensError:
    if isinstance(error, EOFError):
        return InvalidInput("truncated", "the compressed file is cut short; download it again")
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return Unavailable("unreadable", "the file can't be read")
    return InvalidInput("corrupt_archive", "the compressed bytes are broken; download it again")


def _utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Drop a byte order mark; rewrite UTF-16 and UTF-32 as UTF-8."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(codecs.BOM_UTF32_LE):
            break
    encoding = "utf-8"
    for mark, name in _BOMS:
        if first.startswith(mark):
            first, encoding = first[len(mark) :], name
            break
    if encoding == "utf-8":
        if first:
            yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise InvalidInput("json_encoding", f"the file is not the {encoding} it says") from error


def describe(head: bytes) -> tuple[str, str]:
    """Say what bytes that are not JSON look like: a reason code and a line for people."""
    if head.startswith(ZIP_MAGIC) or head.startswith((GZIP_MAGIC, *_OTHER_ARCHIVES)):
        return (
            "nested_archive",
            "an archive of a kind or in a place that is not read; unpack it first",
        )
    if head[257:262] == b"ustar":
        return "nested_archive", "a tar archive; unpack it and name the folder"
    if b"\0" in head[:4096]:
        return "binary_file", "not text"
    if head.lstrip()[:1] == b"<":
        return "not_json", "a web page or XML; choose the export's JSON form"
    return "not_json", "not JSON"
