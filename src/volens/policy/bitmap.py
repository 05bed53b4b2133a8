"""One bit for each conversation: may this purpose use it? Built in bulk, kept by small changes.

Conversations are numbered so that those of one subject stand together. Bit `i` is bit ``i % 8``
(least significant first) of byte ``i // 8``; 1 means permitted; the bits after the last are 0.
Every verdict comes from the policy's decision table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import Purpose, Signal
from volens.core.time import format_moment, from_millis, to_millis
from volens.policy.boundaries import BoundaryIndex, Indexes, Millis
from volens.policy.classify import narrower
from volens.policy.decision import Policy
from volens.policy.model import PERMIT_REASONS, SIZE, STRIDE, Block, ReasonCode, TierState, digit
from volens.policy.table import Codes, Verdicts

Bytes = npt.NDArray[np.uint8]

NO_TIER = 255
"""In `Overrides.tiers`: the conversation has no tier of its own."""
OVERDUE = len(Signal)
"""In `Overrides.signals`: the conversation is past its time and waits to be erased."""
_NONE = -1
_BLOCK_OF_SIGNAL = np.array(
    [digit("block", Block(signal)) for signal in Signal] + [digit("block", Block.ERASING)],
    dtype=np.int32,
)  # both vocabularies use the same words for signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The few conversations that say something of their own; three arrays of one length."""

    conversations: Indexes
    """Ascending, each once."""
    signals: Bytes
    """Position in `Signal`, or `OVERDUE`."""
    tiers: Bytes
    """Position in `TierState`, or `NO_TIER`."""


NO_OVERRIDES = Overrides(
    conversations=np.empty(0, dtype=np.int64),
    signals=np.empty(0, dtype=np.uint8),
    tiers=np.empty(0, dtype=np.uint8),
)

Reclassify = Callable[[Indexes, datetime], tuple[Codes, Millis]]
"""Subjects and a moment -> their class codes and when those end (milliseconds, or NEVER)."""


class ConsentBitmap:
    """The permitted conversations of one purpose under one policy version."""

    def __init__(
        self,
        policy: Policy,
        purpose: Purpose,
        *,
        codes: Codes,
        offsets: Indexes,
        ends: Millis,
        at: datetime,
        overrides: Overrides = NO_OVERRIDES,
    ) -> None:
        """Decide every conversation.

        Args:
            policy: decides; its table is used and filled.
            purpose: the purpose of every class in `codes`.
            codes: class code of each subject, without what single conversations say; shape (S,).
            offsets: first conversation of each subject, then the number of conversations; (S + 1,).
            ends: when each subject's class ends by itself, milliseconds or `NEVER`; (S,). Kept.
            at: the present moment.
            overrides: what single conversations say.

        Raises:
            Denied: ``table_expired`` if the policy version has ended at `at`.
            InvalidInput: ``bitmap_form`` if the arrays don't fit together.
        """
        _check(codes, offsets, ends, overrides)
        self.purpose = purpose
        self.epoch = 0
        """Goes up by one with each change."""
        self._table = policy.table()
        self._narrow = _narrowing(policy, purpose)
        self._codes = codes.copy()
        self._offsets = offsets
        self._overrides = overrides
        self._boundaries = BoundaryIndex(ends)
        self._override_subjects: Indexes = (
            np.searchsorted(offsets, overrides.conversations, side="right") - 1
        )
        self._override_codes = self._overridden(np.arange(len(overrides.conversations)))
        owners, first, each = np.unique(
            self._override_subjects, return_index=True, return_counts=True
        )
        self._override_first = np.full(len(codes), _NONE, dtype=np.int32)
        self._override_first[owners] = first
        self._override_count = np.zeros(len(codes), dtype=np.int32)
        self._override_count[owners] = each
        self.bits: Bytes = _fill(self._table.verdicts(codes, at), offsets)
        """The packed bits; check `require_fresh` before each use."""
        self._write(overrides.conversations, self._table.verdicts(self._override_codes, at))

    @property
    def size(self) -> int:
        """The number of conversations."""
        return int(self._offsets[-1])

    @property
    def valid_until(self) -> datetime:
        """The next moment at which anything here changes by itself."""
        return min(self._table.valid_until, from_millis(self._boundaries.next()))

    def codes(self, subjects: Indexes) -> Codes:
        """Return the present class codes of `subjects`, for who changes a single attribute."""
        return self._codes[subjects]

    def permitted(self, at: datetime) -> int:
        """Return how many conversations are permitted.

        Raises:
            Denied: ``table_expired``.
        """
        self.require_fresh(at)
        return _count(self.bits)

    def select(self, wanted: Bytes, at: datetime) -> Bytes:
        """Return `wanted` (packed the same way) without what is not permitted.

        Raises:
            Denied: ``table_expired``.
            InvalidInput: ``bitmap_form`` if `wanted` has another length.
        """
        self.require_fresh(at)
        if wanted.shape != self.bits.shape:
            raise InvalidInput("bitmap_form", f"{wanted.size} bytes, not {self.bits.size}")
        return wanted & self.bits

    def keep_only(self, wanted: Bytes) -> None:
        """Permit nothing outside `wanted` (packed the same way), for good.

        Raises:
            InvalidInput: ``bitmap_form`` if `wanted` has another length.
        """
        if wanted.shape != self.bits.shape:
            raise InvalidInput("bitmap_form", f"{wanted.size} bytes, not {self.bits.size}")
        self.bits &= wanted
        self.epoch += 1

    def require_fresh(self, at: datetime) -> None:
        """Pass if nothing has changed by itself since the last change.

        Raises:
            Denied: ``table_expired``.
        """
        if at >= self.valid_until:
            raise Denied(
                ReasonCode.TABLE_EXPIRED,
                f"the consent bitmap for {self.purpose} ended at {format_moment(self.valid_until)}",
                hint="advance it to the present moment, or build it anew",
            )

    def update(self, subjects: Indexes, codes: Codes, ends: Millis, at: datetime) -> int:
        """Take in new classes of changed subjects; return the number of bytes repacked.

        Args:
            subjects: indexes of the changed subjects, each once; shape (N,).
            codes: their new class codes; (N,).
            ends: when those end, milliseconds or `NEVER`; (N,).
            at: the present moment.

        Raises:
            Denied: ``table_expired`` if the policy version has ended at `at`; nothing is changed.
        """
        if np.any(np.diff(subjects) <= 0):
            order = np.argsort(subjects)
            subjects, codes, ends = subjects[order], codes[order], ends[order]
        verdicts = self._table.verdicts(codes, at)
        flipped = verdicts != self._table.verdicts(self._codes[subjects], at)
        self._codes[subjects] = codes
        self._boundaries.set(subjects, ends)
        touched = self._write(*self._spread(subjects[flipped], verdicts[flipped]))
        marks = self._override_marks(subjects)
        if marks.size:
            self._override_codes[marks] = self._overridden(marks)
            own = self._table.verdicts(self._override_codes[marks], at)
            touched += self._write(self._overrides.conversations[marks], own)
        self.epoch += 1
        return touched

    def advance(self, at: datetime, reclassify: Reclassify) -> int:
        """Cross the boundaries up to `at`: classify anew only the subjects behind them.

        Returns:
            The number of subjects classified anew.

        Raises:
            Denied: ``table_expired`` if the policy version has ended at `at`.
        """
        due = self._boundaries.due(to_millis(at))
        if due.size:
            codes, ends = reclassify(due, at)
            self.update(due, codes, ends, at)
        return int(due.size)

    def counts_by_reason(self, at: datetime) -> dict[ReasonCode, int]:
        """Return how many conversations each reason holds for (one may have several).

        Raises:
            Denied: ``table_expired``.
        """
        counts: Counter[ReasonCode] = Counter()
        for reasons, total in self._reasons(at):
            counts.update(dict.fromkeys(reasons, total))
        return {reason: counts[reason] for reason in ReasonCode if counts[reason]}

    def left_out(self, at: datetime) -> dict[ReasonCode, int]:
        """Return how many conversations are denied, each counted once, by its first reason.

        Raises:
            Denied: ``table_expired``.
        """
        counts: Counter[ReasonCode] = Counter()
        for reasons, total in self._reasons(at):
            if reasons[0] not in PERMIT_REASONS:
                counts[reasons[0]] += total
        return {reason: counts[reason] for reason in ReasonCode if counts[reason]}

    def _reasons(self, at: datetime) -> Iterator[tuple[tuple[ReasonCode, ...], int]]:
        """Yield the reasons of each class that occurs, and how many conversations are in it."""
        self.require_fresh(at)
        first = digit("purpose", self.purpose) * STRIDE["purpose"]
        each = np.diff(self._offsets)
        totals = np.bincount(self._codes - first, weights=each, minlength=STRIDE["purpose"])
        plain = self._codes[self._override_subjects] - first
        totals -= np.bincount(plain, minlength=STRIDE["purpose"])
        totals += np.bincount(self._override_codes - first, minlength=STRIDE["purpose"])
        for code in np.flatnonzero(totals).tolist():
            yield self._table.decision(first + code, at).reasons, int(totals[code])

    def _overridden(self, marks: Indexes) -> Codes:
        """Return the class codes of the overrides at positions `marks`."""
        codes = self._codes[self._override_subjects[marks]]
        tiers = codes // STRIDE["tier"] % SIZE["tier"]
        blocks = codes // STRIDE["block"] % SIZE["block"]
        own_tiers = self._overrides.tiers[marks]
        narrowed = self._narrow[tiers, np.minimum(own_tiers, SIZE["tier"])]
        signalled = np.where(blocks == 0, _BLOCK_OF_SIGNAL[self._overrides.signals[marks]], blocks)
        moved = (narrowed - tiers) * STRIDE["tier"] + (signalled - blocks) * STRIDE["block"]
        result: Codes = (codes + moved).astype(np.int32)
        return result

    def _override_marks(self, subjects: Indexes) -> Indexes:
        """Return the positions of all overrides that belong to `subjects`."""
        first = self._override_first[subjects]
        some = np.flatnonzero(first != _NONE)
        each = self._override_count[subjects[some]]
        return _ranges(first[some].astype(np.int64), each.astype(np.int64))

    def _spread(self, subjects: Indexes, verdicts: Verdicts) -> tuple[Indexes, Verdicts]:
        """Return all conversations of `subjects` with their subject's verdict."""
        first = self._offsets[subjects]
        each = self._offsets[subjects + 1] - first
        return _ranges(first, each), np.repeat(verdicts, each)

    def _write(self, conversations: Indexes, values: Verdicts) -> int:
        """Set the bits of `conversations` (ascending); only the bytes they lie in are touched."""
        if not conversations.size:
            return 0
        byte = conversations >> 3
        first = np.concatenate([[True], byte[1:] != byte[:-1]])
        places = byte[first]
        slot = np.cumsum(first) - 1
        unpacked = np.unpackbits(self.bits[places], bitorder="little")
        unpacked[(slot << 3) | (conversations & 7)] = values
        self.bits[places] = np.packbits(unpacked, bitorder="little")
        return int(places.size)


def _prefix_parities() -> Bytes:
    """Return, for each byte, the byte whose bit i is the parity of its bits 0 .. i."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    parities = np.bitwise_xor.accumulate(bits, axis=1)
    result: Bytes = np.packbits(parities, axis=1, bitorder="little")[:, 0]
    return result


_PREFIX_PARITY = _prefix_parities()


def _fill(verdicts: Verdicts, offsets: Indexes) -> Bytes:
    """Return the packed bits in which each subject's conversations carry its verdict.

    Writes one toggle where the verdict changes from one subject to the next, then turns toggles
    into runs by prefix parity: a byte for eight conversations instead of one for each.
    """
    size = int(offsets[-1])
    bits: Bytes = np.zeros((size + 7) // 8, dtype=np.uint8)
    steps = np.flatnonzero(np.diff(verdicts, prepend=np.uint8(0), append=np.uint8(0)))
    toggles = offsets[steps]
    toggles = toggles[toggles < size]
    if not toggles.size:
        return bits
    byte = toggles >> 3
    first = np.flatnonzero(np.concatenate([[True], byte[1:] != byte[:-1]]))
    masks = np.left_shift(np.uint8(1), (toggles & 7).astype(np.uint8))
    # Xor, not or: a subject without conversations toggles twice at one place, which is nothing.
    bits[byte[first]] = np.bitwise_xor.reduceat(masks, first)
    runs = _PREFIX_PARITY[bits]
    carry = np.bitwise_xor.accumulate(runs >> 7)
    runs[1:] ^= np.where(carry[:-1], np.uint8(255), np.uint8(0))
    if size % 8:
        runs[-1] &= (1 << size % 8) - 1  # the last run may not reach past the end
    return runs


def _ranges(first: Indexes, each: Indexes) -> Indexes:
    """Return first[0] .. first[0] + each[0] - 1, then the same for the next, end to end."""
    total = int(each.sum())
    ends = np.cumsum(each)
    starts = np.repeat(first - (ends - each), each)
    result: Indexes = starts + np.arange(total, dtype=np.int64)
    return result


_COUNTED_AT_ONCE = 1 << 24
"""Words counted into one 32-bit sum: 2^24 words of 64 bits can't overflow it."""


def _count(packed: Bytes) -> int:
    """Return the number of set bits, by words of 64 bits where the length allows."""
    words = packed.view(np.uint64) if packed.size % 8 == 0 else packed
    return sum(
        int(np.bitwise_count(words[start : start + _COUNTED_AT_ONCE]).sum(dtype=np.uint32))
        for start in range(0, len(words), _COUNTED_AT_ONCE)
    )


def _narrowing(policy: Policy, purpose: Purpose) -> npt.NDArray[np.int32]:
    """Return [account's tier, conversation's tier] -> the tier that counts, as digits.

    The column after the last tier stands for `NO_TIER`.
    """
    tiers = list(TierState)
    rows = [
        [digit("tier", narrower(policy.pack, purpose, one, other)) for other in tiers]
        + [digit("tier", one)]
        for one in tiers
    ]
    return np.array(rows, dtype=np.int32)


def _check(codes: Codes, offsets: Indexes, ends: Millis, overrides: Overrides) -> None:
    marks = overrides.conversations
    fits = (
        len(offsets) == len(codes) + 1 == len(ends) + 1
        and offsets[0] == 0
        and bool(np.all(np.diff(offsets) >= 0))
        and len(marks) == len(overrides.signals) == len(overrides.tiers)
        and (not marks.size or (marks[0] >= 0 and marks[-1] < offsets[-1]))
        and bool(np.all(np.diff(marks) > 0))
        and bool(np.all(overrides.signals <= OVERDUE))
    )
    if not fits:
        raise InvalidInput(
            "bitmap_form",
            "codes, offsets, ends and overrides don't fit together",
            hint="offsets start at 0, never fall, and have one more entry than codes",
        )
