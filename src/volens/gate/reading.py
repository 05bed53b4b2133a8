"""Reading ciphertext in bulk and opening it batch by batch. Only the gate uses this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.errors import Denied, Unavailable, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.crypto.blocks import ID_BYTES, ROW_BYTES, SEQUENCE_AT
from volens.crypto.keystore import Holder
from volens.crypto.opening import (
    ConversationKeys,
    OpenedAccount,
    Opener,
    Segment,
    commitments_of,
    leaves_of,
)
from volens.storage.engine import driver_of
from volens.vault.blocks import Columns
from volens.vault.store import Held
from volens.vault.tables import ENDED

BATCH_BYTES = 8 * 1024 * 1024
MOST_SUBJECTS = 500
_CACHED_BYTES = 32 * 1024 * 1024
_COMMITMENT_BYTES = 32
_LIVE = """
SELECT subject_no, no FROM conversation
WHERE subject_no IN ({marks}) AND no <= ? AND ended_ms IS NULL ORDER BY subject_no, no
"""
_ENDED = f"SELECT no FROM conversation WHERE {ENDED} AND subject_no IN ({{marks}})"  # noqa: S608 - a constant
_BLOCKS = """
SELECT b.subject_no, s.id, b.id, b.envelope
FROM block AS b
JOIN subject AS s ON s.no = b.subject_no
WHERE b.subject_no IN ({marks})
ORDER BY b.subject_no, b.no
"""
_ONE = """
SELECT b.subject_no, s.id, b.id, b.envelope
FROM block AS b
JOIN subject AS s ON s.no = b.subject_no
WHERE b.no = ?
"""

Numbers = npt.NDArray[np.int64]
_NONE: Numbers = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedBatch:
    """Conversations, opened. Keys and secrets stay inside: ask it for leaves and sealed records."""

    columns: Columns = field(repr=False)
    subjects: Numbers = field(repr=False)
    """Subject number of each conversation; equal numbers stand together."""
    numbers: Numbers = field(repr=False)
    """Row number of each conversation in the vault; rising within a person."""
    _members: bytes = field(repr=False)
    _keys: Sequence[ConversationKeys] = field(repr=False)
    _owners: Numbers = field(repr=False)
    _opener: Opener = field(repr=False)

    @property
    def size(self) -> int:
        """Return the number of conversations."""
        return len(self.numbers)

    @property
    def payloads(self) -> list[bytes]:
        """Return each conversation as the payload it was captured as."""
        return [self.columns.payload(place) for place in range(self.size)]

    def leaves(self, dataset: bytes, rows: Sequence[int]) -> list[bytes]:
        """Return the leaves of some conversations (by index) in the manifest of `dataset`."""
        return leaves_of(self._members, [row * ROW_BYTES for row in rows], dataset=dataset)

    def seal_record(self, index: int, plaintext: bytes, *, dataset: bytes, leaf: bytes) -> bytes:
        """Seal one row of a sealed dataset under its own conversation's key."""
        at = index * ROW_BYTES
        key = self._keys[self._owners[index]].of(self._members[at : at + ID_BYTES])
        return self._opener.seal_record(key, plaintext, dataset=dataset, leaf=leaf)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """One person's sealed blocks, and which of the conversations in them were decided on."""

    holder: Holder
    blocks: Sequence[Segment]
    size: int
    """How many conversations have to be found."""
    upto: int
    """All of them, up to this number, but for `ended`; or -1: those of `chosen`."""
    numbers: Numbers
    """What is left out (`upto` is a number), or what is chosen (`upto` is -1); rising."""

    def keeps(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Say which of these conversations were decided on and permitted."""
        found: npt.NDArray[np.bool_]
        if self.upto < 0:
            found = np.isin(numbers, self.numbers)
            return found
        found = numbers <= self.upto
        if len(self.numbers):
            found &= ~np.isin(numbers, self.numbers)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBatch:
    """Ciphertext of some people's conversations, in the vault's order."""

    reader: SealedReader
    tenant: bytes
    people: Sequence[_Person]
    few: bool = False  # of all that somebody has: not all their keys are read

    def open(self, opener: Opener) -> OpenedBatch:
        """Open the batch; conversations whose keys are gone are left out.

        Blocks are opened whole: what was not permitted is dropped here, before anybody sees it.

        Raises:
            VerificationFailed: if a block was changed or its key is missing, or a conversation's
                secret is not the one its capture committed to (``capture_mismatch``).
            Denied: ``withdrawn_meanwhile`` if somebody has fewer conversations than were decided.
        """
        items = [(person.holder, person.blocks) for person in self.people]
        opened = list(opener.open_many(items, tenant=self.tenant, few=self.few))
        there = [(one, two) for one, two in zip(self.people, opened, strict=True) if two]
        blocks = [block for _, account in there for block in account.blocks]
        columns = Columns.of([block.body for block in blocks])
        members = b"".join([block.rows for block in blocks])
        if len(members) != len(columns.rows) * ROW_BYTES:
            raise VerificationFailed("block_form", "a block names other conversations than it has")
        numbers = columns.rows["number"].astype(np.int64)
        sizes = [sum(block.size for block in account.blocks) for _, account in there]
        owners = np.repeat(np.arange(len(there)), sizes)
        places = _places(there, members, numbers, sizes)
        if len(places) != len(numbers) or bool((np.diff(places) < 0).any()):
            columns = columns.take(places)
            members = b"".join(
                [members[at : at + ROW_BYTES] for at in (places * ROW_BYTES).tolist()]
            )
            numbers, owners = numbers[places], owners[places]
        self.reader.check_commitments(columns, members)
        subjects = np.array([person.holder.number for person, _ in there], dtype=np.int64)
        return OpenedBatch(
            columns=columns,
            subjects=subjects[owners],
            numbers=numbers,
            _members=members,
            _keys=[account.keys for _, account in there],
            _owners=owners,
            _opener=opener,
        )

    def open_one(self, opener: Opener, held: Held) -> bytes:
        """Return the payload of the only conversation that was asked for.

        Raises:
            Unavailable: ``key_missing`` if it was erased.
            VerificationFailed: if what is stored is another version of it.
        """
        try:
            found = self.open_some(opener, [held])
        except Denied:
            found = {}
        if held.number not in found:
            raise Unavailable("key_missing", "the conversation's key is missing: it was erased")
        return found[held.number]

    def open_some(self, opener: Opener, held: Sequence[Held]) -> dict[int, bytes]:
        """Return the payloads of those that were asked for, by number, but for the erased.

        Raises:
            VerificationFailed: if what is stored of one is another version of it.
            Denied: ``withdrawn_meanwhile`` if one of them is not held any more.
        """
        wanted = {one.number: one for one in held}
        content = self.open(opener)
        for place, number in enumerate(numbers := content.numbers.tolist()):
            row = content._members[place * ROW_BYTES : (place + 1) * ROW_BYTES]  # noqa: SLF001 - its own module's
            found = row[:ID_BYTES], int.from_bytes(row[SEQUENCE_AT:], "little")
            if found != (parse_id(IdKind.CONVERSATION, wanted[number].id), wanted[number].sequence):
                message = f"conversation number {number} is another version"
                raise VerificationFailed("capture_mismatch", message)
        return {number: content.columns.payload(place) for place, number in enumerate(numbers)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was decided for some people: which of their conversations, in order of capture."""

    subjects: Numbers
    """Subject numbers, rising; at most `MOST_SUBJECTS`."""
    sizes: Numbers
    """How many conversations of each were decided."""
    permitted: npt.NDArray[np.bool_]
    """For each of those conversations, person by person: whether it may be opened."""
    upto: int
    """The highest conversation number there was when it was decided."""


class SealedReader:
    """Reads sealed blocks of the main database."""

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
        people: list[_Person] = []
        size = 0
        for person in (one for some in wanted for one in self._people(some)):
            if size >= BATCH_BYTES:
                yield self._batch(people)
                people, size = [], 0
            people.append(person)
            size += sum(len(envelope) for _, envelope in person.blocks)
        if people:
            yield self._batch(people)

    def one(self, held: Held) -> SealedBatch:
        """Return the batch that holds only this conversation.

        Raises:
            Unavailable: ``key_missing`` if it is not held any more.
        """
        return self.some([held])

    def some(self, held: Sequence[Held]) -> SealedBatch:
        """Return the batch that holds only these conversations, all of one person.

        Raises:
            Unavailable: ``key_missing`` if none of them is held any more.
        """
        with self._engine.connect() as db:
            numbers = sorted({one.block_no for one in held})
            found = (driver_of(db).execute(_ONE, (number,)).fetchone() for number in numbers)
            rows = [row for row in found if row is not None]
        if not rows:
            raise Unavailable("key_missing", "the conversations are gone: they were erased")
        return self._batch([_chosen_of(rows, held)], few=True)

    def check_commitments(self, columns: Columns, members: bytes) -> None:
        """Compare each conversation with what its capture logged.

        Raises:
            VerificationFailed: ``capture_mismatch``.
        """
        made = b"".join(commitments_of(members))
        batches = columns.rows["batch"]
        positions = columns.rows["position"].astype(np.int64)
        found = np.frombuffer(made, dtype=np.uint8).reshape(-1, _COMMITMENT_BYTES)
        for number in np.unique(batches).tolist():
            logged = np.frombuffer(self._batch_commitments(number), dtype=np.uint8)
            logged = logged.reshape(-1, _COMMITMENT_BYTES)
            places = np.flatnonzero(batches == number)
            at = positions[places]
            wrong = at >= len(logged)
            wrong[~wrong] = (logged[at[~wrong]] != found[places[~wrong]]).any(axis=1)
            if wrong.any():
                row = int(columns.rows["number"][places[np.argmax(wrong)]])
                raise VerificationFailed(
                    "capture_mismatch", f"conversation number {row} is not what its capture logged"
                )

    def _people(self, wanted: Wanted) -> Iterator[_Person]:
        subjects = wanted.subjects.tolist()
        starts = np.cumsum(wanted.sizes) - wanted.sizes
        counts = np.add.reduceat(wanted.permitted.astype(np.int64), starts)
        partly = counts < wanted.sizes
        chosen = self._chosen(wanted, partly) if partly.any() else {}
        ended = self._ended(subjects)
        blocks = self._blocks(subjects)
        for place, number in enumerate(subjects):
            if number not in blocks:
                raise _went()
            raw, segments = blocks[number]
            yield _Person(
                holder=Holder(number=number, raw=raw),
                blocks=segments,
                size=int(counts[place]),
                upto=-1 if partly[place] else wanted.upto,
                numbers=chosen[number] if partly[place] else ended,
            )

    def _chosen(self, wanted: Wanted, partly: npt.NDArray[np.bool_]) -> dict[int, Numbers]:
        """Return the numbers of what is permitted, of people of whom not everything is."""
        subjects = wanted.subjects[partly].tolist()
        marks = ",".join("?" * len(subjects))
        with self._engine.connect() as db:
            query = _LIVE.format(marks=marks)
            rows = driver_of(db).execute(query, [*subjects, wanted.upto]).fetchall()
        held = np.array(rows, dtype=np.int64).reshape(-1, 2)
        ends = np.cumsum(wanted.sizes)
        found = {}
        for place in np.flatnonzero(partly).tolist():
            number, size, end = int(wanted.subjects[place]), int(wanted.sizes[place]), ends[place]
            first = int(np.searchsorted(held[:, 0], number))
            last = int(np.searchsorted(held[:, 0], number, side="right"))
            if last - first != size:
                raise _went()
            found[number] = held[first:last, 1][wanted.permitted[end - size : end]]
        return found

    def _ended(self, subjects: list[int]) -> Numbers:
        query = _ENDED.format(marks=",".join("?" * len(subjects)))
        with self._engine.connect() as db:
            rows = driver_of(db).execute(query, subjects).fetchall()
        return np.sort(np.array(rows, dtype=np.int64).reshape(-1)) if rows else _NONE

    def _blocks(self, subjects: list[int]) -> dict[int, tuple[bytes, list[Segment]]]:
        found: dict[int, tuple[bytes, list[Segment]]] = {}
        query = _BLOCKS.format(marks=",".join("?" * len(subjects)))
        with self._engine.connect() as db:
            for number, raw, block, envelope in driver_of(db).execute(query, subjects):
                entry = found.get(number)
                if entry is None:
                    entry = found[number] = (raw, [])
                entry[1].append((block, envelope))
        return found

    def _batch(self, people: list[_Person], *, few: bool = False) -> SealedBatch:
        return SealedBatch(reader=self, tenant=self._tenant, people=people, few=few)

    def _batch_commitments(self, batch_no: int) -> bytes:
        data = self._batches.get(batch_no)
        if data is None:
            with self._engine.connect() as db:
                query = "SELECT commitments FROM capture_batch WHERE no = ?"
                row = driver_of(db).execute(query, (batch_no,)).fetchone()
            data = b"" if row is None else bytes(row[0])
            self._cached_bytes += len(data)
            if self._cached_bytes > _CACHED_BYTES:
                self._batches.clear()
                self._cached_bytes = len(data)
            self._batches[batch_no] = data
        return data


def _places(
    there: Sequence[tuple[_Person, OpenedAccount]],
    members: bytes,
    numbers: Numbers,
    sizes: Sequence[int],
) -> Numbers:
    """Return the places of what may be handed out, person by person, by rising number."""
    parts = []
    start = 0
    for (person, account), size in zip(there, sizes, strict=True):
        theirs = numbers[start : start + size]
        kept = np.flatnonzero(person.keeps(theirs))
        if len(kept) != person.size:
            raise _went()
        kept = kept[np.argsort(theirs[kept], kind="stable")] + start
        if account.erased:
            alive = [
                members[at : at + ID_BYTES] not in account.erased
                for at in (kept * ROW_BYTES).tolist()
            ]
            kept = kept[np.array(alive, dtype=np.bool_)]
        parts.append(kept)
        start += size
    return np.concatenate(parts) if parts else _NONE


def _chosen_of(rows: Sequence[Any], held: Sequence[Held]) -> _Person:
    return _Person(
        holder=Holder(number=rows[0][0], raw=rows[0][1]),
        blocks=[(block, envelope) for _, _, block, envelope in rows],
        size=len(held),
        upto=-1,
        numbers=np.array(sorted(one.number for one in held), dtype=np.int64),
    )


def _went() -> Denied:
    return Denied(
        "withdrawn_meanwhile",
        "conversations went while they were being read",
        hint="start again: they will be left out",
    )
