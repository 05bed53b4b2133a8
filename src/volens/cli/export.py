"""``volens export``: a person's copy of all their data, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.own_data import exporter_of
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, indented, line
from volens.cli.subject import SubjectArgument
from volens.cli.words import reason_words
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.rights.export import THIRD_PARTY

GROUP = new_group("Give a person a copy of all their data, in one file.")


@command(GROUP, "export", writes=True)
def export(
    session: Session,
    subject: SubjectArgument,
    out: Annotated[Path, typer.Option(metavar="FILE.zip", help="Where to write the copy.")],
    language: Annotated[str, typer.Option(help="The language of the policy's words.")] = "en",
) -> Answer:
    """Write everything that is held about a person, readable by people and by programs.

    Chats, account, choices with receipts, who has seen what, data sets, copies that went out,
    holds, erasures, reports; signed, and read again by volens import. The access is logged.
    """
    if out.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
    with write_home(session) as home:
        found = home.subjects.find(subject)
        if session.dry_run:
            conversations, left = home.own_copy.preview(found)
            document: dict[str, Json] = {
                "dry_run": True,
                "subject": found.id,
                "conversations": conversations,
                "left_out": dict(left),
            }
            text = f"would write {conversations:,} conversations of {found.id} to {out}"
            return Answer(document=document, shown=(line(text), *left_out_lines(left)))
        with session.output.progress("exporting") as tell:
            result = exporter_of(home).write(found, out, language=language, on_progress=tell)
    facts = result.manifest.facts
    document = {
        "subject": found.id,
        "path": str(out),
        "size_bytes": result.size_bytes,
        "conversations": facts.conversations,
        "turns": facts.turns,
        "left_out": dict(facts.left_out),
        "parts": [part.name for part in result.manifest.parts],
        "access": facts.access,
    }
    shown = (
        line(f"Wrote {facts.conversations:,} conversations of {found.id} to {out}.", GOOD),
        *left_out_lines(facts.left_out),
        line("Give it to its person only: whoever has the file can read it.", DIM),
        line(f"Check it anywhere: volens verify {out} --key VKEY", DIM),
    )
    return Answer(document=document, shown=shown)


def left_out_lines(counts: Mapping[str, int]) -> tuple[RenderableType, ...]:
    """Say what a copy does not hold, and why."""
    if not counts:
        return ()
    rows = [indented(line(f"{count:,}: {_words(name)}")) for name, count in sorted(counts.items())]
    return (line("Left out:", WARN), *rows)


def _words(name: str) -> str:
    if name == THIRD_PARTY:
        return "turns of other people's words; each keeps its place (GDPR Art. 15(4))"
    return f"conversations: {reason_words(name)}"
