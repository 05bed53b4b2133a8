"""A withdrawal at every moment of a build at which it asks for the time: it is honoured or refused.

The clock that the build reads is what lets another process in: at its n-th reading a withdrawal is
journaled, as any process may.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.faults.stories import ADA
from tests.support.homes import Parts, Place, journaling
from tests.support.stores import START, TRAINING, act
from volens.consent.model import Act
from volens.datasets.verify import verify_dataset

Copies = Callable[[Place], Place]


class InterruptingClock:
    """A clock that moves by a millisecond each time, and calls somebody at one reading."""

    def __init__(self, at: int, call: Callable[[], None]) -> None:
        self.moment = START
        self.readings = 0
        self._at, self._call = at, call

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        self.readings += 1
        if self.readings == self._at:
            self._call()
        return self.moment


def test_no_build_that_ends_after_a_withdrawal_holds_the_persons_words(
    lived_in: Place, copies: Copies
) -> None:
    at, late = 0, 0
    while late < 2:  # on to the moments after the build
        at += 1
        where = copies(lived_in)
        with Parts(where) as home:
            bo = home.subjects.find("bo")
            home.ledger.record([act(20, bo, Act.GRANT)])
            ada = home.subjects.find("ada")
        ledger = journaling(where)

        def withdraw() -> None:
            ledger.journal(act(21, ada, Act.WITHDRAW))  # noqa: B023 - called in this round

        clock = InterruptingClock(at, withdraw)
        with Parts(Place(folder=where.folder, kek=where.kek, clock=clock)) as home:  # type: ignore[arg-type]
            builder = home.builder(where, clock=clock)
            begun = clock.readings
            result = builder.build(TRAINING, where.folder.parent / "out")
            came = clock.readings >= at > begun
            report = verify_dataset(result.out, home.log.verifier)
            assert report.counts.records == (1 if came else 1 + len(ADA)), at
            kept = [manifest.dataset for manifest in builder.known()]
            assert kept == [result.dataset], at
        late += not came and clock.readings < at
    assert at > 6
