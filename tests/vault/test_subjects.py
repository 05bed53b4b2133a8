"""The register of people: everything off, nothing readable, every change logged first."""

from pathlib import Path

import pytest

from tests.support.stores import Stores
from volens.core.errors import InvalidInput, NotFound, Unavailable
from volens.core.purposes import CONSENT_PURPOSES, Purpose, SubjectStatus, Tier
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.log.kinds import EntryKind
from volens.policy.retention import RetentionClass
from volens.vault.subjects import NewSubject

PLANS = ["free", "pro", "business", "enterprise", "api", "gov"]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


@pytest.mark.parametrize("plan", PLANS)
def test_a_new_account_has_everything_off_on_every_plan(stores: Stores, plan: str) -> None:
    """R02: on each plan, each purpose that rests on consent is denied, with each tier."""
    wanted = [
        NewSubject(reference=f"{tier}", plan=plan, region=Region.EU, tier=tier)
        for tier in (None, *Tier)
    ]
    for subject in stores.subjects.add(wanted):
        assert stores.ledger.states(subject.id) == {}
        for purpose in CONSENT_PURPOSES:
            use = Use(purpose=purpose.value, dataset="d", run="r", partner="p")
            assert not stores.gate.decide(subject, use).permit


def test_adding_people_gives_no_grant_and_logs_no_name(stores: Stores) -> None:
    stores.add("ada@example.org", "bo@example.org")
    assert stores.log.kinds() == [EntryKind.SUBJECT_CREATED] * 2
    assert stores.ledger.bulk_states(Purpose.BATCH_TRAINING) == {}
    commitments = {entry.fields["commitment"] for entry in stores.log.entries}
    assert len(commitments) == 2


def test_nobody_at_all_can_be_added(stores: Stores) -> None:
    assert stores.subjects.add([]) == []
    assert stores.log.entries == []


def test_a_person_is_found_by_reference_id_and_number(stores: Stores) -> None:
    ada, _ = stores.add("ada", "bo")
    assert stores.subjects.find("ada") == stores.subjects.find(ada.id) == ada
    assert stores.subjects.by_number(ada.number) == ada
    for unknown in ("cy", "sub_", ada.id[:-1], ada.id.upper()):
        with pytest.raises(NotFound):
            stores.subjects.find(unknown)


def test_a_reference_that_looks_like_an_id_is_found_all_the_same(stores: Stores) -> None:
    (odd,) = stores.add("sub_odd")
    assert stores.subjects.find("sub_odd") == odd


def test_the_same_reference_is_refused_twice(stores: Stores) -> None:
    stores.add("ada")
    entries = len(stores.log.entries)
    for names in (["ada"], ["bo", "bo"], ["bo", "ada"]):
        with pytest.raises(InvalidInput) as refused:
            stores.add(*names)
        assert refused.value.code == "subject_exists"
    assert (stores.subjects.count(), len(stores.log.entries)) == (1, entries)


@pytest.mark.parametrize("reference", ["", " ada", "ada ", "a\nb", "a\x00b", "x" * 257])
def test_an_unusable_reference_is_refused_without_being_repeated(
    stores: Stores, reference: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        stores.add(reference)
    assert refused.value.code == "reference_form"
    assert not reference or reference not in str(refused.value)


def test_nothing_is_added_if_the_log_refuses(stores: Stores) -> None:
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.add("ada")
    assert stores.subjects.count() == 0
    stores.log.full = False
    (ada,) = stores.add("ada")  # the key left over is replaced
    assert stores.subjects.find("ada") == ada


def test_a_change_is_logged_by_field_and_never_by_value(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    changed = stores.subjects.change(ada, {"plan": "pro", "tier": "restricted"})
    assert (changed.plan, changed.tier) == ("pro", Tier.RESTRICTED)
    assert stores.log.kinds(1) == [EntryKind.SUBJECT_CHANGED] * 2
    assert [str(entry.fields["field"]) for entry in stores.log.entries[1:]] == ["plan", "tier"]
    assert "restricted" not in repr(stores.log.entries)


def test_no_change_without_the_log(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.subjects.change(ada, {"status": "closed"})
    assert stores.subjects.find("ada").status is SubjectStatus.ACTIVE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "us"),
        ("realm", "government"),
        ("id", "x"),
        ("tier", "open"),
        ("status", "free"),
        ("age_band", None),
        ("plan", None),
        ("plan", "Größe"),
        ("organisation", "A B"),
    ],
)
def test_unknown_fields_and_words_are_refused_and_nothing_is_logged(
    stores: Stores, field: str, value: str | None
) -> None:
    (ada,) = stores.add("ada")
    with pytest.raises(InvalidInput):
        stores.subjects.change(ada, {"age_band": "unknown", field: value})
    assert stores.subjects.find("ada") == ada
    assert stores.log.kinds(1) == []


def test_an_instruction_replaces_the_former_one_and_grants_nobody_anything(stores: Stores) -> None:
    person = NewSubject(reference="ada", plan="business", region=Region.EU, organisation="acme")
    (ada,) = stores.subjects.add([person])
    stores.subjects.instruct("acme", [Purpose.SAFETY_TRAINING, Purpose.BATCH_TRAINING])
    stores.subjects.instruct("acme", [Purpose.SAFETY_TRAINING])
    assert stores.subjects.instructions() == {"acme": frozenset({"safety_training"})}
    assert not stores.gate.decide(ada, Use(purpose="safety_training")).permit
    assert stores.ledger.states(ada.id) == {}


def test_of_an_instruction_only_the_part_given_is_replaced(stores: Stores) -> None:
    times = {RetentionClass.ACTIVE_CONVERSATIONS: 90, RetentionClass.DELETED_CHATS: 25}
    stores.subjects.instruct("acme", [Purpose.SAFETY_TRAINING])
    stores.subjects.instruct("acme", None, keeping=times)
    assert stores.subjects.instructions() == {"acme": frozenset({"safety_training"})}
    assert stores.subjects.keeping() == {"acme": times}
    stores.subjects.instruct("acme", [])
    assert stores.subjects.keeping() == {"acme": times}
    stores.subjects.instruct("acme", None, keeping={})
    assert stores.subjects.keeping() == {}
    stores.subjects.instruct("zeta", None, keeping={RetentionClass.CLOSED_ACCOUNTS: 30})
    assert stores.subjects.instructions() == {"acme": frozenset(), "zeta": frozenset()}
    assert stores.log.kinds().count(EntryKind.ORGANISATION_INSTRUCTED) == 5


def test_a_changed_row_of_times_is_refused(stores: Stores) -> None:
    stores.subjects.instruct("acme", None, keeping={RetentionClass.DELETED_CHATS: 25})
    with stores.main.begin() as db:
        db.exec_driver_sql("UPDATE organisation SET keeping = 'deleted_chats=-1'")
    with pytest.raises(InvalidInput):
        stores.subjects.keeping()


def test_repr_of_a_person_shows_no_name(stores: Stores) -> None:
    wanted = NewSubject(reference="ada@example.org", plan="free", region=Region.EU)
    (ada,) = stores.subjects.add([wanted])
    assert "ada" not in repr(wanted)
    assert "sealed" not in repr(ada)
