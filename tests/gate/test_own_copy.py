"""A person's own copy at the gate: decided, logged, kept for the person, and only then opened."""

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from tests.support.stores import Stores, act, talk, talks
from volens.consent.model import Act
from volens.core.errors import InvalidInput, Unavailable
from volens.core.ids import IdKind, format_id, parse_id
from volens.core.purposes import Purpose, Signal, SubjectStatus
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import Opener
from volens.gate.accesses import AccessLeaf, AccessLeaves, opened_parts
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.gate.own_copy import FOR_THEIR_SAKE, USE, OwnCopy
from volens.gate.reading import SealedReader
from volens.log.entries import commit
from volens.log.kinds import (
    AccessAction,
    AccessOutcome,
    AccessReason,
    Actor,
    CaptureSource,
    EntryKind,
)
from volens.policy.model import ReasonCode

INTENT, DONE = EntryKind.ACCESS_INTENT, EntryKind.ACCESS_DONE
SUPPORT = Asker(actor=Actor.SERVICE, action=AccessAction.SHOW, reason=AccessReason.SERVICE)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def own_copy(stores: Stores) -> OwnCopy:
    return OwnCopy(
        stores.gate,
        stores.subjects,
        stores.vault,
        SealedReader(stores.main, tenant=bytes(range(16))),
        Opener(
            KeyStore(stores.keys, stores.service, entropy=stores.entropy), entropy=stores.entropy
        ),
        stores.recorder,
        stores.main,
        clock=stores.clock,
    )


def test_no_key_is_used_before_the_intent_and_what_opens_it_are_kept(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(3))}, source=CaptureSource.API)
    since = len(stores.log.entries)
    with own_copy(stores).begin(ann) as reading:
        assert stores.service.unwrapped == 0
        assert stores.log.kinds(since) == [INTENT]
        leaf = AccessLeaves(stores.main).of_subject(ann.number)[-1]
        assert leaf.log_index == reading.intent
        found = list(reading.conversations())
    assert len(found) == reading.permitted == 3
    assert stores.log.kinds(since) == [INTENT, DONE]


def test_the_entry_opens_to_its_person_and_to_exactly_these_conversations(stores: Stores) -> None:
    ann, bob = stores.add("ann", "bob")
    stores.vault.capture({ann: list(talks(2))}, source=CaptureSource.API)
    with own_copy(stores).begin(ann) as reading:
        pass
    entry = stores.log.entries[reading.intent]
    (leaf,) = [
        one
        for one in AccessLeaves(stores.main).of_subject(ann.number)
        if one.log_index == reading.intent
    ]
    raw = parse_id(IdKind.SUBJECT, ann.id)
    assert entry.fields["commitment"] == commit(leaf.salt, *opened_parts(raw, leaf.opening))
    other = parse_id(IdKind.SUBJECT, bob.id)
    assert entry.fields["commitment"] != commit(leaf.salt, *opened_parts(other, leaf.opening))
    assert (entry.fields["count"], entry.fields["purpose"]) == (2, "provide_service")


def test_a_copy_can_be_gone_through_twice_under_one_intent(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(450))}, source=CaptureSource.API)  # several pages
    since = len(stores.log.entries)
    with own_copy(stores).begin(ann) as reading:
        first = [one.held.id for one in reading.conversations()]
        again = [one.held.id for one in reading.conversations()]
    assert len(set(first)) == 450
    assert first == again == [held.id for held in stores.vault.of_subject(ann)]
    assert stores.log.kinds(since) == [INTENT, DONE]
    assert stores.log.entries[-1].fields["count"] == 450


def test_what_came_in_after_the_intent_is_not_opened(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: [talk("one", "first")]}, source=CaptureSource.API)
    with own_copy(stores).begin(ann) as reading:
        stores.vault.capture({ann: [talk("two", "second")]}, source=CaptureSource.API)
        assert len(list(reading.conversations())) == 1


def test_what_may_not_be_opened_any_more_is_counted(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(250))}, source=CaptureSource.API)
    with own_copy(stores).begin(ann) as reading:
        missing: Counter[str] = Counter()
        found = reading.conversations(missing)
        opened = [next(found)]
        stores.subjects.change(ann, {"status": SubjectStatus.CLOSED.value})
        opened += list(found)
    assert (len(opened), missing) == (200, {"blocked_closed": 50})
    assert stores.log.entries[-1].fields["count"] == 200


