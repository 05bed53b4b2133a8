"""Small homes to try things on: made once, copied for each test."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import SeededEntropy, SteppedClock
from tests.support.stores import START
from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.vault.subjects import NewSubject, Subject


@dataclass(frozen=True)
class Place:
    """Where a home lies, and the clock its tests step."""

    folder: Path
    kek: Path
    clock: SteppedClock

    @property
    def environment(self) -> Mapping[str, str]:
        return {"VOLENS_KEK_DIR": str(self.kek)}

    def create(self, *, pack: str = "consent-first", seed: int = 0) -> None:
        create_home(
            self.folder,
            pack=pack,
            region=Region.EU,
            realm=Realm.CIVILIAN,
            environment=self.environment,
            clock=self.clock,
            entropy=SeededEntropy(seed),
        )

    def open(self, *, writing: bool = True, wait_seconds: float = 0.0) -> Home:
        """Open it with the system's entropy: copies must not draw the same bytes twice."""
        return open_home(
            self.folder,
            writing=writing,
            wait_seconds=wait_seconds,
            environment=self.environment,
            clock=self.clock,
        )

    def copy(self, to: Path) -> "Place":
        """Copy a home that nobody has open."""
        for folder in (self.folder, self.kek):
            shutil.copytree(folder, to / folder.name, symlinks=True)
        return place(to)


def place(under: Path) -> Place:
    """Name a home below a folder; nothing is made."""
    return Place(folder=under / "home", kek=under / "kek", clock=SteppedClock(START))


def add(home: Home, *references: str, plan: str = "free") -> list[Subject]:
    """Add adults of the home's own region."""
    region = home.identity.region
    return home.subjects.add(
        [NewSubject(reference=one, plan=plan, region=region) for one in references]
    )
