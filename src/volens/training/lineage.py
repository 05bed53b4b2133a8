"""From a person's conversations to the models that were trained on them: dataset, run, shard."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from volens.core.canonical import Json
from volens.core.ids import DatasetId, RunId
from volens.core.time import format_moment
from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import LEAF_BYTES
from volens.datasets.revising import ROWS_FILE
from volens.gate.census import Int64s
from volens.training.runs import Given, RunStore
from volens.training.unlearning import touched_shards


class Standing(StrEnum):
    """Where a model stands towards one person's records (R80)."""

    IN_USE = "in_use"
    """It was trained on them, and they may still be used."""
    BLOCKED = "blocked"
    """It was trained on some that may not be used any more: it is not given out."""
    RETRAINED = "retrained"
    """It was trained again without them: exact, replayed and proven."""
    LEFT_OUT = "left_out"
    """They were taken out before it was trained to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """One model, by its family, that some of a person's records are or were in."""

    family: RunId
    newest: RunId
    dataset: DatasetId
    records: int
    """How many of the person's records any run of the family was planned with."""
    left: int
    """How many of them are in the newest run."""
    shards: tuple[int, ...]
    """The parts they were trained in."""
    standing: Standing
    copies: tuple[Given, ...] = ()
    """Copies that left while some of the records were in it, oldest first."""

    def facts(self) -> dict[str, Json]:
        """Return it as a document."""
        copies: list[Json] = [
            {"at": format_moment(one.at), "adapter": one.adapter.hex(), "log_index": one.published}
            for one in self.copies
        ]
        return {
            "family": self.family,
            "run": self.newest,
            "dataset": self.dataset,
            "records": self.records,
            "left": self.left,
            "standing": self.standing.value,
            "copies": copies,
        }


def models_of(
    runs: RunStore, datasets: Path, numbers: Collection[int], usable: Collection[int]
) -> list[ModelUse]:
    """Return the models that conversations in these rows of the vault are or were in.

    Args:
        runs: the runs of the home.
        datasets: the folder of what the home keeps of its datasets.
        numbers: the person's rows.
        usable: those of them that may be used for the dataset's purpose now.
    """
    found = []
    for family in runs.families():
        kept = runs.of_family(family)
        if not kept:
            continue
        plans = [runs.plan_of(one) for one in kept]
        theirs = _leaves(datasets / plans[0].dataset, numbers)
        planned = [theirs.intersection(plan.leaves) for plan in plans]
        ever = frozenset[bytes]().union(*planned)
        if not ever:
            continue
        newest = planned[-1]
        may = _leaves(datasets / plans[0].dataset, usable)
        proven = any(
            one.proven is not None and not some for one, some in zip(kept, planned, strict=True)
        )
        first = next(plan for plan, some in zip(plans, planned, strict=True) if some)
        some = next(one for one in planned if one)
        found.append(
            ModelUse(
                family=family,
                newest=kept[-1].run,
                dataset=plans[0].dataset,
                records=len(ever),
                left=len(newest),
                shards=tuple(touched_shards(first, some)),
                standing=_standing(newest, may, proven=proven),
                copies=tuple(
                    given
                    for one, some in zip(kept, planned, strict=True)
                    if some
                    for given in one.given
                ),
            )
        )
    return found


def _standing(newest: frozenset[bytes], may: frozenset[bytes], *, proven: bool) -> Standing:
    if newest - may:
        return Standing.BLOCKED
    if newest:
        return Standing.IN_USE
    return Standing.RETRAINED if proven else Standing.LEFT_OUT


def _leaves(folder: Path, numbers: Collection[int]) -> frozenset[bytes]:
    if not (folder / ROWS_FILE).exists():
        return frozenset()
    rows: Int64s = np.frombuffer((folder / ROWS_FILE).read_bytes(), dtype="<i8").astype(np.int64)
    leaves = (folder / LEAVES_FILE).read_bytes()
    places = np.flatnonzero(np.isin(rows, np.array(sorted(numbers), dtype=np.int64))).tolist()
    return frozenset(leaves[at * LEAF_BYTES : (at + 1) * LEAF_BYTES] for at in places)