def test_a_copy_that_fails_says_so(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(2))}, source=CaptureSource.API)

    def read_one() -> None:
        with own_copy(stores).begin(ann) as reading:
            next(reading.conversations())
            raise ValueError("out of paper")

    with pytest.raises(ValueError, match="paper"):
        read_one()
    fields = stores.log.entries[-1].fields
    assert (fields["outcome"], fields["count"]) == (AccessOutcome.FAILED, 1)


def test_on_a_full_disk_nothing_is_opened(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(2))}, source=CaptureSource.API)
    stores.log.full = True
    with pytest.raises(Unavailable):
        own_copy(stores).begin(ann)
    assert stores.service.unwrapped == 0


def test_a_restriction_keeps_others_out_and_not_the_person(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    for status, permitted in (
        (SubjectStatus.RESTRICTED, 1),
        (SubjectStatus.ERASING, 0),
        (SubjectStatus.CLOSED, 0),
        (SubjectStatus.ACTIVE, 1),
    ):
        ann = stores.subjects.change(ann, {"status": status.value})
        count, left_out = own_copy(stores).preview(ann)
        assert (count, left_out.total()) == (permitted, 1 - permitted), status


def test_an_objection_keeps_others_out_and_not_the_person(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    stores.ledger.record([act(1, ann, Act.OBJECT, purpose=Purpose.PROVIDE_SERVICE)])
    assert stores.gate.decide(ann, USE).reasons == (ReasonCode.OBJECTION_UPHELD,)
    assert own_copy(stores).preview(ann) == (1, Counter())
    ann = stores.subjects.change(ann, {"status": SubjectStatus.ERASING.value})
    assert set(stores.gate.decide(ann, USE).reasons) & FOR_THEIR_SAKE
    assert own_copy(stores).preview(ann) == (0, Counter(blocked_erasing=1))


def test_an_error_in_deciding_is_a_deny_here_too(stores: Stores) -> None:
    (ann,) = stores.add("ann", plan="nobody-knows-this-plan")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    assert own_copy(stores).preview(ann) == (0, Counter(plan_unknown=1))


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_keeps_nobody_from_their_own_words(stores: Stores, signal: Signal) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: [talk("x", "hi", signal=signal)]}, source=CaptureSource.API)
    assert own_copy(stores).preview(ann) == (1, Counter())


def test_every_look_at_a_conversation_is_kept_for_its_person(stores: Stores) -> None:
    ann, bob = stores.add("ann", "bob")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    (held,) = stores.vault.of_subject(ann)
    before = {leaf.log_index for leaf in AccessLeaves(stores.main).of_subject(ann.number)}
    stores.gate.show(held, ann, Use(purpose="provide_service"), SUPPORT)
    stores.gate.capture_secret(held, ann)
    leaves = AccessLeaves(stores.main).of_subject(ann.number)
    fresh = [leaf for leaf in leaves if leaf.log_index not in before]
    assert [leaf.opening for leaf in fresh] == [held.id, held.id]
    for leaf in fresh:
        entry = stores.log.entries[leaf.log_index]
        raw = parse_id(IdKind.CONVERSATION, held.id)
        assert entry.fields["commitment"] == commit(leaf.salt, raw)
    others = AccessLeaves(stores.main).of_subject(bob.number)
    assert [leaf.opening for leaf in others] == ["created"]


def test_what_is_not_about_an_access_opens_nothing() -> None:
    for opening in ("created", "plan", "own_copy xyz", "", "cnv_short"):
        with pytest.raises(InvalidInput, match="not about an access"):
            opened_parts(b"s" * 16, opening)
    name = format_id(IdKind.CONVERSATION, b"c" * 16)
    assert opened_parts(b"s" * 16, name) == (b"c" * 16,)
    assert opened_parts(b"s" * 16, f"own_copy {'ab' * 32}") == (b"s" * 16, b"\xab" * 32)


def test_a_leaf_shows_no_salt_when_printed() -> None:
    assert "ssss" not in repr(AccessLeaf(log_index=1, salt=b"s" * 32, opening="x"))


def test_what_can_not_be_kept_for_its_person_is_not_opened_to_anybody(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.vault.capture({ann: list(talks(1))}, source=CaptureSource.API)
    (held,) = stores.vault.of_subject(ann)
    with stores.main.begin() as db:
        db.exec_driver_sql("DROP TABLE leaf")
    with pytest.raises(DatabaseError):
        own_copy(stores).begin(ann)
    with pytest.raises(DatabaseError):
        stores.gate.show(held, ann, USE, SUPPORT)
    assert stores.service.unwrapped == 0
    assert stores.log.entries[-1].fields["outcome"] is AccessOutcome.FAILED
    with pytest.raises(DatabaseError):
        stores.gate.capture_secret(held, ann)
    assert stores.service.unwrapped == 0
