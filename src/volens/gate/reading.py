"""Reading ciphertext in bulk and opening it batch by batch. Only the gate uses this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.errors import Denied, Unavailable, VerificationFailed
from volens.crypto.keystore import Holder
from volens.crypto.opening import Opened, Opener, Segment, commitment_of, leaf_of
from volens.storage.engine import driver_of
from volens.vault.store import Held

BATCH_BYTES = 8 * 1024 * 1024
MOST_SUBJECTS = 500
_ROWS_A_QUERY = 900  # SQLite's least limit is 999 variables
_CACHED_BYTES = 32 * 1024 * 1024
_NUMBERS = "SELECT subject_no, no FROM conversation WHERE subject_no IN ({marks})"
_ROWS = """
SELECT c.subject_no, s.id, c.no, c.batch_no, c.position, c.id, c.sequence, e.envelope
FROM conversation AS c
JOIN subject AS s ON s.no = c.subject_no
JOIN sealed AS e ON e.conversation_no = c.no
WHERE c.no IN ({marks})
ORDER BY c.no
"""

_Row = tuple[int, bytes, int, int, int, bytes, int, bytes]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBatch:
    """Conversations, opened. Keys and secrets stay inside: ask it for leaves and sealed records."""

    payloads: Sequence[bytes] = field(repr=False)
    conversations: Sequence[bytes] = field(repr=False)
    """Raw conversation ids."""
    subjects: Sequence[int] = field(repr=False)
    """Subject number of each conversation; equal numbers stand together."""
    numbers: Sequence[int] = field(repr=False)
    """Row number of each conversation in the vault."""
    _opened: Sequence[Opened] = field(repr=False)
    _opener: Opener = field(repr=False)

    @property
    def size(self) -> int:
        """Return the number of conversations."""
        return len(self.payloads)

    def leaves(self, dataset: bytes, rows: Sequence[int]) -> list[bytes]:
        """Return the leaves of some conversations (by index) in the manifest of `dataset`."""
        opened, conversations = self._opened, self.conversations
        return [
            leaf_of(opened[row].capture_secret, dataset=dataset, conversation=conversations[row])
            for row in rows
        ]

    def seal_record(self, index: int, plaintext: bytes, *, dataset: bytes, leaf: bytes) -> bytes:
        """Seal one row of a sealed dataset under its own conversation's key."""
        key = self._opened[index].key
        return self._opener.seal_record(key, plaintext, dataset=dataset, leaf=leaf)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """Ciphertext of some people's conversations, in the vault's order."""

    tenant: bytes
    items: Sequence[tuple[Holder, Sequence[Segment]]]
    numbers: Sequence[int]
    commitments: Sequence[bytes]
    """The logged capture commitment of each conversation."""

    def open(self, opener: Opener) -> OpenedBatch:
        """Open the batch; conversations whose keys are gone are left out.

        Raises:
            VerificationFailed: if a segment was changed, or a conversation's secret is not the one
                its capture committed to (``capture_mismatch``).
        """
        answers = opener.open_many(self.items, tenant=self.tenant)
        opened = [one for group in answers for one in group]
        conversations = [segment[0] for _, segments in self.items for segment in segments]
        subjects = [holder.number for holder, segments in self.items for _ in segments]
        for place, (one, conversation) in enumerate(zip(opened, conversations, strict=True)):
            if one is None:
                continue
            if commitment_of(one.capture_secret, conversation) != self.commitments[place]:
                raise VerificationFailed(
                    "capture_mismatch",
                    f"conversation number {self.numbers[place]} is not what its capture logged",
                )
        kept = [place for place, one in enumerate(opened) if one is not None]
        found = [one for one in opened if one is not None]
        return OpenedBatch(
            payloads=[one.payload for one in found],
            conversations=[conversations[place] for place in kept],
            subjects=[subjects[place] for place in kept],
            numbers=[self.numbers[place] for place in kept],
            _opened=found,
            _opener=opener,
        )

    def open_one(self, opener: Opener) -> bytes:
        """Return the payload of the only conversation in the batch.

        Raises:
            Unavailable: ``key_missing`` if it was erased.
        """
        content = self.open(opener)
        if content.size != 1:
            raise Unavailable("key_missing", "the conversation's key is missing: it was erased")
        return content.payloads[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was decided for some people: which of their conversations, in order of capture."""

    subjects: Numbers
    """Subject numbers, rising; at most `MOST_SUBJECTS`."""
    sizes: Numbers
    """How many conversations of each were decided."""
    permitted: npt.NDArray[np.bool_]
    """For each of those conversations, person by person: whether it may be opened."""


class SealedReader:
    """Reads sealed segments of the main database."""

    def __init__(self, engine: Engine, *, tenant: bytes) -> None:
        """Read from `engine`; `tenant` (16 bytes) is what the ciphertext is bound to."""
        self._engine = engine
        self._tenant = tenant
        self._batches: dict[int, bytes] = {}
        self._cached_bytes = 0

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[SealedBatch]:
        """Yield the wanted conversations in batches of about `BATCH_BYTES`.

        Raises:
            Denied: ``withdrawn_meanwhile`` if somebody has fewer conversations than were decided.
        """
        return self._gather(row for block in wanted for row in self._block(block))

    def one(self, held: Held) -> SealedBatch:
        """Return the batch that holds only this conversation.

        Raises:
            Unavailable: ``key_missing`` if it is not held any more.
        """
        for batch in self._gather(self._rows([held.number])):
            return batch
        raise Unavailable("key_missing", "the conversation is gone: it was erased")

    def _block(self, block: Wanted) -> Iterator[_Row]:
        numbers = self._chosen(block)
        # Where numbers fall, a query ends: in each, the order of rows is the order of people.
        falls = np.flatnonzero(np.diff(numbers) < 0) + 1
        for run in np.split(numbers, falls):
            for start in range(0, len(run), _ROWS_A_QUERY):
                yield from self._rows(run[start : start + _ROWS_A_QUERY].tolist())

    def _chosen(self, block: Wanted) -> Numbers:
        """Return the row numbers of the wanted conversations, person by person."""
        marks = ",".join("?" * len(block.subjects))
        with self._engine.connect() as db:
            query = _NUMBERS.format(marks=marks)
            rows = driver_of(db).execute(query, block.subjects.tolist()).fetchall()
        held = np.array(rows, dtype=np.int64).reshape(-1, 2)
        held = held[np.lexsort((held[:, 1], held[:, 0]))]
        starts = np.searchsorted(held[:, 0], block.subjects)
        if bool((np.diff(np.append(starts, len(held))) < block.sizes).any()):
            raise Denied(
                "withdrawn_meanwhile",
                "conversations went while they were being read",
                hint="start again: they will be left out",
            )
        # A person's later conversations come last and were not decided on.
        ranks = np.arange(len(block.permitted)) - np.repeat(
            np.cumsum(block.sizes) - block.sizes, block.sizes
        )
        places = np.repeat(starts, block.sizes) + ranks
        chosen: Numbers = held[places[block.permitted], 1]
        return chosen

    def _rows(self, numbers: list[int]) -> Iterator[_Row]:
        marks = ",".join("?" * len(numbers))
        with self._engine.connect() as db:
            yield from driver_of(db).execute(_ROWS.format(marks=marks), numbers)

    def _gather(self, rows: Iterable[_Row]) -> Iterator[SealedBatch]:
        items: list[tuple[Holder, list[Segment]]] = []
        numbers: list[int] = []
        commitments: list[bytes] = []
        segments: list[Segment] = []
        size = 0
        last = -1
        for row in rows:
            subject_no, subject, number, batch_no, position, conversation, sequence, envelope = row
            if subject_no != last:
                if size >= BATCH_BYTES:
                    yield self._batch(items, numbers, commitments)
                    items, numbers, commitments, size = [], [], [], 0
                segments = []
                items.append((Holder(number=subject_no, raw=subject), segments))
                last = subject_no
            segments.append((conversation, sequence, envelope))
            numbers.append(number)
            commitments.append(self._commitment(batch_no, position))
            size += len(envelope)
        if items:
            yield self._batch(items, numbers, commitments)

    def _batch(
        self,
        items: list[tuple[Holder, list[Segment]]],
        numbers: list[int],
        commitments: list[bytes],
    ) -> SealedBatch:
        return SealedBatch(
            tenant=self._tenant, items=items, numbers=numbers, commitments=commitments
        )

    def _commitment(self, batch_no: int, position: int) -> bytes:
        data = self._batches.get(batch_no)
        if data is None:
            with self._engine.connect() as db:
                query = "SELECT commitments FROM capture_batch WHERE no = ?"
                (data,) = driver_of(db).execute(query, (batch_no,)).fetchone()
            self._cached_bytes += len(data)
            if self._cached_bytes > _CACHED_BYTES:
                self._batches.clear()
                self._cached_bytes = len(data)
            self._batches[batch_no] = data
        return data[position * 32 : position * 32 + 32]
