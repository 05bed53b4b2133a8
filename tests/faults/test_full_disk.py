"""The disk is full: taking back still works; everything else fails clearly, with nothing half-done.

R08: a withdrawal is accepted at any time. The journal's space is reserved when the home is made.
"""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.faults.stories import (
    ADA,
    STORIES,
    grant,
    reimport,
    sound,
    status,
    texts,
    unheard,
    withdraw,
)
from tests.support.disks import NoDisk, SmallDisk, run_on_small_disk
from tests.support.homes import Parts, Place, add, journaling, place
from tests.support.stores import TRAINING, act, talk
from volens.consent.model import Act
from volens.core.errors import Unavailable
from volens.core.purposes import ConsentStatus
from volens.log.kinds import CaptureSource

DISK_BYTES = 4 * 1024 * 1024
OnDisk = Callable[[Callable[[SmallDisk], None]], None]


@pytest.fixture
def on_disk(tmp_path: Path) -> OnDisk:
    def run(story: Callable[[SmallDisk], None]) -> None:
        try:
            run_on_small_disk(tmp_path, story, size_bytes=DISK_BYTES)
        except NoDisk as error:
            pytest.skip(f"this system lets nobody mount a small disk: {error}")

    return run


def refused(operation: Callable[[], object]) -> None:
    """The operation says what is wrong and what to do about it."""
    with pytest.raises(Unavailable) as trouble:
        operation()
    assert trouble.value.hint
    assert "full" in trouble.value.message or "No space" in trouble.value.message


def test_withdrawals_are_accepted_on_a_full_disk(lived_in: Place, on_disk: OnDisk) -> None:
    def story(disk: SmallDisk) -> None:
        where = lived_in.copy(disk.folder)
        disk.fill()
        with pytest.raises(OSError, match="No space"):
            (disk.folder / "more").write_bytes(bytes(8192))
        with Parts(where) as home:
            ada = home.subjects.find("ada")
            verifier = home.log.verifier
        ledger = journaling(where)
        assert status(ledger, ada) is ConsentStatus.GRANTED
        for number in range(300):
            ledger.journal(act(100 + number, ada, Act.WITHDRAW))
        assert status(ledger, ada) is ConsentStatus.WITHDRAWN
        assert status(journaling(where), ada) is ConsentStatus.WITHDRAWN
        refused(where.open)  # nobody owns it until there is space to write the log
        refused(where.open)
        assert status(ledger, ada) is ConsentStatus.WITHDRAWN
        disk.free()
        with Parts(where) as home:
            assert home.ledger.pending() == []
            assert len(home.ledger.history(ada.id)) == 301
            assert texts(home) == []
            assert home.log.verifier.key_id == verifier.key_id
            assert home.log.check(deep=True)
        sound(where)

    on_disk(story)


def test_the_owner_too_may_withdraw_on_a_full_disk_and_nothing_else(
    lived_in: Place, on_disk: OnDisk
) -> None:
    operations: dict[str, Callable[[Parts], object]] = {
        "grant": lambda home: grant(home, unheard),
        "import": lambda home: reimport(home, unheard),
        "somebody new": lambda home: add(home, "cy"),
        "a withdrawal": lambda home: withdraw(home, unheard),
        "a use": texts,
    }

    def story(disk: SmallDisk) -> None:
        for number, name in enumerate(operations):
            folder = disk.folder / str(number)
            folder.mkdir()
            where = lived_in.copy(folder)
            home = Parts(where)
            ada = home.subjects.find("ada")
            disk.fill()

            def try_it(home: Parts, name: str) -> None:
                with home:
                    operations[name](home)

            refused(lambda: try_it(home, name))  # noqa: B023 - called at once
            withdrawn = name == "a withdrawal"
            expected = ConsentStatus.WITHDRAWN if withdrawn else ConsentStatus.GRANTED
            assert status(journaling(where), ada) is expected
            disk.free()
            with Parts(where) as home:
                assert status(home.ledger, ada) is expected
                assert home.subjects.count() == 2
                assert home.log.check(deep=True)
                assert texts(home) == ([] if withdrawn else ADA)
            sound(where)
            shutil.rmtree(folder)

    on_disk(story)


SWEPT = {
    "a grant": lambda home: grant(home, unheard),
    "new words of known conversations come in": lambda home: reimport(home, unheard),
}


@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.parametrize(
    "blocks", [range(0, 40, 13), pytest.param(range(60), marks=pytest.mark.slow)]
)
def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_done(
    lived_in: Place, on_disk: OnDisk, name: str, blocks: range
) -> None:
    def story(disk: SmallDisk) -> None:
        succeeded = 0
        for free, number in zip(blocks, count(), strict=False):
            folder = disk.folder / str(number)
            folder.mkdir()
            where = lived_in.copy(folder)
            home, said = Parts(where), list[str]()
            disk.fill(leave_blocks=free)
            try:
                with home:
                    SWEPT[name](home)
                    said = [word for word in STORIES[name].words if word != "closed"]
            except Unavailable:
                said = []
            succeeded += bool(said)
            disk.free()
            with Parts(where) as home:
                STORIES[name].check(where, home, tuple(said))
                assert home.log.check(deep=True)
            with Parts(where) as home:
                STORIES[name].repeat(home)
                STORIES[name].check(where, home, STORIES[name].words)
            sound(where)
            shutil.rmtree(folder)
        assert 0 < succeeded < len(blocks)

    on_disk(story)


def test_a_home_is_not_half_made_on_a_full_disk(on_disk: OnDisk) -> None:
    def story(disk: SmallDisk) -> None:
        where = place(disk.folder / "new")
        for free in (1, 20, 60):
            disk.fill(leave_blocks=free)
            refused(where.create)
            refused(where.create)
            disk.free()
        where.create()
        with where.open() as home:
            (ada,) = add(home, "ada")
            home.vault.capture({ada: [talk("a")]}, source=CaptureSource.IMPORT)
            assert not home.gate.decide(ada, TRAINING).permit

    on_disk(story)
