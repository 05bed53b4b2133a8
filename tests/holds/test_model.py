"""One hold, and what several add up to: every hold ends, and the order of them is total."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.docs.pages import vectors
from tests.holds.holding import ANN, DAY, TICK, TURNS, chat, hold_id, new_hold
from tests.support.stores import START
from volens.core.errors import InvalidInput
from volens.core.ids import ConversationId, HoldId, SubjectId
from volens.core.purposes import Purpose
from volens.holds.carving import EMPTY_TURN, carve_payload
from volens.holds.model import (
    LEGAL_STEP,
    REVIEW_EVERY,
    SAFETY_MOST,
    Hold,
    check_new,
    encode_hold,
    end_hold,
    extend_hold,
    review_hold,
)
from volens.holds.precedence import (
    PURPOSE_OF,
    HeldReason,
    Ruler,
    by_conversation,
    decide_held,
    held_until,
    kept_turns,
    on,
    order_of,
    ruler_of,
    strongest,
    told_until,
)
from volens.log.entries import commit
from volens.log.kinds import HoldClass, HoldEnd
from volens.vault.model import Conversation, Payload, Role, Turn, pack_payload, unpack_payload

LEGAL, SAFETY = HoldClass.LEGAL, HoldClass.SAFETY
MOMENTS = st.integers(0, 400 * 24).map(lambda hours: START + timedelta(hours=hours))


@st.composite
def holds(draw: st.DrawFn) -> Hold:
    """Any hold that can be."""
    hold_class = draw(st.sampled_from(HoldClass))
    placed = START + timedelta(hours=draw(st.integers(0, 48)))
    until = placed + timedelta(hours=draw(st.integers(1, 365 * 24)))
    gag = draw(st.none() | st.integers(1, 100).map(lambda part: placed + (until - placed) / part))
    turns = st.lists(st.integers(0, TURNS + 1), max_size=4).map(tuple)
    scope = draw(st.dictionaries(st.integers(1, 3).map(chat), turns, min_size=1))
    number = draw(st.integers(1, 10**6))
    return new_hold(
        number, scope=scope, hold_class=hold_class, placed=placed, until=until, gag_until=gag
    )


def code_of(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    return error.value.code


def test_a_hold_is_written_and_committed_to_as_the_page_says() -> None:
    page = vectors("holds")
    hold = Hold(
        id=HoldId("hld_mbqwey3emvtgo2djnjvwy3lon4"),
        hold_class=SAFETY,
        subject=SubjectId("sub_ibaueq2eivdeoscjjjfuytkoj4"),
        conversations={
            ConversationId("cnv_qcayfa4eqwdipcejrkfyzdmor4"): (4, 1, 2),
            ConversationId("cnv_obyxe43uov3ho6dzpj5xy7l6p4"): (),
        },
        authority="abuse-report-118",
        reviewer="trust_and_safety-4",
        placed=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        until=datetime(2027, 1, 31, 9, 30, tzinfo=UTC),
        gag_until=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert encode_hold(hold).decode() == page["hold"]
    assert commit(bytes.fromhex(page["salt"]), encode_hold(hold)).hex() == page["commitment"]


class TestOne:
    @pytest.mark.parametrize("until", [START, START - TICK, START - DAY])
    @pytest.mark.parametrize("hold_class", HoldClass)
    def test_there_is_no_hold_without_an_end_to_come(
        self, hold_class: HoldClass, until: datetime
    ) -> None:
        with pytest.raises(InvalidInput, match="ends before it begins") as refused:
            new_hold(hold_class=hold_class, until=until)
        assert code_of(refused) == "hold_end"
        assert new_hold(hold_class=hold_class, until=START + TICK).in_force(START)

    def test_a_hold_ends_at_its_end_and_not_after_it(self) -> None:
        hold = new_hold(days=30)
        assert hold.in_force(START + 30 * DAY - TICK)
        assert not hold.in_force(START + 30 * DAY)

    def test_a_clock_set_back_neither_loosens_a_hold_nor_brings_one_back(self) -> None:
        hold = new_hold()
        assert hold.in_force(START - 100 * DAY)
        for over in (end_hold(hold, START + DAY), end_hold(hold, hold.until)):
            assert not over.in_force(START - 100 * DAY)

    def test_a_safety_hold_ends_within_365_days_to_the_millisecond(self) -> None:
        assert new_hold(hold_class=SAFETY, until=START + 365 * DAY).in_force(START)
        with pytest.raises(InvalidInput, match=r"until 2027-01-01T00:00:00\.000Z") as refused:
            new_hold(hold_class=SAFETY, until=START + 365 * DAY + TICK)
        assert code_of(refused) == "hold_too_long"
        assert timedelta(days=365) == SAFETY_MOST

    def test_its_days_may_count_from_before_its_placing_and_never_from_after(self) -> None:
        first = START - 100 * DAY
        assert new_hold(hold_class=SAFETY, days=265, counted_from=first).first_day == first
        with pytest.raises(InvalidInput) as refused:
            new_hold(hold_class=SAFETY, until=START + 265 * DAY + TICK, counted_from=first)
        assert code_of(refused) == "hold_too_long"
        with pytest.raises(InvalidInput, match="count from after"):
            new_hold(hold_class=SAFETY, counted_from=START + TICK)

    def test_a_legal_hold_is_placed_for_ten_years_at_most(self) -> None:
        check_new(new_hold(until=START + LEGAL_STEP), START)
        with pytest.raises(InvalidInput, match="3,653 days") as refused:
            check_new(new_hold(until=START + LEGAL_STEP + TICK), START)
        assert code_of(refused) == "hold_too_long"

    def test_a_hold_is_placed_when_it_says_and_before_it_is_over(self) -> None:
        check_new(new_hold(days=1), START + DAY - TICK)
        with pytest.raises(InvalidInput) as refused:
            check_new(new_hold(days=1), START + DAY)
        assert code_of(refused) == "hold_over"
        hold = new_hold(placed=START + TICK)
        for wrong in (hold, end_hold(new_hold(), START), review_hold(new_hold(), START, "a-1")):
            with pytest.raises(InvalidInput) as refused:
                check_new(wrong, START)
            assert code_of(refused) == "hold_placed"

    @pytest.mark.parametrize(
        "word", ["", "Jane Doe", "a" * 65, "-a", "a\n", "ann@example.org", "ü", "a b", "?"]
    )
    @pytest.mark.parametrize("field", ["authority", "reviewer"])
    def test_authority_and_reviewer_are_words_and_no_names(self, field: str, word: str) -> None:
        with pytest.raises(InvalidInput, match=field) as refused:
            replace(new_hold(), **{field: word})
        assert code_of(refused) == "hold_word"

    @pytest.mark.parametrize("word", ["2:26-cv-00123", "court-order", "BGH.XII/26", "a" * 64])
    def test_docket_numbers_are_words(self, word: str) -> None:
        assert new_hold(authority=word).authority == word

    def test_a_scope_names_conversations_and_turns_one_by_one(self) -> None:
        with pytest.raises(InvalidInput, match="names its conversations"):
            new_hold(scope={})
        with pytest.raises(InvalidInput, match="names its conversations"):
            new_hold(scope={chat(number): () for number in range(10_001)})
        for turns in ((-1,), (True,), ("1",), (1.0,)):
            with pytest.raises(InvalidInput, match="by index"):
                new_hold(scope={chat(1): turns})
        for name in ("sub_" + "a" * 26, "*", "cnv_x"):
            with pytest.raises(InvalidInput):
                new_hold(scope={ConversationId(name): ()})

    def test_a_scope_has_one_form_and_stays_as_it_is(self) -> None:
        scope = {chat(2): (3, 1, 3), chat(1): ()}
        hold = new_hold(scope=scope)
        scope[chat(3)] = ()
        assert list(hold.conversations.items()) == [(chat(1), ()), (chat(2), (1, 3))]
        assert hold == new_hold(scope={chat(1): (), chat(2): (1, 3)})

    def test_ids_of_another_kind_are_refused(self) -> None:
        for wrong in ({"id": ANN}, {"subject": hold_id(1)}):
            with pytest.raises(InvalidInput, match="not a"):
                replace(new_hold(), **wrong)

    def test_moments_are_kept_to_the_millisecond_and_need_a_timezone(self) -> None:
        fine = new_hold(placed=START + timedelta(microseconds=7))
        assert fine.placed == START
        with pytest.raises(InvalidInput, match="timezone"):
            new_hold(until=datetime(2026, 6, 1))  # noqa: DTZ001 - wrong on purpose

    def test_half_a_release_is_no_release(self) -> None:
        for wrong in ({"released": START}, {"end": HoldEnd.RELEASED}):
            with pytest.raises(InvalidInput, match="half released"):
                replace(new_hold(), **wrong)


class TestGag:
    def test_a_gag_ends_with_its_hold_or_before(self) -> None:
        assert new_hold(days=3, gag_until=START + 3 * DAY).gag_until == START + 3 * DAY
        for wrong in (START + 3 * DAY + TICK, START, START - DAY):
            with pytest.raises(InvalidInput, match="a gag ends with its hold") as refused:
                new_hold(days=3, gag_until=wrong)
            assert code_of(refused) == "hold_gag"

    def test_the_person_is_told_at_the_end_of_the_gag_and_not_before(self) -> None:
        hold = new_hold(gag_until=START + DAY)
        assert not hold.told(START)
        assert not hold.told(START + DAY - TICK)
        assert hold.told(START + DAY)
        assert new_hold().told(START)

    def test_a_hold_that_is_over_is_under_no_gag(self) -> None:
        hold = new_hold(days=3, gag_until=START + 3 * DAY)
        assert hold.told(START + 3 * DAY)
        assert end_hold(hold, START + DAY).told(START + DAY)

    @given(hold=holds(), at=MOMENTS)
    def test_what_is_not_told_is_under_a_gag_and_in_force(self, hold: Hold, at: datetime) -> None:
        hidden = hold.gag_until is not None and at < hold.gag_until
        assert hold.told(at) == (not hidden)
        assert hold.gag_until is None or hold.gag_until <= hold.until


class TestChanges:
    def test_a_legal_hold_is_extended_again_and_again_but_always_has_an_end(self) -> None:
        hold, at = new_hold(days=30), START
        for _ in range(5):
            hold = extend_hold(hold, at, until=at + LEGAL_STEP)
            with pytest.raises(InvalidInput) as refused:
                extend_hold(hold, at, until=at + LEGAL_STEP + TICK)
            assert code_of(refused) == "hold_too_long"
            at = hold.until - TICK
        assert hold.until - START > 4 * LEGAL_STEP

    def test_a_safety_hold_is_never_extended_past_365_days(self) -> None:
        hold = new_hold(hold_class=SAFETY, days=300)
        at = hold.until - TICK
        longest = extend_hold(hold, at, until=START + 365 * DAY)
        for late in (at, START + 364 * DAY):
            with pytest.raises(InvalidInput) as refused:
                extend_hold(longest, late, until=START + 365 * DAY + TICK)
            assert code_of(refused) == "hold_too_long"

    def test_an_extension_is_not_shorter_and_the_same_again_is_no_change(self) -> None:
        hold = new_hold(days=30)
        assert extend_hold(hold, START, until=hold.until) == hold
        with pytest.raises(InvalidInput) as refused:
            extend_hold(hold, START, until=hold.until - TICK)
        assert code_of(refused) == "hold_not_longer"

    def test_what_is_over_is_neither_extended_nor_reviewed(self) -> None:
        hold = new_hold(days=30)
        assert extend_hold(hold, hold.until - TICK, until=hold.until + DAY).until > hold.until
        for over, at in ((hold, hold.until), (end_hold(hold, START), START)):
            for change in (
                lambda one, when: extend_hold(one, when, until=one.until + DAY),
                lambda one, when: review_hold(one, when, "officer-1"),
            ):
                with pytest.raises(InvalidInput, match="is over") as refused:
                    change(over, at)
                assert code_of(refused) == "hold_over"

    def test_a_gag_is_prolonged_while_it_lasts_and_cut_short_at_any_time(self) -> None:
        hold = new_hold(gag_until=START + DAY)
        at = START + DAY - TICK
        assert extend_hold(hold, at, gag_until=hold.until).gag_until == hold.until
        assert extend_hold(hold, START, gag_until=START + TICK).gag_until == START + TICK
        with pytest.raises(InvalidInput, match="a moment to come"):
            extend_hold(hold, at, gag_until=at)
        with pytest.raises(InvalidInput, match="ends with its hold"):
            extend_hold(hold, at, gag_until=hold.until + TICK)
        both = extend_hold(hold, at, until=hold.until + DAY, gag_until=hold.until + DAY)
        assert both.gag_until == both.until

    @pytest.mark.parametrize("gag", [None, START + DAY])
    def test_what_the_person_was_told_stays_told(self, gag: datetime | None) -> None:
        hold = new_hold(gag_until=gag)
        with pytest.raises(InvalidInput, match="may know of this hold already") as refused:
            extend_hold(hold, START + DAY, gag_until=START + 2 * DAY)
        assert code_of(refused) == "hold_gag"
        assert extend_hold(hold, START + DAY, until=hold.until + DAY).gag_until == gag

    def test_an_end_is_a_release_before_the_time_and_an_expiry_from_then_on(self) -> None:
        hold = new_hold(days=30)
        early, late = end_hold(hold, hold.until - TICK), end_hold(hold, hold.until)
        assert (early.end, early.released) == (HoldEnd.RELEASED, hold.until - TICK)
        assert (late.end, late.released) == (HoldEnd.EXPIRED, None)
        assert end_hold(early, hold.until) == early
        assert end_hold(late, START) == late
        assert end_hold(hold, START - DAY).released == START

    def test_a_review_is_due_after_ninety_days_and_again_after_each(self) -> None:
        hold = new_hold(hold_class=SAFETY, days=365)
        due = START + REVIEW_EVERY
        assert timedelta(days=90) == REVIEW_EVERY
        assert [hold.review_due(at) for at in (START, due - TICK, due)] == [False, False, True]
        seen = review_hold(hold, due, "officer-3")
        assert (seen.reviewer, seen.until) == ("officer-3", hold.until)
        assert [
            seen.review_due(due + REVIEW_EVERY - TICK),
            seen.review_due(due + REVIEW_EVERY),
        ] == [
            False,
            True,
        ]
        assert not hold.review_due(hold.until)
        assert not new_hold(days=365).review_due(due)

    @given(hold=holds(), at=MOMENTS, until=MOMENTS, gag=MOMENTS)
    def test_no_change_makes_a_hold_without_an_end_or_a_gag_past_it(
        self, hold: Hold, at: datetime, until: datetime, gag: datetime
    ) -> None:
        try:
            changed = extend_hold(hold, at, until=until, gag_until=gag)
        except InvalidInput:
            return
        assert changed.until >= hold.until
        assert changed.gag_until is None or changed.gag_until <= changed.until
        if hold.hold_class is SAFETY:
            assert changed.until <= hold.placed + 365 * DAY
        assert not changed.in_force(changed.until)


class TestSeveral:
    def test_legal_goes_before_safety_and_both_before_the_schedule_at_the_exact_borders(
        self,
    ) -> None:
        legal = new_hold(1, hold_class=LEGAL, days=10)
        safety = new_hold(2, hold_class=SAFETY, days=20)
        both = [safety, legal]
        told = [
            (START + 10 * DAY - TICK, Ruler.LEGAL_HOLD, legal),
            (START + 10 * DAY, Ruler.SAFETY_HOLD, safety),
            (START + 20 * DAY - TICK, Ruler.SAFETY_HOLD, safety),
            (START + 20 * DAY, Ruler.SCHEDULE, None),
        ]
        for at, ruler, hold in told:
            assert (ruler_of(both, chat(1), at), strongest(both, chat(1), at)) == (ruler, hold)
        assert ruler_of(both, chat(2), START) is Ruler.SCHEDULE

    def test_of_one_class_the_one_that_ends_last_goes_first(self) -> None:
        short, long = new_hold(1, days=10), new_hold(2, days=11)
        assert on([short, long], chat(1), START) == [long, short]
        assert strongest([short, long], chat(1), START) == long

    @given(st.lists(holds(), min_size=2, max_size=6, unique_by=lambda one: one.id))
    def test_the_order_of_holds_is_total(self, several: list[Hold]) -> None:
        keys = [order_of(hold) for hold in several]
        assert len(set(keys)) == len(keys)
        ordered = sorted(several, key=order_of)
        several.reverse()
        assert sorted(several, key=order_of) == ordered
        classes = [hold.hold_class for hold in ordered]
        assert classes == [LEGAL] * classes.count(LEGAL) + [SAFETY] * classes.count(SAFETY)

    @given(several=st.lists(holds(), max_size=5, unique_by=lambda one: one.id), at=MOMENTS)
    def test_what_stays_is_the_union_of_what_each_hold_in_force_keeps(
        self, several: list[Hold], at: datetime
    ) -> None:
        kept: set[int] = set()
        for hold in several:
            if chat(1) in hold.conversations and at < hold.until:
                kept |= set(hold.conversations[chat(1)] or range(TURNS)) & set(range(TURNS))
        found = kept_turns(several, chat(1), at, TURNS)
        assert found == tuple(sorted(kept))
        for hold in several:
            assert set(kept_turns([hold], chat(1), at, TURNS)) <= set(found)

    @given(several=st.lists(holds(), max_size=5, unique_by=lambda one: one.id), at=MOMENTS)
    def test_one_by_one_and_all_at_once_agree(self, several: list[Hold], at: datetime) -> None:
        names = [chat(number) for number in (1, 2, 3)]
        singly = {name: strongest(several, name, at) for name in names}
        assert by_conversation(several, at) == {name: one for name, one in singly.items() if one}
        for name in names:
            until = held_until(several, name, at)
            assert (until is None) == (singly[name] is None)
            assert until is None or strongest(several, name, until - TICK) is not None
            assert until is None or strongest(several, name, until) is None

    def test_a_hold_without_turns_keeps_them_all_and_one_with_turns_only_those(self) -> None:
        some = new_hold(1, scope={chat(1): (1, 4)}, days=20)
        more = new_hold(2, scope={chat(1): (2, 4)}, days=10)
        every = new_hold(3, days=5)
        three = [some, more, every]
        assert kept_turns(three, chat(1), START + 5 * DAY - TICK, TURNS) == tuple(range(TURNS))
        assert kept_turns(three, chat(1), START + 5 * DAY, TURNS) == (1, 2, 4)
        assert kept_turns(three, chat(1), START + 10 * DAY, TURNS) == (1, 4)
        assert kept_turns(three, chat(1), START + 20 * DAY, TURNS) == ()
        assert kept_turns(three, chat(2), START, TURNS) == ()

    def test_a_receipt_may_say_the_end_of_those_holds_that_the_person_is_told_of(self) -> None:
        gagged = new_hold(1, days=20, gag_until=START + 15 * DAY)
        open_one = new_hold(2, hold_class=SAFETY, days=10)
        both = [gagged, open_one]
        assert held_until(both, chat(1), START) == gagged.until
        assert told_until(both, chat(1), START) == open_one.until
        assert told_until([gagged], chat(1), START + 15 * DAY - TICK) is None
        assert told_until([gagged], chat(1), START + 15 * DAY) == gagged.until


class TestOpening:
    LEGAL_ONE = new_hold(1, scope={chat(1): (1, 2)}, days=20)
    SAFETY_ONE = new_hold(2, scope={chat(1): (2, 3)}, hold_class=SAFETY, days=10)

    @pytest.mark.parametrize("purpose", Purpose)
    def test_what_is_erased_and_held_opens_for_the_purpose_of_its_hold_only(
        self, purpose: Purpose
    ) -> None:
        verdict = decide_held([self.LEGAL_ONE], chat(1), purpose, START, TURNS)
        assert verdict.permit == (purpose is Purpose.LEGAL_ORDER)
        if not verdict.permit:
            assert (verdict.reason, verdict.turns, verdict.holds) == (
                HeldReason.OTHER_PURPOSE,
                (),
                (),
            )

    def test_an_order_does_not_see_what_a_review_keeps_nor_the_other_way_round(self) -> None:
        both = [self.SAFETY_ONE, self.LEGAL_ONE]
        for purpose, hold in (
            (Purpose.LEGAL_ORDER, self.LEGAL_ONE),
            (Purpose.SAFETY_REVIEW, self.SAFETY_ONE),
        ):
            verdict = decide_held(both, chat(1), purpose, START, TURNS)
            assert (verdict.permit, verdict.reason) == (True, HeldReason.HELD_FOR_THIS)
            assert verdict.holds == (hold.id,)
            assert verdict.turns == hold.conversations[chat(1)]

    def test_it_closes_at_the_very_end_of_the_hold(self) -> None:
        both = [self.SAFETY_ONE, self.LEGAL_ONE]
        end = self.SAFETY_ONE.until
        review = Purpose.SAFETY_REVIEW
        assert decide_held(both, chat(1), review, end - TICK, TURNS).permit
        assert decide_held(both, chat(1), review, end, TURNS).reason is HeldReason.OTHER_PURPOSE
        verdict = decide_held(both, chat(1), review, self.LEGAL_ONE.until, TURNS)
        assert (verdict.permit, verdict.reason) == (False, HeldReason.NOT_HELD)

    @given(
        several=st.lists(holds(), max_size=5, unique_by=lambda one: one.id),
        purpose=st.sampled_from(Purpose),
        at=MOMENTS,
    )
    def test_nothing_opens_that_no_hold_in_force_keeps_for_that_very_purpose(
        self, several: list[Hold], purpose: Purpose, at: datetime
    ) -> None:
        verdict = decide_held(several, chat(1), purpose, at, TURNS)
        fit = [one for one in several if PURPOSE_OF[one.hold_class] is purpose]
        assert verdict.turns == kept_turns(fit, chat(1), at, TURNS)
        assert verdict.permit == bool(verdict.turns)
        assert set(verdict.turns) <= set(kept_turns(several, chat(1), at, TURNS))


class TestCarving:
    WORDS = ("my secret", "of course", "another secret", "indeed")

    def payload(self) -> Payload:
        turns = tuple(
            Turn(
                role=Role.ASSISTANT if place % 2 else Role.USER,
                text=text,
                parent=place - 1,
                at=START,
                rating=1,
            )
            for place, text in enumerate(self.WORDS)
        )
        return Payload(turns=turns, title="secret title", language="de", attachments=("s.pdf",))

    def bytes_of(self, payload: Payload) -> bytes:
        conversation = Conversation(
            source="test",
            source_id="1",
            turns=payload.turns,
            title=payload.title,
            language=payload.language,
            attachments=payload.attachments,
        )
        return pack_payload(conversation)

    def test_kept_turns_stay_as_they_are_and_where_they_are(self) -> None:
        whole = self.payload()
        carved = carve_payload(whole, (1, 3))
        assert carved.turns == (EMPTY_TURN, whole.turns[1], EMPTY_TURN, whole.turns[3])
        data = self.bytes_of(carved)
        assert unpack_payload(data) == carved
        assert b"secret" not in data
        assert b"s.pdf" not in data

    @given(st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
    def test_carving_twice_is_carving_once_to_what_both_keep(
        self, first: set[int], second: set[int]
    ) -> None:
        once = carve_payload(self.payload(), sorted(first))
        assert carve_payload(once, sorted(first)) == once
        twice = carve_payload(once, sorted(second))
        assert twice == carve_payload(self.payload(), sorted(first & second))
