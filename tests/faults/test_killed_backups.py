"""Killed at a call to the system while a backup is made or restored, or a database is stamped."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.stories import ADA, sound, status, unheard, withdraw
from tests.faults.test_killed_homes import Copies, Trial, try_points
from tests.support.homes import Place, add
from tests.support.stores import TRAINING
from tests.support.tracing import Operation, Run, run_traced
from volens.app.backup import make_backup
from volens.app.home import Home
from volens.app.identity import IDENTITY
from volens.app.restoring import plan_restore, restore
from volens.core.errors import NotFound
from volens.core.purposes import ConsentStatus

Say = Callable[[str], None]


def under(where: Place) -> Path:
    return where.folder.parent


def traced_home(where: Place, operation: Callable[[Home, Say], None]) -> Callable[[], Operation]:
    def in_child() -> Operation:
        home = where.open()

        def traced(say: Say) -> None:
            with home:
                operation(home, say)
            say("closed")

        return traced

    return in_child


def settled(where: Place) -> None:
    """The home opens, for reading too, and everything is there."""
    with where.open(writing=False) as home:
        assert home.gate.preview(TRAINING)[0] == len(ADA)
    with where.open() as home:
        assert home.gate.preview(TRAINING)[0] == len(ADA)
        assert home.owned_log().check(deep=True)
    sound(where)


# --- backup ---------------------------------------------------------------------------------------


def backup_trial(copies: Copies, lived_in: Place) -> Trial:
    def trial(at: int | None, after: bool) -> Run:
        where = copies(lived_in)
        out = under(where) / "backup"

        def back_up(home: Home, say: Say) -> None:
            make_backup(home, out)
            say("made")

        run = run_traced(traced_home(where, back_up), stop_at=at, after=after)
        assert out.exists() or "made" not in run.said
        settled(where)
        if not out.exists():
            with where.open() as home:
                make_backup(home, out)
        assert plan_restore(out, environment=where.environment, clock=where.clock).erased == 0
        assert {path.name for path in under(where).iterdir()} == {"home", "kek", "backup"}
        shutil.rmtree(under(where))
        return run

    return trial


def test_a_backup_is_whole_or_is_not_there(lived_in: Place, copies: Copies) -> None:
    try_points(backup_trial(copies, lived_in), every=40, both=False)


@pytest.mark.slow
def test_a_backup_is_whole_or_is_not_there_at_each_call(lived_in: Place, copies: Copies) -> None:
    try_points(backup_trial(copies, lived_in), every=3, both=False)


# --- restore --------------------------------------------------------------------------------------


@pytest.fixture
def lost(lived_in: Place, copies: Copies) -> Place:
    """Backed up, then Ada withdrew, then the home was lost."""
    where = copies(lived_in)
    with where.open() as home:
        make_backup(home, under(where) / "backup")
    with where.open() as home:
        withdraw(home, unheard)  # type: ignore[arg-type]  # a whole home has the same ledger and subjects
    shutil.rmtree(where.folder)
    return where


def restore_trial(tmp_path: Path, lost: Place) -> Trial:
    numbers = iter(range(1_000_000))

    def trial(at: int | None, after: bool) -> Run:
        folder = tmp_path / "tries" / str(next(numbers))
        shutil.copytree(under(lost), folder, symlinks=True)
        where = Place(folder=folder / "home", kek=folder / "kek", clock=lost.clock)

        def bring_back() -> None:
            plan = plan_restore(folder / "backup", environment=where.environment, clock=where.clock)
            restore(plan, where.folder, environment=where.environment, clock=where.clock)

        def in_child() -> Operation:
            def traced(say: Say) -> None:
                bring_back()
                say("restored")

            return traced

        run = run_traced(in_child, stop_at=at, after=after)
        there = (where.folder / IDENTITY).exists()
        assert there or "restored" not in run.said
        if not there:
            with pytest.raises(NotFound):  # no door answers from a half-restored home
                where.open(writing=False)
            bring_back()
        with where.open() as home:
            ada = home.subjects.find("ada")
            assert status(home.ledger, ada) is ConsentStatus.WITHDRAWN
            assert home.gate.preview(TRAINING)[0] == 0
            assert len(list(home.gate.references([ada]))) == 1
            assert home.owned_log().check(deep=True)
        sound(where)
        shutil.rmtree(folder)
        return run

    return trial


def test_a_restored_home_answers_only_when_all_is_re_applied(lost: Place, tmp_path: Path) -> None:
    try_points(restore_trial(tmp_path, lost), every=60, both=False)


@pytest.mark.slow
def test_a_restored_home_answers_only_when_all_is_re_applied_at_each_call(
    lost: Place, tmp_path: Path
) -> None:
    try_points(restore_trial(tmp_path, lost), every=6, both=False)


# --- stamps ---------------------------------------------------------------------------------------


def stamp_trial(copies: Copies, lived_in: Place) -> Trial:
    def trial(at: int | None, after: bool) -> Run:
        where = copies(lived_in)

        def work(home: Home, say: Say) -> None:
            add(home, "cy")
            home.ledger.drain()
            add(home, "di")
            say("added")

        run = run_traced(traced_home(where, work), stop_at=at, after=after)
        settled(where)
        with where.open() as home:
            assert home.subjects.count() == 4 or "added" not in run.said
        shutil.rmtree(under(where))
        return run

    return trial


def test_a_stop_is_never_taken_for_an_older_copy(lived_in: Place, copies: Copies) -> None:
    try_points(stamp_trial(copies, lived_in), every=15, both=False)


@pytest.mark.slow
def test_a_stop_at_any_call_is_never_taken_for_an_older_copy(
    lived_in: Place, copies: Copies
) -> None:
    try_points(stamp_trial(copies, lived_in), every=2, both=False)
