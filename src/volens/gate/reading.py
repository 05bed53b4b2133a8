"""Reading ciphertext in bulk and opening it batch by batch. Only the gate uses this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.errors import Unavailable, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.crypto.binding import ContentPlace
from volens.crypto.keystore import Holder
from volens.crypto.opening import Opened, Opener, ToOpen, commitment_of, leaf_of
from volens.storage.engine import driver_of
from volens.vault.store import Held

BATCH_BYTES = 8 * 1024 * 1024
_SUBJECTS_A_QUERY = 500
_CACHED_BATCHES = 64
_ROWS = """
SELECT c.subject_no, s.id, c.id, c.sequence, c.batch_no, c.position, c.no, e.envelope
FROM conversation AS c
JOIN subject AS s ON s.no = c.subject_no
JOIN sealed AS e ON e.conversation_no = c.no
WHERE {where}
ORDER BY c.subject_no, c.no
"""

_Row = tuple[int, bytes, bytes, int, int, int, int, bytes]
Mask = npt.NDArray[np.bool_]


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

    items: Sequence[tuple[Holder, Sequence[ToOpen]]]
    numbers: Sequence[int]
    commitments: Sequence[bytes]
    """The logged capture commitment of each conversation."""

    def open(self, opener: Opener) -> OpenedBatch:
        """Open the batch; conversations whose keys are gone are left out.

        Raises:
            VerificationFailed: if a segment was changed, or a conversation's secret is not the one
                its capture committed to (``capture_mismatch``).
        """
        opened = [one for answers in opener.open_many(self.items) for one in answers]
        places = [(holder, item) for holder, group in self.items for item in group]
        kept = [index for index, one in enumerate(opened) if one is not None]
        found = [one for one in opened if one is not None]
        conversations = [places[index][1].place.conversation for index in kept]
        for index, one, conversation in zip(kept, found, conversations, strict=True):
            if commitment_of(one.capture_secret, conversation) != self.commitments[index]:
                raise VerificationFailed(
                    "capture_mismatch",
                    f"conversation number {self.numbers[index]} is not what its capture logged",
                )
        return OpenedBatch(
            payloads=[one.payload for one in found],
            conversations=conversations,
            subjects=[places[index][0].number for index in kept],
            numbers=[self.numbers[index] for index in kept],
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


class SealedReader:
    """Reads sealed segments of the main database."""

    def __init__(self, engine: Engine, *, tenant: bytes) -> None:
        """Read from `engine`; `tenant` (16 bytes) is what the ciphertext is bound to."""
        self._engine = engine
        self._tenant = tenant
        self._batches: dict[int, bytes] = {}

    def batches(self, wanted: Iterable[tuple[int, Mask]]) -> Iterator[SealedBatch]:
        """Yield the wanted conversations in batches of about `BATCH_BYTES`.

        Args:
            wanted: (subject number, mask over that person's conversations in order), ascending.
        """
        chunk: list[tuple[int, Mask]] = []
        for item in wanted:
            chunk.append(item)
            if len(chunk) == _SUBJECTS_A_QUERY:
                yield from self._chunk(chunk)
                chunk = []
        if chunk:
            yield from self._chunk(chunk)

    def one(self, held: Held) -> SealedBatch:
        """Return the batch that holds only this conversation."""
        raw = parse_id(IdKind.CONVERSATION, held.id)
        rows = self._rows("c.id = ?", (raw,))
        return next(self._gather(rows))

    def _chunk(self, chunk: list[tuple[int, Mask]]) -> Iterator[SealedBatch]:
        marks = ",".join("?" * len(chunk))
        rows = self._rows(f"c.subject_no IN ({marks})", tuple(number for number, _ in chunk))
        masks = dict(chunk)
        yield from self._gather(_masked(rows, masks))

    def _rows(self, where: str, values: tuple[object, ...]) -> Iterator[_Row]:
        with self._engine.connect() as db:
            cursor = driver_of(db).execute(_ROWS.format(where=where), values)
            while rows := cursor.fetchmany(1000):
                yield from rows

    def _gather(self, rows: Iterator[_Row]) -> Iterator[SealedBatch]:
        items: list[tuple[Holder, list[ToOpen]]] = []
        numbers: list[int] = []
        commitments: list[bytes] = []
        size = 0
        last = -1
        for row in rows:
            subject_no, subject, conversation, sequence, batch_no, position, number, envelope = row
            if subject_no != last:
                if size >= BATCH_BYTES:
                    yield SealedBatch(items=items, numbers=numbers, commitments=commitments)
                    items, numbers, commitments, size = [], [], [], 0
                items.append((Holder(number=subject_no, raw=subject), []))
                last = subject_no
            place = ContentPlace(
                tenant=self._tenant, subject=subject, conversation=conversation, sequence=sequence
            )
            items[-1][1].append(ToOpen(place=place, envelope=envelope))
            numbers.append(number)
            commitments.append(self._commitment(batch_no, position))
            size += len(envelope)
        if items:
            yield SealedBatch(items=items, numbers=numbers, commitments=commitments)

    def _commitment(self, batch_no: int, position: int) -> bytes:
        data = self._batches.get(batch_no)
        if data is None:
            if len(self._batches) >= _CACHED_BATCHES:
                self._batches.clear()
            with self._engine.connect() as db:
                query = "SELECT commitments FROM capture_batch WHERE no = ?"
                (data,) = driver_of(db).execute(query, (batch_no,)).fetchone()
            self._batches[batch_no] = data
        return data[position * 32 : position * 32 + 32]


def _masked(rows: Iterator[_Row], masks: dict[int, Mask]) -> Iterator[_Row]:
    last, rank = None, 0
    for row in rows:
        if row[0] != last:
            last, rank = row[0], 0
        if rank < len(masks[row[0]]) and masks[row[0]][rank]:
            yield row
        rank += 1
