"""Whether anything in a home has changed since somebody looked: cheap enough to ask each time.

For processes that keep answers in memory beside the one that owns the home.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Final

from volens.app.home import Home

Mark = tuple[tuple[int, int, int], tuple[int, int, int], int]
_COUNTER: Final = struct.Struct(">I")
_COUNTER_AT: Final = 24  # https://sqlite.org/fileformat.html#file_change_counter


class Changes:
    """Tells marks of a home: two that are equal mean that nothing was written in between.

    A mark covers the journals of choices and erasures and every commit to the main database. Take
    it before reading what it is to vouch for. With a rollback journal each commit counts the file's
    change counter up, and no reader sees a new counter with old pages: it would wait for the lock.
    """

    def __init__(self, home: Home) -> None:
        """Look at `home`, from any thread."""
        self._choices = home.ledger
        self._erasures = home.erasures
        self._database = home.folder / "main.db"
        journals = home.folder / "journal"
        self._files = (self._database, journals / "choices", journals / "erasures")

    def mark(self) -> Mark:
        """Return the present mark."""
        return (self._choices.stamp(), self._erasures.stamp(), _counter(self._database))

    def age_seconds(self) -> float:
        """Return how long ago something was last written, by this machine's files and clock."""
        newest = max(path.stat().st_mtime for path in self._files if path.exists())
        return max(0.0, time.time() - newest)


def _counter(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.pread(descriptor, _COUNTER.size, _COUNTER_AT)
    finally:
        os.close(descriptor)
    return int(_COUNTER.unpack(found)[0]) if len(found) == _COUNTER.size else 0
