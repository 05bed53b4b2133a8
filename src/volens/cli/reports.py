"""``volens reports``: what people reported, for trust and safety; never who or what was said."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home
from volens.cli.output import DIM, Answer, line, table
from volens.core.canonical import Json
from volens.core.time import format_moment

GROUP = new_group("What people reported, for trust and safety.")


@command(GROUP, "reports")
def list_reports(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 100,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List what people reported, oldest first. What was said stays sealed."""
    with read_home(session) as home:
        total = home.reports().count()
        page = home.reports().listed(skip=skip, limit=limit)
    rows = [
        (
            str(one.number),
            one.conversation,
            "all" if one.turn is None else str(one.turn),
            one.because.value.replace("_", " "),
            format_moment(one.at)[:10],
        )
        for one in page
    ]
    documents: list[Json] = [
        {
            "report": one.number,
            "conversation": one.conversation,
            "turn": one.turn,
            "because": one.because.value,
            "at": format_moment(one.at),
        }
        for one in page
    ]
    shown: list[RenderableType] = []
    if rows:
        shown.append(table(("#no", "!conversation", "#turn", "because", "day"), rows))
    else:
        shown.append(line("Nobody has reported anything."))
    rest = total - skip - len(page)
    if rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    return Answer(document={"total": total, "reports": documents}, shown=tuple(shown))
