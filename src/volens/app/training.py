"""Training and unlearning in a home: the home is owned for moments, never while a stage trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import Final

from volens.app.home import Home, open_home
from volens.app.identity import LOOKUP_FILE, load_secret
from volens.app.impact import look
from volens.app.leases import Leased, open_lease, record_end
from volens.app.runs import runs_of
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import IdKind, RunId, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.crypto.envelope import derive
from volens.log.kinds import AccessOutcome
from volens.training.loader import LeaseSource
from volens.training.model import DEFAULT_SHARDS, DEFAULT_SLICES, Plan, Recipe
from volens.training.placing import SECRET_BYTES, shard_of, slice_of
from volens.training.planning import Placement, Source, make_plan
from volens.training.runner import RunResult, StageDone, Train, run_plan
from volens.training.runs import KeptRun, Origin, SealedCheckpoints, names_in

WAIT_SECONDS: Final = 60.0
"""How long to wait for another owner of the home."""
_SEED_BYTES: Final = 32
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A home that is opened for moments."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: environ, repr=False)
    clock: Clock | None = None
    entropy: Entropy | None = field(default=None, repr=False)

    def open(self, *, writing: bool = True) -> Home:
        """Open the home.

        Raises:
            Unavailable: ``home_in_use`` if another process owns it for too long.
        """
        return open_home(
            self.folder,
            writing=writing,
            wait_seconds=WAIT_SECONDS,
            environment=self.environment,
            clock=self.clock,
            entropy=self.entropy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Into how many shards and slices a run is cut."""

    shards: int = DEFAULT_SHARDS
    slices: int = DEFAULT_SLICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that is planned, with the lease it trains from."""

    kept: KeptRun
    plan: Plan
    leased: Leased


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A run that is done."""

    kept: KeptRun
    result: RunResult


class Training:
    """Plans, trains, resumes and repairs runs of one home."""

    def __init__(self, where: Where) -> None:
        """Use the home at `where`."""
        self.where = where

    def begin(self, origin: Origin, recipe: Recipe, shape: Shape) -> Running:
        """Plan a run on a sealed dataset of the home; its seed is in the log when this returns.

        Raises:
            InvalidInput: ``no_records`` if nothing in it may be used; as `make_plan`.
            Denied: as `open_lease`.
            VerificationFailed: as `open_lease`.
        """
        with self.where.open() as home:
            run = draw_run(home)
            leased = self._lease(home, origin, run)
            source = LeaseSource(leased.lease)
            leaves = source.usable()
            if not leaves:
                message = f"nothing in {origin.data} may be used for training now"
                raise InvalidInput("no_records", message, hint="volens build makes a new one")
            plan = make_plan(
                run,
                Source(dataset=leased.manifest.dataset, manifest_root=leased.manifest.merkle_root),
                leaves,
                _placing(home, leased, source, shape),
                recipe,
                seed=home.entropy.draw(_SEED_BYTES),
                shards=shape.shards,
                slices=shape.slices,
            )
            kept = runs_of(home).plan(plan, origin, home.clock.now())
            home.artefacts.begin(parse_id(IdKind.RUN, kept.family))
        return Running(kept=kept, plan=plan, leased=leased)

    def resume(self, run: str) -> Running:
        """Take a run up again where it was stopped.

        Raises:
            NotFound: ``run_unknown``.
            InvalidInput: ``repair_stopped`` if it repairs a run: that has to be proven.
            Denied: as `open_lease`.
        """
        with self.where.open() as home:
            runs = runs_of(home)
            kept = runs.latest(run)
            if not kept.done and runs.trained(run).done:
                message = f"{kept.run} is a repair that was stopped"
                raise InvalidInput("repair_stopped", message, hint=f"volens unlearn {kept.run}")
            return self._take_up(home, kept)

    def repair(self, run: str) -> Running:
        """Take up the last run of a family that was trained to its end, to repair it.

        A repair that was stopped is passed over: what it would have taken out is still in the run
        that is to be repaired.

        Raises:
            NotFound: ``run_unknown``.
            Denied: as `open_lease`.
        """
        with self.where.open() as home:
            return self._take_up(home, runs_of(home).trained(run))

    def train(
        self,
        running: Running,
        train: Train,
        *,
        on_stage: Callable[[StageDone], None] | None = None,
    ) -> Trained:
        """Train what is not trained yet; a withdrawal meanwhile makes it another run.

        Raises:
            Unavailable: ``revocation_stale``, ``home_in_use``; what is done stays.
        """
        kept = KeptNow(running.kept, self.where)
        source = LeaseSource(running.leased.lease)
        try:
            result = run_plan(
                running.plan,
                source,
                train,
                kept.checkpoints(),
                new_run=self.new_run,
                on_stage=on_stage,
                on_plan=kept.replan,
            )
        except BaseException:
            self.end(running, AccessOutcome.FAILED)
            raise
        with self.where.open() as home:
            done = runs_of(home).finish(kept.now, result.stages)
            record_end(home, running.leased.lease.end())
            look(home)
        return Trained(kept=done, result=result)

    def adapters(self, run: str) -> tuple[KeptRun, Plan, list[bytes]]:
        """Return the last checkpoint of each shard of a run that may be put to use.

        Raises:
            NotFound: ``run_unknown``.
            Denied: ``model_withdrawn`` if somebody in it took back since, or was erased;
                ``run_not_done``.
        """
        with self.where.open() as home:
            running = self._take_up(home, runs_of(home).latest(run))
            repairs = runs_of(home).trained(run).done
        kept, plan = running.kept, running.plan
        gone = LeaseSource(running.leased.lease).taken_back().intersection(plan.leaves)
        self.end(running, AccessOutcome.COMPLETED)
        if gone:
            message = f"{len(gone):,} records in {kept.run} may not be used any more"
            hint = f"volens unlearn {kept.run} repairs it"
            raise Denied("model_withdrawn", message, hint=hint)
        if not kept.done:
            act = "unlearn" if repairs else "train --resume"
            hint = f"volens {act} {kept.run}"
            raise Denied("run_not_done", f"{kept.run} is not trained to its end", hint=hint)
        store = KeptNow(kept, self.where).checkpoints()
        last = {one.shard: one for one in kept.stages}
        found = [store.get(last[shard].name) for shard in sorted(last)]
        whole = [one for one in found if one is not None]
        if len(whole) != len(found):
            hint = f"volens unlearn {kept.run} trains it again"
            raise Denied("model_withdrawn", f"checkpoints of {kept.run} were destroyed", hint=hint)
        return kept, plan, whole

    def _take_up(self, home: Home, kept: KeptRun) -> Running:
        plan = runs_of(home).plan_of(kept)
        home.artefacts.begin(parse_id(IdKind.RUN, kept.family))
        leased = self._lease(home, kept, kept.run)
        return Running(kept=kept, plan=plan, leased=leased)

    def _lease(self, home: Home, origin: Origin, run: RunId) -> Leased:
        return open_lease(
            home,
            Path(origin.data),
            name=origin.name,
            run=run,
            environment=self.where.environment,
        )

    def end(self, running: Running, outcome: AccessOutcome) -> None:
        """Give the lease of a run back, and log how that ended."""
        with self.where.open() as home:
            record_end(home, running.leased.lease.end(outcome))

    def new_run(self) -> RunId:
        """Draw the id of a run."""
        with self.where.open(writing=False) as home:
            return draw_run(home)


