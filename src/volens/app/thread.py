"""One thread for one home: whatever touches the home runs there, one act after another.

A home's databases and its log have one writer and are not made for several threads. Doors are
asynchronous: they hand an act to the thread and wait without blocking others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from volens.app.home import Home
from volens.core.errors import Unavailable

MOST_WAITING = 512
_Result = TypeVar("_Result")


class HomeThread:
    """Runs acts on a home in its own thread."""

    def __init__(self, open_it: Callable[[], Home], *, most_waiting: int = MOST_WAITING) -> None:
        """Open the home in the thread with `open_it`.

        Args:
            open_it: opens the home.
            most_waiting: with so many acts waiting, a further one is refused.

        Raises:
            VolensError: whatever `open_it` raises.
        """
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="home")
        self._most = most_waiting
        self.waiting = 0
        """How many acts wait or run."""
        try:
            self._home = self._pool.submit(open_it).result()
        except BaseException:
            self._pool.shutdown()
            raise

    async def run(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` on the home after those that wait already, and return what it returns.

        An act that was handed over is done even if nobody waits for its result any more.

        Raises:
            Unavailable: ``busy`` if too many wait.
        """
        if self.waiting >= self._most:
            hint = "try again in a moment"
            raise Unavailable("busy", f"{self.waiting} acts are waiting already", hint=hint)
        self.waiting += 1
        try:
            future = self._pool.submit(act, self._home)
        except BaseException:
            self.waiting -= 1
            raise
        future.add_done_callback(self._count_down)
        return await asyncio.wrap_future(future)

    def draw(self, size_bytes: int) -> bytes:
        """Return random bytes of the home's source, without waiting for acts."""
        return self._home.entropy.draw(size_bytes)

    def run_here(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` and wait for it, from outside an event loop."""
        return self._pool.submit(act, self._home).result()

    def close(self) -> None:
        """Finish what waits, publish, and let go of the home."""
        try:
            self._pool.submit(self._home.close).result()
        finally:
            self._pool.shutdown()

    def _count_down(self, done: object) -> None:
        del done
        self.waiting -= 1
