"""What forgetting one person costs, as a part of training everything again.

A tiny model, records of equal length, four for each person, people spread evenly over shards and
slices. One person of each slice is forgotten in turn, each time from the whole run: CPU time of
the repair and of the replay (the touched shard from its first stage), over that of training
everything from nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from statistics import mean

from volens.core.ids import DatasetId, IdKind, RunId, format_id
from volens.training.base import open_base
from volens.training.model import Example, Plan, Recipe
from volens.training.planning import Placement, Source, make_plan
from volens.training.profile import current_profile
from volens.training.runner import Train, run_plan
from volens.training.stage import trainer
from volens.training.unlearning import MemoryStore, forget, replay

SHAPES = ((4, 4), (8, 4))
_EACH = 4


class _Records:
    """Records that may all be used (`ExampleSource`)."""

    def open(self, leaves: Sequence[bytes]) -> list[Example]:
        """Return a record of its own words for each leaf."""
        return [
            Example(leaf=one, messages=(("user", one.hex()[:24]), ("assistant", one.hex()[24:])))
            for one in leaves
        ]

    def taken_back(self) -> frozenset[bytes]:
        """Return nothing."""
        return frozenset()


def run(print_line: Callable[[str], None], *, people: int = 128) -> dict[str, float]:
    """Measure with `people` people; return shares by shape, in percent."""
    base = open_base("tiny:1")
    recipe = Recipe(base=base.digest, profile=current_profile(), length=64, epochs=2)
    figures: dict[str, float] = {}
    for shards, slices in SHAPES:
        found = _shape(trainer(base), recipe, people, shards, slices)
        figures |= {f"{name}_{shards}x{slices}": value for name, value in found.items()}
    for name, value in figures.items():
        print_line(f"{name:<36}{value:>10.1f}")
    return figures


def _shape(train: Train, recipe: Recipe, people: int, shards: int, slices: int) -> dict[str, float]:
    leaves = [_leaf(person, number) for person in range(people) for number in range(_EACH)]
    places = {
        _leaf(person, number): Placement(shard=person % shards, number=person // shards % slices)
        for person in range(people)
        for number in range(_EACH)
    }
    source = Source(
        dataset=DatasetId(format_id(IdKind.DATASET, bytes(16))), manifest_root=bytes(32)
    )
    plan = make_plan(
        _run(0),
        source,
        leaves,
        places.__getitem__,
        recipe,
        seed=bytes(32),
        shards=shards,
        slices=slices,
    )
    whole, store = _timed_run(plan, train)
    repairs, replays = [], []
    for slot in range(slices):
        person = slot * shards  # of shard 0, in this slice
        gone = [_leaf(person, number) for number in range(_EACH)]
        repair, again = _forget(plan, gone, train, store)
        repairs.append(repair / whole * 100)
        replays.append(again / whole * 100)
    figures = {f"repair_slice_{slot + 1}_percent": one for slot, one in enumerate(repairs)}
    figures["repair_mean_percent"] = mean(repairs)
    figures["replay_mean_percent"] = mean(replays)
    return figures


def _timed_run(plan: Plan, train: Train) -> tuple[float, MemoryStore]:
    store = MemoryStore()
    started = time.process_time()
    run_plan(plan, _Records(), train, store, new_run=lambda: _run(1))
    return time.process_time() - started, store


def _forget(
    plan: Plan, gone: Collection[bytes], train: Train, before: MemoryStore
) -> tuple[float, float]:
    store = MemoryStore()
    store.kept.update(before.kept)
    started = time.process_time()
    done = forget(plan, gone, _Records(), train, store, new_run=lambda: _run(2))
    repaired = time.process_time()
    replay(done.after, done.repaired.stages, [0], _Records(), train)
    return repaired - started, time.process_time() - repaired


def _leaf(person: int, number: int) -> bytes:
    return hashlib.sha256(b"%d %d" % (person, number)).digest()


def _run(number: int) -> RunId:
    return RunId(format_id(IdKind.RUN, number.to_bytes(16, "big")))
