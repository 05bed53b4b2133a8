"""``volens hold``: what is kept from being erased for a while, by whose order, until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.holding import check_span, erase_freed
from volens.app.home import Home
from volens.cli.commands import Session, command, new_group
from volens.cli.holding import (
    act_document,
    hold_document,
    minute,
    parse_turns,
    scope_words,
    state_words,
    turn_words,
)
from volens.cli.homes import parse_end, read_home, write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, fields, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import ConversationId, HoldId, IdKind, format_id, parse_id
from volens.core.time import format_moment
from volens.holds.model import Hold, end_hold, extend_hold, review_hold
from volens.holds.register import unknown
from volens.lifecycle.erasing import RunResult
from volens.log.kinds import HoldClass

GROUP = new_group("What is kept from being erased, and why.")
_PAGE = 100

HoldArgument = Annotated[str, typer.Argument(metavar="ID", help="The hold's id, hld_...")]
ReviewerOption = Annotated[
    str, typer.Option(metavar="WORD", help="Who reviews it: a role and number, never a name.")
]
SubjectOption = Annotated[
    str | None,
    typer.Option("--subject", metavar="SUBJECT", help="Only holds on this person's conversations."),
]
AsSubjectOption = Annotated[
    bool, typer.Option("--as-subject", help="What that person may know: nothing under a gag.")
]


@command(GROUP, "place", writes=True)
def place(
    session: Session,
    conversations: Annotated[
        list[str], typer.Argument(metavar="ID...", help="One person's conversations, cnv_...")
    ],
    hold_class: Annotated[
        HoldClass, typer.Option("--class", help="A legal hold goes before a safety hold.")
    ],
    authority: Annotated[
        str, typer.Option(metavar="WORD", help="By whose order: a docket number or a plain word.")
    ],
    reviewer: ReviewerOption,
    until: Annotated[str, typer.Option(metavar="DATE", help="It ends by itself after this day.")],
    turns: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Only these turns, the first is 0: 1,2-4."),
    ] = None,
    gag_until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The person is not told until after this day."),
    ] = None,
    hold_id: Annotated[
        str | None, typer.Option(help="An id of your own (hld_...): a repeat changes nothing.")
    ] = None,
) -> Answer:
    """Keep conversations, or turns of one, from being erased until a day.

    It permits no use. What is erased meanwhile stays for the purpose of the hold alone.
    """
    scope = _scope(conversations, turns)
    with write_home(session) as home:
        now = home.clock.now()
        asked = _placed(home, hold_id, now)
        hold = Hold(
            id=_own_id(home, hold_id),
            hold_class=hold_class,
            subject=home.subjects.by_number(home.vault.find(conversations[0]).subject_no).id,
            conversations=scope,
            authority=authority,
            reviewer=reviewer,
            placed=asked,
            until=parse_end(until, now),
            gag_until=parse_end(gag_until, now) if gag_until else None,
        )
        prepared = home.holds.prepare(hold, now)
        if asked == now:
            check_span(home, prepared)
        if session.dry_run:
            would = prepared
            text = f"would keep {scope_words(would)} until {minute(would.until)}"
            document: dict[str, Json] = {"dry_run": True, **hold_document(would, now)}
            del document["id"]
            return Answer(document=document, shown=(line(text),))
        placed = home.holds.place(hold, now)
    told = "The person can see it." if placed.told(now) else "The person is not told yet."
    shown = (
        line(f"{placed.id} keeps {scope_words(placed)}", GOOD),
        line(f"until {minute(placed.until)}. {told}"),
    )
    return Answer(document=hold_document(placed, now), shown=shown)


@command(GROUP, "list")
def list_holds(
    session: Session,
    subject: SubjectOption = None,
    as_subject: AsSubjectOption = False,
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over, too.")] = False,
    review_due: Annotated[
        bool, typer.Option("--review-due", help="Only those that somebody should look at now.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = _PAGE,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List the holds in force."""
    with read_home(session) as home:
        now = home.clock.now()
        found = _asked(home, subject, as_subject=as_subject, now=now)
    due = 0 if as_subject else sum(hold.review_due(now) for hold in found)
    chosen = [
        hold
        for hold in found
        if (ended or hold.in_force(now)) and (not review_due or hold.review_due(now))
    ]
    page = list(islice(chosen, skip, skip + limit))
    rows = [
        (
            hold.id,
            hold.hold_class.value,
            format_moment(hold.until)[:10],
            f"{len(hold.conversations):,}",
            state_words(hold, now, to_subject=as_subject),
        )
        for hold in page
    ]
    columns = ("!id", "class", "!until", "#chats", "state")
    shown: list[RenderableType] = [table(columns, rows)] if rows else [line("Nothing is held.")]
    rest = len(chosen) - skip - len(page)
    if rest > 0:
        shown.append(line(f"{rest:,} more: --skip {skip + len(page)}", DIM))
    if due and not review_due:
        shown.append(line(f"To be reviewed: {due:,} (--review-due)", WARN))
    documents: list[Json] = [hold_document(hold, now, to_subject=as_subject) for hold in page]
    return Answer(document={"total": len(chosen), "holds": documents}, shown=tuple(shown))


