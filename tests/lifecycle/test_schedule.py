"""When things are due and when they are late, at the exact borders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.packs import altered, read, tiers_pack
from volens.core.errors import InvalidInput
from volens.core.ids import ErasureId
from volens.holds.erasure import COOL_OFF, DESTRUCTION, PROMISE, ROTATION, ErasureState
from volens.holds.promises import Promise
from volens.lifecycle.retention import EVERY
from volens.lifecycle.schedule import Schedule, is_overdue, overdue
from volens.log.kinds import ErasureCause, ErasureScope
from volens.policy.pack import PackKind
from volens.policy.packs import list_packs, load_pack
from volens.policy.retention import (
    ERASURE_DAYS,
    LONGEST,
    SHORTEST,
    RetentionClass,
    check_shorter,
    days_of,
    read_days,
    strictest,
    write_days,
)
from volens.vault.aging import last_message

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
DAY = timedelta(days=1)
ACTIVE = RetentionClass.ACTIVE_CONVERSATIONS
DELETED = RetentionClass.DELETED_CHATS
CLOSED = RetentionClass.CLOSED_ACCOUNTS
SAFETY = RetentionClass.SAFETY_INVESTIGATIONS
PACK = days_of(tiers_pack().tables["retention"])
REQUEST, SCHEDULED = ErasureCause.REQUEST, ErasureCause.SCHEDULE
CHAT, ACCOUNT = ErasureScope.CONVERSATION, ErasureScope.ACCOUNT


def promise(removed: datetime | None = None) -> Promise:
    state = ErasureState.KEYS_REMOVED if removed else ErasureState.ACCESS_ENDED
    return Promise(
        id=ErasureId("era_x"), state=state, promised_by=T0 + PROMISE, keys_removed=removed
    )


class TestPack:
    def test_the_shipped_times_are_those_of_the_requirements(self) -> None:
        assert PACK == {ACTIVE: 0, DELETED: 30, CLOSED: 90, SAFETY: 365}
        assert PACK == LONGEST

    def test_no_shipped_policy_keeps_anything_longer(self) -> None:
        for item in list_packs():
            if item.kind is PackKind.ENFORCEABLE:
                pack = load_pack(item.name, item.version)
                assert days_of(pack.tables["retention"]) == LONGEST, item.version

    def test_a_policy_that_said_90_days_for_deleted_chats_gets_30(self) -> None:
        old = load_pack("consent-first", "acceptable-use-2023")
        assert {row.key: row.values["days"] for row in old.tables["retention"]}[DELETED] == 90
        assert days_of(old.tables["retention"])[DELETED] == 30

    def test_a_pack_without_the_section_has_the_longest_times(self) -> None:
        assert days_of(()) == LONGEST

    @pytest.mark.parametrize(
        ("key", "old", "new"),
        [
            (CLOSED, 90, 91),
            (CLOSED, 90, 0),
            (CLOSED, 90, ERASURE_DAYS - 1),
            (DELETED, 30, 91),
            (DELETED, 30, 0),
            (DELETED, 30, ERASURE_DAYS - 1),
            (SAFETY, 365, 366),
            (SAFETY, 365, 0),
            (ACTIVE, 0, 36_501),
        ],
    )
    def test_a_pack_that_says_more_or_cannot_be_kept_is_refused_by_name(
        self, key: str, old: int, new: int
    ) -> None:
        files = altered("pack.toml", *_row(key, old, new))
        with pytest.raises(InvalidInput, match=rf"tables\.retention\.{key}\.days says {new}"):
            read(files)

    @pytest.mark.parametrize(
        ("key", "old", "new"),
        [(CLOSED, 90, ERASURE_DAYS), (DELETED, 30, 29), (SAFETY, 365, 1), (ACTIVE, 0, 400)],
    )
    def test_a_pack_may_say_less(self, key: str, old: int, new: int) -> None:
        pack = read(altered("pack.toml", *_row(key, old, new)))
        assert days_of(pack.tables["retention"])[RetentionClass(key)] == new

    def test_an_unknown_class_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="is no class that is kept"):
            read(
                altered(
                    "pack.toml",
                    "[tables.retention.deleted_chats]",
                    "[tables.retention.deleted_chat]",
                )
            )

    def test_the_shortest_is_what_rotation_destruction_and_a_late_run_take(self) -> None:
        assert ERASURE_DAYS * DAY == ROTATION + DESTRUCTION + EVERY
        assert PROMISE >= COOL_OFF + ERASURE_DAYS * DAY


class TestOrganisation:
    @pytest.mark.parametrize(
        ("one", "days"), [(DELETED, 31), (CLOSED, 91), (SAFETY, 366), (ACTIVE, 0), (ACTIVE, 36_501)]
    )
    def test_no_time_can_be_lengthened_and_the_refusal_names_it(
        self, one: RetentionClass, days: int
    ) -> None:
        with pytest.raises(InvalidInput, match=one.value) as caught:
            check_shorter({one: days}, PACK)
        assert caught.value.code == "retention_too_long"

    def test_the_same_or_less_is_taken(self) -> None:
        check_shorter({DELETED: 30, CLOSED: 90, SAFETY: 365, ACTIVE: 36_500}, PACK)
        check_shorter(SHORTEST, PACK)

    def test_what_erasing_cannot_keep_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            check_shorter({DELETED: ERASURE_DAYS - 1}, PACK)
        assert caught.value.code == "retention_too_short"

    def test_a_pack_with_an_end_for_chats_bounds_it(self) -> None:
        with pytest.raises(InvalidInput, match="100 days at most"):
            check_shorter({ACTIVE: 101}, {**PACK, ACTIVE: 100})
        check_shorter({ACTIVE: 100}, {**PACK, ACTIVE: 100})

    def test_an_overlay_from_before_never_lengthens_a_later_pack(self) -> None:
        schedule = Schedule(
            pack={**PACK, ACTIVE: 50, CLOSED: 60}, overlays={"acme": {ACTIVE: 90, CLOSED: 80}}
        )
        assert schedule.days("acme")[ACTIVE] == 50
        assert schedule.days("acme")[CLOSED] == 60

    def test_an_overlay_reaches_nobody_else(self) -> None:
        schedule = Schedule(pack=PACK, overlays={"acme": {SAFETY: 10}})
        assert schedule.longest_hold("acme") == 10 * DAY
        assert schedule.longest_hold("other") == schedule.longest_hold(None) == 365 * DAY


DAYS = st.dictionaries(st.sampled_from(list(RetentionClass)), st.integers(1, 10_000))


@given(DAYS)
def test_times_are_read_as_they_were_written(overlay: dict[RetentionClass, int]) -> None:
    assert read_days(write_days(overlay)) == overlay


@pytest.mark.parametrize(
    "text",
    [
        "x=1",
        "deleted_chats",
        "deleted_chats=0",
        "deleted_chats=01",
        "deleted_chats= 1",
        "deleted_chats=1 closed_accounts=1",
        "deleted_chats=1 deleted_chats=1",
        "deleted_chats=1 ",
    ],
)
def test_any_other_spelling_of_times_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_days(text)


@given(DAYS, DAYS)
def test_of_two_times_the_shorter_holds(
    pack: dict[RetentionClass, int], overlay: dict[RetentionClass, int]
) -> None:
    whole = {one: pack.get(one, 0) for one in RetentionClass}
    for one, days in strictest(whole, overlay).items():
        both = [n for n in (whole[one], overlay.get(one, 0)) if n]
        assert days == min(both, default=0)


class TestTerms:
    def test_a_chat_has_7_days_to_think_again_and_30_in_all(self) -> None:
        terms = Schedule(pack=PACK).terms(CHAT, REQUEST, organisation=None)
        assert (terms.cool_off, terms.promise) == (7 * DAY, 30 * DAY)

    def test_an_account_is_gone_in_30_days_too_well_within_90(self) -> None:
        terms = Schedule(pack=PACK).terms(ACCOUNT, REQUEST, organisation=None)
        assert (terms.cool_off, terms.promise) == (7 * DAY, 30 * DAY)

    @pytest.mark.parametrize(("days", "cool_off"), [(29, 7), (28, 6), (25, 3), (22, 0)])
    def test_where_less_time_is_left_the_cool_off_gives_way(self, days: int, cool_off: int) -> None:
        schedule = Schedule(pack=PACK, overlays={"acme": {DELETED: days}})
        terms = schedule.terms(CHAT, REQUEST, organisation="acme")
        assert (terms.cool_off, terms.promise) == (cool_off * DAY, days * DAY)
        assert schedule.terms(CHAT, REQUEST, organisation=None).promise == 30 * DAY

    @pytest.mark.parametrize(
        ("scope", "cause", "days"),
        [
            (CHAT, SCHEDULED, 0),
            (ACCOUNT, SCHEDULED, 7),
            (ErasureScope.HISTORY, REQUEST, 7),
            (CHAT, ErasureCause.HOLD_RELEASED, 0),
            (ACCOUNT, ErasureCause.RESTORE, 0),
        ],
    )
    def test_only_somebody_who_may_think_again_gets_a_cool_off(
        self, scope: ErasureScope, cause: ErasureCause, days: int
    ) -> None:
        assert Schedule(pack=PACK).terms(scope, cause, organisation=None).cool_off == days * DAY


class TestLate:
    @pytest.mark.parametrize("removed", [None, T0 + 7 * DAY, T0 + 8 * DAY])
    def test_it_is_late_at_30_days_and_not_a_moment_before(self, removed: datetime | None) -> None:
        assert not is_overdue(promise(removed), T0 + 30 * DAY - TICK)
        assert is_overdue(promise(removed), T0 + 30 * DAY)

    def test_what_is_erased_late_is_late_until_it_is_irrecoverable(self) -> None:
        assert is_overdue(promise(T0 + 40 * DAY), T0 + 40 * DAY + TICK)

    def test_the_oldest_promise_is_told_first(self) -> None:
        one = promise()
        two = replace(one, promised_by=one.promised_by - DAY)
        assert overdue([one, two], T0 + 40 * DAY) == (two, one)
        assert overdue([one, two], T0 + 30 * DAY - TICK) == (two,)


class TestCutoffs:
    def test_a_chat_is_past_its_time_at_the_last_moment_of_its_days(self) -> None:
        schedule = Schedule(pack=PACK, overlays={"acme": {ACTIVE: 30}})
        for at, past in ((T0 + 30 * DAY - TICK, False), (T0 + 30 * DAY, True)):
            cutoff = schedule.overdue_cutoffs(at).cutoff("acme")
            assert cutoff is not None
            assert (cutoff >= T0) is past

    def test_without_a_time_of_its_own_a_chat_stays_while_the_account_exists(self) -> None:
        cutoffs = Schedule(pack=PACK, overlays={"acme": {DELETED: 25}}).overdue_cutoffs(T0)
        assert cutoffs.cutoff(None) is cutoffs.cutoff("acme") is cutoffs.cutoff("other") is None

    def test_a_pack_with_an_end_for_chats_reaches_everybody(self) -> None:
        schedule = Schedule(pack={**PACK, ACTIVE: 100}, overlays={"acme": {ACTIVE: 30}})
        cutoffs = schedule.overdue_cutoffs(T0)
        assert cutoffs.cutoff(None) == cutoffs.cutoff("other") == T0 - 100 * DAY
        assert cutoffs.cutoff("acme") == T0 - 30 * DAY


class TestLastMessage:
    def last(self, told: datetime | None, *, recaptured: bool = False) -> datetime:
        return last_message(told=told, captured=T0, recaptured=recaptured, at=T0 + 50 * DAY)

    def test_it_is_what_the_source_tells(self) -> None:
        assert self.last(T0 - 9 * DAY) == T0 - 9 * DAY
        assert self.last(T0 + 9 * DAY, recaptured=True) == T0 + 9 * DAY

    def test_where_the_source_tells_nothing_the_capture_counts(self) -> None:
        assert self.last(None) == self.last(None, recaptured=True) == T0

    def test_a_message_after_the_only_capture_is_not_believed(self) -> None:
        assert self.last(T0) == self.last(T0 + TICK) == T0

    def test_a_message_to_come_is_not_believed(self) -> None:
        assert self.last(T0 + 50 * DAY, recaptured=True) == T0 + 50 * DAY
        assert self.last(T0 + 50 * DAY + TICK, recaptured=True) == T0


def _row(key: str, old: int, new: int) -> tuple[str, str]:
    text = next(
        item.folder / "pack.toml" for item in list_packs() if item.version == "tiers-2025-05"
    ).read_text("utf-8")
    start = text.index(f"[tables.retention.{key}]")
    whole = text[start : text.index("\n\n", start)]
    assert f"days = {old}\n" in whole
    return whole, whole.replace(f"days = {old}\n", f"days = {new}\n")


@pytest.mark.parametrize(
    ("answer", "cool_off", "promise"),
    [(15, 0, 22), (21, 0, 22), (22, 0, 22), (23, 1, 23), (28, 6, 28), (29, 7, 29), (45, 7, 30)],
)
def test_the_cool_off_gives_way_to_the_answer_that_the_law_wants(
    answer: int, cool_off: int, promise: int
) -> None:
    """And what is promised can be kept: not before the 22 days that erasing takes."""
    schedule = Schedule(pack=LONGEST)
    found = schedule.terms(
        ErasureScope.ACCOUNT,
        ErasureCause.REQUEST,
        organisation=None,
        answer=timedelta(days=answer),
    )
    assert (found.cool_off, found.promise) == (
        timedelta(days=cool_off),
        timedelta(days=promise),
    )
