"""``volens flag``: what safety classifiers say of turns; never what was said."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.safety import safety_of
from volens.cli.commands import Session, command, new_group
from volens.cli.conversation import ConversationArgument
from volens.cli.holding import parse_turns, turn_words
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table
from volens.core.canonical import Json
from volens.core.time import format_moment
from volens.log.kinds import FlagCategory, FlagSeverity
from volens.safety.flags import check_turns
from volens.safety.model import Flag

GROUP = new_group("What safety classifiers flagged.")


@command(GROUP, "raise", writes=True)
def raise_flag(
    session: Session,
    conversation: ConversationArgument,
    turns: Annotated[str, typer.Option(metavar="TURNS", help="Which turns, such as 1,3-4.")],
    category: Annotated[
        FlagCategory, typer.Option(metavar="WORD", help=f"What: {', '.join(FlagCategory)}.")
    ],
    classifier: Annotated[
        str, typer.Option(metavar="NAME", help="Which classifier, with its version.")
    ],
    severity: Annotated[
        FlagSeverity, typer.Option(metavar="WORD", help=f"How bad: {', '.join(FlagSeverity)}.")
    ] = FlagSeverity.MEDIUM,
) -> Answer:
    """Flag turns of a conversation for trust and safety. It opens nothing."""
    named = parse_turns(turns)
    with write_home(session) as home:
        held = home.vault.find(conversation)
        if session.dry_run:
            check_turns(held, named)
            would = line(f"would flag turns {turn_words(named)} of {held.id}")
            return Answer(document={"dry_run": True, "conversation": held.id}, shown=(would,))
        made = safety_of(home).flags.raise_flag(
            held, turns=named, category=category, severity=severity, classifier=classifier
        )
    text = f"Flagged turns {turn_words(made.turns)} of {made.conversation}: {made.id}."
    return Answer(document=_document(made), shown=(line(text, GOOD),))


@command(GROUP, "list")
def list_flags(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 100,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List flags, oldest first: never whose, never what was said."""
    with read_home(session) as home:
        flags = safety_of(home).flags
        total = flags.count()
        page = flags.listed(skip=skip, limit=limit)
    shown: list[RenderableType] = []
    if page:
        rows = [
            (
                one.conversation,
                turn_words(one.turns),
                one.category.value.replace("_", " "),
                one.severity.value,
                one.classifier,
                format_moment(one.raised)[:10],
            )
            for one in page
        ]
        columns = ("!conversation", "turns", "category", "severity", "classifier", "day")
        shown.append(table(columns, rows))
    else:
        shown.append(line("Nothing was flagged."))
    rest = total - skip - len(page)
    if rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    documents: list[Json] = [_document(one) for one in page]
    return Answer(document={"total": total, "flags": documents}, shown=tuple(shown))


def _document(flag: Flag) -> dict[str, Json]:
    return {
        "id": flag.id,
        "conversation": flag.conversation,
        "turns": [*flag.turns],
        "category": flag.category.value,
        "severity": flag.severity.value,
        "classifier": flag.classifier,
        "raised": format_moment(flag.raised),
        "log_index": flag.log_index,
    }
