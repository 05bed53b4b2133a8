"""The person's report control: small, logged, never a consent, gone with what it is about."""

from pathlib import Path

import pytest

from tests.support.stores import TRAINING, Stores, talks
from volens.core.errors import InvalidInput, Unavailable
from volens.core.ids import IdKind, parse_id
from volens.holds.reports import METADATA, ReportReason, ReportStore
from volens.log.kinds import CaptureSource, EntryKind
from volens.storage.engine import create_tables
from volens.vault.store import Held
from volens.vault.subjects import Subject


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    made = Stores(tmp_path)
    create_tables(made.main, METADATA)
    return made


@pytest.fixture
def reports(stores: Stores) -> ReportStore:
    return ReportStore(stores.main, stores.recorder, clock=stores.clock)


def talked(stores: Stores, name: str, count: int = 2) -> tuple[Subject, list[Held]]:
    (subject,) = stores.add(name)
    stores.vault.capture({subject: list(talks(count))}, source=CaptureSource.API)
    return subject, list(stores.vault.of_subject(subject))


def test_a_report_names_what_may_be_looked_at_and_no_more(
    stores: Stores, reports: ReportStore
) -> None:
    ann, (first, second) = talked(stores, "ann")
    reports.file(first, because=ReportReason.HATE, turn=0)
    reports.file(second, because=ReportReason.WRONG)
    listed = reports.listed()
    assert [(one.conversation, one.turn, one.because) for one in listed] == [
        (first.id, 0, "hate"),
        (second.id, None, "wrong"),
    ]
    assert ann.id not in repr(listed)
    assert reports.listed(skip=1) == listed[1:]
    assert reports.listed(limit=1) == listed[:1]


def test_the_log_says_that_something_was_reported_and_nothing_else(
    stores: Stores, reports: ReportStore
) -> None:
    _, (held, _) = talked(stores, "ann")
    made = reports.file(held, because=ReportReason.PRIVACY, turn=1)
    entry = stores.log.entries[made.log_index]
    assert entry.kind is EntryKind.CONTENT_REPORTED
    assert set(entry.fields) == {"commitment"}
    assert entry.fields["commitment"] != parse_id(IdKind.CONVERSATION, held.id)


def test_the_same_report_again_changes_nothing(stores: Stores, reports: ReportStore) -> None:
    _, (held, _) = talked(stores, "ann")
    first = reports.file(held, because=ReportReason.HATE, turn=0)
    size = len(stores.log.entries)
    assert reports.file(held, because=ReportReason.HATE, turn=0) == first
    assert len(stores.log.entries) == size
    for because, turn in (
        (ReportReason.HATE, 1),
        (ReportReason.HATE, None),
        (ReportReason.SEXUAL, 0),
    ):
        assert reports.file(held, because=because, turn=turn).number != first.number
    assert reports.count() == 4


@pytest.mark.parametrize("turn", [-1, 2, 10**6])
def test_a_turn_that_is_not_there_is_refused(
    stores: Stores, reports: ReportStore, turn: int
) -> None:
    _, (held, _) = talked(stores, "ann")
    size = len(stores.log.entries)
    assert held.turns == 2
    with pytest.raises(InvalidInput, match="no turn"):
        reports.file(held, because=ReportReason.OTHER, turn=turn)
    assert len(stores.log.entries) == size


def test_a_report_is_never_a_consent_and_opens_nothing(
    stores: Stores, reports: ReportStore
) -> None:
    ann, (held, _) = talked(stores, "ann")
    reports.file(held, because=ReportReason.CHILD_SAFETY)
    assert not stores.ledger.states(ann.id)
    assert not stores.gate.decide(ann, TRAINING, held).permit
    assert not stores.gate.decide(ann, TRAINING).permit
    assert stores.service.unwrapped == 0


def test_what_can_not_be_logged_is_not_reported(stores: Stores, reports: ReportStore) -> None:
    _, (held, _) = talked(stores, "ann")
    stores.log.full = True
    with pytest.raises(Unavailable):
        reports.file(held, because=ReportReason.OTHER)
    assert reports.count() == 0
    stores.log.full = False
    assert reports.file(held, because=ReportReason.OTHER).number == 1


def test_reports_go_with_their_person_and_with_their_conversation(
    stores: Stores, reports: ReportStore
) -> None:
    ann, (first, second) = talked(stores, "ann")
    bob, (other, _) = talked(stores, "bob")
    for held in (first, second, other):
        reports.file(held, because=ReportReason.OTHER)
    assert reports.erase_conversations([first.number]) == 1
    assert [one.conversation for one in reports.of_subject(ann.number)] == [second.id]
    assert reports.erase_subjects([ann.number]) == 1
    assert reports.erase_subjects([ann.number]) == 0
    assert reports.of_subject(ann.number) == []
    assert len(reports.of_subject(bob.number)) == 1
    assert reports.erase_conversations(range(10_000)) == 1
    assert reports.count() == 0
