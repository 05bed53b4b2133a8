"""Whether anything in a home has changed since somebody looked: cheap enough to ask each time.

For processes that keep answers in memory beside the one that owns the home.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from volens.app.home import Home

JournalStamp = tuple[int, int, int]
Mark = tuple[JournalStamp, JournalStamp, int]
_COUNTER: Final = struct.Struct(">I")
_LENGTH: Final = 4
"""Bytes of the length with which a frame of a journal begins; zero: there is none."""
_CHECKSUM_BITS: Final = 64
"""The last number of a journal's stamp is the place after its last frame, then 64 bits of it."""
_COUNTER_AT: Final = 24  # https://sqlite.org/fileformat.html#file_change_counter


class Changes:
    """Tells marks of a home: two that are equal mean that nothing was written in between.

    A mark covers the journals of choices and erasures and every commit to the main database. Take
    it before reading what it is to vouch for. With a rollback journal each commit counts the file's
    change counter up, and no reader sees a new counter with old pages: it would wait for the lock.
    """

    def __init__(self, home: Home) -> None:
        """Look at `home`, from any thread."""
        database, journals = home.folder / "main.db", home.folder / "journal"
        self._files = (database, journals / "choices", journals / "erasures")
        self._choices = _Watched(self._files[1], home.ledger.stamp)
        self._erasures = _Watched(self._files[2], home.erasures.stamp)
        # Nothing puts another file in its place while the home is open.
        self._database = os.open(database, os.O_RDONLY | os.O_CLOEXEC)

    def mark(self) -> Mark:
        """Return the present mark."""
        return (self._choices.stamp(), self._erasures.stamp(), _counter(self._database))

    def __del__(self) -> None:
        """Let go of the files."""
        os.close(self._database)

    def age_seconds(self) -> float:
        """Return how long ago something was last written, by this machine's files and clock."""
        newest = max(path.stat().st_mtime for path in self._files if path.exists())
        return max(0.0, time.time() - newest)


class _Watched:
    """A journal, asked for its stamp again only if it may have another.

    Its file is only ever added to, or replaced by another one (`volens.storage.journal`). So as
    long as path, time and the place where the next frame would begin are as they were, it is as
    it was.
    """

    def __init__(self, path: Path, stamp: Callable[[], JournalStamp]) -> None:
        self._path = os.fspath(path)
        self._stamp = stamp
        self._known: JournalStamp = (0, 0, 0)
        self._descriptor = -1

    def stamp(self) -> JournalStamp:
        """Return what the journal's own `stamp` would return now."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - asked before each answer
        except FileNotFoundError:
            return self._stamp()
        known = self._known
        same = (status.st_ino, status.st_mtime_ns) == known[:2]
        if same and not any(os.pread(self._descriptor, _LENGTH, known[2] >> _CHECKSUM_BITS)):
            return known
        self._close()
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        inode = os.fstat(self._descriptor).st_ino
        found = self._stamp()
        # Another file came in its place in between: what is watched is looked at anew next time.
        self._known = found if found[0] == inode else (0, 0, 0)
        return found

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self._close()


def _counter(descriptor: int) -> int:
    found = os.pread(descriptor, _COUNTER.size, _COUNTER_AT)
    return int(_COUNTER.unpack(found)[0]) if len(found) == _COUNTER.size else 0
