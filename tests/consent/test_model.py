"""What choices add up to: pure folding, at exact moments."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import BATCH, NOBODY, START, act
from volens.consent.model import (
    GENERAL,
    NEGATIVE_ACTS,
    NOTHING_SAID,
    Act,
    ConsentEvent,
    Scope,
    ScopeKind,
    apply_event,
    decode_event,
    encode_event,
    fold,
)
from volens.core.errors import InvalidInput
from volens.core.purposes import ConsentStatus, Purpose

SCOPES = [
    GENERAL,
    Scope(kind=ScopeKind.DATASET, target="winter"),
    Scope(kind=ScopeKind.RUN, target="r1"),
    Scope(kind=ScopeKind.PARTNER, target="p1"),
]
TICK = timedelta(milliseconds=1)


@st.composite
def events(draw: st.DrawFn) -> ConsentEvent:
    kind = draw(st.sampled_from(Act))
    at = START + timedelta(minutes=draw(st.integers(0, 1000)))
    expires = None
    if kind is Act.GRANT and draw(st.booleans()):
        expires = at + timedelta(minutes=draw(st.integers(1, 1000)))
    return act(
        draw(st.integers(0, 2**64)),
        NOBODY,
        kind,
        purpose=draw(st.sampled_from([BATCH, Purpose.HUMAN_FEEDBACK])),
        scope=draw(st.sampled_from(SCOPES)),
        at=at,
        expires=expires,
    )


def granted(history: list[ConsentEvent], purpose: Purpose = BATCH) -> bool:
    status = fold(history).get(purpose, NOTHING_SAID).status_at(START)
    return status is ConsentStatus.GRANTED


def test_nothing_said_is_not_granted() -> None:
    assert fold([]) == {}
    assert NOTHING_SAID.status_at(START) is ConsentStatus.NOT_GRANTED


def test_a_grant_ends_exactly_at_its_expiry() -> None:
    ends = START + timedelta(days=30)
    state = fold([act(1, NOBODY, Act.GRANT, expires=ends)])[BATCH]
    assert state.status_at(ends - TICK) is ConsentStatus.GRANTED
    assert state.status_at(ends) is ConsentStatus.EXPIRED
    assert state.status_at(ends + TICK) is ConsentStatus.EXPIRED


def test_a_withdrawn_grant_is_withdrawn_also_past_its_expiry() -> None:
    ends = START + timedelta(days=30)
    history = [act(1, NOBODY, Act.GRANT, expires=ends), act(2, NOBODY, Act.WITHDRAW)]
    assert fold(history)[BATCH].status_at(ends + TICK) is ConsentStatus.WITHDRAWN


@given(st.lists(events(), max_size=12), st.sampled_from([Act.WITHDRAW, Act.REVOKE]))
def test_a_general_withdrawal_ends_every_scope_whatever_came_before(
    history: list[ConsentEvent], kind: Act
) -> None:
    state = fold([*history, act(2**65, NOBODY, kind)])[BATCH]
    assert state.status_at(START) is ConsentStatus.WITHDRAWN
    assert [grant.scope for grant in state.grants] == [GENERAL]


@given(st.lists(events(), max_size=12), st.sampled_from(SCOPES[1:]))
def test_a_named_withdrawal_ends_its_own_scope_and_no_other(
    history: list[ConsentEvent], scope: Scope
) -> None:
    before = fold(history).get(BATCH, NOTHING_SAID)
    after = apply_event(before, act(2**65, NOBODY, Act.WITHDRAW, scope=scope))
    assert {g for g in after.grants if g.scope != scope} == {
        g for g in before.grants if g.scope != scope
    }
    (own,) = [g for g in after.grants if g.scope == scope]
    assert own.status is ConsentStatus.WITHDRAWN


@given(st.lists(events().filter(lambda event: event.act in NEGATIVE_ACTS), max_size=12))
def test_negative_acts_alone_never_add_up_to_a_grant(history: list[ConsentEvent]) -> None:
    assert not granted(history)


@given(st.lists(events(), max_size=12))
def test_acts_about_one_purpose_say_nothing_about_another(history: list[ConsentEvent]) -> None:
    own = [event for event in history if event.purpose is BATCH]
    assert fold(history).get(BATCH) == fold(own).get(BATCH)


@given(st.lists(events(), max_size=12), events().filter(lambda event: event.act in NEGATIVE_ACTS))
def test_laying_a_negative_act_over_twice_changes_nothing(
    history: list[ConsentEvent], event: ConsentEvent
) -> None:
    assert fold([*history, event]) == fold([*history, event, event])


@given(st.lists(events(), max_size=12))
def test_an_objection_stands_until_it_is_lifted(history: list[ConsentEvent]) -> None:
    about = [e.act for e in history if e.purpose is BATCH]
    last = next((a for a in reversed(about) if a in {Act.OBJECT, Act.LIFT_OBJECTION}), None)
    assert fold(history).get(BATCH, NOTHING_SAID).objected is (last is Act.OBJECT)


@given(events())
def test_an_event_is_read_as_it_was_written(event: ConsentEvent) -> None:
    assert decode_event(encode_event(event)) == event


@given(events(), st.data())
def test_a_changed_byte_is_never_read_as_the_same_event(
    event: ConsentEvent, data: st.DataObject
) -> None:
    written = bytearray(encode_event(event))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(InvalidInput):
        assert decode_event(bytes(written)) != event


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v":2'),
        (b'"channel"', b'"extra":1,"channel"'),
        (b'"act":"grant"', b'"act":"opt_in"'),
        (b'"batch_training"', b'"training"'),
        (b'"general"', b'"everything"'),
        (b'"channel":"cli",', b""),
        (b"{", b"{ "),
    ],
)
def test_unknown_words_members_and_versions_are_refused(old: bytes, new: bytes) -> None:
    written = encode_event(act(1, NOBODY, Act.GRANT))
    assert written.count(old) >= 1
    with pytest.raises(InvalidInput):
        decode_event(written.replace(old, new, 1))


def test_a_grant_names_its_notice_and_only_a_grant_does() -> None:
    grant = act(1, NOBODY, Act.GRANT)
    for kind, shown in ((Act.GRANT, None), (Act.WITHDRAW, grant.notice)):
        with pytest.raises(InvalidInput, match="notice"):
            ConsentEvent(
                id=grant.id, subject=NOBODY, purpose=BATCH, act=kind, at=START, notice=shown
            )


@pytest.mark.parametrize("ends", [START, START - TICK])
def test_an_expiry_lies_after_the_grant(ends: object) -> None:
    with pytest.raises(InvalidInput, match="expiry"):
        act(1, NOBODY, Act.GRANT, expires=ends)  # type: ignore[arg-type]


def test_only_the_general_scope_has_no_target() -> None:
    with pytest.raises(InvalidInput):
        Scope(kind=ScopeKind.GENERAL, target="winter")
    with pytest.raises(InvalidInput):
        Scope(kind=ScopeKind.DATASET)