@command(GROUP, "show")
def show(
    session: Session,
    hold: HoldArgument,
    subject: SubjectOption = None,
    as_subject: AsSubjectOption = False,
) -> Answer:
    """Show one hold: what it keeps, by whose order, and what was done to it."""
    with read_home(session) as home:
        now = home.clock.now()
        parse_id(IdKind.HOLD, hold)
        asked = _asked(home, subject, as_subject=as_subject, now=now)
        found = next((one for one in asked if one.id == hold), None)
        if found is None:
            raise unknown(hold)
        acts = [] if as_subject else home.holds.acts(hold)
    document = hold_document(found, now, to_subject=as_subject)
    rows = [
        (name.replace("_", " "), _shown(value))
        for name, value in document.items()
        if name != "conversations"
    ]
    kept = [(name, turn_words(turns)) for name, turns in found.conversations.items()]
    shown: list[RenderableType] = [fields(rows), table(("!keeps", "turns"), kept)]
    if acts:
        document["acts"] = [act_document(one) for one in acts]
        done = [(one.act.value, format_moment(one.at), f"{one.log_index:,}") for one in acts]
        shown.append(table(("act", "when", "#log entry"), done))
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "extend", writes=True)
def extend(
    session: Session,
    hold: HoldArgument,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The later day after which it ends.")
    ] = None,
    gag_until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The person is not told until after this day."),
    ] = None,
) -> Answer:
    """Set a later end, or another end of the gag. A safety hold ends within 365 days."""
    if until is None and gag_until is None:
        hint = "give --until, --gag-until or both"
        raise InvalidInput("nothing_given", "nothing to change was given", hint=hint)
    with write_home(session) as home:
        now = home.clock.now()
        end = parse_end(until, now) if until else None
        gag_end = parse_end(gag_until, now) if gag_until else None
        changed = extend_hold(home.holds.find(hold), now, until=end, gag_until=gag_end)
        if end is not None:
            check_span(home, changed)
        if session.dry_run:
            return _would(changed, now, f"would keep it until {minute(changed.until)}")
        changed = home.holds.extend(hold, now, until=end, gag_until=gag_end)
    text = f"{changed.id} holds until {minute(changed.until)}."
    return Answer(document=hold_document(changed, now), shown=(line(text, GOOD),))


@command(GROUP, "review", writes=True)
def review(session: Session, hold: HoldArgument, reviewer: ReviewerOption) -> Answer:
    """Record that somebody found a hold still needed. Its end stays where it is."""
    with write_home(session) as home:
        now = home.clock.now()
        if session.dry_run:
            changed = review_hold(home.holds.find(hold), now, reviewer)
            return _would(changed, now, f"would record a review by {reviewer}")
        changed = home.holds.review(hold, reviewer, now)
    text = f"{changed.id} was reviewed by {reviewer}."
    return Answer(document=hold_document(changed, now), shown=(line(text, GOOD),))


@command(GROUP, "release", writes=True)
def release(session: Session, hold: HoldArgument) -> Answer:
    """End a hold before its time. What waited for it is then erased by itself."""
    with write_home(session) as home:
        now = home.clock.now()
        before = home.holds.find(hold)
        if session.dry_run:
            return _would(end_hold(before, now), now, f"would end {before.id}")
        released = home.holds.release(hold, now)
        done = erase_freed(home, now)
    words = "was over already" if before.end else "has ended"
    document: dict[str, Json] = {
        **hold_document(released, now),
        "erased": None if done is None else done.erased,
        "held": None if done is None else done.held,
    }
    shown = (line(f"{released.id} {words}.", GOOD), _what_went(done))
    return Answer(document=document, shown=shown)


def _what_went(done: RunResult | None) -> RenderableType:
    if done is None:
        text = "What waited for it goes with the first run that can trust the clock; none does now."
        return line(f"{text} -> volens retention run", WARN)
    if not done.erased:
        return line("Nothing that is due waited for it alone.", DIM)
    count = f"{done.erased:,} {'erasure' if done.erased == 1 else 'erasures'}"
    return line(f"{count} that waited for it or was due: done, nothing here opens it.")


def _asked(home: Home, subject: str | None, *, as_subject: bool, now: datetime) -> list[Hold]:
    if subject is None:
        if as_subject:
            hint = "give --subject, too"
            raise InvalidInput("nothing_given", "nobody was named to see it as", hint=hint)
        return home.holds.all()
    found = home.subjects.find(subject)
    if as_subject:
        return home.holds.visible_to_subject(found.id, now)
    return home.holds.of_subject(found.id)


def _scope(names: Sequence[str], turns: str | None) -> dict[ConversationId, tuple[int, ...]]:
    for name in names:
        parse_id(IdKind.CONVERSATION, name)
    if turns is not None and len(set(names)) > 1:
        hint = "place one hold for each conversation"
        raise InvalidInput("turns_form", "turns are named of one conversation", hint=hint)
    kept = () if turns is None else parse_turns(turns)
    return {ConversationId(name): kept for name in names}


def _own_id(home: Home, given: str | None) -> HoldId:
    if given is None:
        return HoldId(format_id(IdKind.HOLD, home.entropy.draw(16)))
    parse_id(IdKind.HOLD, given)
    return HoldId(given)


def _placed(home: Home, given: str | None, now: datetime) -> datetime:
    """Return now, or the moment at which a hold that is asked for again was placed."""
    try:
        return home.holds.find(given).placed if given else now
    except NotFound:
        return now


def _shown(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _would(hold: Hold, now: datetime, text: str) -> Answer:
    return Answer(document={"dry_run": True, **hold_document(hold, now)}, shown=(line(text),))
