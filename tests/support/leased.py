"""A home with a sealed dataset that somebody leases, and others who take things back meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.homes import Place, add
from tests.support.ports import SeededEntropy
from tests.support.stores import TRAINING, act, talk
from volens.app.home import Home, open_home
from volens.app.leases import Leased, open_lease
from volens.consent.model import Act
from volens.datasets.build import BuildResult
from volens.gate.leases import Lease
from volens.log.kinds import CaptureSource
from volens.vault.subjects import Subject


@dataclass(frozen=True)
class LeasedHome:
    """Where it is, who is in it, and the folder of the dataset."""

    where: Place
    people: list[Subject]
    dataset: Path
    built: BuildResult

    def lease(self, *, name: str = "") -> Lease:
        """Open a lease; nobody owns the home afterwards."""
        return self.leased(name=name).lease

    def leased(self, *, name: str = "", run: str = "") -> Leased:
        with self.where.open() as home:
            return open_lease(
                home, self.dataset, name=name, run=run, environment=self.where.environment
            )

    def withdraw(self, number: int, *people: Subject) -> None:
        """Take yeses back from a process that does not own the home."""
        with self.where.open(writing=False) as home:
            for place, one in enumerate(people):
                home.ledger.journal(act(number + place, one, Act.WITHDRAW))

    def text_of(self, person: int) -> bytes:
        return b"secret of person %d," % person


def leased_home(where: Place, *, people: int = 4, chats: int = 3) -> LeasedHome:
    """Let people say yes and build a dataset of all they said.

    Their ids are the same each time, and with them the places at which they are trained on.
    """
    with open_home(
        where.folder,
        writing=True,
        environment=where.environment,
        clock=where.clock,
        entropy=SeededEntropy(5),
    ) as home:
        names = [f"person {number}" for number in range(people)]
        subjects = add(home, *names)
        _talk(home, subjects, chats)
        home.ledger.record([act(n, one, Act.GRANT) for n, one in enumerate(subjects)])
        dataset = where.folder.parent / "set"
        built = home.datasets().build(TRAINING, dataset)
    return LeasedHome(where=where, people=subjects, dataset=dataset, built=built)


def _talk(home: Home, subjects: list[Subject], chats: int) -> None:
    said = {
        one: [
            talk(
                f"chat {chat}", f"secret of person {number}, chat {chat}", f"answer {number} {chat}"
            )
            for chat in range(chats)
        ]
        for number, one in enumerate(subjects)
    }
    home.vault.capture(said, source=CaptureSource.IMPORT)
