"""One thread for one home: whatever touches the home runs there, one act after another.

A home's databases and its log have one writer and are not made for several threads. Doors are
asynchronous: they hand an act to the thread and wait without blocking others.

What people take back must not wait for a long act. It needs no more than a home opened for reading
(its journals take appends from anybody), so there is a second thread with such a home beside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from volens.app.home import Home
from volens.core.errors import Unavailable

MOST_WAITING = 512
_Result = TypeVar("_Result")
Steps = Generator[None, None, _Result]
"""A long act in steps: others may come between two of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How one act had the thread."""

    waited_seconds: float
    held_seconds: float


class HomeThread:
    """Runs acts on a home in its own thread."""

    def __init__(
        self,
        open_it: Callable[[], Home],
        *,
        read_it: Callable[[], Home] | None = None,
        most_waiting: int = MOST_WAITING,
        told: Callable[[Held], None] = lambda _held: None,
    ) -> None:
        """Open the home in the thread with `open_it`.

        Args:
            open_it: opens the home.
            read_it: opens it for reading, beside; without it, `beside` is as `run`.
            most_waiting: with so many acts waiting, a further one is refused.
            told: told of each act, from the thread.

        Raises:
            VolensError: whatever `open_it` or `read_it` raises.
        """
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="home")
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")
        self._most = most_waiting
        self._told = told
        self._read_it = read_it
        self._reader: Home | None = None
        self.waiting = 0
        """How many acts wait or run."""
        try:
            self._home = self._pool.submit(open_it).result()
        except BaseException:
            self._pool.shutdown()
            self._beside.shutdown()
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
        handed = time.monotonic()
        try:
            future = self._pool.submit(self._timed, act, handed)
        except BaseException:
            self.waiting -= 1
            raise
        future.add_done_callback(self._count_down)
        return await asyncio.wrap_future(future)

    async def beside(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` on the home as it is opened for reading, without waiting for other acts.

        For what takes back: `home.ledger.journal`, `home.erasures.request`. It holds as soon as the
        act returns; the owner's next drain takes it in.
        """
        if self._read_it is None:
            return await self.run(act)
        return await asyncio.wrap_future(self._beside.submit(self._on_reader, act))

    async def aside(self, act: Callable[[Home], _Result]) -> _Result:
        """Run a long look on a home opened for reading just for it, in a thread of its own.

        The owner may write meanwhile: what is read is of several moments.
        """
        if self._read_it is None:
            return await self.run(act)
        return await asyncio.to_thread(_look, self._read_it, act)

    async def run_steps(self, begin: Callable[[Home], Steps[_Result]]) -> _Result:
        """Run a long act in steps, with other acts between them; return what it returns."""
        steps = await self.run(begin)
        done: list[_Result] = []

        def go_on(home: Home) -> bool:
            del home
            try:
                next(steps)
            except StopIteration as ended:
                done.append(ended.value)
                return False
            return True

        while await self.run(go_on):
            pass
        return done[0]

    def draw(self, size_bytes: int) -> bytes:
        """Return random bytes of the home's source, without waiting for acts."""
        return self._home.entropy.draw(size_bytes)

    def run_here(self, act: Callable[[Home], _Result]) -> _Result:
        """Run `act` and wait for it, from outside an event loop."""
        return self._pool.submit(act, self._home).result()

    def close(self) -> None:
        """Finish what waits, publish, and let go of the home."""
        try:
            self._beside.submit(self._close_reader).result()
            self._pool.submit(self._home.close).result()
        finally:
            self._beside.shutdown()
            self._pool.shutdown()

    def _timed(self, act: Callable[[Home], _Result], handed: float) -> _Result:
        begun = time.monotonic()
        try:
            result = act(self._home)
            self._home.epoch.settle()  # what may have narrowed is committed
            return result
        finally:
            ended = time.monotonic()
            self._told(Held(waited_seconds=begun - handed, held_seconds=ended - begun))

    def _on_reader(self, act: Callable[[Home], _Result]) -> _Result:
        # A policy that was put in force since is read only by opening anew.
        if self._reader is not None and self._reader.policy.ref != self._home.policy.ref:
            self._close_reader()
        if self._reader is None:
            assert self._read_it is not None
            self._reader = self._read_it()
        return act(self._reader)

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(Unavailable):
                reader.close()

    def _count_down(self, done: object) -> None:
        del done
        self.waiting -= 1


def _look(read_it: Callable[[], Home], act: Callable[[Home], _Result]) -> _Result:
    with read_it() as home:
        return act(home)
