"""Proofs of membership and absence: what holds, and what must never hold."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.world import (
    OTHER_SIGNER,
    SIGNER,
    T0,
    Person,
    World,
    dataset_id,
    people,
)
from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput, VerificationFailed
from volens.datasets.leaves import LeafTree, manifest_leaf
from volens.datasets.manifest import Counts, Manifest
from volens.datasets.model import Format
from volens.datasets.proofs import ProofKind, ProofVerdict, capture_path, make_proof, verify_proof
from volens.datasets.statement import sign_statement
from volens.log.kinds import CaptureSource, EntryKind
from volens.log.merkle import MerkleTree, leaf_hash

VECTORS = Path(__file__).parent / "vectors"


class Case:
    """A world with a signed manifest of some leaves, without files: proofs need none."""

    def __init__(self, leaves: list[bytes], world: World) -> None:
        self.world, self.leaves = world, LeafTree(b"".join(leaves))
        ref, self.size = world.begin()
        facts = world.facts(ref)
        self.manifest = Manifest(
            dataset=facts.dataset,
            purpose=facts.purpose,
            policy=facts.policy,
            format=Format.SEALED,
            redaction="none",
            counts=Counts(records=len(leaves), turns=0, payload_bytes=0),
            languages={},
            excluded={},
            merkle_root=self.leaves.root(),
            leaves_sha256=bytes(32),
            files={},
            log=ref,
            created=T0,
            software="volens",
            recall="",
        )
        self.statement = sign_statement(self.manifest, world.log.signer)

    def prove(self, person: Person, **changes: object) -> bytes:
        return make_proof(
            leaves=self.leaves,
            statement=self.statement,
            dataset=self.manifest.dataset,
            capture=self.world.capture(person, self.size, **changes),
        )


def case(members: int, captured: int = 12) -> Case:
    world = World(captured)
    return Case(sorted(p.leaf(world.raw) for p in world.people[:members]), world)


def check(proof: bytes, expected: bytes | None = None) -> ProofVerdict:
    return verify_proof(proof, SIGNER.verifier, expected_capture=expected)


@pytest.mark.parametrize("members", [0, 1, 2, 3, 7, 11, 12])
def test_everybody_gets_the_true_answer_at_every_size(members: int) -> None:
    made = case(members)
    for number, person in enumerate(made.world.people):
        verdict = check(made.prove(person), person.commitment)
        assert verdict.kind is (ProofKind.MEMBER if number < members else ProofKind.ABSENT)
        assert verdict.conversation == person.conversation
        assert verdict.dataset == made.manifest.dataset
        assert verdict.captured_at == T0
        assert verdict.compared


@given(st.integers(0, 2), st.integers(0, 30), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_random_leaf_sets_prove_who_is_in_and_who_is_not(few: int, more: int, seed: int) -> None:
    world = World(4, seed=seed)
    others = [p.leaf(world.raw) for p in people(few + more, seed + 1)]
    insiders = world.people[:2]
    made = Case(sorted([*others, *(p.leaf(world.raw) for p in insiders)]), world)
    for person in world.people:
        kind = ProofKind.MEMBER if person in insiders else ProofKind.ABSENT
        assert check(made.prove(person)).kind is kind


def test_without_a_receipt_the_verdict_says_that_it_compared_nothing() -> None:
    made = case(3)
    assert not check(made.prove(made.world.people[0])).compared


def test_the_sentence_names_the_capture_and_claims_no_more() -> None:
    made = case(3)
    sentence = check(made.prove(made.world.people[11])).sentence
    assert "is not in dataset" in sentence
    assert "under the capture" in sentence


def test_a_freshly_drawn_secret_proves_no_absence() -> None:
    """Re-salting: the member's own conversation under a secret that was never captured."""
    made = case(6)
    member = made.world.people[0]
    liar = Person(conversation=member.conversation, raw=member.raw, secret=b"\x99" * 32)
    honest = made.world.capture(member, made.size)
    index, path = honest.index, honest.path
    salted = made.world.log
    assert salted.entries  # the log knows only the true commitment
    with pytest.raises(InvalidInput):
        capture_path(made.world.commitments, liar.commitment)
    forged = make_proof(
        leaves=made.leaves,
        statement=made.statement,
        dataset=made.manifest.dataset,
        capture=type(honest)(
            conversation=liar.conversation,
            secret=liar.secret,
            index=index,
            path=path,
            entry=honest.entry,
            proof=honest.proof,
        ),
    )
    assert json.loads(forged)["kind"] == "absent"
    with pytest.raises(VerificationFailed) as caught:
        check(forged)
    assert caught.value.code == "inclusion_proof"


