"""Runs jobs when they are due: each by itself, so that one that fails or lasts stops no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from volens.core.errors import VolensError
from volens.core.ports import Clock
from volens.server.schedule import Progress, Rhythm, failed, is_due, is_late, succeeded

TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What doing a job came to."""

    alarm: str = ""
    """What is wrong, a word; empty if nothing."""
    again: timedelta | None = None
    """After how long to look again, if sooner than the rhythm."""


WELL = Found()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that happens by itself."""

    name: str
    rhythm: Rhythm
    work: Callable[[], Awaitable[Found]]
    since: datetime
    """When it was last done, by whomever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """That a job was done, or failed."""

    job: str
    seconds: float
    trouble: str
    """The code of the error; empty if it was done."""


@dataclass(slots=True)
class _Line:
    job: Job
    progress: Progress
    task: asyncio.Task[None] | None = None
    counted: dict[str, int] = field(default_factory=dict)


class Runner:
    """Looks at the clock and starts what is due."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        clock: Clock,
        told: Callable[[Told], None] = lambda _told: None,
    ) -> None:
        """Take the jobs; nothing runs before `tick`."""
        self._lines = {job.name: _Line(job, Progress(since=job.since)) for job in jobs}
        self._clock = clock
        self._told = told

    def tick(self) -> list[str]:
        """Start what is due now and not running; return the names."""
        now = self._clock.now()
        started = []
        for name, line in self._lines.items():
            if line.task is None and is_due(line.job.rhythm, line.progress, now):
                line.task = asyncio.ensure_future(self._do(line, now))
                started.append(name)
        return started

    async def settle(self) -> None:
        """Wait for what was started."""
        running = [line.task for line in self._lines.values() if line.task is not None]
        await asyncio.gather(*running)

    async def run(self, ended: asyncio.Event) -> None:
        """Tick until `ended`; then wait for what was started."""
        while not ended.is_set():
            self.tick()
            try:
                await asyncio.wait_for(ended.wait(), TICK_SECONDS)
            except TimeoutError:
                continue
        await self.settle()

    def progress(self) -> dict[str, Progress]:
        """Return how far each job is."""
        return {name: line.progress for name, line in self._lines.items()}

    def alarms(self) -> list[str]:
        """Return what somebody has to look at now, as words: what is late, failed or was found."""
        now = self._clock.now()
        found = []
        for name, line in self._lines.items():
            if is_late(line.job.rhythm, line.progress, now):
                found.append(f"{name}_late")
            if line.progress.failures:
                found.append(f"{name}_failed:{line.progress.trouble}")
            if line.progress.alarm:
                found.append(line.progress.alarm)
        return found

    async def _do(self, line: _Line, now: datetime) -> None:
        begun = time.monotonic()
        trouble = ""
        try:
            found = await line.job.work()
            line.progress = succeeded(line.progress, now, alarm=found.alarm, again=found.again)
        except VolensError as error:
            trouble = error.code
        except Exception as error:  # noqa: BLE001 - whatever it was, the other jobs go on
            trouble = type(error).__name__
        finally:
            line.task = None
        if trouble:
            line.progress = failed(line.progress, now, trouble)
        seconds = time.monotonic() - begun
        self._told(Told(job=line.job.name, seconds=seconds, trouble=trouble))
