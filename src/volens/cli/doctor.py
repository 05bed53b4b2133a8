"""``volens doctor``: what is set up, and what is unsafe. It changes nothing."""

from __future__ import annotations

import typer
from rich.console import RenderableType

from volens.cli.checkup import Finding, Level, examine
from volens.cli.commands import Session, command, new_group
from volens.cli.failures import UNVERIFIED
from volens.cli.homes import read_home
from volens.cli.output import BAD, GOOD, WARN, Answer, indented, line
from volens.core.canonical import Json

GROUP: typer.Typer = new_group("What is set up, and what is unsafe.")
_STYLE = {Level.FINE: GOOD, Level.WARN: WARN, Level.BAD: BAD}


@command(GROUP, "doctor")
def doctor(session: Session) -> Answer:
    """Look at the home, its keys, databases, journal and log. Exit code 4: broken."""
    with read_home(session) as home, session.output.progress("examining") as tell:
        findings = list(examine(home, tell))
    bad = sum(one.level is Level.BAD for one in findings)
    warned = sum(one.level is Level.WARN for one in findings)
    documents: list[Json] = [
        {"check": one.name, "level": one.level.value, "text": one.text, "hint": one.hint}
        for one in findings
    ]
    shown: list[RenderableType] = []
    for one in findings:
        shown += _shown(one)
    text = f"{len(findings) - bad - warned} fine, {warned} to look at, {bad} broken"
    shown.append(line(text, BAD if bad else WARN if warned else GOOD))
    document: dict[str, Json] = {"broken": bad, "warnings": warned, "findings": documents}
    return Answer(document=document, shown=tuple(shown), code=UNVERIFIED if bad else 0)


def _shown(found: Finding) -> list[RenderableType]:
    shown: list[RenderableType] = [
        line(f"{found.level.value:<5} {found.name}: {found.text}", _STYLE[found.level])
    ]
    if found.hint:
        shown.append(indented(line(f"-> {found.hint}")))
    return shown
