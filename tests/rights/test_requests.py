"""What may follow what in the life of a rights request."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import START
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, RequestId, format_id
from volens.core.regions import Region
from volens.log.kinds import ErasureScope, RequestKind, RequestOutcome
from volens.rights.requests import (
    REASONS,
    UNVERIFIED,
    About,
    Channel,
    ExtensionReason,
    FromAgent,
    Reason,
    RequestState,
    RightsRequest,
    VerifiedBy,
    close,
    disclosures,
    extend,
    request_facts,
    start,
    verify,
)

DUE = START + timedelta(days=30)
MS = timedelta(milliseconds=1)
FULFILLED, REFUSED = RequestOutcome.FULFILLED, RequestOutcome.REFUSED


def request(kind: RequestKind = RequestKind.ACCESS, number: int = 1) -> RightsRequest:
    return RightsRequest(
        id=RequestId(format_id(IdKind.REQUEST, number.to_bytes(16, "big"))),
        kind=kind,
        subject=None,
        channel=Channel.CLI,
        opened=START,
        due=DUE,
        region=Region.EU,
        about=About.PLAN if kind is RequestKind.RECTIFICATION else About.NOTHING,
        scope=ErasureScope.ACCOUNT if kind is RequestKind.ERASURE else None,
    )


def code(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    return error.value.code


def test_a_request_goes_from_open_over_verified_and_in_progress_to_closed() -> None:
    one = verify(request(), VerifiedBy.DOCUMENTS, START)
    assert (one.state, one.verified_by) == (RequestState.VERIFIED, VerifiedBy.DOCUMENTS)
    two = start(one, START)
    assert two.state is RequestState.IN_PROGRESS
    three = close(two, FULFILLED, Reason.DONE, START + MS)
    assert three.state is RequestState.CLOSED
    assert three.closing is not None
    assert three.closing.at == START + MS


def test_it_is_late_from_the_deadline_on_and_not_before_and_never_once_closed() -> None:
    one = request()
    assert not one.late(DUE - MS)
    assert one.late(DUE)
    assert not close(one, REFUSED, Reason.IDENTITY_NOT_SHOWN, DUE).late(DUE)


def test_nothing_is_granted_before_it_is_shown_who_asks() -> None:
    with pytest.raises(InvalidInput) as error:
        close(request(), FULFILLED, Reason.DONE, START)
    assert code(error) == "request_state"
    with pytest.raises(InvalidInput) as error:
        close(request(), RequestOutcome.PARTLY, Reason.HELD, START)
    assert code(error) == "request_state"
    with pytest.raises(InvalidInput) as error:
        start(request(), START)
    assert code(error) == "request_state"


@pytest.mark.parametrize("kind", RequestKind)
def test_who_asks_needs_no_showing_only_for_what_takes_away(kind: RequestKind) -> None:
    if kind in UNVERIFIED:
        assert verify(request(kind), VerifiedBy.NOT_NEEDED, START).verified == START
        return
    with pytest.raises(InvalidInput) as error:
        verify(request(kind), VerifiedBy.NOT_NEEDED, START)
    assert code(error) == "request_verification"


@pytest.mark.parametrize("outcome", RequestOutcome)
@pytest.mark.parametrize("reason", Reason)
def test_each_outcome_has_its_own_reasons(outcome: RequestOutcome, reason: Reason) -> None:
    one = verify(request(), VerifiedBy.DOCUMENTS, START)
    if reason in REASONS[outcome]:
        assert close(one, outcome, reason, START).closing is not None
        return
    with pytest.raises(InvalidInput) as error:
        close(one, outcome, reason, START)
    assert code(error) == "request_reason"


def test_a_refusal_is_never_without_a_ground() -> None:
    assert not REASONS[REFUSED] & REASONS[FULFILLED]


def test_closing_and_verifying_happen_once() -> None:
    closed = close(request(), REFUSED, Reason.EXCESSIVE, START)
    for act in (
        lambda: close(closed, REFUSED, Reason.EXCESSIVE, START),
        lambda: verify(closed, VerifiedBy.DOCUMENTS, START),
        lambda: start(closed, START),
        lambda: extend(closed, ExtensionReason.COMPLEX, until=DUE + MS, at=START),
    ):
        with pytest.raises(InvalidInput) as error:
            act()
        assert code(error) == "request_state"


def test_more_time_is_given_once_in_time_and_where_the_law_allows_it() -> None:
    later = DUE + timedelta(days=30)
    one = extend(request(), ExtensionReason.COMPLEX, until=later, at=DUE - MS)
    assert one.due == later
    assert one.extension is not None
    assert (one.extension.first_due, one.extension.told) == (DUE, DUE - MS)
    for wanted, again, until, at in (
        ("extension_twice", one, later + MS, DUE - MS),
        ("extension_late", request(), later, DUE),
        ("extension_not_allowed", request(), None, START),
        ("extension_not_allowed", request(), DUE, START),
    ):
        with pytest.raises(InvalidInput) as error:
            extend(again, ExtensionReason.COMPLEX, until=until, at=at)
        assert code(error) == wanted


@given(st.sampled_from(RequestKind), st.sampled_from(About))
def test_only_a_rectification_is_about_something(kind: RequestKind, about: About) -> None:
    if (kind is RequestKind.RECTIFICATION) == bool(about):
        assert replace(request(kind), about=about).about is about
        return
    with pytest.raises(InvalidInput) as error:
        replace(request(kind), about=about)
    assert code(error) == "request_about"


@pytest.mark.parametrize("kind", RequestKind)
def test_only_an_erasure_has_a_scope(kind: RequestKind) -> None:
    other = None if kind is RequestKind.ERASURE else ErasureScope.ACCOUNT
    with pytest.raises(InvalidInput) as error:
        replace(request(kind), scope=other)
    assert code(error) == "request_scope"


def test_the_register_lists_who_received_a_persons_data_and_nobody_else() -> None:
    agent = FromAgent(agent="AGENT_ONE")
    ready = verify(replace(request(), agent=agent), VerifiedBy.AGENT, START)
    handed = close(ready, FULFILLED, Reason.DONE, START + MS)
    (found,) = disclosures(
        [
            handed,
            ready,
            close(ready, REFUSED, Reason.EXCESSIVE, START),
            replace(handed, agent=None),
            replace(handed, kind=RequestKind.RESTRICTION),
        ]
    )
    assert (found.recipient, found.what, found.at) == ("AGENT_ONE", RequestKind.ACCESS, START + MS)


def test_a_persons_copy_shows_every_field_of_a_request() -> None:
    agent = FromAgent(agent="AGENT_ONE", number="a-1", callback="https://agent.example")
    one = verify(replace(request(), agent=agent), VerifiedBy.AGENT, START)
    one = extend(one, ExtensionReason.COMPLEX, until=DUE + MS, at=START)
    facts = request_facts(close(start(one, START), FULFILLED, Reason.DONE, START))
    missing = {name for name, value in facts.items() if value is None}
    assert missing == {"subject", "about", "scope", "erasure"}
    assert {value for value in facts.values() if isinstance(value, str)} >= {
        "a-1", "https://agent.example", "complex", "done", "fulfilled", "closed",
    }  # fmt: skip
    shown = request_facts(request(RequestKind.RECTIFICATION))
    assert (shown["about"], shown["agent"], shown["closed"]) == ("plan", None, None)
