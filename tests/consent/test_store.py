"""The ledger: replays, order, and the journal that other processes write."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stores import BATCH, NOBODY, START, Stores, act, event_id
from volens.consent.model import Act, ConsentEvent, Scope, ScopeKind, encode_event, fold
from volens.consent.store import grants_text
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable
from volens.core.ids import IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import PROHIBITED, ConsentStatus, Purpose
from volens.log.kinds import EntryKind

WINTER = Scope(kind=ScopeKind.DATASET, target="winter")
PEOPLE = [SubjectId(format_id(IdKind.SUBJECT, bytes([n] * 16))) for n in (1, 2)]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def status(stores: Stores, subject: SubjectId = NOBODY, purpose: Purpose = BATCH) -> ConsentStatus:
    state = stores.ledger.states(subject).get(purpose)
    return ConsentStatus.NOT_GRANTED if state is None else state.status_at(stores.clock.now())


def test_whoever_said_nothing_granted_nothing(stores: Stores) -> None:
    assert stores.ledger.states(NOBODY) == {}
    assert [stores.ledger.bulk_states(purpose) for purpose in Purpose] == [{}] * len(Purpose)


def test_a_grant_holds_once_recorded_and_is_in_the_log_without_the_person(stores: Stores) -> None:
    (recorded,) = stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    assert status(stores) is ConsentStatus.GRANTED
    entry = stores.log.entries[recorded.log_index]
    assert entry.kind is EntryKind.CONSENT_GRANTED
    assert NOBODY not in repr(entry)
    assert stores.ledger.find(recorded.event.id) == recorded


def test_a_grant_is_not_true_if_the_log_refuses_it(stores: Stores) -> None:
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    assert status(stores) is ConsentStatus.NOT_GRANTED
    stores.log.full = False
    stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    assert status(stores) is ConsentStatus.GRANTED


def test_a_withdrawal_holds_even_if_the_log_refuses_it(stores: Stores) -> None:
    stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.ledger.record([act(2, NOBODY, Act.WITHDRAW)])
    assert status(stores) is ConsentStatus.WITHDRAWN
    stores.log.full = False
    assert stores.ledger.drain() == 1
    assert status(stores) is ConsentStatus.WITHDRAWN
    assert stores.ledger.pending() == []


def test_the_same_event_again_changes_nothing(stores: Stores) -> None:
    acts = [act(1, NOBODY, Act.GRANT), act(2, NOBODY, Act.WITHDRAW), act(3, NOBODY, Act.GRANT)]
    first = [stores.ledger.record([one])[0] for one in acts]
    entries, history = list(stores.log.entries), stores.ledger.history(NOBODY)
    assert [stores.ledger.record([one])[0] for one in acts] == first
    assert stores.ledger.record(acts) == first
    assert stores.ledger.record([*acts, *acts]) == [*first, *first]
    assert (stores.log.entries, stores.ledger.history(NOBODY)) == (entries, history)
    assert status(stores) is ConsentStatus.GRANTED


@pytest.mark.parametrize("first", [Act.GRANT, Act.WITHDRAW])
@pytest.mark.parametrize("second", [Act.GRANT, Act.WITHDRAW])
def test_another_act_under_a_taken_id_is_refused_and_changes_nothing(
    stores: Stores, first: Act, second: Act
) -> None:
    stores.ledger.record([act(1, NOBODY, first)])
    before = (status(stores), len(stores.log.entries))
    other = act(1, NOBODY, second, at=START + timedelta(seconds=1))
    with pytest.raises(InvalidInput) as refused:
        stores.ledger.record([act(2, NOBODY, Act.GRANT), other])
    assert refused.value.code == "event_conflict"
    assert (status(stores), len(stores.log.entries)) == before
    assert stores.ledger.pending() == []


def test_two_acts_under_one_new_id_are_refused_together(stores: Stores) -> None:
    with pytest.raises(InvalidInput, match="taken"):
        stores.ledger.record([act(1, NOBODY, Act.GRANT), act(1, NOBODY, Act.WITHDRAW)])
    assert stores.ledger.history(NOBODY) == []


def test_moments_finer_than_a_millisecond_are_no_conflict(stores: Stores) -> None:
    fine = act(1, NOBODY, Act.WITHDRAW, at=START + timedelta(microseconds=7))
    recorded = stores.ledger.record([fine])
    assert stores.ledger.record([fine]) == recorded


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ((Act.GRANT, Act.WITHDRAW), ConsentStatus.WITHDRAWN),
        ((Act.WITHDRAW, Act.GRANT), ConsentStatus.GRANTED),
        ((Act.GRANT, Act.REVOKE), ConsentStatus.WITHDRAWN),
        ((Act.GRANT, Act.WITHDRAW, Act.GRANT), ConsentStatus.GRANTED),
        ((Act.GRANT, Act.WITHDRAW, Act.GRANT, Act.REVOKE), ConsentStatus.WITHDRAWN),
    ],
)
def test_acts_recorded_together_count_in_their_order(
    stores: Stores, acts: tuple[Act, ...], expected: ConsentStatus
) -> None:
    events = [act(number, NOBODY, kind) for number, kind in enumerate(acts)]
    recorded = stores.ledger.record(events)
    assert [item.event for item in recorded] == events
    assert status(stores) is expected
    indexes = [item.log_index for item in recorded]
    assert all(one < other for one, other in pairwise(indexes))


def test_what_another_process_journals_holds_at_once_and_is_applied_by_the_owner(
    stores: Stores,
) -> None:
    stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    other = stores.elsewhere()
    before = stores.ledger.stamp()
    other.journal(act(2, NOBODY, Act.WITHDRAW))
    assert stores.ledger.stamp() != before
    assert status(stores) is ConsentStatus.WITHDRAWN
    assert other.states(NOBODY) == stores.ledger.states(NOBODY)
    assert len(stores.ledger.history(NOBODY)) == 1
    assert stores.ledger.drain() == 1
    assert [item.event.act for item in stores.ledger.history(NOBODY)] == [Act.GRANT, Act.WITHDRAW]
    assert stores.log.kinds()[-1] is EntryKind.CONSENT_WITHDRAWN
    assert stores.ledger.drain() == 0


def test_a_grant_after_a_journaled_withdrawal_counts_and_one_before_does_not(
    stores: Stores,
) -> None:
    stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    stores.elsewhere().journal(act(2, NOBODY, Act.WITHDRAW))
    stores.ledger.record([act(3, NOBODY, Act.GRANT)])
    assert status(stores) is ConsentStatus.GRANTED
    assert [item.event.id for item in stores.ledger.history(NOBODY)] == [
        event_id(number) for number in (1, 2, 3)
    ]
    stores.elsewhere().journal(act(4, NOBODY, Act.WITHDRAW))
    assert status(stores) is ConsentStatus.WITHDRAWN


def test_an_applied_withdrawal_left_in_the_journal_does_not_undo_a_later_grant(
    stores: Stores,
) -> None:
    withdrawal = act(1, NOBODY, Act.WITHDRAW)
    stores.ledger.record([withdrawal])
    stores.ledger.record([act(2, NOBODY, Act.GRANT)])
    stores.journal.append(encode_event(withdrawal))  # as a stop before the new file leaves it
    assert status(stores) is ConsentStatus.GRANTED
    assert stores.ledger.taken_back(stores.ledger.mark()) == []
    assert stores.ledger.drain() == 0
    assert status(stores) is ConsentStatus.GRANTED


def test_the_journal_takes_only_what_takes_away(stores: Stores) -> None:
    for kind in (Act.GRANT, Act.LIFT_OBJECTION):
        with pytest.raises(InvalidInput):
            stores.ledger.journal(act(1, NOBODY, kind))


def test_a_grant_smuggled_into_the_journal_counts_for_nothing(stores: Stores) -> None:
    stores.journal.append(encode_event(act(1, NOBODY, Act.GRANT)))
    stores.journal.append(encode_event(act(2, PEOPLE[0], Act.WITHDRAW)))
    assert status(stores) is ConsentStatus.NOT_GRANTED
    assert stores.ledger.drain() == 1
    assert status(stores) is ConsentStatus.NOT_GRANTED
    assert status(stores, PEOPLE[0]) is ConsentStatus.WITHDRAWN


def test_a_journaled_withdrawal_under_a_taken_id_is_not_lost(stores: Stores) -> None:
    stores.ledger.record([act(1, NOBODY, Act.GRANT)])
    other = stores.elsewhere()
    other.journal(act(1, NOBODY, Act.WITHDRAW))
    assert status(stores) is ConsentStatus.WITHDRAWN
    assert stores.ledger.drain() == 1
    assert status(stores) is ConsentStatus.WITHDRAWN
    other.journal(act(1, NOBODY, Act.WITHDRAW))  # the same once more
    assert stores.ledger.drain() == 0


def test_two_journaled_acts_under_one_id_both_hold(stores: Stores) -> None:
    stores.ledger.record([act(n, one, Act.GRANT) for n, one in enumerate(PEOPLE)])
    for person in PEOPLE:
        stores.elsewhere().journal(act(9, person, Act.WITHDRAW))
    assert stores.ledger.drain() == 2
    assert [status(stores, person) for person in PEOPLE] == [ConsentStatus.WITHDRAWN] * 2


@pytest.mark.parametrize("purpose", sorted(PROHIBITED))
def test_nobody_can_grant_a_prohibited_purpose(stores: Stores, purpose: Purpose) -> None:
    for scope in (Scope(), WINTER):
        with pytest.raises(Denied) as refused:
            stores.ledger.record([act(1, NOBODY, Act.GRANT, purpose=purpose, scope=scope)])
        assert refused.value.code == "prohibited"
    assert stores.log.entries == []
    assert status(stores, purpose=purpose) is ConsentStatus.NOT_GRANTED


@pytest.mark.parametrize(
    "purpose", [Purpose.PROVIDE_SERVICE, Purpose.SAFETY_MONITORING, Purpose.GOVERNMENT_TRAINING]
)
def test_what_does_not_rest_on_consent_cannot_be_granted(stores: Stores, purpose: Purpose) -> None:
    with pytest.raises(Denied):
        stores.ledger.record([act(1, NOBODY, Act.GRANT, purpose=purpose)])
    assert stores.log.entries == []


def test_an_objection_and_its_lifting_are_logged_and_hold(stores: Stores) -> None:
    purpose = Purpose.SAFETY_MONITORING
    stores.elsewhere().journal(act(1, NOBODY, Act.OBJECT, purpose=purpose))
    assert stores.ledger.states(NOBODY)[purpose].objected
    stores.ledger.drain()
    assert stores.ledger.states(NOBODY)[purpose].objected
    stores.ledger.record([act(2, NOBODY, Act.LIFT_OBJECTION, purpose=purpose)])
    assert not stores.ledger.states(NOBODY)[purpose].objected
    assert stores.log.kinds() == [
        EntryKind.CONSENT_OBJECTED,
        EntryKind.CONSENT_OBJECTION_LIFTED,
    ]


def test_unknown_events_and_malformed_ids_are_not_found(stores: Stores) -> None:
    with pytest.raises(NotFound):
        stores.ledger.find(event_id(1))
    with pytest.raises(InvalidInput):
        stores.ledger.find("evt_1")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(Act),
        st.sampled_from([Scope(), WINTER]),
        st.sampled_from(["record", "journal", "again", "drain"]),
    ),
    max_size=8,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
def test_whatever_the_way_acts_take_the_ledger_holds_what_they_add_up_to(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[SubjectId, Act, Scope, str]],
) -> None:
    stores = Stores(tmp_path_factory.mktemp("ledger"))
    other, said = stores.elsewhere(), list[ConsentEvent]()
    for number, (person, kind, scope, way) in enumerate(steps):
        event = act(number, person, kind, scope=scope)
        if way == "drain":
            stores.ledger.drain()
            continue
        if way == "again" and said:
            stores.ledger.record([said[-1]])
            continue
        if way == "journal" and kind not in {Act.GRANT, Act.LIFT_OBJECTION}:
            other.journal(event)
        else:
            stores.ledger.record([event])
        said.append(event)
        for one in PEOPLE:
            own = fold(event for event in said if event.subject == one)
            assert stores.ledger.states(one) == own
            assert other.states(one) == own
    stores.ledger.drain()
    bulk = stores.ledger.bulk_states(BATCH)
    for one in PEOPLE:
        own = fold(event for event in said if event.subject == one)
        found = bulk.get(parse_id(IdKind.SUBJECT, one))
        expected = own.get(BATCH)
        assert found == (None if expected is None else (grants_text(expected), expected.objected))


def test_equal_choices_have_equal_texts(stores: Stores) -> None:
    for number, person in enumerate(PEOPLE):
        late = timedelta(hours=number)
        events = [
            replace(act(10 * number + n, person, Act.GRANT, scope=scope), at=START + late)
            for n, scope in enumerate([Scope(), WINTER] if number else [WINTER, Scope()])
        ]
        stores.ledger.record(events)
    assert len(set(stores.ledger.bulk_states(BATCH).values())) == 1
