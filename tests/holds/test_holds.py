"""The register of holds: logged first, told to the right people, over by itself, erased again."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.holds.holding import (
    DAY,
    TICK,
    TURNS,
    FakeErasures,
    Register,
    chat,
    hold_id,
    new_hold,
)
from tests.support.stores import START
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable
from volens.core.ids import IdKind, parse_id
from volens.holds.model import encode_hold
from volens.holds.register import Act
from volens.holds.tables import HOLD, HOLD_ACT, HOLD_SCOPE
from volens.log.entries import commit
from volens.log.kinds import EntryKind, HoldClass, HoldEnd

LEGAL, SAFETY = HoldClass.LEGAL, HoldClass.SAFETY


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)


def rows(register: Register) -> list[int]:
    with register.engine.connect() as db:
        return [len(db.execute(table.select()).all()) for table in (HOLD, HOLD_SCOPE, HOLD_ACT)]


class TestPlacing:
    def test_a_hold_is_found_as_it_was_placed(self, register: Register) -> None:
        placed = register.place(1, *register.chats[:2], turns=(1, 3), gag_until=START + DAY)
        assert register.holds.find(placed.id) == placed
        assert register.holds.all() == register.holds.active(START) == [placed]
        assert register.holds.of_subject(register.ann.id) == [placed]
        assert register.holds.of_subject(register.bob.id) == []

    def test_the_log_says_what_was_done_and_not_to_whom(self, register: Register) -> None:
        hold = register.place(1, gag_until=START + DAY)
        register.holds.extend(hold.id, START, until=hold.until + DAY)
        register.holds.review(hold.id, "officer-9", START)
        register.holds.release(hold.id, START)
        assert register.log.kinds() == [
            EntryKind.HOLD_PLACED,
            EntryKind.HOLD_CHANGED,
            EntryKind.HOLD_CHANGED,
            EntryKind.HOLD_RELEASED,
        ]
        told = repr(register.log.entries)
        for secret in (hold.id, register.ann.id, *hold.conversations, "docket", "officer"):
            assert secret not in told
        first, _, _, last = register.log.entries
        assert first.fields["class"] is LEGAL
        assert first.fields["gag_until"] == START + DAY
        assert last.fields["end"] is HoldEnd.RELEASED

    def test_each_entry_opens_to_the_hold_as_it_then_was(self, register: Register) -> None:
        hold = register.place(1)
        longer = register.holds.extend(hold.id, START, until=hold.until + DAY)
        register.clock.step(DAY)
        over = register.holds.release(hold.id, register.now())
        acts = register.holds.acts(hold.id)
        assert [one.act for one in acts] == [Act.PLACED, Act.EXTENDED, Act.ENDED]
        assert [one.body for one in acts] == [encode_hold(one) for one in (hold, longer, over)]
        assert [one.at for one in acts] == [START, START, START + DAY]
        for one in acts:
            fields = register.log.entries[one.log_index].fields
            assert commit(one.salt, one.body) == fields["commitment"]
        assert len({one.salt for one in acts}) == 3

    def test_the_same_hold_again_changes_nothing(self, register: Register) -> None:
        hold = register.place(1)
        assert register.holds.place(hold, START) == hold
        longer = register.holds.extend(hold.id, START, until=hold.until + DAY)
        register.clock.step(40 * DAY)
        register.holds.expire(register.now())
        over = register.holds.place(hold, register.now())
        assert (over.until, over.end) == (longer.until, HoldEnd.EXPIRED)
        assert len(register.log.entries) == 3

    def test_another_hold_under_a_taken_id_is_refused(self, register: Register) -> None:
        register.place(1)
        for other in (
            lambda: register.place(1, days=31),
            lambda: register.place(1, register.chats[1]),
            lambda: register.place(1, hold_class=SAFETY),
        ):
            with pytest.raises(InvalidInput) as refused:
                other()
            assert refused.value.code == "hold_conflict"
        assert len(register.log.entries) == 1

    def test_what_is_not_here_or_not_theirs_is_not_held(self, register: Register) -> None:
        mine, other = register.chats[0], register.others[0]
        for chats, error, code in (
            ([chat(99)], NotFound, "conversation_unknown"),
            ([mine, chat(99)], NotFound, "conversation_unknown"),
            ([mine, other], InvalidInput, "hold_owner"),
        ):
            with pytest.raises(error) as refused:
                register.place(1, *chats)
            assert refused.value.code == code
        assert rows(register) == [0, 0, 0]
        assert register.log.entries == []

    def test_turns_that_are_not_there_are_not_held(self, register: Register) -> None:
        with pytest.raises(InvalidInput, match="no turn 6") as refused:
            register.place(1, turns=(0, TURNS))
        assert refused.value.code == "hold_turns"
        assert register.place(2, turns=(0, TURNS - 1)).in_force(START)

    def test_a_hold_that_can_not_be_logged_keeps_nothing(self, register: Register) -> None:
        register.log.full = True
        with pytest.raises(Unavailable):
            register.place(1)
        assert register.holds.holding(register.chats[0], START) is None
        register.log.full = False
        assert register.place(1).in_force(START)

    def test_a_stop_after_the_log_leaves_no_hold_and_a_repeat_places_it(
        self, register: Register
    ) -> None:
        register.log.stop = True
        with pytest.raises(KeyboardInterrupt):
            register.place(1)
        assert rows(register) == [0, 0, 0]
        register.log.stop = False
        hold = register.place(1)
        assert register.holds.all() == [hold]

    def test_trying_a_hold_places_nothing(self, register: Register) -> None:
        wanted = new_hold(subject=register.ann.id, scope={register.chats[0]: ()})
        assert register.holds.prepare(wanted, START) == wanted
        assert rows(register) == [0, 0, 0]

    def test_a_hold_that_is_not_here_is_not_found_whatever_is_asked(
        self, register: Register
    ) -> None:
        holds = register.holds
        for ask in (
            lambda: holds.find(hold_id(5)),
            lambda: holds.acts(hold_id(5)),
            lambda: holds.extend(hold_id(5), START, until=START + DAY),
            lambda: holds.review(hold_id(5), "officer-1", START),
            lambda: holds.release(hold_id(5), START),
        ):
            with pytest.raises(NotFound) as refused:
                ask()
            assert refused.value.code == "hold_unknown"


class TestDaysOfASafetyHold:
    def test_a_second_hold_on_the_same_turns_keeps_them_no_longer(self, register: Register) -> None:
        register.place(1, hold_class=SAFETY, days=365)
        register.clock.step(100 * DAY)
        with pytest.raises(InvalidInput) as refused:
            register.place(2, hold_class=SAFETY, days=265.001)
        assert refused.value.code == "hold_too_long"
        second = register.place(2, hold_class=SAFETY, days=200)
        assert second.first_day == START
        with pytest.raises(InvalidInput):
            register.holds.extend(second.id, register.now(), until=START + 365 * DAY + TICK)
        longest = register.holds.extend(second.id, register.now(), until=START + 365 * DAY)
        assert register.holds.find(second.id) == longest

    def test_the_row_goes_on_through_the_second_and_a_gap_that_nobody_used(
        self, register: Register
    ) -> None:
        register.place(1, hold_class=SAFETY, days=10)
        register.clock.step(20 * DAY)
        second = register.place(2, hold_class=SAFETY, days=10)
        assert second.counted_from == START
        register.holds.settle(register.holds.expire(register.now()), register.now())
        third = register.place(3, hold_class=SAFETY, days=10)
        assert third.counted_from == START

    def test_once_what_waited_was_seen_to_the_days_begin_anew(self, register: Register) -> None:
        register.place(1, hold_class=SAFETY, days=365)
        register.clock.step(365 * DAY)
        with pytest.raises(InvalidInput):
            register.place(2, hold_class=SAFETY, days=1)
        register.holds.settle(register.holds.expire(register.now()), register.now())
        assert register.place(2, hold_class=SAFETY, days=365).counted_from is None

    def test_other_turns_other_chats_and_legal_holds_count_for_themselves(
        self, register: Register
    ) -> None:
        register.place(1, hold_class=SAFETY, turns=(1, 2), days=365)
        register.place(2, hold_class=LEGAL, days=365)
        register.clock.step(DAY)
        assert register.place(3, hold_class=SAFETY, turns=(0, 3), days=365).counted_from is None
        one = register.place(4, register.chats[1], hold_class=SAFETY, days=365)
        assert one.counted_from is None
        assert register.place(5, hold_class=SAFETY, turns=(2, 4), days=300).counted_from == START
        assert register.place(6, hold_class=SAFETY, days=300).counted_from == START


class TestAsking:
    def test_the_strongest_hold_on_each_is_told_by_id_and_by_raw_id(
        self, register: Register
    ) -> None:
        first, second, third, _ = register.chats
        safety = register.place(1, first, second, hold_class=SAFETY, days=60)
        legal = register.place(2, first, days=10)
        assert register.holds.holding(first, START) == legal
        raw = parse_id(IdKind.CONVERSATION, first)
        assert register.holds.holding(raw, START + 10 * DAY) == safety
        assert register.holds.holding(third, START) is None
        several = register.holds.holding_many([first, second, third], START)
        assert several == {first: legal, second: safety}
        assert register.holds.holding_many([second], START) == {second: safety}
        assert register.holds.holding_many([], START) == {}

    def test_many_are_asked_about_at_once(self, register: Register) -> None:
        hold = register.place(1)
        many = [chat(number) for number in range(5000, 7500)]
        assert register.holds.holding_many([*many, *register.chats], START) == {
            register.chats[0]: hold
        }

    def test_in_force_and_over_by_itself_meet_at_the_end(self, register: Register) -> None:
        hold = register.place(1)
        for at, active, expired in (
            (hold.until - TICK, [hold], []),
            (hold.until, [], [hold]),
        ):
            assert register.holds.active(at) == active
            assert register.holds.expired(at) == expired
        register.clock.step(30 * DAY)
        register.holds.expire(register.now())
        assert [one.id for one in register.holds.expired(register.now())] == [hold.id]
        released = register.place(2)
        register.holds.release(released.id, register.now())
        assert register.holds.active(register.now()) == []
        assert len(register.holds.expired(released.until)) == 1

    def test_the_next_end_is_told(self, register: Register) -> None:
        assert register.holds.next_end(START) is None
        register.place(1, days=30)
        short = register.place(2, register.chats[1], days=10)
        assert register.holds.next_end(START) == START + 10 * DAY
        assert register.holds.next_end(START + 10 * DAY) == START + 30 * DAY
        register.holds.release(short.id, START)
        assert register.holds.next_end(START) == START + 30 * DAY

    def test_a_gagged_hold_shows_itself_at_the_end_of_the_gag(self, register: Register) -> None:
        gagged = register.place(1, gag_until=START + DAY)
        told = register.place(2, register.chats[1])
        seen = register.holds.visible_to_subject
        assert seen(register.ann.id, START) == [told]
        assert seen(register.ann.id, START + DAY - TICK) == [told]
        assert seen(register.ann.id, START + DAY) == [gagged, told]
        assert seen(register.bob.id, START + DAY) == []

    def test_a_gag_ends_with_the_release_of_its_hold(self, register: Register) -> None:
        gagged = register.place(1, gag_until=START + 30 * DAY)
        assert register.holds.visible_to_subject(register.ann.id, START + DAY) == []
        register.holds.release(gagged.id, START + DAY)
        (seen,) = register.holds.visible_to_subject(register.ann.id, START + DAY)
        assert seen.end is HoldEnd.RELEASED

    def test_overdue_reviews_are_listed_and_a_review_takes_them_off(
        self, register: Register
    ) -> None:
        safety = register.place(1, hold_class=SAFETY, days=365)
        register.place(2, hold_class=LEGAL, days=365)
        due = START + 90 * DAY
        assert register.holds.review_due(due - TICK) == []
        assert register.holds.review_due(due) == [safety]
        assert register.holds.review_due(START + 7 * DAY, every=timedelta(days=7)) == [safety]
        reviewed = register.holds.review(safety.id, "officer-2", due)
        assert register.holds.review_due(due + 90 * DAY - TICK) == []
        assert register.holds.review_due(due + 90 * DAY) == [reviewed]


class TestErasingAgain:
    def test_releasing_a_hold_erases_what_had_waited_for_it(self, register: Register) -> None:
        held, free, *_ = register.chats
        hold = register.place(1, held)
        engine = FakeErasures(register)
        engine.ask(held, free)
        engine.run()
        assert held in engine.content
        assert free not in engine.content
        register.holds.release(hold.id, register.now())
        engine.run()
        assert held not in engine.content
        assert rows(register) == [0, 0, 0]

    def test_a_hold_ends_by_itself_at_its_end_and_the_erasure_goes_on(
        self, register: Register
    ) -> None:
        held = register.chats[0]
        register.place(1, held, days=30)
        engine = FakeErasures(register)
        engine.ask(held)
        register.clock.step(30 * DAY - TICK)
        engine.run()
        assert engine.content[held] == tuple(range(TURNS))
        register.clock.step(TICK)
        engine.run()
        assert held not in engine.content
        assert register.log.entries[-1].fields["end"] is HoldEnd.EXPIRED

    def test_safety_keeps_what_a_legal_order_let_go_until_it_ends_too(
        self, register: Register
    ) -> None:
        held = register.chats[0]
        register.place(1, held, hold_class=LEGAL, days=10)
        register.place(2, held, hold_class=SAFETY, days=20)
        engine = FakeErasures(register)
        engine.ask(held)
        for at, there in ((10, True), (20 - 1e-8, True), (20, False)):
            register.clock.moment = START + at * DAY
            engine.run()
            assert (held in engine.content) == there

    def test_only_held_turns_stay_and_fewer_with_each_hold_that_ends(
        self, register: Register
    ) -> None:
        held = register.chats[0]
        register.place(1, held, turns=(1, 2), days=10)
        register.place(2, held, turns=(2, 5), hold_class=SAFETY, days=20)
        engine = FakeErasures(register)
        engine.ask(held)
        for at in (0, 10, 20):
            register.clock.moment = START + at * DAY - TICK
            engine.run()
            register.clock.moment += TICK
            engine.run()
        assert engine.carvings == [(held, (1, 2, 5)), (held, (2, 5))]
        assert held not in engine.content

    def test_what_nobody_asked_to_erase_stays_when_its_hold_ends(self, register: Register) -> None:
        hold = register.place(1)
        engine = FakeErasures(register)
        register.holds.release(hold.id, register.now())
        engine.run()
        assert set(engine.content) == set(register.chats)
        assert register.holds.freed().holds == ()

    def test_what_was_freed_is_told_again_until_it_was_seen_to(self, register: Register) -> None:
        first, second, *_ = register.chats
        one = register.place(1, first, second, days=10)
        register.place(2, second, days=20)
        register.clock.step(10 * DAY)
        freed = register.holds.expire(register.now())
        assert freed.holds == (one.id,)
        assert freed.free == {first: register.ann.id}
        assert freed.narrowed == {second: register.ann.id}
        assert register.holds.expire(register.now()) == freed == register.holds.freed()
        assert len(register.log.entries) == 3
        register.holds.settle(freed, register.now())
        assert register.holds.freed().holds == ()

    def test_a_stop_between_erasing_and_saying_so_is_made_good(self, register: Register) -> None:
        first, second, *_ = register.chats
        register.place(1, first, second, days=10)
        engine = FakeErasures(register)
        engine.ask(first)
        register.clock.step(10 * DAY)
        engine.run(stop_before_settling=True)
        assert list(register.holds.freed().free) == [second]
        engine.run()
        assert register.holds.freed().holds == ()

    def test_an_end_that_can_not_be_logged_frees_nothing(self, register: Register) -> None:
        register.place(1, days=10)
        register.clock.step(10 * DAY)
        register.log.full = True
        with pytest.raises(Unavailable):
            register.holds.expire(register.now())
        assert register.holds.freed().holds == ()
        with pytest.raises(Denied) as refused:
            register.holds.erase_conversations(register.chats)
        assert refused.value.code == "held"
        register.log.full = False
        assert list(register.holds.expire(register.now()).free) == register.chats[:1]

    def test_settling_does_not_touch_a_hold_in_force(self, register: Register) -> None:
        register.place(1, days=10)
        register.clock.step(10 * DAY)
        freed = register.holds.expire(register.now())
        again = register.place(2, days=10)
        register.holds.settle(freed, register.now())
        register.holds.release(again.id, register.now())
        assert register.holds.freed().holds == (again.id,)

    def test_a_released_hold_stays_as_it_is_when_released_again(self, register: Register) -> None:
        hold = register.place(1)
        released = register.holds.release(hold.id, START + DAY)
        assert register.holds.release(hold.id, START + 2 * DAY) == released
        assert released.released == START + DAY
        late = register.place(2)
        assert register.holds.release(late.id, late.until).end is HoldEnd.EXPIRED
        assert register.log.kinds().count(EntryKind.HOLD_RELEASED) == 2


class TestErasingTheRegister:
    def test_nothing_of_a_hold_in_force_is_erased(self, register: Register) -> None:
        register.place(1)
        before = rows(register)
        for erase in (
            lambda: register.holds.erase_conversations(register.chats),
            lambda: register.holds.erase_subject(register.ann.id),
        ):
            with pytest.raises(Denied) as refused:
                erase()
            assert refused.value.code == "held"
        assert rows(register) == before

    def test_a_hold_goes_with_the_last_of_its_chats_and_its_salts_with_the_first(
        self, register: Register
    ) -> None:
        first, second, *_ = register.chats
        hold = register.place(1, first, second)
        other = register.place(2, register.others[0], person=register.bob)
        register.holds.release(hold.id, START)
        register.holds.erase_conversations([first])
        assert list(register.holds.find(hold.id).conversations) == [second]
        assert register.holds.acts(hold.id) == []
        for _ in range(2):
            register.holds.erase_conversations([first, second])
            assert register.holds.all() == [other]
        assert rows(register) == [1, 1, 1]

    def test_with_the_account_goes_every_hold_on_it_and_no_other(self, register: Register) -> None:
        hold = register.place(1, *register.chats)
        other = register.place(2, register.others[0], person=register.bob)
        register.holds.release(hold.id, START)
        for _ in range(2):
            register.holds.erase_subject(register.ann.id)
            assert register.holds.all() == [other]
        assert rows(register) == [1, 1, 1]
        raw = parse_id(IdKind.SUBJECT, register.ann.id)
        with register.engine.connect() as db:
            for table in (HOLD, HOLD_SCOPE, HOLD_ACT):
                assert raw.hex() not in repr(db.execute(table.select()).all())
