"""Only what was flagged or reported waits for a review; its words and its person stay unsaid."""

import pytest

from tests.safety.world import EVE, SECRET, SUE, World
from volens.core.errors import InvalidInput
from volens.holds.reports import ReportReason
from volens.log.kinds import EntryKind, FlagCategory, FlagSeverity
from volens.safety.account_basics import AccountBasics
from volens.safety.model import Origin


def test_nothing_that_nobody_flagged_or_reported_waits(world: World) -> None:
    assert world.safety.queue.items(EVE) == []
    world.flag(world.chat, 3)
    (item,) = world.safety.queue.items(EVE)
    assert (item.conversation, item.turns, item.whole) == (world.chat.id, (3,), False)
    assert world.safety.queue.count(EVE) == 1


def test_an_item_says_neither_whose_it_is_nor_what_was_said(world: World) -> None:
    world.flag(world.chat, 3)
    world.home.reports().file(world.chat, because=ReportReason.HATE, turn=1)
    (item,) = world.safety.queue.items(EVE)
    assert world.ann.id not in repr(item)
    assert SECRET not in repr(item)
    assert item.turns == (1, 3)
    assert item.origins == (Origin.CLASSIFIER, Origin.PERSON)
    assert item.categories == (FlagCategory.ABUSE, FlagCategory.HATE)


def test_the_worst_comes_first(world: World) -> None:
    world.flag(world.chat, 3, severity=FlagSeverity.LOW)
    world.home.reports().file(world.other, because=ReportReason.SELF_HARM)
    first, second = world.safety.queue.items(EVE)
    assert (first.conversation, second.conversation) == (world.other.id, world.chat.id)
    assert (first.whole, first.turns) == (True, tuple(range(6)))
    assert world.safety.queue.items(EVE, skip=1) == [second]


def test_what_a_case_has_dealt_with_waits_no_more_until_it_is_flagged_anew(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    (item,) = world.safety.queue.items(EVE)
    assert item.cases == (case.id,)
    world.safety.cases.close(EVE, case.id)
    assert world.safety.queue.items(EVE) == []
    world.clock.step(case.most)
    world.flag(world.chat, 5)
    assert world.safety.queue.count(EVE) == 1


class TestFlags:
    def test_the_same_flag_again_changes_nothing(self, world: World) -> None:
        world.flag(world.chat, 3, 2)
        world.flag(world.chat, 2, 3)
        assert world.safety.flags.count() == 1
        (entry,) = world.entries(EntryKind.FLAG_RAISED)
        assert set(entry.fields) == {"commitment", "category", "severity"}

    @pytest.mark.parametrize(
        ("turns", "name", "code"),
        [
            ((), "guard", "flag_turns"),
            ((6,), "guard", "turn_unknown"),
            ((-1,), "guard", "turn_unknown"),
            ((1,), "Ann Other <ann@example.org>", "flag_classifier"),
            ((1,), "", "flag_classifier"),
        ],
    )
    def test_what_fits_nothing_is_refused(
        self, world: World, turns: tuple[int, ...], name: str, code: str
    ) -> None:
        with pytest.raises(InvalidInput) as caught:
            world.flag(world.chat, *turns, classifier=name)
        assert caught.value.code == code
        assert world.entries(EntryKind.FLAG_RAISED) == []


def test_support_sees_how_an_account_is_set_up_and_nothing_of_a_chat(world: World) -> None:
    found = world.safety.basics.of(SUE, "ann")
    assert found.id == world.ann.id
    assert set(AccountBasics.__slots__) == {
        "created",
        "id",
        "organisation",
        "plan",
        "region",
        "status",
        "tier",
    }
    assert world.entries(EntryKind.ACCESS_INTENT) == []
