"""Every tree and proof up to twenty leaves, and every refusal of the log's formats by its code."""

import struct
from collections.abc import Callable, Sequence

import pytest

from tests.log.support import SIGNER, WITNESS
from volens.core.errors import InvalidInput, VerificationFailed, VolensError
from volens.log.entries import commit
from volens.log.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    leaf_hash,
    parent_level,
    verify_consistency,
    verify_inclusion,
)
from volens.log.note import (
    MAX_SIGNATURES,
    KeyType,
    Signature,
    Signer,
    Verifier,
    check_key_name,
    format_note,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)
from volens.log.proof import TlogProof, format_tlog_proof, parse_tlog_proof

MOST = 20
LEAVES = [leaf_hash(bytes([number])) for number in range(MOST + 1)]
TREES = [MerkleTree(LEAVES[:size]) for size in range(MOST + 1)]
ROOTS = [tree.root() for tree in TREES]


def code(act: Callable[[], object]) -> str:
    with pytest.raises(VolensError) as refused:
        act()
    return refused.value.code


def holds(old: int, size: int, proof: Sequence[bytes], *, root: bytes | None = None) -> bool:
    try:
        verify_consistency(
            old_size=old,
            old_root=ROOTS[old],
            size=size,
            root=ROOTS[size] if root is None else root,
            proof=proof,
        )
    except VerificationFailed as error:
        return error.code != "consistency_proof"
    return True


