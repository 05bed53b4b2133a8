"""``volens conversation``: what is held, without opening it; and one, opened, when asked to."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.home import Home
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import (
    DIM,
    GOOD,
    STRONG,
    Answer,
    block,
    fields,
    indented,
    line,
    table,
)
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.purposes import Purpose, Signal
from volens.core.time import format_moment
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.log.kinds import AccessAction, AccessReason, Actor
from volens.vault.model import Payload, TurnFlag
from volens.vault.store import Held

GROUP = new_group("List, show or leave out conversations.")
_PAGE = 100

ConversationArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The conversation's id, cnv_...")
]


@command(GROUP, "list")
def list_conversations(
    session: Session,
    subject: SubjectArgument,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = _PAGE,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List a person's conversations. Titles are content and stay sealed."""
    with read_home(session) as home:
        found = home.subjects.find(subject)
        total = home.vault.counts_by_subject().get(found.number, 0)
        page = list(islice(home.vault.of_subject(found), skip, skip + limit))
    rows = [
        (
            held.id,
            held.source,
            format_moment(held.created or held.captured)[:10],
            f"{held.turns:,}",
            "" if held.signal is Signal.NONE else held.signal.value,
        )
        for held in page
    ]
    shown: list[RenderableType] = []
    if rows:
        shown.append(table(("!id", "source", "day", "#turns", "signal"), rows))
    else:
        shown.append(line(f"{found.id} has no conversations here."))
    rest = total - skip - len(page)
    if rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    documents: list[Json] = [_document(held) for held in page]
    return Answer(
        document={"subject": found.id, "total": total, "conversations": documents},
        shown=tuple(shown),
    )


@command(GROUP, "show")
def show(
    session: Session,
    conversation: ConversationArgument,
    show_content: Annotated[
        bool, typer.Option("--show-content", help="Open it. The access is logged.")
    ] = False,
    purpose: Annotated[
        Purpose, typer.Option(metavar="PURPOSE", help="What it is opened for; must be permitted.")
    ] = Purpose.KEEP_HISTORY,
    actor: Annotated[
        Actor, typer.Option(metavar="ROLE", help=f"In which role you open it: {', '.join(Actor)}.")
    ] = Actor.SUBJECT,
    reason: Annotated[
        AccessReason,
        typer.Option(metavar="WORD", help=f"Why, for the log: {', '.join(AccessReason)}."),
    ] = AccessReason.SUBJECT_REQUEST,
) -> Answer:
    """Show what is known of a conversation; what was said only with --show-content."""
    if not show_content:
        with read_home(session) as home:
            held = home.vault.find(conversation)
            owner = home.subjects.by_number(held.subject_no)
        document = {**_document(held), "subject": owner.id}
        rows = [
            (key.replace("_", " "), "-" if v is None else str(v)) for key, v in document.items()
        ]
        hint = line("What was said: --show-content (the access is logged)", DIM)
        return Answer(document=document, shown=(fields(rows), hint))
    with write_home(session) as home:
        held = home.vault.find(conversation)
        owner = home.subjects.by_number(held.subject_no)
        asker = Asker(actor=actor, action=AccessAction.SHOW, reason=reason)
        payload = home.gate.show(held, owner, Use(purpose=purpose.value), asker)
    document = {**_document(held), "subject": owner.id, "content": _content(payload)}
    return Answer(document=document, shown=_told(held, payload))


@command(GROUP, "exclude", writes=True)
def exclude(session: Session, conversation: ConversationArgument) -> Answer:
    """Leave one conversation out of every use but its person's own history."""
    return _signal(session, conversation, Signal.EXCLUDED, "is left out from now on")


@command(GROUP, "include", writes=True)
def include(session: Session, conversation: ConversationArgument) -> Answer:
    """Take an exclusion back. Only a yes of its person makes it usable."""
    return _signal(session, conversation, Signal.NONE, "is no longer left out")


def _signal(session: Session, name: str, signal: Signal, words: str) -> Answer:
    with write_home(session) as home:
        held = home.vault.find(name)
        document: dict[str, Json] = {
            "id": held.id,
            "signal": signal.value,
            "before": held.signal.value,
        }
        if session.dry_run:
            shown = (line(f"would set the signal of {held.id} to {signal.value}"),)
            return Answer(document={"dry_run": True, **document}, shown=shown)
        if held.signal is not signal:
            _set_signal(home, held, signal)
    return Answer(document=document, shown=(line(f"{held.id} {words}.", GOOD),))


def _set_signal(home: Home, held: Held, signal: Signal) -> None:
    home.vault.set_signal(held, signal, home.subjects.by_number(held.subject_no).holder)


def _document(held: Held) -> dict[str, Json]:
    return {
        "id": held.id,
        "source": held.source,
        "created": format_moment(held.created) if held.created else None,
        "captured": format_moment(held.captured),
        "signal": held.signal.value,
        "turns": held.turns,
        "size_bytes": held.size_bytes,
    }


def _content(payload: Payload) -> dict[str, Json]:
    turns: list[Json] = [
        {
            "role": turn.role.name.lower(),
            "text": turn.text,
            "flags": [flag.name.lower() for flag in TurnFlag if flag in turn.flags and flag.name],
            "at": format_moment(turn.at) if turn.at else None,
            "rating": turn.rating,
        }
        for turn in payload.turns
    ]
    return {
        "title": payload.title,
        "language": payload.language,
        "attachments": [*payload.attachments],
        "turns": turns,
    }


def _told(held: Held, payload: Payload) -> tuple[RenderableType, ...]:
    shown: list[RenderableType] = [line(payload.title or held.id, STRONG)]
    for turn in payload.turns:
        flags = [flag.name.lower() for flag in TurnFlag if flag in turn.flags and flag.name]
        mark = f"  ({', '.join(flags)})" if flags else ""
        shown += [line(f"{turn.role.name.lower()}{mark}", DIM), indented(block(turn.text))]
    shown.append(line("This access stands in the log.", DIM))
    return tuple(shown)
