"""How long something may be looked at, and how long it was."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.safety.world import BOB, EVE, RAY, TICK, World
from tests.support.homes import add
from tests.support.stores import act, notice
from volens.access.model import Role
from volens.app.access import accounts_of, roles_of
from volens.app.safety import safety_of
from volens.cli.acting import member_of
from volens.consent.model import Act
from volens.core.errors import Denied, NotFound, Unavailable
from volens.core.purposes import Purpose, Signal
from volens.log.kinds import AccessOutcome, Actor, EntryKind, ExceptionClass
from volens.safety.leases import LONGEST, lease_of_plan
from volens.vault.subjects import Subject

MINUTES = timedelta(minutes=1)
RATING = Purpose.HUMAN_FEEDBACK


def say(world: World, subject: Subject, kind: Act) -> None:
    """Let a person say yes to rating, or take it back."""
    world.clock.step(TICK)
    event = act(kind is Act.GRANT, subject, kind, purpose=RATING, at=world.clock.now())
    shown = notice(RATING) if kind is Act.GRANT else None
    world.home.ledger.record([replace(event, notice=shown)])


def test_a_lease_is_15_minutes_at_most_and_shorter_from_pro_on(world: World) -> None:
    pack = world.home.policy.pack
    assert lease_of_plan(pack, "free") == LONGEST == 15 * MINUTES
    for plan in set(pack.plans) - {"free"}:
        assert lease_of_plan(pack, plan) == 5 * MINUTES < LONGEST
    assert lease_of_plan(pack, "nobody-knows") == 5 * MINUTES
    (pia,) = add(world.home, "pia", plan="pro")
    (held,) = world.talk(pia, 1)
    world.flag(held, 2)
    case = world.open(turns={held.id: (2,)})
    look = world.safety.cases.look(EVE, case.id, held.id)
    assert look.ends == world.clock.now() + 5 * MINUTES


def test_no_lease_outlasts_its_case(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open(days=1)
    world.clock.step(timedelta(days=1) - MINUTES)
    assert world.safety.cases.look(EVE, case.id, world.chat.id).ends == case.closes


def test_looking_away_logs_how_long_it_was_viewed(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    look = world.safety.cases.look(EVE, case.id, world.chat.id)
    world.clock.step(timedelta(seconds=41))
    for _ in range(2):
        assert world.safety.cases.look_away(EVE, look.lease).lasted == timedelta(seconds=41)
    (done,) = world.entries(EntryKind.ACCESS_DONE)
    assert done.fields == {
        "intent": look.log_index,
        "count": 1,
        "duration_ms": 41_000,
        "outcome": AccessOutcome.COMPLETED,
    }


def test_nobody_ends_somebody_elses_lease(world: World) -> None:
    world.flag(world.chat, 2, 3)
    look = world.safety.cases.look(EVE, world.open().id, world.chat.id)
    with pytest.raises(NotFound):
        world.safety.cases.look_away(BOB, look.lease)


def test_a_lease_ends_by_itself_and_says_no_more_than_its_length(world: World) -> None:
    world.flag(world.chat, 2, 3)
    world.safety.cases.look(EVE, world.open().id, world.chat.id)
    world.clock.step(LONGEST - TICK)
    assert world.safety.run(world.clock.now()).ended == 0
    world.clock.step(TICK)
    assert world.safety.run(world.clock.now()).ended == 1
    world.clock.step(timedelta(hours=5))
    assert world.safety.run(world.clock.now()).ended == 0
    (done,) = world.entries(EntryKind.ACCESS_DONE)
    assert done.fields["duration_ms"] == LONGEST // TICK


def test_a_lease_nobody_ended_is_ended_at_the_next_touch(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    first = world.safety.cases.look(EVE, case.id, world.chat.id)
    world.clock.step(timedelta(hours=2))
    second = world.safety.cases.look(EVE, case.id, world.chat.id)
    (done,) = world.entries(EntryKind.ACCESS_DONE)
    assert (done.fields["intent"], done.fields["duration_ms"]) == (
        first.log_index,
        LONGEST // TICK,
    )
    assert second.log_index != first.log_index
    views = world.safety.cases.leases(EVE, case.id)
    assert [one.ended is None for one in views] == [False, True]


def test_what_cant_be_logged_is_not_opened(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    with world.where.open(writing=False) as reading, pytest.raises(Unavailable) as caught:
        safety_of(reading).cases.look(EVE, case.id, world.chat.id)
    assert caught.value.code == "read_only"


class TestRaters:
    def test_raters_see_only_what_was_granted(self, world: World) -> None:
        assert world.safety.rating.records(RAY) == []
        with pytest.raises(Denied) as caught:
            world.safety.rating.look(RAY, world.chat.id)
        assert caught.value.code == "no_grant"
        assert world.entries(EntryKind.ACCESS_INTENT) == []

    def test_a_granted_chat_is_shown_under_a_lease_until_the_yes_is_taken_back(
        self, world: World
    ) -> None:
        say(world, world.ann, Act.GRANT)
        found = world.safety.rating.records(RAY)
        assert found == [world.chat.id, world.other.id]
        assert world.safety.rating.records(RAY, limit=1) == found[:1]
        look = world.safety.rating.look(RAY, found[0])
        assert len(look.turns) == 6
        (intent,) = world.entries(EntryKind.ACCESS_INTENT)
        assert intent.fields["actor"] is Actor.RATER
        assert "exception" not in intent.fields
        with pytest.raises(Denied):
            world.safety.rating.look(RAY, world.foreign.id)
        world.home.vault.set_signal(world.other, Signal.EXCLUDED, world.ann.holder)
        assert world.safety.rating.records(RAY) == [world.chat.id]
        say(world, world.ann, Act.WITHDRAW)
        assert world.safety.rating.records(RAY) == []

    def test_no_case_opens_anything_to_a_rater(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open()
        with pytest.raises(NotFound):
            world.safety.cases.look(RAY, case.id, world.chat.id)
        with pytest.raises(Denied):
            world.safety.rating.look(EVE, world.chat.id)


def test_a_member_acts_with_the_roles_of_the_moment(world: World) -> None:
    with pytest.raises(NotFound):
        member_of(world.home, "eve")
    eve = accounts_of(world.home).add_staff("eve")
    assert member_of(world.home, "Eve").roles == frozenset()
    until = world.clock.now() + timedelta(days=1)
    roles_of(world.home).give(eve, Role.TRUST_AND_SAFETY, until=until)
    assert member_of(world.home, eve.id).roles == {Role.TRUST_AND_SAFETY}
    world.clock.step(timedelta(days=1))
    assert member_of(world.home, eve.id).roles == frozenset()
    accounts_of(world.home).end(eve)
    with pytest.raises(Denied):
        member_of(world.home, eve.id)


def test_the_class_is_only_on_exceptional_accesses(world: World) -> None:
    world.flag(world.chat, 2, 3)
    world.texts(world.open(exception=ExceptionClass.PHYSICAL_HARM))
    (intent,) = world.entries(EntryKind.ACCESS_INTENT)
    assert intent.fields["purpose"] is Purpose.EMERGENCY
    assert intent.fields["exception"] is ExceptionClass.PHYSICAL_HARM
    assert intent.fields["actor"] is Actor.TRUST_AND_SAFETY
