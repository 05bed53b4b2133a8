"""What the ledger hands out and writes down, value by value."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.stores import BATCH, START, Stores, act, event_id, notice
from volens.consent.model import Act, Scope, ScopeKind, encode_event, fold
from volens.consent.store import grants_text
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import Purpose
from volens.log.entries import commit
from volens.log.kinds import EntryKind, GrantScope

WINTER = Scope(kind=ScopeKind.DATASET, target="winter")
ADA, BO = (SubjectId(format_id(IdKind.SUBJECT, bytes([n] * 16))) for n in (1, 2))
MONITORING = Purpose.SAFETY_MONITORING


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


@pytest.mark.parametrize(
    ("code", "purpose"),
    [
        ("not_by_consent", Purpose.PROVIDE_SERVICE),
        ("not_by_consent", Purpose.GOVERNMENT_TRAINING),
        ("prohibited", Purpose.FINGERPRINT_MATCHING),
    ],
)
def test_a_grant_that_nobody_can_give_is_refused_by_its_code(
    stores: Stores, code: str, purpose: Purpose
) -> None:
    for scope in (Scope(), WINTER):
        with pytest.raises(Denied) as refused:
            stores.ledger.record([act(1, ADA, Act.GRANT, purpose=purpose, scope=scope)])
        assert refused.value.code == code
    stores.ledger.record([act(1, ADA, Act.WITHDRAW, purpose=purpose)])  # a no is always taken


@pytest.mark.parametrize("purpose", [Purpose.AGGREGATED_RESEARCH, Purpose.PARTNER_AGGREGATES])
def test_aggregates_can_be_granted(stores: Stores, purpose: Purpose) -> None:
    stores.ledger.record([act(1, ADA, Act.GRANT, purpose=purpose)])
    assert stores.ledger.states(ADA)[purpose].grants


def test_refusals_of_the_ledger_have_their_codes(stores: Stores) -> None:
    with pytest.raises(InvalidInput) as refused:
        stores.ledger.journal(act(1, ADA, Act.GRANT))
    assert refused.value.code == "journal_act"
    with pytest.raises(NotFound) as missing:
        stores.ledger.find(event_id(1))
    assert missing.value.code == "event_unknown"


def test_what_was_taken_back_since_a_mark_is_told_in_order(stores: Stores) -> None:
    assert stores.ledger.mark() == 0
    grants = [act(1, ADA, Act.GRANT), act(2, BO, Act.GRANT)]
    before = act(3, BO, Act.OBJECT, purpose=MONITORING)
    stores.ledger.record([*grants, before])
    assert stores.ledger.mark() == 3
    assert stores.ledger.taken_back(0) == [before]
    assert stores.ledger.taken_back(3) == []
    after = [act(4, BO, Act.WITHDRAW), act(5, ADA, Act.REVOKE), act(6, ADA, Act.GRANT)]
    stores.ledger.record(after)
    waiting = act(0, BO, Act.WITHDRAW, scope=WINTER)
    stores.elsewhere().journal(waiting)
    assert stores.ledger.mark() == 6
    assert stores.ledger.taken_back(3) == [*after[:2], waiting]
    assert stores.ledger.taken_back(2) == [before, *after[:2], waiting]
    assert stores.ledger.taken_back(4) == [after[1], waiting]
    stores.ledger.drain()
    assert stores.ledger.taken_back(6) == [waiting]


def test_states_in_bulk_are_of_one_purpose_and_say_who_objected(stores: Stores) -> None:
    stores.ledger.record(
        [
            act(1, ADA, Act.GRANT),
            act(2, BO, Act.GRANT),
            act(3, BO, Act.WITHDRAW),
            act(4, BO, Act.OBJECT, purpose=MONITORING),
        ]
    )
    ada, bo = (parse_id(IdKind.SUBJECT, one) for one in (ADA, BO))
    digest = notice().sha256
    assert stores.ledger.bulk_states(BATCH) == {
        ada: (f'[["general","","granted","{digest}",null]]', False),
        bo: ('[["general","","withdrawn","",null]]', False),
    }
    assert stores.ledger.bulk_states(MONITORING) == {bo: ("[]", True)}
    assert stores.ledger.bulk_states(Purpose.HUMAN_FEEDBACK) == {}


def test_the_text_of_grants_lists_scope_target_status_notice_and_end() -> None:
    ends = START + timedelta(days=1)
    run = Scope(kind=ScopeKind.RUN, target="7")
    autumn = Scope(kind=ScopeKind.DATASET, target="autumn")
    events = [
        act(1, ADA, Act.GRANT, scope=run),
        act(2, ADA, Act.GRANT, scope=WINTER, expires=ends),
        act(3, ADA, Act.GRANT, scope=autumn),
        act(4, ADA, Act.WITHDRAW, scope=autumn),
    ]
    digest, millis = notice().sha256, int(ends.timestamp() * 1000)
    assert grants_text(fold(events)[BATCH]) == (
        f'[["dataset","autumn","withdrawn","",null],'
        f'["dataset","winter","granted","{digest}",{millis}],'
        f'["run","7","granted","{digest}",null]]'
    )


@pytest.mark.parametrize(
    ("kind", "logged"),
    [
        (Act.GRANT, EntryKind.CONSENT_GRANTED),
        (Act.WITHDRAW, EntryKind.CONSENT_WITHDRAWN),
        (Act.REVOKE, EntryKind.CONSENT_REVOKED),
        (Act.OBJECT, EntryKind.CONSENT_OBJECTED),
        (Act.LIFT_OBJECTION, EntryKind.CONSENT_OBJECTION_LIFTED),
    ],
)
def test_each_act_has_its_own_kind_of_entry_that_its_salt_opens(
    stores: Stores, kind: Act, logged: EntryKind
) -> None:
    scope = WINTER if kind in {Act.GRANT, Act.WITHDRAW} else Scope()
    event = act(1, ADA, kind, scope=scope)
    (recorded,) = stores.ledger.record([event])
    assert (recorded.event, recorded.log_index) == (event, 0)
    (entry,) = stores.log.entries
    assert entry.kind is logged
    expected = {
        "commitment": commit(recorded.salt, encode_event(event)),
        "purpose": BATCH,
        "scope": GrantScope(scope.kind.value),
    }
    if kind is Act.GRANT:
        expected["notice_hash"] = bytes.fromhex(notice().sha256)
    assert dict(entry.fields) == expected
    assert stores.ledger.history(ADA) == [recorded] == [stores.ledger.find(event.id)]
    assert stores.ledger.history(BO) == []


def test_several_acts_at_once_have_salts_of_their_own(stores: Stores) -> None:
    recorded = stores.ledger.record([act(1, ADA, Act.GRANT), act(2, BO, Act.GRANT)])
    for item in recorded:
        entry = stores.log.entries[item.log_index]
        assert entry.fields["commitment"] == commit(item.salt, encode_event(item.event))
    assert len({item.salt for item in recorded}) == 2


def test_an_act_under_a_taken_id_gets_the_id_that_its_own_bytes_make(stores: Stores) -> None:
    taken, late = act(1, ADA, Act.GRANT), act(1, ADA, Act.WITHDRAW)
    stores.ledger.record([taken])
    stores.elsewhere().journal(late)
    assert stores.ledger.drain() == 1
    digest = hashlib.sha256(b"volens/event/v1\x00" + encode_event(late)).digest()
    assert [item.event.id for item in stores.ledger.history(ADA)] == [
        taken.id,
        format_id(IdKind.EVENT, digest[:16]),
    ]
    renamed = stores.ledger.history(ADA)[1].event
    assert (renamed.act, renamed.at, renamed.scope) == (late.act, late.at, late.scope)


def test_a_drain_counts_new_acts_once(stores: Stores) -> None:
    other = stores.elsewhere()
    for number in (1, 2, 1, 2):
        other.journal(act(number, ADA, Act.WITHDRAW))
    assert [event.id for event in stores.ledger.pending()] == [event_id(n) for n in (1, 2, 1, 2)]
    assert stores.ledger.drain() == 2
    assert len(stores.log.entries) == len(stores.ledger.history(ADA)) == 2
    other.journal(act(1, ADA, Act.WITHDRAW))
    other.journal(act(3, BO, Act.WITHDRAW))
    assert stores.ledger.drain() == 1


def test_recording_nothing_writes_nothing(stores: Stores) -> None:
    assert stores.ledger.record([]) == []
    assert stores.log.entries == []
