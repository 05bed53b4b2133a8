"""Exact unlearning in a home: stop, repair, prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from volens.app.home import Home
from volens.app.impact import look
from volens.app.leases import record_end
from volens.app.runs import runs_of
from volens.app.training import KeptNow, Running, Training
from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.kinds import AccessOutcome, EntryKind
from volens.storage.files import write_durable
from volens.training.bundle import Replayed, Side, bundle_file, make_bundle, verify_bundle
from volens.training.loader import LeaseSource
from volens.training.model import Plan
from volens.training.planning import plan_digest
from volens.training.runner import Train
from volens.training.runs import KeptRun, names_in
from volens.training.unlearning import Forgotten, forget, replay, touched_shards


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlearned:
    """A repair that is done."""

    before: KeptRun
    after: KeptRun
    forgotten: frozenset[bytes] = field(repr=False)
    outcome: Forgotten
    replayed: int
    """How many stages an independent replay gave again, byte for byte."""
    bundle: bytes = field(repr=False)
    """What proves it; empty if the run had never been trained to its end."""


def unlearn(desk: Training, run: str, subjects: Sequence[str], train: Train) -> Unlearned:
    """Repair a run so that it never had what may not be used any more, nor what is named.

    1. Whoever took back, or was erased, since is found; the named people are added.
    2. Every checkpoint that one of their records is in is destroyed: nothing tainted can be
       put to use from here on.
    3. The touched shards are trained again from the last clean stage.
    4. They are trained once more from their first stage, apart from what is stored, and
       compared byte for byte.

    Raises:
        InvalidInput: ``nothing_to_forget``.
        NotFound: ``run_unknown``, or a person who is not here.
        VerificationFailed: ``replay_differs``: the repair is not what it has to be.
    """
    running = desk.repair(run)
    before, plan = running.kept, running.plan
    kept = KeptNow(before, desk.where)
    try:
        forgotten = _to_forget(desk, running, subjects)
        source = LeaseSource(running.leased.lease)
        outcome = forget(
            plan,
            forgotten,
            source,
            train,
            kept.checkpoints(),
            new_run=desk.new_run,
            on_plan=kept.replan,
        )
        gone = frozenset(plan.leaves).difference(outcome.after.leaves)
        shards = touched_shards(plan, gone)
        replayed = replay(outcome.after, outcome.repaired.stages, shards, source, train)
    except BaseException:
        desk.end(running, AccessOutcome.FAILED)
        raise
    with desk.where.open() as home:
        runs = runs_of(home)
        if plan_digest(runs.plan_of(kept.now)) != plan_digest(outcome.after):
            # Somebody withdrew meanwhile: it repairs the run that was trained, not the one that
            # was only planned.
            kept.now = runs.plan(outcome.after, before, home.clock.now())
        after = runs.finish(kept.now, outcome.repaired.stages)
        record_end(home, running.leased.lease.end())
        bundle = b""
        if before.done:
            after, bundle = _proven(home, plan, before, outcome.after, after, replayed)
        look(home)
    return Unlearned(
        before=before,
        after=after,
        forgotten=gone,
        outcome=outcome,
        replayed=replayed,
        bundle=bundle,
    )


def _to_forget(desk: Training, running: Running, subjects: Sequence[str]) -> frozenset[bytes]:
    """Return what may not be used any more, and what is of the people named.

    Raises:
        InvalidInput: ``nothing_to_forget``.
        NotFound: if a person is not here.
    """
    lease, plan = running.leased.lease, running.plan
    with desk.where.open(writing=False) as home:
        named = {home.subjects.find(one).holder.raw for one in subjects}
        runs = runs_of(home)
        newest = runs.plan_of(runs.latest(running.kept.run))
    leaves = {lease.leaf(row) for row in range(len(lease)) if named and lease.owner(row) in named}
    stopped = frozenset(plan.leaves).difference(newest.leaves)  # by a repair that never ended
    gone = leaves | LeaseSource(lease).taken_back() | stopped
    found = gone.intersection(plan.leaves)
    if not found:
        message = f"{running.kept.run} has nothing to forget"
        hint = "everybody in it still says yes"
        raise InvalidInput("nothing_to_forget", message, hint=hint)
    return frozenset(found)


def _proven(
    home: Home, plan: Plan, before: KeptRun, repaired: Plan, after: KeptRun, replayed: int
) -> tuple[KeptRun, bytes]:
    """Keep the bundle that proves a repair, log its digest, and say where in the log.

    Raises:
        VerificationFailed: ``not_destroyed`` if something is stored that is not of the repair.
    """
    log, folder = home.owned_log(), runs_of(home).folder(after.family)
    kept = {one.name for one in after.stages}
    if not kept.issuperset(names_in(folder)):
        raise VerificationFailed("not_destroyed", f"{folder} holds what is not of the repair")
    log.publish()

    def side(plan: Plan, run: KeptRun) -> Side:
        return Side(
            plan=plan,
            stages=run.stages,
            planned=run.planned,
            entry=log.entry(run.planned),
            proof=log.prove(run.planned),
        )

    bundle = make_bundle(
        side(plan, before),
        side(repaired, after),
        [one.name for one in before.stages if one.name not in kept],
        Replayed(stages=replayed, at=home.clock.now()),
        home.signer,
    )
    verify_bundle(bundle, home.signer.verifier)
    write_durable(folder / bundle_file(after), bundle)
    index = home.recorder.record(
        EntryKind.UNLEARNING_DONE,
        {
            "before": before.planned,
            "after": after.planned,
            "forgotten": len(plan.leaves) - len(repaired.leaves),
            "bundle": sha256(bundle).digest(),
            "replayed": True,
        },
    )
    return runs_of(home).prove(after, index), bundle