def log_again(world: World, person: Person) -> tuple[int, tuple[bytes, ...]]:
    """Log a batch of one commitment; return the entry's index and the (empty) path."""
    root = MerkleTree([leaf_hash(person.commitment)]).root()
    index = world.log.append(
        EntryKind.CAPTURE_DONE, count=1, root=root, source=CaptureSource.IMPORT
    )
    return index, ()


def test_a_secret_logged_after_the_dataset_proves_no_absence() -> None:
    made = case(6)
    member = made.world.people[0]
    liar = Person(conversation=member.conversation, raw=member.raw, secret=b"\x99" * 32)
    index, path = log_again(made.world, liar)
    log = made.world.log
    forged = make_proof(
        leaves=made.leaves,
        statement=made.statement,
        dataset=made.manifest.dataset,
        capture=type(made.world.capture(member, made.size))(
            conversation=liar.conversation,
            secret=liar.secret,
            index=0,
            path=path,
            entry=log.entries[index],
            proof=log.proof(index),
        ),
    )
    with pytest.raises(VerificationFailed, match="under the checkpoint that the dataset names"):
        check(forged)


def test_a_second_capture_planted_before_the_dataset_is_what_the_receipt_is_for() -> None:
    """The honest limit: without the receipt such a proof holds, with it it does not."""
    world = World(6)
    member = world.people[0]
    liar = Person(conversation=member.conversation, raw=member.raw, secret=b"\x99" * 32)
    index, path = log_again(world, liar)
    made = Case(sorted(p.leaf(world.raw) for p in world.people), world)
    forged = make_proof(
        leaves=made.leaves,
        statement=made.statement,
        dataset=made.manifest.dataset,
        capture=type(world.capture(member, made.size))(
            conversation=liar.conversation,
            secret=liar.secret,
            index=0,
            path=path,
            entry=world.log.entries[index],
            proof=world.log.proof(index, made.size),
        ),
    )
    verdict = check(forged)
    assert verdict.kind is ProofKind.ABSENT
    assert not verdict.compared
    with pytest.raises(VerificationFailed) as caught:
        check(forged, member.commitment)
    assert caught.value.code == "capture_mismatch"


