"""An append-only journal with reserved space that any process may append to.

It takes what must never be refused (docs/formats/journal.md): an append is true once this returns,
also while another process owns the home and also when the disk is full. Appenders and the drainer
take turns through an advisory lock on the file; readers need none.

    frame = length (u32, little-endian, > 0) || SHA-256(body)[:8] || body

The file is filled with zeros up to a reserve, so a length of zero ends it. A frame whose checksum
does not match ends it too: it was cut off before its append was acknowledged.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from volens.core.errors import InvalidInput, Unavailable
from volens.storage.files import sync_folder

RESERVE_BYTES = 256 * 1024
MAX_BODY_BYTES = 4096
_HEAD = struct.Struct("<I8s")
_WINDOW_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """The frame that an instance added last: the inode, the place and the bytes."""

    file: int
    at: int
    frame: bytes


def tell_nobody() -> None:
    """Do nothing: nobody has to hear of an append at once."""


class Journal:
    """The journal at one path.

    Contract: `append` is durable when it returns. `read` gives every acknowledged body in order,
    until `replace` has put others in their place. A body may be given twice after a crash: bodies
    carry an id and their readers are idempotent.
    """

    def __init__(self, path: Path, *, tell: Callable[[], None] = tell_nobody) -> None:
        """Name the file; `tell` is called after each append, before it is acknowledged."""
        self._path = path
        self._tell = tell
        self._last: _Last | None = None

    def create(self) -> None:
        """Make the file with its reserve, if there is none.

        Raises:
            OSError: if the disk has no room for the reserve.
        """
        if self._path.exists():
            return
        self._write_new(())

    def append(self, body: bytes) -> None:
        """Add `body`; when this returns, a power cut keeps it.

        Raises:
            InvalidInput: if `body` is empty or too large.
            Unavailable: ``journal_full`` if the reserve is used up and the disk gives no more.
        """
        if not 0 < len(body) <= MAX_BODY_BYTES:
            raise InvalidInput("journal_body", f"a journal entry of {len(body)} bytes")
        frame = _frame(body)
        with self._locked() as descriptor:
            status = os.fstat(descriptor)
            end = self._end(descriptor, status.st_ino)
            if end + len(frame) + _HEAD.size > status.st_size:
                self._extend(descriptor, status.st_size)
            # A torn older frame may lie here: zero the next head first, in the same write.
            os.pwrite(descriptor, frame + bytes(_HEAD.size), end)
            os.fdatasync(descriptor)
            self._last = _Last(file=status.st_ino, at=end, frame=frame)
            self._tell()

    def read(self) -> list[bytes]:
        """Return the bodies in order; an absent file has none."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return _scan(data)[0]

    def stamp(self) -> tuple[int, int, int]:
        """Return a cheap value that differs after every append and replace.

        File times alone don't: before Linux 6.13 two changes within one tick of the kernel's clock
        (1 to 10 ms) have the same.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return (0, 0, 0)
        try:
            status = os.fstat(descriptor)
            return (status.st_ino, status.st_mtime_ns, _mark(descriptor))
        finally:
            os.close(descriptor)

    @contextmanager
    def drain(self) -> Iterator[list[bytes]]:
        """Give the bodies to the block and, if it ends well, start an empty journal.

        Appenders wait meanwhile. If the block raises, or the disk has no room for a new file, the
        bodies stay.
        """
        with self._locked() as descriptor:
            bodies = _scan(_read_all(descriptor))[0]
            yield bodies
            if bodies:
                with suppress(OSError):
                    self._write_new(())

    def _end(self, descriptor: int, file: int) -> int:
        """Return where the next frame goes, under the lock.

        Frames are only ever added to a file, so reading begins at the frame that this instance
        added last, if that very frame still lies there; what others added is checked from there.
        """
        last = self._last
        if last is not None and last.file == file:
            data = os.pread(descriptor, _WINDOW_BYTES, last.at)
            if data.startswith(last.frame):
                end = _scan(data)[1]
                if end + _HEAD.size + MAX_BODY_BYTES <= _WINDOW_BYTES:  # the next one would fit
                    return last.at + end
        return _scan(_read_all(descriptor))[1]

    def _write_new(self, bodies: Sequence[bytes]) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        data = b"".join(_frame(body) for body in bodies)
        with temporary.open("wb") as file:
            file.write(data + bytes(max(RESERVE_BYTES, len(data) + MAX_BODY_BYTES) - len(data)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        sync_folder(self._path.parent)

    def _extend(self, descriptor: int, size: int) -> None:
        try:
            os.posix_fallocate(descriptor, size, RESERVE_BYTES)
            os.fsync(descriptor)
        except OSError as error:
            raise Unavailable(
                "journal_full", f"{self._path} is full and the disk gives no more room"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        while True:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                raise Unavailable(
                    "journal_missing", f"{self._path} is missing", hint="run volens doctor"
                ) from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                    yield descriptor
                    return
            finally:
                os.close(descriptor)


def _frame(body: bytes) -> bytes:
    return _HEAD.pack(len(body), hashlib.sha256(body).digest()[:8]) + body


def _mark(descriptor: int) -> int:
    """Follow the heads to the last frame; return a number made of its place and checksum."""
    at, last = 0, bytes(8)
    while len(head := os.pread(descriptor, _HEAD.size, at)) == _HEAD.size:
        length, checksum = _HEAD.unpack(head)
        if not 0 < length <= MAX_BODY_BYTES:
            break
        at, last = at + _HEAD.size + length, checksum
    return int.from_bytes(at.to_bytes(8, "big") + last, "big")


def _read_all(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _scan(data: bytes) -> tuple[list[bytes], int]:
    bodies: list[bytes] = []
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if not 0 < length <= MAX_BODY_BYTES or hashlib.sha256(body).digest()[:8] != checksum:
            break
        bodies.append(body)
        at += _HEAD.size + length
    return bodies, at
