"""Trees and proofs: published roots first, then properties."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    MerkleTree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# Inputs and roots of the reference tests of Certificate Transparency (RFC 6962 implementations).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(data) for data in INPUTS]
PATHS = {  # (leaf, size) -> nodes, by level and index in the tree above
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old size, size) -> nodes
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
sizes = st.integers(1, 300)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def naive_root(hashes: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots(size: int) -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:size])
    assert MerkleTree(LEAVES[:size]).root().hex() == ROOTS[size - 1] == frontier.root().hex()


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert MerkleTree([]).root() == Frontier().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("leaf", "size"), PATHS)
def test_the_published_inclusion_proofs(leaf: int, size: int) -> None:
    proof = MerkleTree(LEAVES[:size]).inclusion_proof(leaf)
    assert [part.hex() for part in proof] == PATHS[leaf, size]


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_the_published_consistency_proofs(old: int, size: int) -> None:
    proof = MerkleTree(LEAVES[:size]).consistency_proof(old)
    assert [part.hex() for part in proof] == CONSISTENCY[old, size]


@given(st.integers(0, 300))
def test_the_tree_and_the_frontier_follow_the_definition(size: int) -> None:
    frontier = Frontier()
    frontier.extend(leaves(size))
    assert MerkleTree(leaves(size)).root() == frontier.root() == naive_root(leaves(size))
    assert frontier.size == size


@given(st.data(), sizes)
def test_every_inclusion_proof_verifies_and_every_changed_one_fails(
    data: st.DataObject, size: int
) -> None:
    tree, index = MerkleTree(leaves(size)), data.draw(st.integers(0, size - 1))
    proof, leaf = tree.inclusion_proof(index), leaves(size)[index]
    verify_inclusion(leaf, index=index, size=size, proof=proof, root=tree.root())
    for bad in changed(data, (leaf, tree.root(), *proof)):
        with pytest.raises(VerificationFailed):
            verify_inclusion(bad[0], index=index, size=size, proof=bad[2:], root=bad[1])
    for wrong in {index - 1, index + 1, size}:
        with pytest.raises(VerificationFailed):
            verify_inclusion(leaf, index=wrong, size=size, proof=proof, root=tree.root())


@given(st.data(), sizes)
def test_every_consistency_proof_verifies_and_every_changed_one_fails(
    data: st.DataObject, size: int
) -> None:
    tree, old = MerkleTree(leaves(size)), data.draw(st.integers(0, size))
    old_root, root = naive_root(leaves(old)), tree.root()
    proof = tree.consistency_proof(old)
    verify_consistency(old_size=old, old_root=old_root, size=size, root=root, proof=proof)
    parts = (old_root, root, *proof) if old else (old_root,)  # from nothing, any root is consistent
    for bad in changed(data, parts):
        with pytest.raises(VerificationFailed):
            verify_consistency(
                old_size=old,
                old_root=bad[0],
                size=size,
                root=(*bad, root)[1],
                proof=bad[2:],
            )


def changed(data: st.DataObject, parts: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Return `parts` with one bit flipped, one hash cut, and (for proofs) one too many."""
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    flipped = bytearray(parts[which])
    flipped[bit // 8] ^= 1 << bit % 8
    whole = [
        (*parts[:which], bytes(flipped), *parts[which + 1 :]),
        (*parts[:which], parts[which][:-1], *parts[which + 1 :]),
    ]
    if len(parts) > 1:
        whole.append((*parts, parts[-1]))
    if len(parts) > 2:
        whole.append(parts[:-1])
    return whole


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    tree = MerkleTree(LEAVES)
    for index in (-1, 8):
        with pytest.raises(InvalidInput):
            tree.inclusion_proof(index)
    for old in (-1, 9):
        with pytest.raises(InvalidInput):
            tree.consistency_proof(old)
    for place in ((0, -1), (0, 8), (-1, 0), (4, 0)):
        with pytest.raises(InvalidInput):
            tree.subtree(*place)
    with pytest.raises(InvalidInput):
        MerkleTree([b"short"])


def test_an_empty_tree_with_another_root_fails() -> None:
    with pytest.raises(VerificationFailed):
        verify_consistency(old_size=0, old_root=EMPTY_ROOT, size=0, root=LEAVES[0], proof=())
    verify_consistency(old_size=0, old_root=EMPTY_ROOT, size=0, root=EMPTY_ROOT, proof=())
