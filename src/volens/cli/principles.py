"""``volens principles``: training data from written principles, by a model, without any chat.

It opens no home: no option, variable or folder leads from here to what people said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, WARN, Answer, fields, heading, indented, line, table, whole
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ports import Clock
from volens.principles.constitution import SHIPPED, Constitution, open_constitution
from volens.principles.endpoint import Endpoint, Place
from volens.principles.folder import Checked, assemble, verify_folder, write_folder
from volens.principles.generating import Bench, Order, Settings, admit_judge, make_steps
from volens.principles.judging import open_labelled
from volens.principles.prompts import PromptSet, open_prompts
from volens.principles.provenance import Provenance
from volens.principles.working import check_out, open_work
from volens.principles.writer import MOST_TOKENS, Writer
from volens.storage.system import SystemClock

GROUP = new_group("Make training data from written principles, without any chat.")
WRITER_KEY = "VOLENS_WRITER_KEY"
JUDGE_KEY = "VOLENS_JUDGE_KEY"
_MOST_SEED = 2**31 - 1


@command(GROUP, "check")
def check(
    session: Session,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help=f"A constitution: a file or {SHIPPED[0]}; or a folder that was made.",
        ),
    ],
) -> Answer:
    """Read a constitution strictly, or check every byte and number of a folder that was made.

    Exit code 4: the folder does not hold. It is not signed: keep the digest that is shown.
    """
    del session
    if Path(path).is_dir():
        return _checked(verify_folder(Path(path)))
    return _constitution(open_constitution(path))


@command(GROUP, "generate", writes=True)
def generate(
    session: Session,
    prompts: Annotated[Path, typer.Option(metavar="FILE", help="Requests, as JSON Lines.")],
    writer: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="The model that writes: the base address of an OpenAI-compatible endpoint, a "
            "folder, a .gguf file or package:NAME.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="The model's name at the writer's endpoint.")
    ] = "",
    constitution: Annotated[
        str, typer.Option(metavar="FILE", help="The principles: a file, or a shipped name.")
    ] = SHIPPED[0],
    judge: Annotated[
        str,
        typer.Option(metavar="WHERE", help="A model that compares answers; it is tried first."),
    ] = "",
    judge_model: Annotated[
        str, typer.Option(metavar="NAME", help="The model's name at the judge's endpoint.")
    ] = "",
    labelled: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Pairs of known worth to try the judge on.  [default: shipped]"
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=_MOST_SEED, help="Draws principles and answers.")
    ] = 0,
    most_tokens: Annotated[
        int, typer.Option(min=1, max=MOST_TOKENS, help="Where an answer is cut off.")
    ] = 512,
) -> Answer:
    """Draft, criticise and revise an answer to each prompt; keep what is better for it.

    Keys for endpoints: VOLENS_WRITER_KEY, VOLENS_JUDGE_KEY. If it stops, the same command goes on.
    Exit code 3: a prompt looks like somebody's chat, the judge failed, or the set is below a floor.
    """
    if not judge and (judge_model or labelled is not None):
        hint = "name a judge with --judge"
        raise InvalidInput("judge_missing", "options for a judge, and no judge", hint=hint)
    check_out(out)
    principles, asked = open_constitution(constitution), open_prompts(prompts)
    pairs = open_labelled(labelled) if judge else None
    with ExitStack() as stack:
        if session.dry_run:
            return _would(principles, asked, out)
        order = Order(
            constitution=principles,
            prompts=asked,
            settings=Settings(seed=seed, most_tokens=most_tokens),
            writer=stack.enter_context(_model(session, writer, model, WRITER_KEY)),
            bench=None
            if pairs is None
            else Bench(
                judge=stack.enter_context(_model(session, judge, judge_model, JUDGE_KEY)),
                labelled=pairs,
            ),
        )
        return _made(session, order, out, SystemClock())


@contextmanager
def _model(session: Session, where: str, model: str, variable: str) -> Iterator[Writer]:
    """Open a model for as long as the block lasts."""
    if not where.startswith(("http://", "https://")):
        if model:
            hint = "only an endpoint is asked for a model by name"
            raise InvalidInput("writer_model", f"{where} has no models to name", hint=hint)
        from volens.principles.embedded import Embedded  # noqa: PLC0415 - takes torch

        yield Embedded.open(where)
        return
    key = session.environment.get(variable, "")
    endpoint = Endpoint(Place(url=where, model=model, key=key))
    try:
        yield endpoint
    finally:
        endpoint.close()


def _made(session: Session, order: Order, out: Path, clock: Clock) -> Answer:
    with open_work(out, order.run()) as work:
        if work.steps:
            session.output.note(f"going on: {len(work.steps):,} prompts are done")
        with session.output.progress("trying the judge") as tell:
            gate = admit_judge(order, work, tell)
        with session.output.progress("writing") as tell:
            steps = make_steps(order, work, tell)
        provenance = write_folder(out, order, assemble(order, steps), gate, made=clock.now())
    return _written(provenance, out)


def _would(constitution: Constitution, prompts: PromptSet, out: Path) -> Answer:
    document: dict[str, Json] = {
        "dry_run": True,
        "constitution": constitution.digest,
        "prompts": len(prompts.prompts),
        "sources": dict(prompts.sources()),
    }
    text = f"would ask the writer about {len(prompts.prompts):,} prompts and make {out}"
    return Answer(document=document, shown=(line(text),))


def _written(provenance: Provenance, out: Path) -> Answer:
    shown = [
        line(f"Made {out}: {provenance.measures.pairs:,} pairs, all synthetic.", GOOD),
        fields(_facts(provenance)),
    ]
    if provenance.gate is None:
        shown.append(line("No judge compared the answers.", WARN))
    return Answer(document=_document(provenance), shown=tuple(shown))


def _checked(checked: Checked) -> Answer:
    provenance = checked.provenance
    document = {"verified": True, "digest": checked.digest, **_document(provenance)}
    shown = (
        line("The folder agrees with itself, down to the last byte. It is not signed.", GOOD),
        fields([("principles", checked.constitution.id), *_facts(provenance)]),
        whole(f"digest {checked.digest}"),
    )
    return Answer(document=document, shown=shown)


def _facts(provenance: Provenance) -> list[tuple[str, str]]:
    dropped = ", ".join(f"{count:,} {word}" for word, count in provenance.dropped.items())
    gate = provenance.gate
    judged = f"{gate.judge.model}, {gate.right} of {gate.pairs} right" if gate else "none"
    return [
        ("label", "synthetic"),
        ("pairs", f"{provenance.measures.pairs:,}"),
        ("thrown away", dropped or "nothing"),
        ("writer", provenance.writer.model),
        ("judge", judged),
    ]


def _document(provenance: Provenance) -> dict[str, Json]:
    return {
        "label": "synthetic",
        "constitution": provenance.constitution,
        "writer": provenance.writer.document(),
        "judge": provenance.gate.document() if provenance.gate else None,
        "dropped": dict(provenance.dropped),
        "measures": provenance.measures.document(),
    }


def _constitution(constitution: Constitution) -> Answer:
    rows = [(one.id, one.text) for one in constitution.principles]
    document: dict[str, Json] = {
        "constitution": constitution.digest,
        "document": constitution.document(),
    }
    shown = (
        heading(constitution.title),
        indented(table(("!id", "principle"), rows)),
        line(f"{len(rows)} principles, language {constitution.language}.", DIM),
        whole(f"digest {constitution.digest}"),
    )
    return Answer(document=document, shown=shown)
