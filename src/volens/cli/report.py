"""``volens report``: a person's own control over a reply or a chat that should be looked at."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.conversation import ConversationArgument
from volens.cli.homes import write_home
from volens.cli.output import DIM, GOOD, Answer, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.time import format_moment
from volens.holds.reports import ReportReason

GROUP = new_group("Report a reply or a chat, for its person.")


@command(GROUP, "report", writes=True)
def report(
    session: Session,
    conversation: ConversationArgument,
    because: Annotated[
        ReportReason, typer.Option(metavar="WORD", help=f"Why: {', '.join(ReportReason)}.")
    ],
    turn: Annotated[
        int | None,
        typer.Option(metavar="N", help="The reply's number, from 0; without it, the whole chat."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Who reports; only their own chats are found then.")
    ] = None,
) -> Answer:
    """Tell trust and safety about a reply or a whole chat.

    It opens nothing, changes no choice, and the same report again changes nothing.
    """
    with write_home(session) as home:
        held = home.vault.find(conversation)
        if subject is not None and home.subjects.find(subject).number != held.subject_no:
            # somebody else's chat: answered as if there were none
            raise NotFound("conversation_unknown", f"no conversation {conversation} here")
        if session.dry_run:
            if turn is not None and not 0 <= turn < held.turns:
                raise InvalidInput("turn_unknown", f"{held.id} has no turn {turn}")
            document: dict[str, Json] = {"dry_run": True, "conversation": held.id}
            would = line(f"would report {held.id} because of {because.value}")
            return Answer(document=document, shown=(would,))
        made = home.reports().file(held, because=because, turn=turn)
    document = {
        "report": made.number,
        "conversation": made.conversation,
        "turn": made.turn,
        "because": made.because.value,
        "at": format_moment(made.at),
        "log_index": made.log_index,
    }
    what = made.conversation if made.turn is None else f"turn {made.turn} of {made.conversation}"
    shown = (
        line(f"Reported {what}: report {made.number}.", GOOD),
        line("Trust and safety may look at what was reported. Nothing else changes.", DIM),
    )
    return Answer(document=document, shown=shown)
