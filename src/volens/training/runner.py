"""Runs a plan stage by stage, goes on after a stop, and drops whatever a withdrawal has tainted.

What is true if it stops at any point: every checkpoint in the store is named by the inputs that it
is a pure function of. A stage that was cut off left nothing. The next run of the same plan finds
what is there by name and trains the rest. Whatever the store has that is not of the plan goes
first: a checkpoint with something in it that was taken back, and all after it in its shard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from volens.core.ids import RunId
from volens.training.model import DIGEST_BYTES, Example, Plan, Recipe, Slice, stage_inputs
from volens.training.planning import without

NOTHING: Final = bytes(DIGEST_BYTES)
"""Stands for the checkpoint before the first stage of a shard."""


class ExampleSource(Protocol):
    """Gives out the records of a plan, as long as they may be used."""

    def open(self, leaves: Sequence[bytes]) -> list[Example]:
        """Return these records, in this order.

        Raises:
            Denied: ``withdrawn_meanwhile`` if one of them may not be used any more.
            Unavailable: if that can't be known.
        """

    def taken_back(self) -> frozenset[bytes]:
        """Return the leaves that may not be used any more; cheap while nothing changes.

        Raises:
            Unavailable: if that can't be known.
        """


class CheckpointStore(Protocol):
    """Keeps the checkpoints of one run, and of the runs that repair it, by their stages' names.

    Never those of two runs: whatever is not of the plan that is being trained is destroyed.
    """

    def names(self) -> list[bytes]:
        """Return the names of all checkpoints."""

    def get(self, name: bytes) -> bytes | None:
        """Return a checkpoint, or None if it is not there.

        Raises:
            VerificationFailed: if it is not what was put there.
        """

    def put(self, name: bytes, checkpoint: bytes) -> None:
        """Keep a checkpoint; durable when this returns."""

    def drop(self, name: bytes) -> None:
        """Destroy a checkpoint; it can't be had again when this returns.

        Where that has to be told, it is written down first: after a stop nobody else knows it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a stage is trained from. `repr` shows no text and no weights.

    Attributes:
        recipe: the plan's.
        seed: the plan's.
        part: its shard and slice.
        previous: the checkpoint before it in its shard; None if there is none.
        examples: what it trains on, in order.
        on_step: to be called after each step; may raise, which ends the stage.
    """

    recipe: Recipe
    seed: bytes = field(repr=False)
    part: Slice
    previous: bytes | None = field(repr=False)
    examples: Sequence[Example] = field(repr=False)
    on_step: Callable[[], None] = field(repr=False)


Train = Callable[[Stage], bytes]
"""Trains a stage and returns its checkpoint: a pure function of all but `on_step`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDone:
    """A stage that has its checkpoint.

    Attributes:
        shard: its shard.
        number: its slice.
        name: the digest of its inputs (`stage_inputs`).
        output: the SHA-256 of its checkpoint.
    """

    shard: int
    number: int
    name: bytes
    output: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What came of a run.

    Attributes:
        plan: what was trained in the end; another one than was asked for if somebody withdrew.
        stages: all its stages that hold records, shard by shard, slice by slice.
        trained: those of them that were trained by this call and not found in the store.
        records: how many records this call began to train on, also where a stage came to nothing.
        dropped: names of the checkpoints that this call destroyed: those not of `plan`.
    """

    plan: Plan
    stages: tuple[StageDone, ...]
    trained: tuple[StageDone, ...]
    records: int
    dropped: tuple[bytes, ...]

    def last(self, shard: int) -> StageDone | None:
        """Return the last stage of a shard; None if the shard is empty."""
        return next((one for one in reversed(self.stages) if one.shard == shard), None)


class _TakenBackError(Exception):
    """Ends a stage in which there is something that may not be used any more."""


def run_plan(
    plan: Plan,
    source: ExampleSource,
    train: Train,
    store: CheckpointStore,
    *,
    new_run: Callable[[], RunId],
    on_stage: Callable[[StageDone], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> RunResult:
    """Train every stage of `plan` that the store does not have yet.

    Whenever something in it is taken back, the stage that is being trained ends, what is tainted is
    dropped, and the run goes on under a new plan without it, with an id from `new_run`. That is
    looked at before each stage, after each step, before a checkpoint is kept, and at the end. When
    this returns, the store holds the checkpoints of the plan that was trained, and no other.

    `on_stage` is told of each stage that has its checkpoint, `on_plan` of each new plan before
    anything is dropped or trained for it.

    Raises:
        Unavailable: if the source does not know what was taken back; what is done stays.
    """
    dropped: list[bytes] = []
    trained: dict[bytes, StageDone] = {}
    begun: list[Slice] = []

    def one(plan: Plan, part: Slice, previous: bytes | None) -> bytes:
        begun.append(part)
        return _train_one(plan, part, previous, source, train)

    while True:
        gone = source.taken_back().intersection(plan.leaves)
        if gone:
            plan = without(plan, gone, new_run())
            if on_plan is not None:
                on_plan(plan)
        dropped += drop_others(plan, store)
        try:
            stages = _train_all(plan, one, store, trained, on_stage)
            _require_none_taken(plan, source)
        except _TakenBackError:
            continue
        return RunResult(
            plan=plan,
            stages=tuple(stages),
            trained=tuple(done for done in stages if done.name in trained),
            records=sum(len(part.leaves) for part in begun),
            dropped=tuple(dropped),
        )


def stored_stages(plan: Plan, store: CheckpointStore) -> Iterator[tuple[StageDone, bytes]]:
    """Yield the stages of `plan` that the store has, each with its checkpoint, in order.

    A shard is followed up to the first stage that is missing: the names of later ones depend on it.
    """
    for shard in range(plan.shards):
        previous: bytes | None = None
        for number in range(plan.slices):
            part = plan.part(shard, number)
            if not part.leaves:
                continue
            name = _name(plan, part, _digest(previous))
            previous = store.get(name)
            if previous is None:
                break
            yield _done(part, name, previous), previous


def first_tainted(plan: Plan, gone: Collection[bytes]) -> dict[int, int]:
    """Return, for each shard that holds a leaf in `gone`, the first slice that does."""
    found: dict[int, int] = {}
    wanted = frozenset(gone)
    for part in plan.parts:
        if not wanted.isdisjoint(part.leaves):
            found.setdefault(part.shard, part.number)
    return found


def drop_others(plan: Plan, store: CheckpointStore) -> list[bytes]:
    """Destroy every checkpoint that is not of `plan`; return their names."""
    kept = {done.name for done, _ in stored_stages(plan, store)}
    others = [name for name in store.names() if name not in kept]
    for name in others:
        store.drop(name)
    return others


def _train_all(
    plan: Plan,
    train_one: Callable[[Plan, Slice, bytes | None], bytes],
    store: CheckpointStore,
    trained: dict[bytes, StageDone],
    on_stage: Callable[[StageDone], None] | None,
) -> list[StageDone]:
    stages: list[StageDone] = []
    previous: bytes | None = None
    for part in plan.parts:
        if part.number == 0:
            previous = None  # a shard begins
        if not part.leaves:
            continue
        name = _name(plan, part, _digest(previous))
        checkpoint = store.get(name)
        if checkpoint is None:
            checkpoint = train_one(plan, part, previous)
            store.put(name, checkpoint)
            trained[name] = _done(part, name, checkpoint)
            if on_stage is not None:
                on_stage(trained[name])
        stages.append(_done(part, name, checkpoint))
        previous = checkpoint
    return stages


def _train_one(
    plan: Plan, part: Slice, previous: bytes | None, source: ExampleSource, train: Train
) -> bytes:
    """Train one stage; nothing of it is left if something in the plan is taken back meanwhile."""

    def look() -> None:
        _require_none_taken(plan, source)

    look()
    try:
        examples = source.open(part.leaves)
    except Exception:
        look()  # if it was refused because of a withdrawal, that is what ended it
        raise
    checkpoint = train(
        Stage(
            recipe=plan.recipe,
            seed=plan.seed,
            part=part,
            previous=previous,
            examples=examples,
            on_step=look,
        )
    )
    look()
    return checkpoint


def _require_none_taken(plan: Plan, source: ExampleSource) -> None:
    gone = source.taken_back()
    if gone and not gone.isdisjoint(plan.leaves):
        raise _TakenBackError


def _name(plan: Plan, part: Slice, before: bytes) -> bytes:
    return stage_inputs(plan.recipe.digest, plan.seed, before, part.leaves, part.shard, part.number)


def _done(part: Slice, name: bytes, checkpoint: bytes) -> StageDone:
    return StageDone(shard=part.shard, number=part.number, name=name, output=_digest(checkpoint))


def _digest(checkpoint: bytes | None) -> bytes:
    return NOTHING if checkpoint is None else hashlib.sha256(checkpoint).digest()
