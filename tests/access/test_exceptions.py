"""Exceptions as values: who may, exactly until when, and what fits together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.docs.pages import vectors
from volens.access.exception_records import (
    RECORD_OF,
    Abuse,
    AbuseKind,
    Danger,
    Finding,
    Horizon,
    Immediacy,
    OrderForm,
    Record,
    Refused,
    Sign,
    Validity,
    check_record,
    read_record,
    record_document,
)
from volens.access.exception_terms import ClassTerms, all_terms, terms_of
from volens.access.exceptions import (
    APPROVAL_MOST,
    GAG_MOST,
    MAX_TURNS,
    Case,
    CaseReason,
    CaseState,
    Gag,
    approve_case,
    ask_case,
    close_case,
    encode_case,
    expire_case,
    refuse_case,
    require_viewer,
)
from volens.access.model import Principal, PrincipalKind, Role
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import AccountId, CaseId, ConversationId, IdKind, SubjectId, format_id
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.log.entries import commit
from volens.log.kinds import ExceptionClass, ExceptionEnd
from volens.policy.packs import load_pack

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
CHAT = ConversationId(format_id(IdKind.CONVERSATION, bytes(range(16))))
REVIEW = Purpose.SAFETY_REVIEW


def member(number: int, *roles: Role) -> Principal:
    account = AccountId(format_id(IdKind.ACCOUNT, bytes([number]) * 16))
    return Principal(kind=PrincipalKind.STAFF, account=account, roles=frozenset(roles))


EVE, BOB = member(1, Role.TRUST_AND_SAFETY), member(2, Role.TRUST_AND_SAFETY)
OLE = member(3, Role.PRIVACY_OFFICER)
assert EVE.account
assert OLE.account
ORDER = Validity(
    form=OrderForm.WARRANT,
    issuer="DE:AG-Berlin",
    jurisdiction="DE",
    docket="17-C-4/26",
    reviewer=OLE.account,
    has_jurisdiction=True,
    signed=True,
    names_turns=True,
)
RECORDS: tuple[Record, ...] = (
    ORDER,
    Finding(law="DE:StGB-184b"),
    Immediacy(danger=Danger.CHILD, horizon=Horizon.NOW, sign=Sign.STATED_INTENT),
    Abuse(kind=AbuseKind.MALWARE),
)
EXAMPLE = Case(
    id=CaseId(format_id(IdKind.CASE, bytes(range(16, 32)))),
    exception=ExceptionClass.ILLEGAL_CONTENT,
    subject=SubjectId(format_id(IdKind.SUBJECT, bytes(range(32, 48)))),
    turns={CHAT: (4, 2)},
    reason=CaseReason.CLASSIFIER_FLAG,
    record=Finding(law="DE:StGB-184b"),
    legal_basis="legal_obligation",
    two_persons=True,
    opener=EVE.account,
    asked=AT,
    closes=AT + 30 * DAY,
    most=30 * DAY,
    policy="consent-first tiers-2025-05",
)


def terms(*, two: bool = True, most: timedelta = 30 * DAY) -> ClassTerms:
    return ClassTerms(
        exception=ExceptionClass.ILLEGAL_CONTENT,
        legal_basis="legal_obligation",
        opened_by=Role.TRUST_AND_SAFETY,
        most=most,
        two_persons=two,
    )


def opened(*, two: bool = False) -> Case:
    asked = ask_case(EXAMPLE, terms(two=two), EVE, AT)
    return approve_case(asked, terms(), BOB, AT) if two else asked


class TestOpen:
    def test_from_its_opening_to_its_end_and_not_a_millisecond_more(self) -> None:
        case = opened()
        for moment, wanted in (
            (AT - TICK, False),
            (AT, True),
            (AT + 30 * DAY - TICK, True),
            (AT + 30 * DAY, False),
        ):
            assert case.is_open(moment) is wanted
            assert case.covers(CHAT, (2, 4), REVIEW, moment) is wanted
        assert case.state(AT + 30 * DAY) is CaseState.EXPIRED

    def test_it_covers_the_named_turns_their_parts_and_no_others(self) -> None:
        case = opened()
        other = ConversationId(format_id(IdKind.CONVERSATION, b"o" * 16))
        assert case.covers(CHAT, (2,), REVIEW, AT)
        assert not case.covers(CHAT, (), REVIEW, AT)
        assert not case.covers(CHAT, (2, 3), REVIEW, AT)
        assert not case.covers(other, (2,), REVIEW, AT)

    def test_it_covers_one_purpose(self) -> None:
        assert [p for p in Purpose if opened().covers(CHAT, (2,), p, AT)] == [REVIEW]

    def test_days_up_to_the_most_and_not_a_millisecond_more(self) -> None:
        assert ask_case(EXAMPLE, terms(two=False, most=30 * DAY), EVE, AT).closes == AT + 30 * DAY
        with pytest.raises(InvalidInput) as caught:
            ask_case(EXAMPLE, terms(two=False, most=30 * DAY - TICK), EVE, AT)
        assert caught.value.code == "exception_too_long"

    def test_the_terms_are_the_policys_not_the_askers(self) -> None:
        modest = replace(EXAMPLE, two_persons=False, legal_basis="consent")
        asked = ask_case(modest, terms(), EVE, AT)
        assert (asked.two_persons, asked.legal_basis) == (True, "legal_obligation")
        assert asked.state(AT) is CaseState.WAITING

    def test_no_case_without_turns_or_record(self) -> None:
        for lacking in (replace(EXAMPLE, turns={}), replace(EXAMPLE, record=None)):
            with pytest.raises(InvalidInput):
                ask_case(lacking, terms(), EVE, AT)

    def test_a_case_names_few_turns(self) -> None:
        replace(EXAMPLE, turns={CHAT: tuple(range(MAX_TURNS))})
        for turns in (tuple(range(MAX_TURNS + 1)), (), (-1,), (True,)):
            with pytest.raises(InvalidInput) as caught:
                replace(EXAMPLE, turns={CHAT: turns})
            assert caught.value.code == "exception_scope"


class TestTwoPersons:
    def test_it_waits_three_days_for_its_second_person(self) -> None:
        waiting = ask_case(EXAMPLE, terms(), EVE, AT)
        last = AT + APPROVAL_MOST
        assert not waiting.is_open(AT)
        approved = approve_case(waiting, terms(), BOB, last - TICK)
        assert approved.closes == last - TICK + 30 * DAY
        with pytest.raises(InvalidInput):
            approve_case(waiting, terms(), BOB, last)

    def test_never_the_opener_whatever_their_roles(self) -> None:
        waiting = ask_case(EXAMPLE, terms(), EVE, AT)
        everything = replace(EVE, roles=frozenset(Role))
        for act, who in product((approve_case, refuse_case), (EVE, everything)):
            with pytest.raises(Denied) as caught:
                act(waiting, terms(), who, AT)
            assert caught.value.code == "exception_persons"

    @pytest.mark.parametrize("role", Role)
    def test_only_the_two_roles_that_may(self, role: Role) -> None:
        waiting = ask_case(EXAMPLE, terms(), EVE, AT)
        if role in {Role.TRUST_AND_SAFETY, Role.PRIVACY_OFFICER}:
            assert approve_case(waiting, terms(), member(9, role), AT).is_open(AT)
            return
        with pytest.raises(Denied):
            approve_case(waiting, terms(), member(9, role), AT)

    def test_no_row_can_say_that_one_person_opened_it(self) -> None:
        for approver in (None, EVE.account):
            with pytest.raises(InvalidInput) as caught:
                replace(EXAMPLE, opened=AT, approver=approver)
            assert caught.value.code == "exception_persons"

    def test_a_refused_case_was_never_open(self) -> None:
        refused = refuse_case(ask_case(EXAMPLE, terms(), EVE, AT), terms(), OLE, AT)
        assert refused.state(AT) is CaseState.REFUSED
        assert not refused.notice_due(AT + 99 * DAY)


class TestEnd:
    def test_who_may_close(self) -> None:
        case = opened(two=True)
        for who in (EVE, BOB, OLE):
            closed = close_case(case, who, AT + DAY)
            assert (closed.state(AT + DAY), closed.ended_by) == (CaseState.CLOSED, who.account)
            assert not closed.is_open(AT + DAY)
        with pytest.raises(Denied):
            close_case(case, member(7, Role.TRUST_AND_SAFETY), AT)

    def test_it_expires_at_its_end(self) -> None:
        case = opened()
        assert expire_case(case, AT + 30 * DAY - TICK) == case
        expired = expire_case(case, AT + 30 * DAY)
        assert (expired.end, expired.ended) == (ExceptionEnd.EXPIRED, AT + 30 * DAY)
        assert expire_case(expired, AT + 99 * DAY) == expired

    def test_only_who_is_on_it_looks_and_only_with_the_role(self) -> None:
        case = opened(two=True)
        assert require_viewer(case, terms(), BOB) == BOB.account
        for who in (member(7, Role.TRUST_AND_SAFETY), OLE, replace(EVE, roles=frozenset())):
            with pytest.raises(Denied):
                require_viewer(case, terms(), who)


class TestGag:
    def test_it_ends_within_a_year_to_the_millisecond(self) -> None:
        replace(EXAMPLE, gag=Gag(until=AT + GAG_MOST, authority="17"))
        for until in (AT, AT - TICK, AT + GAG_MOST + TICK):
            with pytest.raises(InvalidInput) as caught:
                replace(EXAMPLE, gag=Gag(until=until, authority="17"))
            assert caught.value.code == "exception_gag"

    def test_no_gag_without_a_word_for_who_ordered_it(self) -> None:
        for word in ("", "Ann Other", "x" * 65):
            with pytest.raises(InvalidInput):
                replace(EXAMPLE, gag=Gag(until=AT + DAY, authority=word))

    @given(gag=st.integers(1, 364), over=st.integers(0, 400))
    def test_the_notice_is_due_when_it_is_over_and_no_gag_applies(
        self, gag: int, over: int
    ) -> None:
        case = replace(opened(), gag=Gag(until=AT + gag * DAY, authority="17"))
        at = AT + over * DAY
        assert case.notice_due(at) is (over >= 30 and over >= gag)
        assert not replace(case, told=at).notice_due(at)


class TestRecords:
    @pytest.mark.parametrize("record", RECORDS)
    def test_a_record_reads_back_and_other_members_are_refused(self, record: Record) -> None:
        document = record_document(record)
        assert read_record(document) == record
        for broken in ({**document, "more": 1}, {**document, "kind": "none"}, [], None):
            with pytest.raises(InvalidInput):
                read_record(broken)  # type: ignore[arg-type]  # wrong on purpose

    def test_each_class_takes_its_own_record_and_no_other(self) -> None:
        for exception, record in product(ExceptionClass, RECORDS):
            if type(record) is RECORD_OF[exception]:
                check_record(exception, record)
            else:
                with pytest.raises(InvalidInput):
                    check_record(exception, record)

    def test_what_is_not_immediate_opens_nothing(self) -> None:
        vague = Immediacy(danger=Danger.SELF, horizon=Horizon.UNKNOWN, sign=Sign.STATED_INTENT)
        with pytest.raises(Refused) as caught:
            check_record(ExceptionClass.PHYSICAL_HARM, vague)
        assert caught.value.code == "exception_not_immediate"

    @pytest.mark.parametrize("field", ["issuer", "jurisdiction", "docket"])
    def test_references_are_short_words(self, field: str) -> None:
        for word in ("", "a sentence about somebody", "x" * 65):
            changes = {field: word}
            with pytest.raises(InvalidInput):
                check_record(ExceptionClass.LEGAL_ORDER, replace(ORDER, **changes))  # type: ignore[arg-type]  # names of words


class TestTerms:
    def test_the_shipped_policy_knows_five_classes_and_one_more_where_the_law_asks(self) -> None:
        pack = load_pack("consent-first")
        eu = {one.exception for one in all_terms(pack, Region.EU)}
        assert eu == set(ExceptionClass) - {ExceptionClass.SUPERVISORY_ACCESS}
        china = terms_of(pack, ExceptionClass.SUPERVISORY_ACCESS, Region.CN)
        order = terms_of(pack, ExceptionClass.LEGAL_ORDER, Region.CN)
        assert china == replace(order, exception=ExceptionClass.SUPERVISORY_ACCESS)
        assert china.two_persons
        assert not china.flagged_only

    def test_an_older_policy_without_a_class_opens_none_of_it(self) -> None:
        pack = load_pack("consent-first", "acceptable-use-2023")
        with pytest.raises(Denied) as caught:
            terms_of(pack, ExceptionClass.SYSTEM_ABUSE, Region.EU)
        assert caught.value.code == "exception_class"


def test_the_format_page_shows_what_the_code_writes() -> None:
    shown = vectors("exceptions")
    body = encode_case(EXAMPLE)
    assert body.decode() == shown["case"]
    assert commit(bytes.fromhex(shown["salt"]), body).hex() == shown["commitment"]