def stands(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bool:
    try:
        verify_inclusion(leaf, index=index, size=size, proof=proof, root=ROOTS[size])
    except VerificationFailed as error:
        return error.code != "inclusion_proof"
    return True


@pytest.mark.parametrize("size", range(MOST + 1))
def test_each_consistency_proof_holds_between_its_own_two_trees_alone(size: int) -> None:
    for old in range(size + 1):
        proof = TREES[size].consistency_proof(old)
        assert holds(old, size, proof)
        if old:  # the empty tree starts every tree
            assert not holds(old, size, proof, root=LEAVES[MOST])
            assert not holds(old, size, (*proof, LEAVES[MOST]))
        if proof:
            assert not holds(old, size, proof[:-1])
            assert not holds(old, size, proof[1:])
            assert not holds(old, size, proof[::-1] if len(set(proof)) > 1 else ())
            others = [other for other in range(1, size) if other != old]
            assert not any(holds(other, size, proof) for other in others)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_each_inclusion_proof_holds_for_its_own_leaf_and_place_alone(size: int) -> None:
    for index, leaf in enumerate(LEAVES[:size]):
        proof = TREES[size].inclusion_proof(index)
        places = [at for at in range(-1, size + 1) if stands(leaf, at, size, proof)]
        assert places == [index]
        assert not stands(leaf, index, size, (*proof, LEAVES[0]))
        assert not stands(LEAVES[MOST], index, size, proof)
        assert not stands(leaf[:-1], index, size, proof)
        if proof:
            assert not stands(leaf, index, size, proof[:-1])
            assert not stands(leaf, index, size, proof[1:])


def test_a_tree_that_shrank_and_hashes_of_another_size_are_no_consistency() -> None:
    def check(old: int, size: int, old_root: bytes, root: bytes, *proof: bytes) -> str:
        return code(
            lambda: verify_consistency(
                old_size=old, old_root=old_root, size=size, root=root, proof=proof
            )
        )

    assert {
        check(3, 2, ROOTS[3], ROOTS[2]),
        check(-1, 2, EMPTY_ROOT, ROOTS[2]),
        check(2, 2, ROOTS[2][:-1], ROOTS[2][:-1]),
        check(2, 2, ROOTS[2], ROOTS[3]),
        check(2, 2, ROOTS[2], ROOTS[2], LEAVES[0]),
        check(0, 2, ROOTS[1], ROOTS[2]),
        check(0, 2, EMPTY_ROOT, ROOTS[2], LEAVES[0]),
        check(0, 0, EMPTY_ROOT, ROOTS[1]),
        check(1, 2, ROOTS[1], ROOTS[2]),
        check(3, 5, ROOTS[3], ROOTS[5]),
        check(1, 2, ROOTS[1], ROOTS[2], LEAVES[1][:-1]),
    } == {"consistency_proof"}


def test_refusals_of_trees_have_their_codes() -> None:
    tree = TREES[5]
    assert code(lambda: MerkleTree([b"short"])) == "hash_size"
    for level, index in ((0, -1), (0, 5), (-1, 0), (3, 0), (2, 1)):
        assert code(lambda level=level, index=index: tree.subtree(level, index)) == "no_subtree"
    for index in (-1, 5):
        assert code(lambda index=index: tree.inclusion_proof(index)) == "no_leaf"
    for old in (-1, 6):
        assert code(lambda old=old: tree.consistency_proof(old)) == "tree_size"
    assert tree.size == 5
    assert MerkleTree(iter(LEAVES[:5])).root() == tree.root()


def test_an_odd_last_hash_has_no_parent_yet() -> None:
    assert parent_level(b"".join(LEAVES[:3])) == parent_level(b"".join(LEAVES[:2])) == ROOTS[2]
    assert parent_level(LEAVES[0]) == parent_level(b"") == b""


def test_refusals_of_keys_have_their_codes() -> None:
    key = SIGNER.verifier.public
    for expected, act in (
        ("key_size", lambda: Verifier(name="a", public=key[:-1])),
        ("key_size", lambda: Signer(name="a", seed=bytes(33))),
        ("key_name", lambda: Verifier(name="a b", public=key)),
        ("key_name", lambda: check_key_name("bell\x07")),
        ("key_type", lambda: WITNESS.sign_text("text\n")),
        ("key_type", lambda: SIGNER.cosign_text("text\n", timestamp=1)),
        ("key_type", lambda: WITNESS.cosign_text("text\n", timestamp=0)),
        ("key_type", lambda: WITNESS.cosign_text("text\n", timestamp=2**63)),
        ("vkey_form", lambda: parse_vkey("a")),
        ("vkey_form", lambda: parse_vkey("a+00000000+AQ==")),
        ("vkey_form", lambda: parse_vkey(f"{SIGNER.verifier.vkey}+")),
        ("ambiguous_key", lambda: open_note(b"", [SIGNER.verifier, SIGNER.verifier])),
        ("note_text", lambda: format_note("no newline", [])),
        ("salt_size", lambda: commit(bytes(31))),
        ("salt_size", lambda: commit(bytes(33))),
    ):
        assert code(act) == expected


def test_a_signer_knows_its_name_and_type() -> None:
    for kind in KeyType:
        signer = Signer(name="example.org/x", seed=bytes(32), key_type=kind)
        assert (signer.name, signer.verifier.key_type) == ("example.org/x", kind)
        assert parse_vkey(signer.verifier.vkey) == signer.verifier
    assert Signer(name="a", seed=bytes(32)).verifier.key_type is KeyType.ED25519


def test_refusals_of_notes_have_their_codes() -> None:
    note = sign_note("text\n", SIGNER)
    other = Signer(name="example.org/other", seed=b"o" * 32)
    assert code(lambda: open_note(note, [other.verifier])) == "unknown_keys"
    changed = note.replace(b"text", b"next")
    assert code(lambda: open_note(changed, [SIGNER.verifier])) == "bad_signature"
    assert code(lambda: SIGNER.verifier.verify_bytes(b"x", b"short")) == "bad_signature"
    line = WITNESS.cosign_text("text\n", timestamp=1)
    for value in (line.value[:-1], line.value + b"x", b"\xff" + line.value[1:]):
        bad = Signature(name=line.name, key_id=line.key_id, value=value)
        with pytest.raises(VerificationFailed) as refused:
            WITNESS.verifier.verify_text("text\n", bad)
        assert refused.value.code == "bad_signature"


def test_a_cosignature_of_one_key_at_two_moments_stands_once() -> None:
    lines = [WITNESS.cosign_text("text\n", timestamp=at) for at in (1, 2**63 - 1)]
    for line, at in zip(lines, (1, 2**63 - 1), strict=True):
        (found,) = open_note(format_note("text\n", [line]), [WITNESS.verifier]).verified
        assert found.timestamp == at
        assert line.value[:8] == struct.pack(">Q", at)
    both = format_note("text\n", lines)
    assert code(lambda: open_note(both, [WITNESS.verifier])) == "note_form"


def test_as_many_signatures_as_may_stand_and_not_one_more() -> None:
    lines = [
        Signature(name="a", key_id=bytes(4), value=bytes([n])) for n in range(MAX_SIGNATURES + 1)
    ]
    assert len(parse_note(format_note("text\n", lines[:-1])).signatures) == MAX_SIGNATURES
    assert code(lambda: parse_note(format_note("text\n", lines))) == "note_form"


def test_a_proof_takes_63_hashes_and_not_one_more() -> None:
    note = sign_note("text\n", SIGNER)

    def proof(count: int) -> bytes:
        path = (LEAVES[0],) * count
        return format_tlog_proof(TlogProof(index=2**63, path=path, checkpoint=note))

    parsed = parse_tlog_proof(proof(63))
    assert (parsed.index, len(parsed.path), parsed.extra) == (2**63, 63, None)
    assert code(lambda: parse_tlog_proof(proof(64))) == "proof_form"
    assert code(lambda: parse_tlog_proof(b"")) == "proof_form"
    assert code(lambda: parse_tlog_proof(proof(1).partition(b"\n\n")[0] + b"\n\n")) == "note_form"
    for old, new in ((b"index ", b"index 0"), (b"@v1", b"@v2")):
        changed = proof(1).replace(old, new)
        assert code(lambda changed=changed: parse_tlog_proof(changed)) == "proof_form"


def test_invalid_input_is_told_from_what_does_not_verify() -> None:
    with pytest.raises(InvalidInput):
        TREES[3].inclusion_proof(3)
    with pytest.raises(VerificationFailed):
        verify_inclusion(LEAVES[0], index=3, size=3, proof=(), root=ROOTS[3])
