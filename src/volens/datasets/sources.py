"""From opened batches to records: screen, redact, leave out duplicates, lay out as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from volens.core.canonical import Json, canonical_json
from volens.datasets.deduplication import Deduplicator
from volens.datasets.model import ROLE_NAMES, RecordBatch, SealedBatch
from volens.datasets.redaction.profiles import NONE
from volens.datasets.redaction.redactor import Redactor
from volens.datasets.screening import EXCLUSIONS, PackedBatch, read_batch, screen_batch
from volens.gate.reading import OpenedBatch

DUPLICATE = "duplicate"
Timer = Callable[[str], AbstractContextManager[None]]
"""Times a stage by name, for benches; does nothing by default."""


def untimed(stage: str) -> AbstractContextManager[None]:
    """Time nothing."""
    del stage
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The records of one opened batch, in the order they were opened."""

    records: RecordBatch
    rows: NDArray[np.int64]
    """For each record, its index in the opened batch."""
    numbers: NDArray[np.int64] = field(repr=False)
    """For each record, the vault's row number of its conversation."""


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
        """Return the records of a batch; what is left out is counted in `excluded` by reason.

        Raises:
            InvalidInput: ``payload_form`` if a stored payload is malformed.
        """
        with self._timer("screen"):
            packed = read_batch(opened.payloads)
            screened = screen_batch(packed)
            reasons = np.bincount(screened.reasons, minlength=len(EXCLUSIONS))
            for number, count in enumerate(reasons.tolist()):
                name = EXCLUSIONS[number]
                if name is not None and count:
                    self.excluded[name.value] += count
        kept = np.flatnonzero(screened.keep)
        turns_before = np.concatenate([[0], np.cumsum(screened.keep)])
        starts = turns_before[packed.turn_starts]
        rows = np.flatnonzero(screened.reasons == 0)
        with self._timer("redact"):
            texts = self._texts(packed, kept)
        with self._timer("deduplicate"):
            first = self._first_times(opened, texts, starts, rows)
        self.excluded[DUPLICATE] += int(len(rows) - np.count_nonzero(first))
        rows = rows[first]
        chosen = _chosen_turns(starts, rows)
        text = b"".join([texts[turn] for turn in chosen.tolist()])
        sizes = np.array([len(texts[turn]) for turn in chosen.tolist()], dtype=np.int64)
        leaves = opened.leaves(self._dataset, rows.tolist())
        records = RecordBatch(
            leaves=b"".join(leaves),
            turn_offsets=_running(np.diff(starts)[rows]),
            roles=packed.turns["role"][kept[chosen]].astype(np.uint8),
            text=text,
            text_offsets=_running(sizes),
        )
        numbers = np.array(opened.numbers, dtype=np.int64)[rows]
        return Prepared(records=records, rows=rows, numbers=numbers)

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

    def _texts(self, packed: PackedBatch, kept: NDArray[np.int64]) -> list[bytes]:
        begins = packed.text_starts[kept].tolist()
        ends = packed.text_starts[kept + 1].tolist()
        data = packed.texts
        raw = [data[begin:end] for begin, end in zip(begins, ends, strict=True)]
        if self._redactor.profile.name == NONE.name:
            return raw
        before = [text.decode("utf-8") for text in raw]
        after, counts = self._redactor.redact_many(before)
        self.redacted.update({str(entity): count for entity, count in counts.items()})
        return [
            old if new is was else new.encode("utf-8")
            for old, was, new in zip(raw, before, after, strict=True)
        ]

    def _first_times(
        self,
        opened: OpenedBatch,
        texts: list[bytes],
        starts: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        begins, ends = starts[rows].tolist(), starts[rows + 1].tolist()
        answers = [
            self._deduplicator.first_time(
                opened.subjects[row].to_bytes(8, "big"),
                [text.decode("utf-8") for text in texts[begin:end]],
            )
            for row, begin, end in zip(rows.tolist(), begins, ends, strict=True)
        ]
        return np.array(answers, dtype=np.bool_)


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
