"""What the gate hands out and writes down, field by field; and its census, bit by bit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.support.stores import BUILDER, START, TENANT, TRAINING, Stores, act, notice, talk
from volens.consent.model import Act
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import AgeBand, Purpose, Realm, Signal, Tier
from volens.core.regions import Region
from volens.crypto.binding import capture_commitment
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import open_record
from volens.gate.accesses import AccessLeaves
from volens.gate.facts import Census, FactSource, Use, published_notices
from volens.gate.gate import Gate
from volens.gate.opener import opener_for
from volens.gate.reading import SealedReader, Wanted
from volens.log.kinds import AccessOutcome, EntryKind
from volens.policy.classify import GrantFacts, OrganisationFacts, SubjectFacts
from volens.policy.model import Decision, ReasonCode
from volens.vault.subjects import NewSubject, Subject
from volens.vault.tables import CAPTURE_BATCH


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


@pytest.fixture
def people(stores: Stores) -> list[Subject]:
    """Ada said yes; Bo said nothing. Each has two conversations."""
    found = stores.add("ada", "bo")
    for subject in found:
        stores.capture(subject, talk(f"{subject.number} a"), talk(f"{subject.number} b"))
    stores.ledger.record([act(1, found[0], Act.GRANT)])
    return found


def facts(stores: Stores) -> FactSource:
    return FactSource(
        stores.main,
        stores.subjects,
        stores.ledger,
        stores.erasures,
        region=Region.EU,
        realm=Realm.CIVILIAN,
    )


def test_an_error_while_deciding_is_a_complete_deny(stores: Stores, people: list[Subject]) -> None:
    ada, bo = people
    assert stores.gate.decide(ada, TRAINING, stores.held(bo)[0]) == Decision(
        permit=False,
        reasons=(ReasonCode.POLICY_ERROR,),
        policy=stores.policy.ref,
        rules=(),
        valid_until=stores.policy.valid_until,
    )


def test_somebody_elses_conversation_gives_no_secret(stores: Stores, people: list[Subject]) -> None:
    ada, bo = people
    with pytest.raises(InvalidInput) as refused:
        stores.gate.capture_secret(stores.held(bo)[0], ada)
    assert refused.value.code == "not_theirs"


def test_a_capture_secret_is_the_one_its_capture_committed_to(
    stores: Stores, people: list[Subject]
) -> None:
    ada, _ = people
    for held in stores.held(ada):
        stores.gate.show(held, ada, TRAINING, BUILDER)  # fetches the key, so that none is asked for
        secret = stores.gate.capture_secret(held, ada)
        with stores.main.connect() as db:
            where = CAPTURE_BATCH.c.no == held.batch_no
            logged = db.execute(select(CAPTURE_BATCH.c.commitments).where(where)).scalar_one()
        commitment = capture_commitment(secret, parse_id(IdKind.CONVERSATION, held.id))
        assert commitment == logged[32 * held.position : 32 * held.position + 32]


def test_the_intent_and_the_end_of_a_look_say_all_that_was_asked(
    stores: Stores, people: list[Subject]
) -> None:
    ada, _ = people
    start = len(stores.log.entries)
    stores.gate.show(stores.held(ada)[0], ada, TRAINING, BUILDER)
    intent, done = (dict(entry.fields) for entry in stores.log.entries[start:])
    commitment = intent.pop("commitment")
    assert isinstance(commitment, bytes)
    assert len(commitment) == 32
    assert intent == {
        "purpose": Purpose.BATCH_TRAINING,
        "actor": BUILDER.actor,
        "action": BUILDER.action,
        "reason": BUILDER.reason,
        "policy_hash": bytes.fromhex(stores.policy.ref.hash),
        "count": 1,
    }
    assert done == {
        "intent": start,
        "count": 1,
        "duration_ms": 0,
        "outcome": AccessOutcome.COMPLETED,
    }


def test_only_an_intent_for_a_dataset_commits_to_one(stores: Stores, people: list[Subject]) -> None:
    assert people
    stores.gate.select(TRAINING, BUILDER)
    assert "dataset" not in stores.log.entries[-1].fields
    stores.gate.select(TRAINING, BUILDER, dataset=b"d" * 16)
    entry = stores.log.entries[-1]
    assert entry.kind is EntryKind.ACCESS_INTENT
    dataset = entry.fields["dataset"]
    assert isinstance(dataset, bytes)
    assert len(dataset) == 32
    assert dataset not in {b"d" * 32, entry.fields["commitment"]}


def test_a_selection_says_what_was_decided_and_when(stores: Stores, people: list[Subject]) -> None:
    assert people
    selection = stores.gate.select(TRAINING, BUILDER)
    assert (selection.use, selection.at) == (TRAINING, START)
    assert (selection.permitted, selection.excluded) == (2, {ReasonCode.NO_GRANT: 2})
    assert selection.mark == stores.ledger.mark()
    assert selection.narrowings == stores.recorder.narrowings


def test_an_opener_made_for_a_gate_opens_and_seals(stores: Stores, people: list[Subject]) -> None:
    assert people
    keys = KeyStore(stores.keys, stores.service, entropy=stores.entropy)
    gate = Gate(
        facts(stores),
        SealedReader(stores.main, tenant=TENANT),
        opener_for(keys, entropy=stores.entropy),
        stores.recorder,
        leaves=AccessLeaves(stores.main),
        policy=stores.policy,
        clock=stores.clock,
    )
    dataset = b"d" * 16
    (batch,) = gate.open(gate.select(TRAINING, BUILDER))
    leaves = batch.leaves(dataset, [0, 1])
    assert len(set(leaves)) == 2
    sealed = batch.seal_record(1, b"a row", dataset=dataset, leaf=leaves[1])
    key = batch._keys[0].of(batch._members[56:72])
    opened = open_record(key, sealed, dataset=dataset, leaf=leaves[1])
    assert opened == b"a row"


def test_every_batch_is_reported_with_its_size(stores: Stores, people: list[Subject]) -> None:
    assert people
    seen: list[int] = []
    assert list(stores.gate.open(stores.gate.select(TRAINING, BUILDER), on_batch=seen.append))
    assert seen == [2]


def test_all_facts_of_a_person_reach_the_policy(stores: Stores) -> None:
    stores.subjects.instruct("acme", [Purpose.BATCH_TRAINING])
    stores.subjects.instruct("other", [Purpose.HUMAN_FEEDBACK])
    (ada, bo) = stores.subjects.add(
        [
            NewSubject(
                reference="ada",
                plan="team",
                region=Region.EU,
                tier=Tier.PRIVATE,
                organisation="acme",
            ),
            NewSubject(reference="bo", plan="free", region=Region.US, organisation="silent"),
        ]
    )
    stores.ledger.record(
        [
            act(1, ada, Act.GRANT),
            act(2, ada, Act.OBJECT, purpose=Purpose.SAFETY_MONITORING),
        ]
    )
    found = facts(stores).subject_facts(ada, stores.policy)
    assert found == SubjectFacts(
        plan="team",
        region="eu",
        tier=Tier.PRIVATE.value,
        realm=Realm.CIVILIAN.value,
        age_band=AgeBand.ADULT.value,
        status="active",
        organisation=OrganisationFacts(instructed=frozenset({"batch_training"})),
        grants={
            "batch_training": (GrantFacts(status="granted", notice=notice().sha256),),
            "safety_monitoring": (),
        },
        notices_shown=published_notices(stores.policy),
        objections=frozenset({"safety_monitoring"}),
    )
    other = facts(stores).subject_facts(bo, stores.policy)
    assert (other.tier, other.region) == (None, "us")
    assert other.organisation == OrganisationFacts()
    assert other.grants == {}
    assert facts(stores).subject_facts(stores.add("cy")[0], stores.policy).organisation is None


def test_an_unknown_purpose_is_refused_by_its_code(stores: Stores) -> None:
    with pytest.raises(Denied) as refused:
        stores.gate.preview(Use(purpose="make_it_better"))
    assert refused.value.code == "purpose_unknown"


class _Bits:
    """Stands in for the bitmap under a census: it has bits and nothing else."""

    def __init__(self, bits: list[bool]) -> None:
        self.bits = np.packbits(np.array(bits, dtype=np.bool_), bitorder="little")


def census(people: dict[int, list[bool]]) -> Census:
    """Return a census over subject number -> what of theirs is permitted."""
    sizes = [len(bits) for bits in people.values()]
    return Census(
        bitmap=_Bits([bit for bits in people.values() for bit in bits]),  # type: ignore[arg-type]
        numbers=np.array(list(people), dtype=np.int64),
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        upto=99,
    )


PEOPLE = st.dictionaries(st.integers(1, 9), st.lists(st.booleans(), max_size=12), max_size=7).map(
    lambda found: dict(sorted(found.items()))
)


@given(PEOPLE)
def test_a_census_permits_whom_it_permits_anything(people: dict[int, list[bool]]) -> None:
    asked = census(people)
    assert [asked.permits_any(number) for number in range(11)] == [
        any(people.get(number, [])) for number in range(11)
    ]


@given(PEOPLE, PEOPLE)
def test_a_census_has_lost_what_the_later_one_does_not_permit(
    before: dict[int, list[bool]], after: dict[int, list[bool]]
) -> None:
    lost = any(
        bit and not (place < len(after.get(number, [])) and after[number][place])
        for number, bits in before.items()
        for place, bit in enumerate(bits)
    )
    assert census(before).lost_in(census(after)) is lost
    assert not census(before).lost_in(census(before))


@pytest.mark.parametrize("place", range(20))
def test_one_lost_conversation_among_many_is_noticed(place: int) -> None:
    before = {2: [True] * 3, 5: [True] * 9, 7: [True] * 8}
    after = {number: list(bits) for number, bits in before.items()}
    bits = [(number, index) for number, all_of in after.items() for index in range(len(all_of))]
    number, index = bits[place]
    after[number][index] = False
    assert census(before).lost_in(census(after))
    assert not census(after).lost_in(census(before))
    grown = {1: [False] * 5, **{number: [*all_of, False] for number, all_of in before.items()}}
    assert not census(before).lost_in(census(grown))


def test_a_signal_of_one_conversation_counts_for_that_one_in_the_middle_of_many(
    stores: Stores,
) -> None:
    ada, bo = stores.add("ada", "bo")
    for _ in range(3):
        for subject in (bo, ada):
            stores.capture(subject, talk(f"{subject.number} {len(stores.held(subject))}"))
    stores.ledger.record([act(1, ada, Act.GRANT), act(2, bo, Act.GRANT)])
    stores.vault.set_signal(stores.held(bo)[1], Signal.TEMPORARY, bo.holder)
    stores.vault.set_signal(stores.held(ada)[2], Signal.EXCLUDED, ada.holder)
    found = facts(stores).census(stores.policy, TRAINING, START)
    (wanted,) = found.permitted()
    assert wanted.subjects.tolist() == [ada.number, bo.number]
    assert wanted.sizes.tolist() == [3, 3]
    assert wanted.permitted.tolist() == [True, True, False, True, False, True]
    assert found.bitmap.left_out(START) == {
        ReasonCode.SIGNAL_EXCLUDED: 1,
        ReasonCode.SIGNAL_TEMPORARY: 1,
    }


def test_a_census_of_more_people_than_are_looked_at_at_once_hands_out_every_permitted_one() -> None:
    people = {
        number: [number % 3 == 0, number % 7 == 0][: 1 + number % 2] for number in range(20_003)
    }
    found = [(number, size) for some in census(people).permitted() for number, size in _sizes(some)]
    assert found == [(number, len(bits)) for number, bits in people.items() if any(bits)]


def _sizes(wanted: Wanted) -> list[tuple[int, int]]:
    assert int(wanted.sizes.sum()) == len(wanted.permitted)
    return list(zip(wanted.subjects.tolist(), wanted.sizes.tolist(), strict=True))


def test_a_chosen_tier_and_an_objection_count_in_bulk_as_they_do_alone(stores: Stores) -> None:
    ada, bo = stores.subjects.add(
        [
            NewSubject(reference="ada", plan="pro", region=Region.EU, tier=Tier.PUBLIC),
            NewSubject(reference="bo", plan="pro", region=Region.EU),
        ]
    )
    for subject in (ada, bo):
        stores.capture(subject, talk(f"{subject.number}"))
    stores.ledger.record([act(1, ada, Act.GRANT), act(2, bo, Act.GRANT)])
    stores.ledger.record([act(3, ada, Act.OBJECT, purpose=Purpose.SAFETY_MONITORING)])
    for purpose in Purpose:
        use = Use(purpose=purpose.value)
        alone = [stores.gate.decide(subject, use) for subject in (ada, bo)]
        permitted, excluded = stores.gate.preview(use)
        assert permitted == sum(decision.permit for decision in alone)
        reasons = [decision.reasons[0] for decision in alone if not decision.permit]
        assert excluded == {reason: reasons.count(reason) for reason in set(reasons)}
    assert stores.gate.preview(TRAINING)[0] == 1