class KeptNow:
    """The run that is trained now; a withdrawal makes it another."""

    def __init__(self, kept: KeptRun, where: Where) -> None:
        self.now = kept
        self.where = where

    def replan(self, plan: Plan) -> None:
        """Keep the plan that takes the place of the present one, before anything comes of it."""
        with self.where.open() as home:
            self.now = runs_of(home).plan(plan, self.now, home.clock.now())

    def checkpoints(self) -> HomeCheckpoints:
        """Return the family's checkpoints."""
        return HomeCheckpoints(self, self.where)


class HomeCheckpoints:
    """The checkpoints of a family (`CheckpointStore`); the home is owned for each act alone."""

    def __init__(self, kept: KeptNow, where: Where) -> None:
        """Take those of the run that is trained now."""
        self._kept = kept
        self.where = where

    def names(self) -> list[bytes]:
        """See `CheckpointStore.names`."""
        with self.where.open(writing=False) as home:
            return names_in(runs_of(home).folder(self._kept.now.family))

    def get(self, name: bytes) -> bytes | None:
        """See `CheckpointStore.get`."""
        with self.where.open(writing=False) as home:
            return self._sealed(home).get(name)

    def put(self, name: bytes, checkpoint: bytes) -> None:
        """See `CheckpointStore.put`."""
        with self.where.open() as home:
            self._sealed(home).put(name, checkpoint)

    def drop(self, name: bytes) -> None:
        """See `CheckpointStore.drop`."""
        with self.where.open() as home:
            self._sealed(home).drop(name)

    def _sealed(self, home: Home) -> SealedCheckpoints:
        kept = self._kept.now
        folder = runs_of(home).folder(kept.family)
        return SealedCheckpoints(folder, kept, home.artefacts, home.recorder)


def draw_run(home: Home) -> RunId:
    """Draw the id of a run."""
    return RunId(format_id(IdKind.RUN, home.entropy.draw(_ID_BYTES)))


def _placing(
    home: Home, leased: Leased, source: LeaseSource, shape: Shape
) -> Callable[[bytes], Placement]:
    """Return what places a record: by whose it is, under a secret of the home, for good."""
    secret = load_secret(home.custody, LOOKUP_FILE)
    secret = derive(secret, b"volens/placing/v1", b"")[:SECRET_BYTES]
    leaving = {parse_id(IdKind.SUBJECT, one.subject) for one in home.ledger.taken_back(0)}

    def place(leaf: bytes) -> Placement:
        owner = leased.lease.owner(source.row(leaf))
        return Placement(
            shard=shard_of(secret, owner, shape.shards),
            number=slice_of(secret, owner, shape.slices, may_leave=owner in leaving),
        )

    return place