def edited(proof: bytes, edit: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(proof)
    edit(document)
    return canonical_json(document)


def refused(proof: bytes) -> None:
    with pytest.raises(VerificationFailed):
        check(proof)


def placed(made: Case, index: int) -> dict[str, Any]:
    path = [part.hex() for part in made.leaves.inclusion_proof(index)]
    return {"leaf": made.leaves.leaf(index).hex(), "index": index, "path": path}


def test_forged_neighbours_are_refused() -> None:
    made = case(9)
    outsider = made.world.people[11]
    honest = made.prove(outsider)
    assert check(honest).kind is ProofKind.ABSENT
    leaf = outsider.leaf(made.world.raw)
    at, _ = made.leaves.find(leaf)

    def place(index: int) -> dict[str, Any] | None:
        return placed(made, index) if 0 <= index < made.leaves.size else None

    pairs = [(None, None), (at - 2, at), (at - 1, at + 1), (at, at + 1), (at - 2, at - 1)]
    pairs += [(None, at), (at - 1, None), (at - 1, at - 1), (at, at), (at, at - 1)]
    for left, right in pairs:

        def forge(
            document: dict[str, Any], left: int | None = left, right: int | None = right
        ) -> None:
            document["left"] = None if left is None else place(left)
            document["right"] = None if right is None else place(right)

        forged = edited(honest, forge)
        if forged != honest:
            refused(forged)


@pytest.mark.parametrize("members", [1, 2, 9])
def test_a_member_can_not_be_shown_absent_with_its_own_leaf_as_a_neighbour(members: int) -> None:
    made = case(members)
    for member in made.world.people[:members]:
        at, _ = made.leaves.find(member.leaf(made.world.raw))
        for before in (at - 1, at):  # own leaf on the right, own leaf on the left

            def deny(document: dict[str, Any], before: int = before) -> None:
                del document["member"]
                document["kind"] = "absent"
                for side, index in (("left", before), ("right", before + 1)):
                    inside = 0 <= index < made.leaves.size
                    document[side] = placed(made, index) if inside else None

            refused(edited(made.prove(member), deny))


def test_swapped_parts_of_two_honest_proofs_are_refused() -> None:
    made = case(6)
    one, two = (json.loads(made.prove(person)) for person in made.world.people[:2])
    outsider = json.loads(made.prove(made.world.people[8]))
    refused(canonical_json({**one, "member": two["member"]}))
    refused(canonical_json({**one, "capture": two["capture"]}))
    refused(canonical_json({**outsider, "capture": one["capture"]}))
    for name in ("conversation", "secret", "index", "path"):
        mixed = {**one["capture"], name: two["capture"][name]}
        refused(canonical_json({**one, "capture": mixed}))


@pytest.mark.parametrize("entry", [0, 2])
def test_an_entry_of_another_kind_is_no_capture(entry: int) -> None:
    """Entry 0 opens the log, entry 2 announces the build; both are under the checkpoint."""
    made = case(6)
    log = made.world.log
    person = made.world.people[0]
    proof = made.prove(person, entry=log.entries[entry], proof=log.proof(entry, made.size))
    with pytest.raises(VerificationFailed, match=r"not capture\.done"):
        check(proof)


def test_bytes_that_are_logged_but_no_entry_are_no_capture() -> None:
    world = World(6)
    world.log.entries.append(b"not an entry")
    made = Case(sorted(p.leaf(world.raw) for p in world.people), world)
    number = world.log.entries.index(b"not an entry")
    proof = made.prove(
        world.people[0], entry=b"not an entry", proof=world.log.proof(number, made.size)
    )
    with pytest.raises(VerificationFailed) as caught:
        check(proof)
    assert caught.value.code == "logged_entry"


def test_a_proof_for_one_dataset_does_not_speak_of_another() -> None:
    made = case(6)
    other, _ = dataset_id(8)
    refused(edited(made.prove(made.world.people[0]), lambda d: d.update(dataset=other)))


def test_a_proof_signed_by_another_key_is_refused() -> None:
    world = World(6, OTHER_SIGNER)
    made = Case(sorted(p.leaf(world.raw) for p in world.people), world)
    refused(made.prove(world.people[0]))


def test_every_changed_byte_of_a_proof_is_found() -> None:
    made = case(5)
    for person in (made.world.people[0], made.world.people[9]):
        proof = made.prove(person)
        for at in range(0, len(proof), 3):
            changed = bytearray(proof)
            changed[at] ^= 0x01
            refused(bytes(changed))


@pytest.mark.parametrize("name", ["version", "kind", "dataset", "statement", "capture", "member"])
def test_a_missing_member_is_refused(name: str) -> None:
    made = case(5)
    refused(edited(made.prove(made.world.people[0]), lambda d: d.pop(name)))


def test_an_unknown_member_is_refused() -> None:
    made = case(5)
    refused(edited(made.prove(made.world.people[0]), lambda d: d.update(note="x")))
    refused(edited(made.prove(made.world.people[0]), lambda d: d["capture"].update(note="x")))
    refused(edited(made.prove(made.world.people[0]), lambda d: d["member"].update(note="x")))


def test_no_neighbours_need_a_manifest_that_is_empty_by_number_and_by_root() -> None:
    for members, records in ((3, 0), (0, 3)):
        made = case(members)
        counts = Counts(records=records, turns=0, payload_bytes=0)
        lying = dataclasses.replace(made.manifest, counts=counts)
        statement = json.loads(sign_statement(lying, SIGNER))

        def lie(document: dict[str, Any], statement: Any = statement) -> None:  # noqa: ANN401 - JSON
            document |= {"statement": statement, "left": None, "right": None}

        refused(edited(made.prove(made.world.people[11]), lie))


def test_an_unsorted_manifest_can_lie_about_absence_which_is_why_folders_are_verified() -> None:
    """The honest limit of a single proof; `verify_dataset` finds the disorder (test_verify)."""
    world = World(12)
    leaves = sorted(p.leaf(world.raw) for p in world.people)
    hidden = leaves.pop(5)
    made = Case([*leaves, hidden], world)  # the hidden leaf stands out of order at the end
    victim = next(p for p in world.people if p.leaf(world.raw) == hidden)
    assert check(made.prove(victim)).kind is ProofKind.ABSENT


@pytest.mark.parametrize("name", ["member", "absent", "absent-first", "absent-last", "empty"])
def test_the_committed_vectors_verify(name: str) -> None:
    proof = (VECTORS / f"proof-{name}.json").read_bytes()
    verdict = check(proof)
    assert verdict.kind is (ProofKind.MEMBER if name == "member" else ProofKind.ABSENT)
    secret = bytes.fromhex(json.loads(proof)["capture"]["secret"])
    assert len(manifest_leaf(secret, bytes(16), bytes(16))) == 32
