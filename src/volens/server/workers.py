"""Processes beside the owner that answer nothing but whether something may be used.

They open the home for reading and share one listening socket. Before each answer they look at the
journals and the database's change counter (`app.changes`), so what somebody took back counts at
once; how long a change took to be seen by each is measured and told.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from prometheus_client.core import Metric

from volens.door.metrics import gauge

_ROW: Final = struct.Struct("<qddd")
"""Of each worker: changes seen, how long the last took, the longest, when it last said so."""
_SILENT_SECONDS: Final = 5.0
_ENDING_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one worker has seen of changes."""

    changes: int
    last_seconds: float
    longest_seconds: float
    alive: float
    """When it last said so, by the clock that all processes of a machine share, in seconds."""


class Board:
    """A few numbers of each worker, in memory that all of them share."""

    def __init__(self, file: IO[bytes], count: int) -> None:
        """Share `file`, with a row for each of `count` workers."""
        self._memory = mmap.mmap(file.fileno(), _ROW.size * count)

    def write(self, number: int, seen: Seen) -> None:
        """Write the row of a worker, who alone writes it."""
        row = _ROW.pack(seen.changes, seen.last_seconds, seen.longest_seconds, seen.alive)
        self._memory[number * _ROW.size : (number + 1) * _ROW.size] = row

    def read(self, number: int) -> Seen:
        """Return the row of a worker."""
        changes, last, longest, alive = _ROW.unpack_from(self._memory, number * _ROW.size)
        return Seen(changes=changes, last_seconds=last, longest_seconds=longest, alive=alive)


class Crew:
    """Starts the workers, starts again those that ended, and ends them."""

    def __init__(
        self,
        count: int,
        taken: socket.socket,
        folder: Path,
        *,
        options: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        """Start `count` workers.

        Args:
            count: how many, 1 and more.
            taken: where they listen.
            folder: the home.
            options: further arguments of `volens.server.worker`.
            environment: theirs.
        """
        self._count = count
        self._taken = taken
        self._folder = folder
        self._options = tuple(options)
        self._environment = dict(environment)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the crew
        self._file.truncate(_ROW.size * count)
        self._board = Board(self._file, count)
        self._processes = [self._start(number) for number in range(count)]

    @property
    def missing(self) -> int:
        """How many are not there, or have said nothing for long."""
        now = time.monotonic()
        return sum(
            process.poll() is not None or now - self._board.read(number).alive > _SILENT_SECONDS
            for number, process in enumerate(self._processes)
        )

    def look_after(self) -> None:
        """Start again those that ended."""
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                self._processes[number] = self._start(number)

    def seen(self) -> list[Seen]:
        """Return what each has seen."""
        return [self._board.read(number) for number in range(self._count)]

    def end(self) -> None:
        """End all of them, in order if they can."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _ENDING_SECONDS
        for process in self._processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def gauges(self) -> Iterator[Metric]:
        """Yield what a scrape is told of them."""
        seen = [(str(number), one) for number, one in enumerate(self.seen())]
        yield gauge(
            "volens_choice_visible_seconds",
            "How long the last change took until a worker saw it.",
            [(name, one.last_seconds) for name, one in seen],
            "worker",
        )
        yield gauge(
            "volens_choice_visible_longest_seconds",
            "The longest that a change took.",
            [(name, one.longest_seconds) for name, one in seen],
            "worker",
        )
        yield gauge(
            "volens_choice_changes_seen",
            "Changes that a worker has seen.",
            [(name, float(one.changes)) for name, one in seen],
            "worker",
        )

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        board = self._file.fileno()
        self._board.write(
            number,
            Seen(changes=0, last_seconds=0.0, longest_seconds=0.0, alive=time.monotonic()),
        )
        return subprocess.Popen(  # noqa: S603 - this very program
            [
                *(sys.executable, "-m", "volens.server.worker", str(self._folder)),
                *(str(self._taken.fileno()), str(board), str(self._count), str(number)),
                *(str(os.getpid()), *self._options),
            ],
            pass_fds=(self._taken.fileno(), board),
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )
