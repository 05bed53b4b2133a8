"""Hands out the records of a lease, batch by batch, and never one that was taken back.

The order is a function of the leaves and a seed: leaving a record out moves no other past another,
and a run goes on where it was by the number of its next batch. Workers open records ahead of time;
what they opened is checked again when it is handed out (`Lease.hand_out`), so that neither a
prefetched batch nor one that waits in a pipe holds anything that was taken back meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from volens.core.canonical import read_canonical
from volens.core.errors import Denied, InvalidInput, Unavailable, VerificationFailed
from volens.gate.leases import Lease
from volens.training.model import Example

Rows = npt.NDArray[np.int64]
_LEAF_BYTES: Final = 32
_MOST_WORKERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records that may be used now. `repr` shows none."""

    number: int
    """Its place in the order, from 0; the next run may begin with the one after it."""
    rows: Rows
    """Rows in the dataset's manifest."""
    records: list[bytes] = field(repr=False)
    """Canonical JSON, see docs/formats/sealed-dataset.md."""
    withdrawn: int
    """How many records of the batch may not be used any more, and are not in it."""


class Loader:
    """Iterates over a lease. Every iteration gives the same order."""

    def __init__(
        self,
        lease: Lease,
        *,
        seed: bytes = b"",
        batch: int = 64,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        prefetch: int = 2,
    ) -> None:
        """Set up an iteration.

        Args:
            lease: what may be used.
            seed: tells the order; of any length. Another epoch takes another seed.
            batch: records in a batch, before anything is left out.
            start: the first batch to hand out.
            rank: which of the `world` processes this is; each gets every `world`-th batch.
            world: how many processes share the dataset, each with a lease of its own.
            workers: forked processes that open records ahead; 0: none, and torch is not needed.
            prefetch: batches that each worker opens ahead; of small ones, groups.

        Raises:
            InvalidInput: ``loader_form``.
        """
        fits = batch >= 1 and start >= 0 and 0 <= rank < world and prefetch >= 1
        if not fits or not 0 <= workers <= _MOST_WORKERS:
            message = f"batch {batch}, start {start}, rank {rank} of {world}, {workers} workers"
            hint = f"batch and prefetch from 1, rank below world, at most {_MOST_WORKERS} workers"
            raise InvalidInput("loader_form", f"no loader has {message}", hint=hint)
        self.lease = lease
        self._order = order_rows(lease, seed)
        self.batch = batch
        self._numbers = range(start + (rank - start) % world, -(-len(lease) // batch), world)
        self._workers = workers
        self._prefetch = prefetch

    def __len__(self) -> int:
        """Return how many batches an iteration goes through."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches in order, but for those of which nothing is left.

        Raises:
            Denied: ``lease_over``, ``policy_changed``, ``table_expired``.
            Unavailable: ``revocation_stale`` if it can't be known what was taken back: nothing is
                handed out then.
            VerificationFailed: if a record was changed.
        """
        if self._workers and len(self._numbers):
            from volens.training.workers import opened_by_workers  # noqa: PLC0415 - takes torch

            opened = opened_by_workers(self, self._numbers, self._workers, self._prefetch)
        else:
            opened = ((number, self.open(number)) for number in self._numbers)
        for number, records in opened:
            batch = self._handed_out(number, records)
            if batch.records:
                yield batch

    def open(self, number: int) -> list[bytes | None]:
        """Open the records of one batch, in whatever process; nothing may be used of it yet.

        Raises:
            Denied: see `__iter__`.
            Unavailable: see `__iter__`.
            VerificationFailed: see `__iter__`.
        """
        rows = self.rows(number)
        self.lease.usable(rows)
        return self.lease.open(rows)

    def largest(self) -> int:
        """Return how many bytes the records of one batch have at most, all together."""
        sizes = self.lease.sizes()[self._order]
        return int(np.add.reduceat(sizes, np.arange(0, len(sizes), self.batch)).max())

    def rows(self, number: int) -> Rows:
        """Return the rows of one batch, before anything is left out."""
        return self._order[number * self.batch : (number + 1) * self.batch]

    def check(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Say which of these rows may be handed out now, and note that they are.

        Raises:
            Denied: see `__iter__`.
            Unavailable: see `__iter__`.
        """
        return self.lease.hand_out(rows)

    def _handed_out(self, number: int, records: list[bytes | None]) -> Batch:
        rows = self.rows(number)
        there = np.array([record is not None for record in records], dtype=np.bool_)
        kept = rows[there]
        usable = self.check(kept)
        found = [record for record in records if record is not None]
        if not usable.all():
            found = [found[place] for place in np.flatnonzero(usable).tolist()]
        return Batch(
            number=number,
            rows=kept[usable],
            records=found,
            withdrawn=len(rows) - len(found),
        )


class LeaseSource:
    """Gives a run the records of its plan, as `training.runner` asks for them."""

    def __init__(self, lease: Lease) -> None:
        """Take them from `lease`."""
        self._lease = lease
        leaves = [lease.leaf(row) for row in range(len(lease))]
        self._rows = {leaf: row for row, leaf in enumerate(leaves)}
        self._gone: frozenset[bytes] = frozenset()
        self._count = -1

    def usable(self) -> list[bytes]:
        """Return the leaves that may be used now, rising.

        Raises:
            Denied: see `Lease.usable`.
            Unavailable: see `Lease.usable`.
        """
        return [self._lease.leaf(row) for row in np.flatnonzero(self._lease.usable()).tolist()]

    def row(self, leaf: bytes) -> int:
        """Return the row of a leaf."""
        return self._rows[leaf]

    def open(self, leaves: Sequence[bytes]) -> list[Example]:
        """See `ExampleSource.open`."""
        rows = np.array([self._rows[leaf] for leaf in leaves], dtype=np.int64)
        self._lease.usable(rows)
        opened = self._lease.open(rows)
        if not self._lease.hand_out(rows).all() or None in opened:
            message = "a record of this stage may not be used any more"
            raise Denied("withdrawn_meanwhile", message, hint="go on without it")
        return [
            _example(leaf, record)
            for leaf, record in zip(leaves, cast("list[bytes]", opened), strict=True)
        ]

    def taken_back(self) -> frozenset[bytes]:
        """See `ExampleSource.taken_back`.

        Raises:
            Unavailable: ``revocation_stale``, also where the lease itself has come to its end.
        """
        try:
            usable = self._lease.usable()
        except Denied as end:
            raise Unavailable("revocation_stale", end.message, hint=end.hint) from end
        count = int(np.count_nonzero(~usable))
        if count != self._count:  # it only ever grows
            self._gone = frozenset(
                self._lease.leaf(row) for row in np.flatnonzero(~usable).tolist()
            )
            self._count = count
        return self._gone


def order_rows(lease: Lease, seed: bytes) -> Rows:
    """Return the rows in the order in which they are handed out.

    The place of a row follows from its leaf and the seed alone: the first eight bytes of the leaf,
    xor the first eight of SHA-256(``volens/order/v1`` 00 || seed), both little-endian, through the
    finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014); rising, equal ones in the order of the leaves.
    """
    leaves = np.frombuffer(lease.leaves(), dtype="<u8")
    mixed = leaves.reshape(-1, _LEAF_BYTES // 8)[:, 0].astype(np.uint64)
    digest = hashlib.sha256(b"volens/order/v1\x00" + seed).digest()
    mixed ^= np.frombuffer(digest[:8], dtype="<u8")
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.argsort(mixed, kind="stable").astype(np.int64)


def _example(leaf: bytes, record: bytes) -> Example:
    document = read_canonical(record)
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        raise VerificationFailed("record_form", f"the record {leaf.hex()} has another form")
    turns = []
    for message in messages:
        match message:
            case {"role": str(role), "content": str(content)}:
                turns.append((role, content))
            case _:
                raise VerificationFailed("record_form", f"the record {leaf.hex()} has another form")
    return Example(leaf=leaf, messages=tuple(turns))
