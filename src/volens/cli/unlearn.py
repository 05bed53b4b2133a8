"""``volens unlearn``: stop, repair, prove."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volens.app.runs import runs_of
from volens.app.training import Training
from volens.app.unlearning import unlearn as forget_in
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home
from volens.cli.output import DIM, GOOD, Answer, fields, line
from volens.cli.train import told, where_of
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.storage.files import write_durable
from volens.training.bundle import bundle_file, model_digest
from volens.training.runner import Stage, Train

if TYPE_CHECKING:
    from volens.training.stage import StepReport

GROUP = new_group("Make a model forget exactly, and prove it.")


@command(GROUP, "unlearn", writes=True)
def unlearn(
    session: Session,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or one that repaired it.")],
    people: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PERSON]...", help="Also forget these, though they say yes."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the proof to a file as well.")
    ] = None,
) -> Answer:
    """Train a run again without whoever may not be used any more, byte for byte as if never in it.

    Everything they are in is destroyed first. The touched parts are trained again, then once more
    to compare. What is left is the run that never had them.
    """
    if out is not None and out.exists():
        raise InvalidInput("out_exists", f"{out} is there already", hint="choose another --out")
    with read_home(session) as home:
        kept = runs_of(home).latest(run)
        plan = runs_of(home).plan_of(kept)
    if session.dry_run:
        text = f"would repair {kept.run} and destroy what the forgotten are in"
        return Answer(document={"dry_run": True, "run": kept.run}, shown=(line(text),))
    with told(session, plan) as report:
        train = _once_needed(kept.base, report.step)
        done = forget_in(Training(where_of(session)), kept.run, people or [], train)
    if out is not None and done.bundle:
        write_durable(out, done.bundle)
    after = done.outcome.after
    document: dict[str, Json] = {
        "before": done.before.run,
        "after": done.after.run,
        "forgotten": len(done.forgotten),
        "retained": len(after.leaves),
        "trained_share": round(done.outcome.share, 4),
        "replayed": done.replayed,
        "model": model_digest(done.after.stages).hex(),
        "proof": bundle_file(done.after) if done.bundle else None,
    }
    where = out or session.folder / "runs" / done.after.family / bundle_file(done.after)
    shown = [
        line(f"Forgot {len(done.forgotten):,} records: the run is now {done.after.run}.", GOOD),
        fields(
            [
                ("retained", f"{len(after.leaves):,} records"),
                ("trained again", f"{done.outcome.share:.0%} of what training all would take"),
                ("replayed", f"{done.replayed} stages, the same bytes"),
                ("model", model_digest(done.after.stages).hex()),
            ]
        ),
        line("Copies of the old model that were given out are not called back.", DIM),
    ]
    if done.bundle:
        shown.append(line(f"Check the proof: volens verify {where}", DIM))
    else:
        shown.append(line("The run was never trained to its end: there is no proof of it.", DIM))
    return Answer(document=document, shown=tuple(shown))


def _once_needed(base: str, step: Callable[[StepReport], None]) -> Train:
    """Return what trains stages on a base model, which is loaded for the first of them."""
    found: list[Train] = []

    def train(stage: Stage) -> bytes:
        if not found:
            from volens.training.base import open_base  # noqa: PLC0415 - takes torch
            from volens.training.stage import trainer  # noqa: PLC0415 - takes torch

            found.append(trainer(open_base(base), step))
        return found[0](stage)

    return train
