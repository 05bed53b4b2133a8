"""Killed at a call to the system while keys are rotated or destroyed: every key is kept or gone."""

import shutil
from collections.abc import Callable

import pytest

from tests.faults.stories import ADA, sound, texts
from tests.faults.test_killed_homes import Copies, Trial, try_points
from tests.support.homes import Parts, Place, add
from tests.support.stores import act, talk
from tests.support.tracing import Operation, Run, run_traced
from volens.consent.model import Act
from volens.crypto.epochs import EpochState
from volens.log.entries import parse_entry
from volens.log.kinds import CaptureSource, EntryKind, KeyEvent

EU = "civilian-eu"
ENDS = {
    (EpochState.LIVE,),
    (EpochState.ENDING, EpochState.LIVE),
    (EpochState.RETIRED, EpochState.LIVE),
    (EpochState.DESTROYED, EpochState.LIVE),
}


def states(home: Parts) -> tuple[EpochState, ...]:
    return tuple(one.epoch.state for one in home.rotation.status())


def events(home: Parts) -> list[tuple[object, object]]:
    entries = [parse_entry(entry) for entry in home.log.entries(0, home.log.size)]
    return [
        (entry.fields["epoch"], entry.fields["event"])
        for entry in entries
        if entry.kind is EntryKind.KEY_EPOCH
    ]


def keks(where: Place) -> set[str]:
    return {path.name.split(".")[1] for path in where.kek.rglob("*.kek")}


def true_to_itself(where: Place, home: Parts) -> None:
    """Everything opens, and what is said is so."""
    assert texts(home) == ADA
    assert len(list(home.gate.references(list(home.subjects.all())))) == home.subjects.count()
    found = states(home)
    assert found in ENDS
    said = events(home)
    gone = "000001" not in keks(where)
    assert gone or (1, KeyEvent.DESTROYED) not in said
    assert gone or found[0] is not EpochState.DESTROYED
    assert not gone or found[0] in {EpochState.RETIRED, EpochState.DESTROYED}
    assert len(found) == 1 or (2, KeyEvent.CREATED) in said
    unmoved = [one.epoch.pages for one in home.rotation.status()][:-1]
    assert found[0] in {EpochState.LIVE, EpochState.ENDING} or unmoved == [0]


def after(where: Place) -> None:
    """The next run does the rest, and the home goes on."""
    with Parts(where) as home:
        if states(home)[0] in {EpochState.LIVE, EpochState.ENDING}:
            home.rotation.rotate(EU)
        home.rotation.destroy_expired(at_once=True)
        assert states(home) == (EpochState.DESTROYED, EpochState.LIVE)
        assert (1, KeyEvent.DESTROYED) in events(home)
        assert keks(where) == {"000002"}
        true_to_itself(where, home)
        (cy,) = add(home, "cy")
        home.vault.capture({cy: [talk("cy a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(60, cy, Act.GRANT)])
        assert texts(home) == [*ADA, "hello from cy a"]
        assert home.log.check(deep=True)
    sound(where)


def trial_of(
    copies: Copies, start: Place, operation: Callable[[Parts, Callable[[str], None]], None]
) -> Trial:
    def trial(at: int | None, after_call: bool) -> Run:
        where = copies(start)

        def in_child() -> Operation:
            home = Parts(where)

            def traced(say: Callable[[str], None]) -> None:
                with home:
                    operation(home, say)

            return traced

        run = run_traced(in_child, stop_at=at, after=after_call)
        with Parts(where) as home:
            true_to_itself(where, home)
            if "rotated" in run.said:
                assert states(home) == (EpochState.RETIRED, EpochState.LIVE)
            if "destroyed" in run.said:
                assert states(home) == (EpochState.DESTROYED, EpochState.LIVE)
        after(where)
        shutil.rmtree(where.folder.parent)
        return run

    return trial


def rotate(home: Parts, say: Callable[[str], None]) -> None:
    home.rotation.rotate(EU, batch_pages=1)
    say("rotated")


def destroy(home: Parts, say: Callable[[str], None]) -> None:
    home.rotation.destroy_expired(at_once=True)
    say("destroyed")


@pytest.fixture
def rotated(lived_in: Place, copies: Copies) -> Place:
    where = copies(lived_in)
    with Parts(where) as home:
        home.rotation.rotate(EU)
    return where


def test_a_killed_rotation_loses_no_key_and_is_finished_by_the_next(
    lived_in: Place, copies: Copies
) -> None:
    try_points(trial_of(copies, lived_in, rotate), every=9, both=False)


def test_a_killed_destruction_is_said_only_when_it_is_done(rotated: Place, copies: Copies) -> None:
    try_points(trial_of(copies, rotated, destroy), every=5, both=False)


@pytest.mark.slow
def test_a_rotation_killed_at_each_call(lived_in: Place, copies: Copies) -> None:
    try_points(trial_of(copies, lived_in, rotate), every=1, both=True)


@pytest.mark.slow
def test_a_destruction_killed_at_each_call(rotated: Place, copies: Copies) -> None:
    try_points(trial_of(copies, rotated, destroy), every=1, both=True)
