"""From opened batches to records: screen, redact, leave out duplicates, lay out as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from volens.core.canonical import Json, canonical_json
from volens.datasets.deduplication import Deduplicator
from volens.datasets.model import LEAF_BYTES, ROLE_NAMES, RecordBatch, SealedBatch, leaf_order
from volens.datasets.redaction.profiles import NONE
from volens.datasets.redaction.redactor import Redactor
from volens.datasets.screening import EXCLUSIONS, screen_batch
from volens.gate.reading import OpenedBatch
from volens.vault.blocks import Columns

DUPLICATE = "duplicate"
_LEAF_ROW = np.dtype((np.void, LEAF_BYTES))
Timer = Callable[[str], AbstractContextManager[None]]
"""Times a stage by name, for benches; does nothing by default."""


def untimed(stage: str) -> AbstractContextManager[None]:
    """Time nothing."""
    del stage
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The records of one opened batch, in the order of their leaves."""

    records: RecordBatch
    rows: NDArray[np.int64]
    """For each record, its index in the opened batch."""
    numbers: NDArray[np.int64] = field(repr=False)
    """For each record, the vault's row number of its conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turns:
    """The turns that screening kept, as places in one run of bytes. `repr` shows no text."""

    data: bytes = field(repr=False)
    begins: NDArray[np.int64] = field(repr=False)
    ends: NDArray[np.int64] = field(repr=False)
    roles: NDArray[np.uint8] = field(repr=False)

    @classmethod
    def kept_of(cls, packed: Columns, kept: NDArray[np.int64]) -> Self:
        """Take the turns with the numbers `kept` from a batch."""
        return cls(
            data=packed.texts,
            begins=packed.text_starts[kept],
            ends=packed.text_starts[kept + 1],
            roles=packed.turns["role"][kept].astype(np.uint8),
        )

    def texts(self) -> list[bytes]:
        """Return each turn's text."""
        data, places = self.data, zip(self.begins.tolist(), self.ends.tolist(), strict=True)
        return [data[begin:end] for begin, end in places]

    def joined(self, chosen: NDArray[np.int64]) -> bytes:
        """Return the texts of some turns end to end; what lies together is copied together."""
        if not len(chosen):
            return b""
        begins, ends = self.begins[chosen], self.ends[chosen]
        breaks = np.flatnonzero(begins[1:] != ends[:-1]) + 1
        firsts = begins[np.concatenate([[0], breaks])].tolist()
        lasts = ends[np.concatenate([breaks - 1, [len(ends) - 1]])].tolist()
        data = self.data
        return b"".join([data[begin:end] for begin, end in zip(firsts, lasts, strict=True)])


class RecordSource:
    """Makes records of one dataset. Holds no content between batches but fingerprints."""

    def __init__(
        self,
        dataset: bytes,
        redactor: Redactor,
        deduplicator: Deduplicator,
        *,
        timer: Timer = untimed,
    ) -> None:
        """Prepare records for `dataset` (its raw id)."""
        self._dataset = dataset
        self._redactor = redactor
        self._deduplicator = deduplicator
        self._timer = timer
        self.excluded: Counter[str] = Counter()
        self.redacted: Counter[str] = Counter()

    def prepare(self, opened: OpenedBatch) -> Prepared:
        """Return the records of a batch; what is left out is counted in `excluded` by reason."""
        packed = opened.columns
        with self._timer("screen"):
            screened = screen_batch(packed)
            reasons = np.bincount(screened.reasons, minlength=len(EXCLUSIONS))
            for number, count in enumerate(reasons.tolist()):
                name = EXCLUSIONS[number]
                if name is not None and count:
                    self.excluded[name.value] += count
        turns = _Turns.kept_of(packed, np.flatnonzero(screened.keep))
        starts = _running(screened.keep.astype(np.int64))[packed.turn_starts]
        rows = np.flatnonzero(screened.reasons == 0)
        if self._redactor.profile.name != NONE.name:
            with self._timer("redact"):
                turns = self._redacted(turns)
        with self._timer("deduplicate"):
            rows = rows[self._first_times(opened, turns, starts, rows)]
        leaves = b"".join(opened.leaves(self._dataset, rows.tolist()))
        order = leaf_order(leaves)
        rows = rows[order]
        chosen = _chosen_turns(starts, rows)
        records = RecordBatch(
            leaves=np.frombuffer(leaves, dtype=_LEAF_ROW)[order].tobytes(),
            turn_offsets=_running(np.diff(starts)[rows]),
            roles=turns.roles[chosen],
            text=turns.joined(chosen),
            text_offsets=_running((turns.ends - turns.begins)[chosen]),
        )
        return Prepared(records=records, rows=rows, numbers=opened.numbers[rows])

    def seal(self, opened: OpenedBatch, prepared: Prepared) -> SealedBatch:
        """Seal each record under its own conversation's key."""
        envelopes = []
        for (leaf, turns), row in zip(prepared.records.rows(), prepared.rows.tolist(), strict=True):
            messages: list[Json] = [
                {"content": text, "role": ROLE_NAMES[role]} for role, text in turns
            ]
            plaintext = canonical_json({"messages": messages})
            envelopes.append(opened.seal_record(row, plaintext, dataset=self._dataset, leaf=leaf))
        return SealedBatch(
            leaves=prepared.records.leaves,
            envelopes=b"".join(envelopes),
            envelope_offsets=_running(np.array([len(one) for one in envelopes], dtype=np.int64)),
            turns=len(prepared.records.roles),
        )

    def _redacted(self, turns: _Turns) -> _Turns:
        raw = turns.texts()
        before = [text.decode("utf-8") for text in raw]
        after, counts = self._redactor.redact_many(before)
        self.redacted.update({str(entity): count for entity, count in counts.items()})
        texts = [
            old if new is was else new.encode("utf-8")
            for old, was, new in zip(raw, before, after, strict=True)
        ]
        sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        offsets = _running(sizes)
        return _Turns(
            data=b"".join(texts), begins=offsets[:-1], ends=offsets[1:], roles=turns.roles
        )

    def _first_times(
        self,
        opened: OpenedBatch,
        turns: _Turns,
        starts: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        begins, ends = starts[rows].tolist(), starts[rows + 1].tolist()
        texts = turns.texts()
        subjects = opened.subjects[rows].tolist()
        answers = [
            self._deduplicator.first_time_utf8(subject.to_bytes(8, "big"), texts[begin:end])
            for subject, begin, end in zip(subjects, begins, ends, strict=True)
        ]
        first = np.array(answers, dtype=np.bool_)
        self.excluded[DUPLICATE] += int(len(rows) - np.count_nonzero(first))
        return first


def _chosen_turns(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions (among kept turns) of all turns of `rows`, in order."""
    each = starts[rows + 1] - starts[rows]
    total = int(each.sum())
    shifts = np.repeat(starts[rows] - (np.cumsum(each) - each), each)
    chosen: NDArray[np.int64] = np.arange(total, dtype=np.int64) + shifts
    return chosen


def _running(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
