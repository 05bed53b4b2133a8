"""A home made once; each test serves a copy of it, with a clock that it steps."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.homes import Place, place
from volens.app.home import Home
from volens.app.thread import HomeThread
from volens.server.jobs import Jobs
from volens.server.runner import Runner

DAY = timedelta(days=1)


class Served:
    """A home whose jobs run when the test says what time it is."""

    def __init__(
        self,
        where: Place,
        environment: Mapping[str, str] | None = None,
        *,
        backups: Path | None = None,
    ) -> None:
        self.where = where
        self.thread = HomeThread(where.open, read_it=lambda: where.open(writing=False))
        self.jobs: Jobs = self.thread.run_here(
            lambda home: Jobs(
                self.thread, home=home, environment=environment or {}, backups=backups
            )
        )
        self.runner = Runner(self.jobs.listed(), clock=where.clock)

    @property
    def home(self) -> Home:
        """The home; a test touches it while no act runs."""
        return self.thread.run_here(lambda home: home)

    def now(self) -> list[str]:
        """Do what is due now; return the names."""

        async def due() -> list[str]:
            names = self.runner.tick()
            await self.runner.settle()
            return names

        return asyncio.run(due())

    def days(self, count: int) -> None:
        """Let days pass, doing what is due at the end of each."""
        for _ in range(count):
            self.where.clock.step(DAY)
            self.now()

    def alarms(self) -> list[str]:
        return [*self.runner.alarms(), *self.jobs.watched.alarms]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("made"))
    found.create()
    return found


@pytest.fixture
def here(made: Place, tmp_path: Path) -> Place:
    return made.copy(tmp_path)


@pytest.fixture
def served(here: Place) -> Iterator[Served]:
    found = Served(here)
    yield found
    found.thread.close()
