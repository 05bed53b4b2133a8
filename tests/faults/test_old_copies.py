"""Old copies of a whole home, opened with what custody is left once their epoch is destroyed."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.stories import texts
from tests.support.homes import Parts, Place, add, place
from tests.support.stores import START, act, talk
from volens.app.erasing import eraser_of
from volens.app.retention import retention_of
from volens.consent.model import Act
from volens.core.errors import Unavailable, VerificationFailed
from volens.core.ids import ErasureId
from volens.holds.erasure import COOL_OFF, PROMISE, ErasureState, new_erasure
from volens.log.kinds import CaptureSource, ErasureScope

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
BOTH = ["said by ada", "said by bo"]


@pytest.fixture(scope="session")
def _tracing() -> None:
    """Nothing is traced here."""


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Ada and Bo said yes; each has a chat."""
    (tmp_path / "now").mkdir()
    found = place(tmp_path / "now")
    found.create()
    with Parts(found) as home:
        for name in ("ada", "bo"):
            (one,) = add(home, name)
            said = talk(f"{name} a", f"said by {name}", "yes")
            home.vault.capture({one: [said]}, source=CaptureSource.IMPORT)
            home.ledger.record([act(one.number, one, Act.GRANT)])
    return found


def copy_of(where: Place, to: Path) -> Place:
    """Copy the home alone: its custody is the one that goes on living."""
    return Place(folder=where.copy(to).folder, kek=where.kek, clock=where.clock)


def opened(copy: Place, to: Path) -> list[str]:
    """Open all of a copy as somebody would who takes every refusal out of its database."""
    again = copy_of(copy, to)
    with closing(sqlite3.connect(again.folder / "main.db")) as database, database:
        database.execute("DELETE FROM erasure")
        database.execute("UPDATE subject SET status = 'active'")
    with Parts(again) as home:
        people = list(home.subjects.all())
        found, why = tried(lambda: texts(home))
        names, _ = tried(lambda: list(home.gate.references(people)))
    assert why in {"", "kek_missing"}
    assert sorted(names) == (["ada", "bo"] if found else [])
    return found


def tried(opening: Callable[[], list[str]]) -> tuple[list[str], str]:
    """Return what was opened, or nothing and why."""
    try:
        return opening(), ""
    except Unavailable as error:
        return [], error.code


def run(where: Place, at: datetime) -> None:
    """Do what is done every day."""
    where.clock.moment = at
    with where.open() as home:
        done = retention_of(home, eraser_of(home)).run(at)
        assert not done.alarms


def ask(where: Place) -> ErasureId:
    with where.open() as home:
        ada = home.subjects.find("ada")
        wanted = new_erasure(b"e" * 16, ErasureScope.ACCOUNT, ada.id, where.clock.now())
        return home.erasures.request(wanted).id


def last_copy(where: Place, to: Path) -> Place:
    """Copy the home as keys are about to be removed, in an epoch as young as can be."""
    where.clock.step(-SECOND)
    with where.open() as home:
        home.rotation.rotate("civilian-eu")
    return copy_of(where, to)


SLOW = [
    pytest.param(phase, marks=pytest.mark.slow) for phase in (timedelta(0), -timedelta(hours=12))
]


@pytest.mark.parametrize("phase", [-SECOND, *SLOW])
def test_no_copy_opens_anything_of_the_erased_after_30_days_and_whoever_stays_has_all(
    here: Place, tmp_path: Path, phase: timedelta
) -> None:
    """Daily runs at the best and at the worst time of day."""
    for day in range(1, 11):
        run(here, START + day * DAY + phase)
    requested = here.clock.moment = START + 10 * DAY
    copies = {"before": copy_of(here, tmp_path / "before")}
    asked = ask(here)
    gone: dict[str, datetime] = {}
    for day in range(1, 31):
        at = here.clock.moment = requested + day * DAY + phase
        if at >= requested + COOL_OFF and "last" not in copies:
            copies["last"] = last_copy(here, tmp_path / "last")
        run(here, at)
        for name in copies.keys() - gone.keys():
            found = opened(copies[name], tmp_path / f"{name}-{day}")
            assert found in (BOTH, [])
            gone |= {} if found else {name: at}
        with here.open() as home:  # it is said as soon as it is so of each copy, and never before
            is_over = home.erasures.find(asked).state is ErasureState.IRRECOVERABLE
        assert is_over == (set(gone) == {"before", "last"})
    assert requested + 21 * DAY < gone["last"] <= requested + PROMISE - SECOND
    for at in (requested + 30 * DAY - SECOND, requested + 30 * DAY):
        here.clock.moment = at
        for name, copy in copies.items():
            assert opened(copy, tmp_path / f"{name} {at}") == []
            with pytest.raises(VerificationFailed):  # and it is not even taken for the home
                copy.open()
        with Parts(here) as home:
            assert texts(home) == BOTH[1:]
            assert list(home.gate.references(list(home.subjects.all()))) == ["bo"]
