"""Merkle trees over SHA-256: roots, inclusion and consistency proofs (RFC 6962, 2.1; RFC 9162).

Pure values. A *complete subtree* at level L with index N spans leaves [N * 2^L, (N + 1) * 2^L).
Every proof is made from complete subtrees alone, so whoever can look those up (a tree in memory, a
store of tiles) can make proofs through `inclusion_path` and `consistency_path`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from volens.core.errors import InvalidInput, VerificationFailed

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree with no leaves (RFC 6962, 2.1)."""

_PAIR = struct.Struct("64s")

SubtreeHash = Callable[[int, int], bytes]
"""Return the hash of the complete subtree at (level, index); both start at 0."""


def leaf_hash(data: bytes) -> bytes:
    """Return the 32-byte hash of one leaf (RFC 6962, 2.1: prefix 0x00)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node (RFC 6962, 2.1: prefix 0x01)."""
    return sha256(b"\x01" + left + right).digest()


def parent_level(packed: bytes) -> bytes:
    """Return the hashes one level up, packed; an odd last hash has no parent yet.

    Args:
        packed: hashes of neighbouring complete subtrees of one level, 32 bytes each.
    """
    whole = packed[: len(packed) // _PAIR.size * _PAIR.size]
    return b"".join([sha256(b"\x01" + pair).digest() for (pair,) in _PAIR.iter_unpack(whole)])


class Frontier:
    """A tree that only grows: the roots of its complete subtrees, about log2(size) hashes."""

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """The number of leaves so far."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash of 32 bytes at the right."""
        peaks, rest = self._peaks, self._size
        while rest & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            rest >>= 1
        peaks.append(leaf)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root of the tree so far (RFC 6962, 2.1)."""
        return _fold(self._peaks)


class MerkleTree:
    """A whole tree in memory: 64 bytes a leaf, every proof in O(log size)."""

    __slots__ = ("_levels", "_size")

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        """Build from leaf hashes in order (`leaf_hash` of each leaf).

        Raises:
            InvalidInput: if the hashes are not 32 bytes each.
        """
        hashes = leaf_hashes if isinstance(leaf_hashes, Sequence) else list(leaf_hashes)
        level = b"".join(hashes)
        if any(len(leaf) != HASH_BYTES for leaf in hashes):
            raise InvalidInput("hash_size", f"a leaf hash takes {HASH_BYTES} bytes")
        self._size = len(hashes)
        self._levels = [level]
        while len(level) > HASH_BYTES:
            level = parent_level(level)
            self._levels.append(level)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def subtree(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree at (`level`, `index`).

        Raises:
            InvalidInput: if that subtree is not complete in this tree.
        """
        at = index * HASH_BYTES
        found = self._levels[level][at : at + HASH_BYTES] if 0 <= level < len(self._levels) else b""
        if index < 0 or not found:
            raise InvalidInput("no_subtree", f"no complete subtree {index} at level {level}")
        return found

    def root(self) -> bytes:
        """Return the root (RFC 6962, 2.1)."""
        return tree_root(self._size, self.subtree)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Return the proof that leaf `index` is in this tree (RFC 6962, 2.1.1)."""
        return inclusion_path(index, self._size, self.subtree)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """Return the proof that the first `old_size` leaves are unchanged (RFC 6962, 2.1.2)."""
        return consistency_path(old_size, self._size, self.subtree)


def tree_root(size: int, subtree: SubtreeHash) -> bytes:
    """Return the root of the tree of the first `size` leaves (RFC 6962, 2.1)."""
    return _range_root(0, size, subtree)


def inclusion_path(index: int, size: int, subtree: SubtreeHash) -> tuple[bytes, ...]:
    """Return the inclusion proof of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1).

    Raises:
        InvalidInput: if there is no such leaf.
    """
    if not 0 <= index < size:
        raise InvalidInput("no_leaf", f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    level, last = 0, size - 1
    while last >> level:
        sibling = (index >> level) ^ 1
        start, stop = sibling << level, (sibling + 1) << level
        if stop <= size:
            path.append(subtree(level, sibling))
        elif start < size:
            path.append(_range_root(start, size, subtree))
        level += 1  # a node without a sibling moves up as it is
    return tuple(path)


def consistency_path(old_size: int, size: int, subtree: SubtreeHash) -> tuple[bytes, ...]:
    """Return the consistency proof from `old_size` to `size` leaves (RFC 6962, 2.1.2).

    It is empty from 0 (the empty tree is consistent with every tree) and for equal sizes.

    Raises:
        InvalidInput: unless 0 <= `old_size` <= `size`.
    """
    if not 0 <= old_size <= size:
        raise InvalidInput("tree_size", f"no tree of {old_size} inside a tree of {size}")
    if old_size in {0, size}:
        return ()
    path: list[bytes] = []
    start, stop, whole = 0, size, True  # SUBPROOF(old_size - start, D[start:stop], whole)
    while old_size != stop:
        middle = start + (1 << ((stop - start - 1).bit_length() - 1))
        if old_size <= middle:
            path.append(_range_root(middle, stop, subtree))
            stop = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, stop, subtree))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash `leaf` stands at `index` of the tree (RFC 9162, 2.1.3.2).

    Raises:
        VerificationFailed: ``inclusion_proof`` if it doesn't, or if any hash is misshapen.
    """
    if not 0 <= index < size:
        raise _no_inclusion(f"no leaf {index} in a tree of {size}")
    if any(len(part) != HASH_BYTES for part in (leaf, root, *proof)):
        raise _no_inclusion(f"a hash is not {HASH_BYTES} bytes long")
    node, last, value = index, size - 1, leaf
    for part in proof:
        if last == 0:
            raise _no_inclusion(f"the proof of leaf {index} is too long")
        if node & 1 or node == last:
            value = node_hash(part, value)
            while not node & 1 and node:  # step 4.b.ii: skip levels without a sibling
                node, last = node >> 1, last >> 1
        else:
            value = node_hash(value, part)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _no_inclusion(f"the proof of leaf {index} is too short")
    if value != root:
        raise _no_inclusion(f"leaf {index} is not in the tree of {size} with this root")


