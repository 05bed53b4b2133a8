"""Exact unlearning: a run is repaired so that it is what it would be without the forgotten records.

The repaired run is byte for byte the run that never had them, and anybody who may open the
retained records can see that by training the touched shards again (`replay`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import RunId
from volens.training.model import Plan
from volens.training.planning import encode_plan, without
from volens.training.runner import (
    CheckpointStore,
    ExampleSource,
    RunResult,
    StageDone,
    Train,
    drop_others,
    first_tainted,
    run_plan,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What came of forgetting.

    Attributes:
        before: the plan that held the records.
        after: the plan that was trained in the end.
        destroyed: names of the checkpoints that this call destroyed.
        repaired: the run of `after`.
    """

    before: Plan
    after: Plan
    destroyed: tuple[bytes, ...]
    repaired: RunResult

    @property
    def share(self) -> float:
        """Records this call trained on, over those of training all again; 0 or more.

        Of a repair that was stopped and taken up again, each call counts its own part.
        """
        total = len(self.after.leaves)
        return self.repaired.records / total if total else 0.0


def forget(
    plan: Plan,
    leaves: Collection[bytes],
    source: ExampleSource,
    train: Train,
    store: CheckpointStore,
    *,
    new_run: Callable[[], RunId],
    on_plan: Callable[[Plan], None] | None = None,
) -> Forgotten:
    """Destroy every checkpoint that a record in `leaves` is in, and train their shards again.

    What was taken back meanwhile is forgotten with them. `on_plan` is told of each new plan before
    anything is destroyed for it. If it stops in between, calling it again does the rest.

    Raises:
        InvalidInput: ``not_in_plan``.
        Unavailable: if it can't be known what may be used.
    """
    after = without(plan, leaves, new_run())
    if on_plan is not None:
        on_plan(after)
    destroyed = drop_others(after, store)
    result = run_plan(after, source, train, store, new_run=new_run, on_plan=on_plan)
    # Whoever withdrew meanwhile made it another plan. It still repairs `plan`, which was trained.
    result = replace(result, plan=replace(result.plan, revises=plan.run))
    return Forgotten(
        before=plan,
        after=result.plan,
        destroyed=(*destroyed, *result.dropped),
        repaired=result,
    )


def verify_forgotten(before: Plan, after: Plan, forgotten: Collection[bytes]) -> None:
    """Pass if `after` is `before` without the records in `forgotten`, and nothing else changed.

    Raises:
        VerificationFailed: ``not_forgotten`` if one of them is still in it; ``not_retained`` if
            another one is missing, was added or has another place; ``other_seed``,
            ``other_recipe``, ``other_dataset``, ``other_shape`` if that differs; ``other_run`` if
            it does not say that it takes the place of `before`.
    """
    if after.seed != before.seed:
        raise VerificationFailed("other_seed", "the repaired run has another seed")
    if after.recipe != before.recipe:
        what = "base model" if after.recipe.base != before.recipe.base else "recipe"
        raise VerificationFailed("other_recipe", f"the repaired run has another {what}")
    if (after.dataset, after.manifest_root) != (before.dataset, before.manifest_root):
        raise VerificationFailed("other_dataset", "the repaired run has another dataset")
    if (after.shards, after.slices) != (before.shards, before.slices):
        raise VerificationFailed("other_shape", "the repaired run has other shards or slices")
    kept = frozenset(forgotten).intersection(after.leaves)
    if kept:
        raise VerificationFailed("not_forgotten", f"{len(kept)} forgotten records are still in it")
    unknown = frozenset(forgotten).difference(before.leaves)
    if unknown or not forgotten:
        message = f"{len(unknown)} of {len(forgotten)} forgotten records were never in it"
        raise VerificationFailed("not_retained", message)
    if after.revises != before.run:
        raise VerificationFailed("other_run", "it does not say which run it repairs")
    if encode_plan(after) != encode_plan(without(before, forgotten, after.run)):
        raise VerificationFailed(
            "not_retained", "what is retained is not what was there before without the forgotten"
        )


def replay(
    plan: Plan,
    stages: Sequence[StageDone],
    shards: Collection[int],
    source: ExampleSource,
    train: Train,
) -> int:
    """Train some shards again from their first stage and compare; return the stages compared.

    A shard that is empty has none.

    Args:
        plan: the plan that was trained.
        stages: what it is said to have given, shard by shard.
        shards: which of them to train again.
        source: opens the retained records.
        train: as in the run.

    Raises:
        InvalidInput: ``shard_unknown`` if no shard is named, or one that the plan does not have.
        VerificationFailed: ``replay_differs`` naming the first stage that gives other bytes, or
            that is missing or too many; ``withdrawn_since`` if one of its records may not be opened
            any more, which ends what a replay can show.
    """
    wanted = frozenset(shards)
    if not wanted or not wanted <= set(range(plan.shards)):
        message = f"shards {sorted(wanted)} of a plan with {plan.shards}"
        raise InvalidInput("shard_unknown", message, hint="count shards from 0")
    parts = (part if part.shard in wanted else replace(part, leaves=()) for part in plan.parts)
    alone = replace(plan, parts=tuple(parts))
    if not source.taken_back().isdisjoint(alone.leaves):
        raise VerificationFailed(
            "withdrawn_since", "a record of it was taken back since: it can't be replayed any more"
        )
    made = run_plan(alone, source, train, MemoryStore(), new_run=lambda: plan.run)
    if made.plan is not alone:
        raise VerificationFailed("withdrawn_since", "a record was taken back during the replay")
    said = [one for one in stages if one.shard in wanted]
    for found, claimed in zip(made.stages, said, strict=False):
        if found != claimed:
            message = f"shard {found.shard}, slice {found.number} gives other bytes"
            raise VerificationFailed("replay_differs", message)
    if len(made.stages) != len(said):
        message = f"{len(made.stages)} stages were trained again, {len(said)} are claimed"
        raise VerificationFailed("replay_differs", message)
    return len(said)


def touched_shards(plan: Plan, leaves: Collection[bytes]) -> list[int]:
    """Return the shards that hold one of these records, in order."""
    return sorted(first_tainted(plan, leaves))


class MemoryStore:
    """Keeps checkpoints in memory, for as long as it lives."""

    def __init__(self) -> None:
        """Begin empty."""
        self.kept: dict[bytes, bytes] = {}

    def names(self) -> list[bytes]:
        """Return the names of all checkpoints."""
        return list(self.kept)

    def get(self, name: bytes) -> bytes | None:
        """Return a checkpoint, or None if it is not there."""
        return self.kept.get(name)

    def put(self, name: bytes, checkpoint: bytes) -> None:
        """Keep a checkpoint."""
        self.kept[name] = checkpoint

    def drop(self, name: bytes) -> None:
        """Forget a checkpoint."""
        self.kept.pop(name, None)
