"""``volens rights hand-over``: answer a request with the person's own copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.rights import CopyAsFile, request_store, rights_desk
from volens.cli.commands import Session
from volens.cli.export import left_out_lines
from volens.cli.homes import write_home
from volens.cli.output import DIM, Answer, line
from volens.cli.rights_answer import request_answer
from volens.core.canonical import Json
from volens.core.errors import InvalidInput


def hand_over(
    session: Session,
    request: Annotated[
        str, typer.Argument(metavar="REQUEST", help="The request's number (req_...).")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.zip", help="Where to write the copy.")],
) -> Answer:
    """Write the copy that a request for access or portability asks for, and close the request.

    It is the file of volens export: signed, and the access is logged.
    """
    if out.exists():
        hint = "choose another --out"
        raise InvalidInput("out_exists", f"{out} is there already", hint=hint)
    with write_home(session) as home:
        desk = rights_desk(home)
        found = request_store(home).find(request)
        subject = desk.check_copy(found)
        if session.dry_run:
            count, left = home.own_copy.preview(subject)
            document: dict[str, Json] = {
                "dry_run": True,
                "id": found.id,
                "conversations": count,
                "left_out": dict(left),
            }
            text = f"would write {count:,} conversations to {out} and close {found.id}"
            return Answer(document=document, shown=(line(text), *left_out_lines(left)))
        with session.output.progress("exporting") as tell:
            copy = CopyAsFile(home, out, on_progress=tell)
            done = desk.hand_over(found.id, copy)
        facts = copy.written.manifest.facts
        answer = request_answer(home, done, f"{done.id}: the copy is in {out}.")
    document = {
        **answer.document,
        "path": str(out),
        "conversations": facts.conversations,
        "left_out": dict(facts.left_out),
        "access": facts.access,
    }
    shown = (
        *answer.shown,
        *left_out_lines(facts.left_out),
        line("Give it to its person only: whoever has the file can read it.", DIM),
        line(f"Check it anywhere: volens verify {out} --key VKEY", DIM),
    )
    return Answer(document=document, shown=shown)
