"""Leaves: the keyed names of conversations in manifests, their order and their tree.

Both commitments are HMAC-SHA-256 under the capture secret `s`: 32 random bytes drawn for each
conversation at capture and given to the person. Whoever has no `s` can't tell whose leaf it is or
link the leaves of two datasets; whoever has it can ask every dataset, also after an erasure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput
from volens.core.ids import ID_BYTES
from volens.crypto import binding
from volens.datasets.model import LEAF_BYTES
from volens.log.merkle import inclusion_path, leaf_hash, parent_level, tree_root

SECRET_BYTES = 32
_CHUNK_LEVEL = 12
_CHUNK_LEAVES = 1 << _CHUNK_LEVEL


def capture_commitment(secret: bytes, conversation: bytes) -> bytes:
    """Return c = HMAC(s, "volens/capture/v1" 0x00 || conversation id), as logged at capture.

    Args:
        secret: the 32 bytes of s.
        conversation: the 16 raw bytes of the conversation id.

    Raises:
        InvalidInput: ``leaf_input`` on other lengths.
    """
    _check_lengths(secret, conversation)
    return binding.capture_commitment(secret, conversation)


def manifest_leaf(secret: bytes, dataset: bytes, conversation: bytes) -> bytes:
    """Return l = HMAC(s, "volens/leaf/v1" 0x00 || dataset id || conversation id).

    Args:
        secret: the 32 bytes of s.
        dataset: the 16 raw bytes of the dataset id.
        conversation: the 16 raw bytes of the conversation id.

    Raises:
        InvalidInput: ``leaf_input`` on other lengths.
    """
    _check_lengths(secret, dataset, conversation)
    return binding.manifest_leaf(secret, dataset, conversation)


def sort_in_place(rows: NDArray[np.bytes_]) -> None:
    """Sort fixed-width rows that begin with a leaf by that leaf, without a copy.

    Raises:
        InvalidInput: ``duplicate_leaf`` if a leaf stands twice.
    """
    # numpy compares fixed-width byte strings as unsigned bytes and takes the zero bytes that it
    # leaves off at the end for the zeros they are.
    rows.sort()
    width = rows.dtype.itemsize
    leaves = rows.view(np.uint8).reshape(-1, width)[:, :LEAF_BYTES]
    for start in range(0, len(rows) - 1, _CHUNK_LEAVES):
        part = leaves[start : start + _CHUNK_LEAVES + 1]
        if bool((part[1:] == part[:-1]).all(axis=1).any()):
            hint = "one conversation can stand in a dataset once"
            raise InvalidInput("duplicate_leaf", "a leaf stands twice", hint=hint)


def first_disorder(leaves: bytes | memoryview) -> int | None:
    """Return the place of the first leaf that does not come strictly after the one before it."""
    _check_whole(len(leaves))
    column = np.frombuffer(leaves, dtype="S32")
    wrong = np.flatnonzero(column[1:] <= column[:-1])
    return int(wrong[0]) + 1 if len(wrong) else None


class LeafTree:
    """The Merkle tree over the leaves of a manifest (RFC 6962, 2.1; each leaf hashed as data).

    Keeps one hash for each 4,096 leaves besides the leaves themselves (a file may be mapped), and
    the inner hashes of the chunk that was asked for last.
    """

    __slots__ = ("_chunk", "_chunk_levels", "_leaves", "_tops")

    def __init__(self, leaves: bytes | memoryview) -> None:
        """Hash every leaf once.

        Raises:
            InvalidInput: ``leaf_input`` unless `leaves` is a whole number of 32-byte leaves.
        """
        _check_whole(len(leaves))
        self._leaves = leaves
        self._chunk = -1
        self._chunk_levels: list[bytes] = []
        level = b"".join(
            self._levels_of(chunk)[_CHUNK_LEVEL] for chunk in range(self.size // _CHUNK_LEAVES)
        )
        self._tops = [level]
        while len(level) > LEAF_BYTES:
            level = parent_level(level)
            self._tops.append(level)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._leaves) // LEAF_BYTES

    def leaf(self, index: int) -> bytes:
        """Return the leaf at `index`."""
        return bytes(self._leaves[index * LEAF_BYTES : (index + 1) * LEAF_BYTES])

    def root(self) -> bytes:
        """Return the root of the tree (RFC 6962, 2.1)."""
        return tree_root(self.size, self._subtree)

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Return the proof of the leaf at `index` (RFC 6962, 2.1.1).

        Raises:
            InvalidInput: ``no_leaf`` if there is none.
        """
        return inclusion_path(index, self.size, self._subtree)

    def find(self, leaf: bytes) -> tuple[int, bool]:
        """Return where `leaf` stands (or would, in order) and whether it is there."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.leaf(middle) < leaf:
                low = middle + 1
            else:
                high = middle
        return low, low < self.size and self.leaf(low) == leaf

    def _subtree(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree at (`level`, `index`)."""
        if level >= _CHUNK_LEVEL:
            packed, at = self._tops[level - _CHUNK_LEVEL], index
        else:
            chunk, at = divmod(index, 1 << (_CHUNK_LEVEL - level))
            packed = self._levels_of(chunk)[level]
        return packed[at * LEAF_BYTES : (at + 1) * LEAF_BYTES]

    def _levels_of(self, chunk: int) -> list[bytes]:
        """Return the hashes of one chunk of leaves, level by level from the leaves up."""
        if chunk != self._chunk:
            start = chunk * _CHUNK_LEAVES * LEAF_BYTES
            stop = min(start + _CHUNK_LEAVES * LEAF_BYTES, len(self._leaves))
            part = bytes(self._leaves[start:stop])
            hashes = [
                leaf_hash(part[at : at + LEAF_BYTES]) for at in range(0, len(part), LEAF_BYTES)
            ]
            levels = [b"".join(hashes)]
            for _ in range(_CHUNK_LEVEL):
                levels.append(parent_level(levels[-1]))
            self._chunk, self._chunk_levels = chunk, levels
        return self._chunk_levels


def _check_lengths(secret: bytes, *ids: bytes) -> None:
    if len(secret) != SECRET_BYTES:
        raise InvalidInput("leaf_input", f"a capture secret takes 32 bytes, not {len(secret)}")
    if any(len(raw) != ID_BYTES for raw in ids):
        raise InvalidInput("leaf_input", f"a raw id takes {ID_BYTES} bytes")


def _check_whole(size_bytes: int) -> None:
    if size_bytes % LEAF_BYTES:
        raise InvalidInput("leaf_input", f"{size_bytes} bytes are not whole 32-byte leaves")
