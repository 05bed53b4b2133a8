"""``volens case``: the only way for staff to see what somebody wrote without their yes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.access.exception_records import AbuseKind, Danger, Horizon, OrderForm, Sign
from volens.access.exceptions import Case, CaseReason, CaseState, Gag
from volens.access.model import Principal
from volens.app.safety import Safety, safety_of
from volens.cli.acting import AsOption, member_of
from volens.cli.case_words import (
    case_document,
    item_document,
    lease_document,
    look_document,
    look_lines,
    notice_document,
    notice_lines,
    record_of,
)
from volens.cli.commands import Session, command, new_group
from volens.cli.conversation import ConversationArgument
from volens.cli.holding import minute, parse_turns, turn_words
from volens.cli.homes import parse_end, read_home, write_home
from volens.cli.output import DIM, GOOD, WARN, Answer, fields, line, table
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ids import ConversationId
from volens.log.kinds import ExceptionClass, KeepAnswer

GROUP = new_group("Exceptions: who may look at which turns, why, until when.")

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The case's id, cas_...")]


@command(GROUP, "open", writes=True)
def open_case(
    session: Session,
    conversation: ConversationArgument,
    turns: Annotated[str, typer.Option(metavar="TURNS", help="Which turns, such as 1,3-4.")],
    exception: Annotated[
        ExceptionClass,
        typer.Option("--class", metavar="WORD", help=f"For what: {', '.join(ExceptionClass)}."),
    ],
    reason: Annotated[
        CaseReason, typer.Option(metavar="WORD", help=f"Why: {', '.join(CaseReason)}.")
    ],
    member: AsOption,
    days: Annotated[
        int | None, typer.Option(min=1, help="For how long; the policy's most by default.")
    ] = None,
    law: Annotated[
        str | None, typer.Option(help="Illegal content: which law it breaks, DE:StGB-184b.")
    ] = None,
    danger: Annotated[
        Danger | None, typer.Option(metavar="WORD", help=f"Harm: to {', '.join(Danger)}.")
    ] = None,
    horizon: Annotated[
        Horizon | None, typer.Option(metavar="WORD", help=f"Harm: when: {', '.join(Horizon)}.")
    ] = None,
    sign: Annotated[
        Sign | None, typer.Option(metavar="WORD", help=f"Harm: shown by {', '.join(Sign)}.")
    ] = None,
    abuse: Annotated[
        AbuseKind | None, typer.Option(metavar="WORD", help=f"Abuse: {', '.join(AbuseKind)}.")
    ] = None,
    form: Annotated[
        OrderForm | None, typer.Option(metavar="WORD", help=f"Order: {', '.join(OrderForm)}.")
    ] = None,
    issuer: Annotated[str | None, typer.Option(help="Order: who issued it.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Order: under whose law.")] = None,
    docket: Annotated[str | None, typer.Option(help="Order: its number.")] = None,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Order: the staff account that checked it.")
    ] = None,
    has_jurisdiction: Annotated[
        bool, typer.Option("--has-jurisdiction", help="Order: the issuer may order this here.")
    ] = False,
    signed: Annotated[bool, typer.Option("--signed", help="Order: it is signed.")] = False,
    names_turns: Annotated[
        bool, typer.Option("--names-turns", help="Order: it names what it wants, not an account.")
    ] = False,
    gag_until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The person is not told before this day.")
    ] = None,
    gag_authority: Annotated[
        str | None, typer.Option(metavar="WORD", help="Docket of who ordered that.")
    ] = None,
) -> Answer:
    """Open a case on named turns, or ask a second person to where the class takes two."""
    with write_home(session) as home:
        now = home.clock.now()
        checked_by = None if reviewer is None else member_of(home, reviewer).account
        record = record_of(
            exception,
            {
                "law": law,
                "danger": danger,
                "horizon": horizon,
                "sign": sign,
                "abuse": abuse,
                "form": form,
                "issuer": issuer,
                "jurisdiction": jurisdiction,
                "docket": docket,
                "reviewer": checked_by,
                "has_jurisdiction": has_jurisdiction,
                "signed": signed,
                "names_turns": names_turns,
            },
        )
        wanted = {ConversationId(home.vault.find_ended(conversation).id): parse_turns(turns)}
        who = member_of(home, member)
        gag = _gag(gag_until, gag_authority, now)
        if session.dry_run:
            would = f"would ask for {exception.value} on turns {turns} of {conversation}"
            return Answer(document={"dry_run": True}, shown=(line(would),))
        made = safety_of(home).cases.open(
            who,
            exception=exception,
            turns=wanted,
            reason=reason,
            record=record,
            days=days,
            gag=gag,
        )
    if made.state(now) is CaseState.WAITING:
        text = f"{made.id} waits for a second person until {minute(made.closes)}."
        return Answer(document=case_document(made, now), shown=(line(text, WARN),))
    return _said(made, now, f"{made.id} is open until {minute(made.closes)}.")


@command(GROUP, "approve", writes=True)
def approve(session: Session, case: CaseArgument, member: AsOption) -> Answer:
    """Approve a case, as its second person. It is open from now."""
    return _act(session, member, "approve", case, lambda desk, who: desk.cases.approve(who, case))


@command(GROUP, "refuse", writes=True)
def refuse(session: Session, case: CaseArgument, member: AsOption) -> Answer:
    """Refuse a case, as its second person. It was never open."""
    return _act(session, member, "refuse", case, lambda desk, who: desk.cases.refuse(who, case))


@command(GROUP, "close", writes=True)
def close(session: Session, case: CaseArgument, member: AsOption) -> Answer:
    """Close a case before its time. Its person is then told, unless a gag applies."""
    return _act(session, member, "close", case, lambda desk, who: desk.cases.close(who, case))


@command(GROUP, "show")
def show(session: Session, case: CaseArgument, member: AsOption) -> Answer:
    """Show a case and who looked under it, when and how long; never what was said."""
    with read_home(session) as home:
        now = home.clock.now()
        who = member_of(home, member)
        cases = safety_of(home).cases
        found = cases.find(who, case)
        leases = cases.views(who, case)
    document = case_document(found, now)
    views: list[Json] = [lease_document(one) for one in leases]
    rows = [
        (name.replace("_", " "), "-" if value is None else str(value))
        for name, value in document.items()
        if name not in {"conversations", "record"}
    ]
    rows += [(name, f"turns {turn_words(turns)}") for name, turns in found.turns.items()]
    shown: list[RenderableType] = [fields(rows)]
    for one in leases:
        lasted = "open" if one.lasted is None else f"{one.lasted.total_seconds():.0f} s"
        shown.append(line(f"{minute(one.began)}: {one.account} looked, {lasted}", DIM))
    return Answer(document={**document, "views": views}, shown=tuple(shown))


@command(GROUP, "list")
def list_cases(
    session: Session,
    member: AsOption,
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over, too.")] = False,
) -> Answer:
    """List your cases and those that wait for you; officers and auditors see all."""
    with read_home(session) as home:
        now = home.clock.now()
        found = safety_of(home).cases.listed(member_of(home, member))
    live = {CaseState.WAITING, CaseState.OPEN}
    kept = [one for one in found if ended or one.state(now) in live]
    rows = [
        (one.id, one.exception.value.replace("_", " "), one.state(now).value, minute(one.closes))
        for one in kept
    ]
    shown = table(("!id", "class", "state", "closes"), rows) if rows else line("No case is open.")
    documents: list[Json] = [case_document(one, now) for one in kept]
    return Answer(document={"cases": documents}, shown=(shown,))


@command(GROUP, "queue")
def queue(
    session: Session,
    member: AsOption,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 100,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> Answer:
    """List what was flagged or reported, the worst first: never whose, never what was said."""
    with read_home(session) as home:
        found = safety_of(home).queue
        who = member_of(home, member)
        total, page = found.count(who), found.items(who, skip=skip, limit=limit)
    rows = [
        (
            one.conversation,
            turn_words(one.turns),
            ", ".join(word.value.replace("_", " ") for word in one.categories),
            one.severity.value,
            ", ".join(one.origins),
        )
        for one in page
    ]
    columns = ("!conversation", "turns", "what", "severity", "from")
    shown = table(columns, rows) if rows else line("Nothing waits.")
    documents: list[Json] = [item_document(one) for one in page]
    return Answer(document={"total": total, "items": documents}, shown=(shown,))


@command(GROUP, "view")
def view(
    session: Session, case: CaseArgument, conversation: ConversationArgument, member: AsOption
) -> Answer:
    """Open the named turns of a conversation, once. The access is logged before and after."""
    with write_home(session) as home:
        desk = safety_of(home)
        who = member_of(home, member)
        look = desk.cases.look(who, case, conversation)
        desk.cases.look_away(who, look.lease)  # a terminal can't tell how long it is looked at
    return Answer(document=look_document(look), shown=tuple(look_lines(look)))


@command(GROUP, "notices")
def notices(session: Session, subject: SubjectArgument) -> Answer:
    """Show what a person was told of cases about what they wrote."""
    with read_home(session) as home:
        found = safety_of(home).notices.of_subject(home.subjects.find(subject))
    shown: list[RenderableType] = [row for one in found for row in notice_lines(one)]
    documents: list[Json] = [notice_document(one) for one in found]
    return Answer(
        document={"notices": documents},
        shown=tuple(shown) or (line("There is nothing to tell."),),
    )


@command(GROUP, "answer", writes=True)
def answer(
    session: Session,
    subject: SubjectArgument,
    case: CaseArgument,
    word: Annotated[
        KeepAnswer, typer.Argument(metavar="ANSWER", help="keep or erase; each is one word.")
    ],
) -> Answer:
    """Answer, for a person, whether what a case kept may be kept. Their own chats stay."""
    with write_home(session) as home:
        person = home.subjects.find(subject)
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line(f"would answer {word.value}"),))
        made = safety_of(home).notices.answer(person, case, word, home.clock.now())
    text = "It is erased." if made.erased else "It is kept, for a year from the opening at most."
    return Answer(document=notice_document(made), shown=(line(text, GOOD),))


@command(GROUP, "run", writes=True)
def run(session: Session) -> Answer:
    """Do what is due: end views and cases, tell people, erase what may not be kept."""
    with write_home(session) as home:
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line("would do what is due"),))
        done = safety_of(home).run(home.clock.now())
    document: dict[str, Json] = {
        "views_ended": done.ended,
        "expired": done.expired,
        "told": done.told,
        "erased": done.erased,
    }
    text = (
        f"{done.expired} cases expired, {done.told} people told, material of {done.erased} erased."
    )
    return Answer(document=document, shown=(line(text),))


def _act(
    session: Session,
    member: str,
    verb: str,
    case: str,
    act: Callable[[Safety, Principal], Case],
) -> Answer:
    with write_home(session) as home:
        now = home.clock.now()
        who = member_of(home, member)
        desk = safety_of(home)
        if session.dry_run:
            found = desk.cases.find(who, case)
            shown = (line(f"would {verb} {found.id}"),)
            return Answer(document={"dry_run": True, **case_document(found, now)}, shown=shown)
        made = act(desk, who)
    return _said(made, now, f"{made.id} is {made.state(now).value}.")


def _said(case: Case, now: datetime, text: str) -> Answer:
    return Answer(document=case_document(case, now), shown=(line(text, GOOD),))


def _gag(until: str | None, authority: str | None, now: datetime) -> Gag | None:
    if until is None and authority is None:
        return None
    if until is None or authority is None:
        hint = "give --gag-until and --gag-authority"
        raise InvalidInput(
            "exception_gag", "a gag has an end, and somebody who ordered it", hint=hint
        )
    return Gag(until=parse_end(until, now), authority=authority)
