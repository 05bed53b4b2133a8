"""Operations on a home, killed at the system calls that change files, then looked at again."""

from collections.abc import Callable

import pytest

from tests.faults.stories import STORIES, Story, sound, texts
from tests.support.homes import Parts, Place
from tests.support.stores import TRAINING, act
from tests.support.tracing import run_traced
from volens.consent.model import Act
from volens.log.verify import verify_directory

Copies = Callable[[Place], Place]
EVERY = 9
"""The default suite tries every ninth call; the slow one tries all, before and after."""


def look_again(where: Place, story: Story, said: tuple[str, ...]) -> None:
    """Open after a kill, check, repeat, check again; all that was acknowledged must be there."""
    with Parts(where) as home:
        story.check(where, home, said)
        assert home.log.check(deep=True)
    sound(where)
    with Parts(where) as home:
        story.repeat(home)
        story.check(where, home, story.words)
        verifier = home.log.verifier
    report = verify_directory(where.folder / "log", [verifier])
    assert report.pending == 0
    with Parts(where) as home:  # and it converges: once more changes nothing that counts
        story.repeat(home)
        story.check(where, home, story.words)
    sound(where)


def try_story(
    name: str, lived_in: Place, copies: Copies, *, every: int, first: int, both: bool
) -> int:
    story = STORIES[name]
    whole = copies(lived_in)
    run = run_traced(story.prepare(whole))
    assert run.said == story.words
    assert len(run.calls) > 3, run.calls
    look_again(whole, story, run.said)
    tried = 0
    for at in range(first % every, len(run.calls), every):
        for after in (False, True) if both else (False,):
            where = copies(lived_in)
            stopped = run_traced(story.prepare(where), stop_at=at, after=after)
            assert stopped.killed
            assert stopped.calls[at] == run.calls[at]
            try:
                look_again(where, story, stopped.said)
            except BaseException as error:
                place = "after" if after else "before"
                error.add_note(f"killed {place} call {at}, {run.calls[at]}, of {run.calls}")
                raise
            tried += 1
    return tried


@pytest.mark.parametrize("name", STORIES)
def test_a_kill_leaves_nothing_half_done(name: str, lived_in: Place, copies: Copies) -> None:
    first = sum(map(ord, name))  # other calls for each story
    assert try_story(name, lived_in, copies, every=EVERY, first=first, both=False)


@pytest.mark.parametrize(
    "every", [11, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_after_a_kill_readers_come_in_and_anybody_may_withdraw(
    lived_in: Place, copies: Copies, every: int
) -> None:
    """R08: no owner has to come first, not even to undo the killed one's transaction."""
    story = STORIES["no, yes and no in one call"]
    total = len(run_traced(story.prepare(copies(lived_in))).calls)
    for at in range(every // 2, total, every):
        where = copies(lived_in)
        assert run_traced(story.prepare(where), stop_at=at).killed
        with where.open(writing=False) as home:
            ada = home.subjects.find("ada")
            home.ledger.journal(act(99, ada, Act.WITHDRAW))
            assert not home.gate.decide(ada, TRAINING).permit, at
        with Parts(where) as home:
            assert home.ledger.pending() == []
            assert texts(home) == [], at
            assert home.log.check(deep=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_a_kill_at_any_call_leaves_nothing_half_done(
    name: str, lived_in: Place, copies: Copies
) -> None:
    tried = try_story(name, lived_in, copies, every=1, first=0, both=True)
    assert tried > 6
