"""What erasing does to runs: whatever was trained on an erased record is destroyed with it.

The checkpoint of the stage that the record was in, and all after it in its shard, lose their keys.
What remains of the run is what never saw the record; `volens unlearn` trains the rest again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import LEAF_BYTES
from volens.datasets.revising import ROWS_FILE
from volens.gate.artefacts import Artefacts
from volens.gate.census import Int64s
from volens.lifecycle.targets import Item
from volens.log.recorder import Recorder
from volens.training.model import Plan
from volens.training.runner import first_tainted, stored_stages
from volens.training.runs import KeptRun, RunStore, SealedCheckpoints


class RunTarget:
    """Destroys what was trained on erased records (`ErasureTarget`).

    It has to run before what forgets the rows of datasets: they tell whose a record is.
    """

    def __init__(
        self, runs: RunStore, datasets: Path, artefacts: Artefacts, recorder: Recorder
    ) -> None:
        """Look in `runs`; `datasets` has what the home keeps of its datasets."""
        self._runs = runs
        self._datasets = datasets
        self._artefacts = artefacts
        self._recorder = recorder

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"runs": "key_removed"}

    def erase(self, items: Sequence[Item]) -> None:
        """Destroy the checkpoints; twice is no error.

        Raises:
            VerificationFailed: if a checkpoint was changed.
        """
        for checkpoints, names in self._tainted(items):
            checkpoints.drop_all(names)

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for checkpoints of these records, while rows still tell whose they are."""
        return [f"runs {one.folder.name}" for one, _ in self._tainted(items)]

    def _tainted(self, items: Sequence[Item]) -> Iterator[tuple[SealedCheckpoints, list[bytes]]]:
        numbers = np.array([number for item in items for number in item.numbers], dtype=np.int64)
        if not numbers.size:
            return
        for family in self._runs.families():
            runs = self._runs.of_family(family)
            if not runs:
                continue
            checkpoints = self._checkpoints(runs[-1])
            found: set[bytes] = set()
            # A run that was stopped between two plans may hold stages of either.
            for kept in runs:
                plan = self._runs.plan_of(kept)
                found.update(_names(plan, checkpoints, self._leaves(plan, numbers)))
            if found:
                yield checkpoints, sorted(found)

    def _checkpoints(self, kept: KeptRun) -> SealedCheckpoints:
        folder = self._runs.folder(kept.family)
        return SealedCheckpoints(folder, kept, self._artefacts, self._recorder)

    def _leaves(self, plan: Plan, numbers: Int64s) -> set[bytes]:
        folder = self._datasets / plan.dataset
        if not (folder / ROWS_FILE).exists():
            return set()
        rows = np.frombuffer((folder / ROWS_FILE).read_bytes(), dtype="<i8")
        leaves = (folder / LEAVES_FILE).read_bytes()
        places = np.flatnonzero(np.isin(rows, numbers)).tolist()
        return {leaves[at * LEAF_BYTES : (at + 1) * LEAF_BYTES] for at in places}


def _names(plan: Plan, checkpoints: SealedCheckpoints, leaves: set[bytes]) -> Iterator[bytes]:
    first = first_tainted(plan, leaves)
    if first:
        for done, _ in stored_stages(plan, checkpoints):
            if done.number >= first.get(done.shard, plan.slices):
                yield done.name
