"""``volens model``: what was trained, and what of it may be put to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.lineage import models_with
from volens.app.models import export_model
from volens.app.runs import runs_of
from volens.app.training import WAIT_SECONDS, Training
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, fields, line, table
from volens.cli.train import where_of
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.training.bundle import model_digest
from volens.training.lineage import Standing

_WORDS = {
    Standing.IN_USE: "in use",
    Standing.BLOCKED: "blocked until it is repaired",
    Standing.RETRAINED: "trained again without them",
    Standing.LEFT_OUT: "left out before it was done",
}
GROUP = new_group("What was trained, and may be put to use.")


@command(GROUP, "list")
def list_runs(session: Session) -> Answer:
    """List the runs of this home, oldest first."""
    with read_home(session) as home:
        runs = runs_of(home)
        found = [(kept, runs.plan_of(kept)) for kept in runs.all()]
    last = {kept.family: kept.run for kept, _ in found}
    rows = [
        (
            kept.run,
            format_moment(kept.at)[:16].replace("T", " "),
            f"{len(plan.leaves):,}",
            _state(kept.done, last[kept.family] == kept.run),
        )
        for kept, plan in found
    ]
    items: list[Json] = [
        {
            "run": kept.run,
            "family": kept.family,
            "dataset": plan.dataset,
            "records": len(plan.leaves),
            "done": kept.done,
            "newest": last[kept.family] == kept.run,
        }
        for kept, plan in found
    ]
    shown = table(("run", "planned", "records", "state"), rows) if rows else line("No run yet.")
    return Answer(document={"runs": items}, shown=(shown,))


@command(GROUP, "show")
def show(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run.")],
) -> Answer:
    """Show what a run was made from and what came of it."""
    with read_home(session) as home:
        kept = runs_of(home).find(run)
        plan = runs_of(home).plan_of(kept)
    facts = [
        ("dataset", plan.dataset),
        ("base", kept.base),
        ("records", f"{len(plan.leaves):,}"),
        ("shape", f"{plan.shards} shards of {plan.slices} slices"),
        ("repairs", plan.revises or "nothing"),
        ("in the log", f"planned in entry {kept.planned}"),
        ("stages", f"{len(kept.stages):,}" if kept.done else "not trained to its end"),
        ("model", model_digest(kept.stages).hex() if kept.done else "none yet"),
    ]
    document: dict[str, Json] = {
        "run": kept.run,
        "family": kept.family,
        "dataset": plan.dataset,
        "base": kept.base,
        "recipe": plan.recipe.document(),
        "records": len(plan.leaves),
        "shards": plan.shards,
        "slices": plan.slices,
        "revises": plan.revises,
        "planned": kept.planned,
        "done": kept.done,
        "model": model_digest(kept.stages).hex() if kept.done else None,
    }
    return Answer(document=document, shown=(line(kept.run), fields(facts)))


@command(GROUP, "uses")
def uses(
    session: Session,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="The person's id or name.")],
) -> Answer:
    """List the models that a person's chats are or were in, and where each stands."""
    with read_home(session) as home:
        found = models_with(home, home.subjects.find(person))
    items: list[Json] = [
        {
            "run": one.newest,
            "family": one.family,
            "dataset": one.dataset,
            "records": one.records,
            "left": one.left,
            "standing": one.standing.value,
        }
        for one in found
    ]
    rows = [(one.newest, f"{one.left:,} of {one.records:,}", _WORDS[one.standing]) for one in found]
    shown = table(("run", "chats in it", "state"), rows) if rows else line("No model used them.")
    return Answer(document={"models": items}, shown=(shown,))


@command(GROUP, "export", writes=True)
def export(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run, or one it repaired.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder that does not exist yet.")
    ] = None,
) -> Answer:
    """Write the merged adapter of a run, refused if anybody in it took their yes back since."""
    if out is None and not session.dry_run:
        raise InvalidInput("out_missing", "no folder was given", hint="say where with --out DIR")
    if out is not None and out.exists():
        raise InvalidInput("out_exists", f"{out} is there already", hint="choose another --out")
    desk = Training(where_of(session))
    kept, plan, adapters = desk.adapters(run)
    if session.dry_run or out is None:
        text = f"would write {kept.run}: everybody in it still says yes"
        return Answer(document={"dry_run": True, "run": kept.run}, shown=(line(text),))
    with write_home(session, wait_seconds=WAIT_SECONDS) as home:
        written = export_model(home, kept, plan, adapters, out)
    document: dict[str, Json] = {
        "run": kept.run,
        "out": str(out),
        "model": model_digest(kept.stages).hex(),
        "files": dict(written),
    }
    return Answer(
        document=document,
        shown=(
            line(f"Wrote {kept.run} to {out}.", GOOD),
            fields([(name, digest) for name, digest in written]),
            line("A copy of a model can't be called back: say who has it.", DIM),
        ),
    )


def _state(done: bool, newest: bool) -> str:
    if not newest:
        return "repaired since"
    return "done" if done else "not finished"
