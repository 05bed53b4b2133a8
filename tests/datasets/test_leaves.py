"""Leaves: derivation, order, tree."""

import hashlib
import hmac
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.datasets.leaves import (
    LeafTree,
    capture_commitment,
    first_disorder,
    manifest_leaf,
    sort_in_place,
)
from volens.log.merkle import EMPTY_ROOT, MerkleTree, leaf_hash, verify_inclusion

VECTORS = json.loads((Path(__file__).parent / "vectors" / "leaves.json").read_bytes())
LEAF = st.binary(min_size=32, max_size=32)
EDGE_LEAF = st.sampled_from(
    [b"\x00" * 32, b"\xff" * 32, b"\x00" * 31 + b"\x01", b"\x80" + b"\0" * 31]
)


def sorted_leaves(leaves: list[bytes]) -> bytes:
    rows = np.frombuffer(b"".join(leaves), dtype="S32").copy()
    sort_in_place(rows)
    return rows.tobytes()


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_the_two_commitments_are_those_of_the_vectors(case: dict[str, str]) -> None:
    part = {name: bytes.fromhex(value) for name, value in case.items() if name != "name"}
    assert capture_commitment(part["secret"], part["conversation"]) == part["capture"]
    leaf = manifest_leaf(part["secret"], part["dataset"], part["conversation"])
    assert leaf == part["leaf"]


def test_the_commitments_are_hmac_under_the_secret_with_a_domain_of_their_own() -> None:
    secret, dataset, conversation = b"s" * 32, b"d" * 16, b"c" * 16
    message = b"volens/leaf/v1\x00" + dataset + conversation
    expected = hmac.new(secret, message, hashlib.sha256).digest()
    assert manifest_leaf(secret, dataset, conversation) == expected
    message = b"volens/capture/v1\x00" + conversation
    assert capture_commitment(secret, conversation) == hmac.digest(secret, message, "sha256")


@pytest.mark.parametrize(("secret", "raw"), [(b"s" * 31, b"c" * 16), (b"s" * 32, b"c" * 15)])
def test_other_lengths_are_refused(secret: bytes, raw: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        capture_commitment(secret, raw)
    assert caught.value.code == "leaf_input"


@given(st.sets(LEAF | EDGE_LEAF, max_size=40))
def test_leaves_are_sorted_as_unsigned_bytes(leaves: set[bytes]) -> None:
    assert sorted_leaves(list(leaves)) == b"".join(sorted(leaves))


@given(st.lists(LEAF | EDGE_LEAF, min_size=1, max_size=20), st.data())
def test_a_leaf_that_stands_twice_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    leaves = [*leaves, data.draw(st.sampled_from(leaves))]
    with pytest.raises(InvalidInput) as caught:
        sorted_leaves(leaves)
    assert caught.value.code == "duplicate_leaf"


def test_a_double_leaf_is_found_across_the_borders_of_the_pieces_that_are_compared() -> None:
    leaves = [number.to_bytes(32, "big") for number in range(4095)]
    with pytest.raises(InvalidInput):
        sorted_leaves([*leaves, b"\xff" * 32, b"\xff" * 32])


@given(st.lists(LEAF | EDGE_LEAF, max_size=20))
def test_disorder_is_found_at_its_first_place(leaves: list[bytes]) -> None:
    expected = next((at for at in range(1, len(leaves)) if leaves[at] <= leaves[at - 1]), None)
    assert first_disorder(b"".join(leaves)) == expected


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4095, 4096, 4097, 8192, 9001])
def test_the_tree_is_the_rfc_6962_tree_at_every_border_of_its_chunks(size: int) -> None:
    leaves = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(size)]
    tree, plain = LeafTree(b"".join(leaves)), MerkleTree([leaf_hash(leaf) for leaf in leaves])
    assert tree.root() == plain.root()
    for index in {0, 1, size // 2, 4095, 4096, size - 1} & set(range(size)):
        assert tree.inclusion_proof(index) == plain.inclusion_proof(index)
        verify_inclusion(
            leaf_hash(leaves[index]),
            index=index,
            size=size,
            proof=tree.inclusion_proof(index),
            root=tree.root(),
        )


def test_the_tree_of_no_leaves_has_the_empty_root() -> None:
    assert LeafTree(b"").root() == EMPTY_ROOT


@given(st.sets(LEAF, max_size=30), LEAF)
def test_find_says_where_a_leaf_stands_or_would_stand(leaves: set[bytes], leaf: bytes) -> None:
    ordered = sorted(leaves)
    tree = LeafTree(b"".join(ordered))
    assert tree.find(leaf) == (sum(one < leaf for one in ordered), leaf in leaves)
    for at, one in enumerate(ordered):
        assert tree.find(one) == (at, True)


def test_leaves_that_are_cut_off_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        LeafTree(b"x" * 33)
    assert caught.value.code == "leaf_input"