def verify_consistency(
    *, old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the newer tree starts with the older one (RFC 9162, 2.1.4.2).

    Raises:
        VerificationFailed: ``consistency_proof`` if it doesn't, or if any hash is misshapen.
    """
    if not 0 <= old_size <= size:
        raise _no_consistency(f"no tree of {old_size} inside a tree of {size}")
    if any(len(part) != HASH_BYTES for part in (old_root, root, *proof)):
        raise _no_consistency(f"a hash is not {HASH_BYTES} bytes long")
    if old_size in {0, size}:
        if proof or old_root != (root if old_size else EMPTY_ROOT):
            raise _no_consistency(f"the trees of {old_size} and {size} don't agree")
        if size == 0 and root != EMPTY_ROOT:
            raise _no_consistency("an empty tree has another root")
        return
    first_root, second_root = _consistent_roots(old_size, old_root, size, proof)
    if first_root != old_root or second_root != root:
        raise _no_consistency(f"the tree of {size} does not start with the tree of {old_size}")


def _consistent_roots(
    old_size: int, old_root: bytes, size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return both roots that `proof` leads to, for 0 < `old_size` < `size`."""
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # step 2: a power of two is a node of the newer tree
        path.insert(0, old_root)
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        raise _no_consistency("the proof is empty")
    first = second = path[0]
    for part in path[1:]:
        if last == 0:
            raise _no_consistency("the proof is too long")
        if node & 1 or node == last:
            first, second = node_hash(part, first), node_hash(part, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, part)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _no_consistency("the proof is too short")
    return first, second


def _range_root(start: int, stop: int, subtree: SubtreeHash) -> bytes:
    """Return MTH(D[start:stop]); `start` is a multiple of a power of two >= stop - start."""
    peaks: list[bytes] = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        peaks.append(subtree(level, start >> level))
        start += 1 << level
    return _fold(peaks)


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    value = peaks[-1]
    for peak in reversed(peaks[:-1]):
        value = node_hash(peak, value)
    return value


def _no_inclusion(message: str) -> VerificationFailed:
    return VerificationFailed("inclusion_proof", message)


def _no_consistency(message: str) -> VerificationFailed:
    return VerificationFailed("consistency_proof", message)
