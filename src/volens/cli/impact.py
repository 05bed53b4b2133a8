"""``volens impact``: models that used what may not be used any more, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import Home
from volens.app.impact import certificates_for, impact_register, look
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, fields, heading, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.log.kinds import ImpactState
from volens.storage.files import write_durable
from volens.training.impact import Case, Touch, case_facts

GROUP = new_group("Models that used what may not be used any more.")
STATE_WORDS = {
    ImpactState.BLOCKED: "given out no more; volens unlearn repairs it",
    ImpactState.LEFT_OUT: "taken out before it was trained to its end",
    ImpactState.RETRAINED: "trained again without it: exact and proven",
    ImpactState.NOT_POSSIBLE: "a copy left before: it can't be taken back",
    ImpactState.ALLOWED_AGAIN: "may be used again; it was never taken out",
}
_MINUTE = 16

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, imp_...")]


@command(GROUP, "list")
def list_cases(
    session: Session,
    person: Annotated[
        str | None, typer.Option("--subject", metavar="PERSON", help="Only this person's.")
    ] = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="Only those of which something can still move.")
    ] = False,
) -> Answer:
    """List impact cases, oldest first. They open by themselves."""
    with read_home(session) as home:
        register = impact_register(home)
        if person is None:
            found = register.all()
        else:
            found = register.of_subject(home.subjects.find(person).number)
        found = [one for one in found if not (open_only and one.done)]
        items: list[Json] = [_document(home, one) for one in found]
    rows = [
        (
            one.id,
            format_moment(one.opened)[:10],
            one.cause.value,
            f"{len(one.touches):,}",
            "done" if one.done else "open",
        )
        for one in found
    ]
    columns = ("case", "opened", "because of", "models", "state")
    shown = table(columns, rows) if rows else line("No impact case.")
    return Answer(document={"cases": items}, shown=(shown,))


@command(GROUP, "show")
def show(session: Session, case: CaseArgument) -> Answer:
    """Show what a case touched, and where each model and copy stands."""
    with read_home(session) as home:
        found = impact_register(home).find(case)
        document = _document(home, found)
    shown: list[RenderableType] = [
        heading(found.id),
        fields(
            [
                ("opened", format_moment(found.opened)[:_MINUTE].replace("T", " ")),
                ("because of", found.cause.value),
                ("whose", str(document["subject"] or "nobody who is still here")),
                ("in the log", f"entry {found.log_index}"),
            ]
        ),
    ]
    for one in found.touches:
        shown += [line(_name(one)), fields(_facts(one))]
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "look", writes=True)
def look_now(session: Session) -> Answer:
    """Look now: open cases and move them on. Every command that writes does so by itself."""
    with write_home(session) as home:
        if session.dry_run:
            text = "would look which models used what may not be used any more"
            return Answer(document={"dry_run": True}, shown=(line(text),))
        done = look(home)
    document: dict[str, Json] = {"opened": done.opened, "moved": done.moved}
    text = f"{done.opened:,} cases opened, {done.moved:,} moved on."
    return Answer(document=document, shown=(line(text),))


@command(GROUP, "certificate", writes=True)
def certificate(
    session: Session,
    case: CaseArgument,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for the files.")] = None,
) -> Answer:
    """Write the person's certificates of a case, and the proofs that they rest on."""
    if out is None and not session.dry_run:
        raise InvalidInput("out_missing", "no folder was given", hint="say where with --out DIR")
    with write_home(session) as home:
        found = impact_register(home).find(case)
        if session.dry_run or out is None:
            text = f"would write the certificates of {found.id}"
            return Answer(document={"dry_run": True, "case": found.id}, shown=(line(text),))
        papers = certificates_for(home, found)
    if not papers:
        text = f"nothing of {found.id} was trained again, or the person is gone"
        raise InvalidInput("not_forgotten_yet", text, hint="volens unlearn repairs a model")
    out.mkdir(parents=True, exist_ok=True)
    for name, data in papers:
        write_durable(out / name, data)
    names = [name for name, _ in papers]
    document: dict[str, Json] = {"case": found.id, "out": str(out), "files": [*names]}
    shown = (
        line(f"Wrote {', '.join(names)} to {out}.", GOOD),
        line(f"Anybody can check them offline: volens verify {out}/*", DIM),
    )
    return Answer(document=document, shown=shown)


def _name(one: Touch) -> str:
    return f"copy {one.copy.hex()[:16]}... of {one.family}" if one.copy else str(one.family)


def _facts(one: Touch) -> list[tuple[str, str]]:
    return [
        ("dataset", one.dataset),
        ("records", f"{len(one.leaves):,}"),
        ("in shards", ", ".join(str(shard + 1) for shard in one.shards)),
        ("state", STATE_WORDS[one.stands.state]),
        ("since", format_moment(one.moved)[:_MINUTE].replace("T", " ")),
    ]


def _document(home: Home, case: Case) -> dict[str, Json]:
    subject = None if case.subject_no is None else home.subjects.by_number(case.subject_no).id
    return {"subject": subject, **case_facts(case)}
