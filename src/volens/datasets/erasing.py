"""What erasing does to datasets that were built here.

A sealed dataset closes by itself: the key of a record derives from the key of its conversation,
which is gone. A dataset that left in the clear can't be called back: its holder gets a list of what
to remove, and the log says that there is one. Either way the home forgets which row of it was whose
conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from volens.core.ids import DatasetId, IdKind, parse_id
from volens.core.purposes import Purpose
from volens.datasets.leaves import LeafTree
from volens.datasets.manifest import LEAVES_FILE, MANIFEST_FILE, Manifest, parse_manifest
from volens.datasets.model import LEAF_BYTES
from volens.datasets.revising import ROWS_FILE
from volens.lifecycle.targets import Item
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.storage.files import write_durable

REMOVED_FILE = "removed.leaves"
"""Beside the kept manifest: sorted leaves, 32 bytes each, that holders of copies remove."""
GONE = 0
"""Stands for an erased conversation in ``rows.bin``: rows of the vault are numbered from 1."""

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A dataset that has conversations in it of which somebody asks."""

    dataset: DatasetId
    purpose: Purpose
    records: int
    """How many of the conversations asked about are in it."""
    in_the_clear: bool
    """Whether copies of it can be read without keys, so that their holders owe the removal."""


class DatasetTarget:
    """Forgets conversations in what the home keeps of its datasets (`ErasureTarget`)."""

    def __init__(self, kept: Path, recorder: Recorder) -> None:
        """Use the folder `kept`, which has a folder for each dataset."""
        self._kept = kept
        self._recorder = recorder

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"datasets": "removal_listed"}

    def erase(self, items: Sequence[Item]) -> None:
        """Forget row numbers, and list what holders of plain copies have to remove.

        For each dataset:

        1. The removal list of a plain one is written, older removals included.
        2. ``dataset.revised`` is in the log.
        3. The row numbers are overwritten.

        If it stops after 1 or 2, the next call finds the numbers and does the same again.
        """
        numbers = _numbers(items)
        for folder, manifest in self._folders(numbers):
            rows = _rows(folder)
            gone = np.isin(rows, np.array(numbers, dtype=np.int64))
            if not gone.any():
                continue
            if manifest.discloses:
                self._list_removed(folder, manifest, gone)
            rows[gone] = GONE
            write_durable(folder / ROWS_FILE, rows.astype("<i8").tobytes())

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for row numbers in every dataset."""
        return [f"datasets {one.dataset}" for one in self.reached(_numbers(items))]

    def reached(self, numbers: Sequence[int]) -> list[Reached]:
        """Return the datasets that hold any of the conversations in these rows."""
        found = []
        for folder, manifest in self._folders(numbers):
            records = int(np.isin(_rows(folder), np.array(numbers, dtype=np.int64)).sum())
            if records:
                found.append(
                    Reached(
                        dataset=manifest.dataset,
                        purpose=manifest.purpose,
                        records=records,
                        in_the_clear=manifest.discloses,
                    )
                )
        return found

    def _folders(self, numbers: Sequence[int]) -> Iterator[tuple[Path, Manifest]]:
        if not numbers or not self._kept.is_dir():
            return
        for folder in sorted(self._kept.iterdir()):
            path = folder / MANIFEST_FILE
            if path.exists() and (folder / ROWS_FILE).exists():
                yield folder, parse_manifest(path.read_bytes())

    def _list_removed(self, folder: Path, manifest: Manifest, gone: npt.NDArray[np.bool_]) -> None:
        kept = (folder / LEAVES_FILE).read_bytes()
        listed = removed_leaves(folder)
        for at in np.flatnonzero(gone).tolist():
            listed.add(kept[at * LEAF_BYTES : (at + 1) * LEAF_BYTES])
        data = b"".join(sorted(listed))
        write_durable(folder / REMOVED_FILE, data)
        self._recorder.record(
            EntryKind.DATASET_REVISED,
            {
                "dataset": self._recorder.commit(parse_id(IdKind.DATASET, manifest.dataset))[1],
                "removed": len(listed),
                "root": LeafTree(data).root(),
                "manifest_hash": sha256(manifest.to_bytes()).digest(),
            },
        )


def removed_leaves(folder: Path) -> set[bytes]:
    """Return what the holders of a dataset have to remove, by the folder that is kept of it."""
    path = folder / REMOVED_FILE
    data = path.read_bytes() if path.exists() else b""
    return {data[at : at + LEAF_BYTES] for at in range(0, len(data), LEAF_BYTES)}


def _numbers(items: Sequence[Item]) -> list[int]:
    return [number for item in items for number in item.numbers]


def _rows(folder: Path) -> _Rows:
    return np.frombuffer((folder / ROWS_FILE).read_bytes(), dtype="<i8").astype(np.int64)
