"""Records as columns: what a dataset build hands to the writers, and what readers hand back.

A batch keeps all texts end to end with offsets, as Arrow and the sealed payload do, so that bulk
writers copy buffers instead of visiting rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput
from volens.vault.model import Role

LEAF_BYTES = 32
MAX_ENVELOPE_BYTES = 2**32 - 1

Offsets = NDArray[np.int32] | NDArray[np.int64]
Order = NDArray[np.int64]

ROLE_NAMES = tuple(role.name.lower() for role in sorted(Role))
"""The word of each role, at the index of its number: system, user, assistant, tool."""


class Format(StrEnum):
    """The form of the data files of a dataset (docs/formats/dataset.md)."""

    SEALED = "sealed"
    HF = "hf"
    TRL = "trl"
    OPENAI = "openai"
    SHAREGPT = "sharegpt"

    @property
    def discloses(self) -> bool:
        """Say whether whoever holds the files can read them without asking for keys."""
        return self is not Format.SEALED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordBatch:
    """Some records in the clear. `repr` shows no text.

    Attributes:
        leaves: the manifest leaf of each record, 32 bytes each, end to end.
        turn_offsets: n + 1 rising numbers; record i has the turns from the i-th to the next.
        roles: the `Role` of each turn.
        text: the UTF-8 of all turns, end to end.
        text_offsets: turns + 1 rising numbers into `text`, in bytes.
        languages: a BCP 47 tag for each record (empty if unknown), or nothing at all.
    """

    leaves: bytes = field(repr=False)
    turn_offsets: Offsets = field(repr=False)
    roles: NDArray[np.uint8] = field(repr=False)
    text: bytes = field(repr=False)
    text_offsets: NDArray[np.int64] = field(repr=False)
    languages: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse columns that don't fit together.

        Raises:
            InvalidInput: ``batch_shape`` naming the column.
        """
        records, rest = divmod(len(self.leaves), LEAF_BYTES)
        if rest:
            raise _misshapen(f"leaves take {len(self.leaves)} bytes, not a multiple of 32")
        _check_offsets("turn_offsets", self.turn_offsets, records, len(self.roles))
        _check_offsets("text_offsets", self.text_offsets, len(self.roles), len(self.text))
        if len(self.roles) and int(self.roles.max()) >= len(ROLE_NAMES):
            raise _misshapen("roles hold a number that is no role")
        if self.languages is not None and len(self.languages) != records:
            raise _misshapen(f"{len(self.languages)} languages for {records} records")

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.leaves) // LEAF_BYTES

    def rows(self, order: Order | None = None) -> Iterator[tuple[bytes, list[tuple[Role, str]]]]:
        """Yield each record as its leaf and its turns, in the given order of record numbers.

        Raises:
            InvalidInput: ``batch_text`` if a turn's bytes are not UTF-8.
        """
        turn_at, text_at = self.turn_offsets.tolist(), self.text_offsets.tolist()
        roles = [Role(number) for number in self.roles.tolist()]
        for row in range(len(self)) if order is None else order.tolist():
            turns = [
                (roles[turn], self._turn_text(text_at[turn], text_at[turn + 1]))
                for turn in range(turn_at[row], turn_at[row + 1])
            ]
            yield self.leaves[row * LEAF_BYTES : (row + 1) * LEAF_BYTES], turns

    def _turn_text(self, start: int, stop: int) -> str:
        try:
            return self.text[start:stop].decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput("batch_text", "the text of a turn is not UTF-8") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SealedBatch:
    """Some sealed records: opaque envelopes, each with its leaf.

    Attributes:
        leaves: the manifest leaf of each record, 32 bytes each, end to end.
        envelopes: all envelopes, end to end; nothing in here looks inside.
        envelope_offsets: n + 1 rising numbers into `envelopes`, in bytes.
        turns: how many turns the records hold together, as the sealer counted them.
        languages: a BCP 47 tag for each record (empty if unknown), or nothing at all.
    """

    leaves: bytes = field(repr=False)
    envelopes: bytes = field(repr=False)
    envelope_offsets: NDArray[np.int64] = field(repr=False)
    turns: int = 0
    languages: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse columns that don't fit together.

        Raises:
            InvalidInput: ``batch_shape`` naming the column.
        """
        records, rest = divmod(len(self.leaves), LEAF_BYTES)
        if rest:
            raise _misshapen(f"leaves take {len(self.leaves)} bytes, not a multiple of 32")
        _check_offsets("envelope_offsets", self.envelope_offsets, records, len(self.envelopes))
        sizes = np.diff(self.envelope_offsets)
        if records and not 0 < int(sizes.min()) <= int(sizes.max()) <= MAX_ENVELOPE_BYTES:
            raise _misshapen("an envelope is empty or takes 4 GiB or more")
        if self.languages is not None and len(self.languages) != records:
            raise _misshapen(f"{len(self.languages)} languages for {records} records")

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.leaves) // LEAF_BYTES


def leaf_order(leaves: bytes) -> Order:
    """Return the record numbers in rising order of their leaves.

    A leaf is keyed with a secret of its conversation, so this order says nothing about who the
    records belong to or when they came.
    """
    # A fixed-width byte string compares as unsigned bytes; the zero bytes that numpy leaves off at
    # the end sort as the zeros they are.
    return np.argsort(np.frombuffer(leaves, dtype="S32"), kind="stable").astype(np.int64)


def _check_offsets(name: str, offsets: Offsets, items: int, end: int) -> None:
    if offsets.ndim != 1 or offsets.dtype not in {np.dtype(np.int32), np.dtype(np.int64)}:
        raise _misshapen(f"{name} is not one row of int32 or int64")
    if len(offsets) != items + 1 or offsets[0] != 0 or offsets[-1] != end:
        raise _misshapen(f"{name} does not run from 0 to {end} in {items} steps")
    if bool((np.diff(offsets) < 0).any()):
        raise _misshapen(f"{name} falls somewhere")


def _misshapen(message: str) -> InvalidInput:
    return InvalidInput("batch_shape", f"a batch does not fit together: {message}")
