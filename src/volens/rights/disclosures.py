"""Which datasets hold a person's conversations, and which of them went out in the clear (R61, R75).

Read from what the home keeps of each dataset: the signed manifest, and the row numbers of what is
in it. A form that needs no key to be read is a disclosure. To whom a plain copy was handed is not
in a manifest: the register says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select

from volens.core.ids import ConversationId, DatasetId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.core.time import to_millis
from volens.datasets.manifest import MANIFEST_FILE, Manifest, parse_manifest
from volens.datasets.revising import ROWS_FILE
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION

NOT_NAMED = "not_named"
"""The recipient of a copy of which nobody said who gets it."""
_ROWS_AT_ONCE = 1_000_000
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """One dataset that holds conversations of one person."""

    manifest: Manifest
    conversations: tuple[ConversationId, ...]

    @property
    def dataset(self) -> DatasetId:
        """Return which dataset it is."""
        return self.manifest.dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDisclosure:
    """One copy in the clear that holds something of one person: who received what, and when."""

    dataset: DatasetId
    at: datetime
    purpose: Purpose
    form: str
    conversations: int
    recipient: str = NOT_NAMED


class DatasetRegister:
    """Looks a person up in the datasets that were built in this home."""

    def __init__(self, kept: Path, engine: Engine) -> None:
        """Read the folder `kept` (one folder for each dataset) and the vault's rows in `engine`."""
        self._kept = kept
        self._engine = engine

    def uses(self, subject: Subject) -> Iterator[DatasetUse]:
        """Yield the datasets that hold conversations of a person, by dataset id.

        Conversations that came in after a dataset was made are passed over: a row number may be
        used again after an erasure.
        """
        if not self._kept.is_dir() or not any(self._kept.iterdir()):
            return  # nothing was ever built: the person's rows need not be read
        numbers, captured, raws = self._conversations(subject)
        if not len(numbers):
            return
        for folder in sorted(self._kept.iterdir()) if self._kept.is_dir() else ():
            if not (folder / MANIFEST_FILE).exists():
                continue  # one that was never finished
            manifest = parse_manifest((folder / MANIFEST_FILE).read_bytes())
            here = np.zeros(len(numbers), dtype=np.bool_)
            for rows in _rows(folder / ROWS_FILE):
                here |= np.isin(numbers, rows)
            here &= captured <= to_millis(manifest.created)
            found = np.flatnonzero(here).tolist()
            if found:
                ids = (format_id(IdKind.CONVERSATION, raws[place]) for place in found)
                yield DatasetUse(
                    manifest=manifest, conversations=tuple(ConversationId(one) for one in ids)
                )

    def disclosures(self, subject: Subject) -> list[DatasetDisclosure]:
        """Return who received what of one person, and when; oldest first."""
        found = [disclosure_of(use) for use in self.uses(subject) if use.manifest.discloses]
        return sorted(found, key=lambda one: (one.at, one.dataset))

    def _conversations(self, subject: Subject) -> tuple[Numbers, Numbers, list[bytes]]:
        query = (
            select(CONVERSATION.c.no, CONVERSATION.c.captured_ms, CONVERSATION.c.id)
            .where(CONVERSATION.c.subject_no == subject.number)
            .order_by(CONVERSATION.c.no)
        )
        with self._engine.connect() as db:
            rows = db.execute(query).all()
        numbers = np.array([row.no for row in rows], dtype=np.int64)
        captured = np.array([row.captured_ms for row in rows], dtype=np.int64)
        return numbers, captured, [row.id for row in rows]


def disclosure_of(use: DatasetUse) -> DatasetDisclosure:
    """Return the line of the register for a dataset in a plain form."""
    manifest = use.manifest
    return DatasetDisclosure(
        dataset=manifest.dataset,
        at=manifest.created,
        purpose=manifest.purpose,
        form=manifest.format.value,
        conversations=len(use.conversations),
        recipient=manifest.recipient or NOT_NAMED,
    )


def _rows(path: Path) -> Iterator[Numbers]:
    """Yield the row numbers of a dataset, some at a time."""
    with path.open("rb") as file:
        while data := file.read(_ROWS_AT_ONCE * 8):
            yield np.frombuffer(data, dtype="<i8")
