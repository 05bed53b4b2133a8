"""Runs put into a home by hand: what came of them is made up, what the log says of them is real.

For doors, whose home is owned while they are asked; real training takes moments of its own.
"""

from dataclasses import replace

from volens.app.home import Home
from volens.app.runs import runs_of
from volens.core.ids import IdKind, RunId, format_id
from volens.datasets.build import BuildResult
from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import LEAF_BYTES
from volens.log.kinds import EntryKind
from volens.training.bundle import bundle_file
from volens.training.model import Recipe
from volens.training.planning import Placement, Source, make_plan, without
from volens.training.runner import StageDone
from volens.training.runs import KeptRun, Origin

RECIPE = Recipe(base=b"b" * 32, profile="hashes")


def trained_on(home: Home, built: BuildResult) -> KeptRun:
    """Keep a run that was trained to its end on all of a dataset."""
    data = (home.folder / "datasets" / built.manifest.dataset / LEAVES_FILE).read_bytes()
    leaves = [data[at : at + LEAF_BYTES] for at in range(0, len(data), LEAF_BYTES)]
    plan = make_plan(
        RunId(format_id(IdKind.RUN, home.entropy.draw(16))),
        Source(dataset=built.manifest.dataset, manifest_root=built.manifest.merkle_root),
        leaves,
        lambda leaf: Placement(shard=leaf[0] % 2, number=0),
        RECIPE,
        seed=home.entropy.draw(32),
        shards=2,
        slices=1,
    )
    origin = Origin(base="tiny:1", data="set")
    kept = runs_of(home).plan(plan, origin, home.clock.now())
    return runs_of(home).finish(kept, _stages())


def repaired(home: Home, kept: KeptRun, gone: set[bytes]) -> KeptRun:
    """Keep a run that repairs another, with an entry that names a proof of it."""
    runs = runs_of(home)
    run = RunId(format_id(IdKind.RUN, home.entropy.draw(16)))
    plan = replace(without(runs.plan_of(kept), gone, run), revises=kept.run)
    after = runs.finish(runs.plan(plan, kept, home.clock.now()), _stages())
    (runs.folder(after.family) / bundle_file(after)).write_bytes(b"{}")
    fields = {"before": kept.planned, "after": after.planned, "forgotten": len(gone)}
    index = home.recorder.record(
        EntryKind.UNLEARNING_DONE, {**fields, "bundle": b"p" * 32, "replayed": True}
    )
    return runs.prove(after, index)


def _stages() -> tuple[StageDone, ...]:
    return (StageDone(shard=0, number=0, name=b"n" * 32, output=b"o" * 32),)
