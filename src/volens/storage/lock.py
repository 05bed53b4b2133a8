"""One process owns a home: an advisory lock that the system gives up when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from volens.core.errors import Unavailable

_POLL_SECONDS = 0.02


class HomeLock:
    """The right to write in a home. Held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Name the lock file; nothing is locked yet."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait_seconds: float = 0.0) -> None:
        """Take the lock.

        Raises:
            Unavailable: ``home_in_use`` if another process holds it for longer than
                `wait_seconds`; the message names its process id.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                    os.close(descriptor)
                    raise Unavailable(
                        "home_in_use",
                        f"process {holder or 'unknown'} is writing in {self._path.parent}",
                        hint="wait for it to end; withdrawing works at any time",
                    ) from None
                time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # the lock holds on a full disk too, only without a name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    @property
    def held(self) -> bool:
        """Say whether this object holds the lock."""
        return self._descriptor is not None

    def release(self) -> None:
        """Give the lock up; no error if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
