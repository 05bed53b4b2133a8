"""``volens rights``: what people ask for under the law, by when it is answered, and how."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.app.rights import request_store, rights_desk
from volens.cli.choices import BUSY_WAIT_SECONDS
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import BAD, DIM, GOOD, WARN, Answer, line, table
from volens.cli.rights_answer import request_answer
from volens.cli.rights_copy import hand_over
from volens.cli.rights_drp import GROUP as DRP
from volens.cli.rights_law import law
from volens.cli.rights_words import (
    HAPPENS,
    deadline_document,
    region_label,
    request_document,
    said_age,
    said_left,
    said_moment,
    say_deadline,
    table_row,
)
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, Unavailable
from volens.core.ids import ConversationId
from volens.core.purposes import Purpose
from volens.gate.facts import known_purpose
from volens.log.kinds import ErasureScope, RequestKind, RequestOutcome
from volens.rights.effects import Wish
from volens.rights.queue import ages
from volens.rights.requests import (
    REASONS,
    UNVERIFIED,
    About,
    Channel,
    ExtensionReason,
    Reason,
    RightsRequest,
    VerifiedBy,
    close,
    disclosures,
    extend,
)

GROUP = new_group("What people ask for under the law, and by when.")
GROUP.add_typer(DRP, name="drp")
command(GROUP, "law")(law)
command(GROUP, "hand-over", writes=True)(hand_over)

RequestArgument = Annotated[
    str, typer.Argument(metavar="REQUEST", help="The request's number (req_...).")
]


@command(GROUP, "open", writes=True)
def open_request(
    session: Session,
    subject: SubjectArgument,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Which right, see above.")],
    verified_by: Annotated[
        VerifiedBy | None,
        typer.Option("--verified-by", help="How it was shown that it is the person."),
    ] = None,
    about: Annotated[
        About, typer.Option(help="What is to be corrected.", show_default=False)
    ] = About.NOTHING,
    purpose: Annotated[
        list[str] | None,
        typer.Option(metavar="PURPOSE", help="Object to this only. May stand repeatedly."),
    ] = None,
    conversation: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Erase this chat only. May stand repeatedly."),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Erase all chats, but keep the account.")
    ] = False,
) -> Answer:
    """Take up a request. What can be done at once is done at once.

    KIND: access, portability, erasure, rectification, restriction, objection, do_not_sell.
    """
    purposes = [known_purpose(one) for one in purpose or []]
    wish = _wish(_kind(kind), about, purposes, conversation or [], history=history)
    shown = verified_by is not None or wish.kind in UNVERIFIED
    if session.dry_run:
        return _would_open(session, subject, wish, shown=shown)
    takes_away = wish.kind in UNVERIFIED or (shown and wish.kind is RequestKind.ERASURE)
    try:
        with write_home(session, wait_seconds=BUSY_WAIT_SECONDS if takes_away else 5.0) as home:
            found = home.subjects.find(subject)
            desk = rights_desk(home)
            request = desk.open(found, wish, channel=Channel.CLI, verified_by=verified_by)
            return request_answer(home, request, f"Opened {request.id}: {wish.kind}.")
    except Unavailable as error:
        if not takes_away:
            raise
        return _hold(session, subject, wish, verified_by, error.message)


@command(GROUP, "list")
def list_requests(
    session: Session,
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help="Whose; without it, everybody's.")
    ] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that are closed.")] = False,
) -> Answer:
    """List requests, oldest first: a person's own all, everybody's only if open."""
    with read_home(session) as home:
        store = request_store(home)
        now = home.clock.now()
        if subject is not None:
            found = store.of_subject(home.subjects.find(subject))
        else:
            found = store.all() if closed else store.unanswered()
    documents: list[Json] = [request_document(one, now) for one in found]
    handed: list[Json] = [
        {"recipient": one.recipient, "what": one.what.value, "request": one.request}
        for one in disclosures(found)
    ]
    rows = [table_row(one, now) for one in found]
    shown = [table(("!id", "kind", "state", "ends"), rows)] if rows else []
    shown += [
        line(f"{one.recipient} received an answer to {one.request}.", DIM)
        for one in disclosures(found)
    ]
    if not rows:
        shown.append(line("There is none."))
    return Answer(document={"requests": documents, "disclosed": handed}, shown=tuple(shown))


@command(GROUP, "show")
def show(session: Session, request: RequestArgument) -> Answer:
    """Show one request: what happens, by when, and whose rules say so."""
    with read_home(session) as home:
        found = request_store(home).find(request)
        return request_answer(home, found, f"{found.id}: {found.kind}, {found.state.value}.")


@command(GROUP, "confirm", writes=True)
def confirm(
    session: Session,
    request: RequestArgument,
    by: Annotated[VerifiedBy, typer.Option("--by", help="How it was shown.")],
) -> Answer:
    """Record that it is the person who asks, and do what can be done at once."""
    with write_home(session) as home:
        found = request_store(home).find(request)
        if session.dry_run:
            return _would(
                found, f"confirm who asks for {found.id}, by {by.value}: {HAPPENS[found.kind]}"
            )
        done = rights_desk(home).verify(found.id, by)
        return request_answer(home, done, f"{done.id}: it is the person, by {by.value}.")


@command(GROUP, "start", writes=True)
def start(session: Session, request: RequestArgument) -> Answer:
    """Record that somebody works on it."""
    with write_home(session) as home:
        found = request_store(home).find(request)
        if session.dry_run:
            return _would(found, f"start work on {found.id}")
        done = rights_desk(home).take_up(found.id)
        return request_answer(home, done, f"{done.id} is in progress.")


@command(GROUP, "close", writes=True)
def close_request(
    session: Session,
    request: RequestArgument,
    outcome: Annotated[RequestOutcome, typer.Option(help="How it ended.")],
    reason: Annotated[str, typer.Option(metavar="REASON", help="Why, in one of a few words.")],
) -> Answer:
    """Close a request. A refusal names its ground; an erasure closes by itself."""
    why = _reason(outcome, reason)
    with write_home(session) as home:
        found = request_store(home).find(request)
        if session.dry_run:
            close(found, outcome, why, home.clock.now())
            return _would(found, f"close {found.id} as {outcome.value}")
        done = rights_desk(home).close(found.id, outcome, why)
        return request_answer(home, done, f"{done.id} is closed.")


@command(GROUP, "withdraw", writes=True)
def withdraw(session: Session, request: RequestArgument) -> Answer:
    """Close a request that the person takes back, and its erasure while that can be."""
    with write_home(session) as home:
        found = request_store(home).find(request)
        if session.dry_run:
            return _would(found, f"take back {found.id}")
        done = rights_desk(home).take_back(found.id)
        return request_answer(home, done, f"{done.id} is taken back.")


@command(GROUP, "extend", writes=True)
def extend_request(
    session: Session,
    request: RequestArgument,
    reason: Annotated[ExtensionReason, typer.Option(help="Why more time is needed.")],
    told: Annotated[
        bool, typer.Option("--told", help="The person has been told, with the reason.")
    ] = False,
) -> Answer:
    """Give a request more time, once, where the law allows it and the person was told."""
    with write_home(session) as home:
        found = request_store(home).find(request)
        desk = rights_desk(home)
        account = home.identity.region
        if found.subject is not None:
            account = home.subjects.find(found.subject).region
        until = desk.deadline(found.kind, account, found.opened).extended
        extended = extend(found, reason, until=until, at=home.clock.now())
        if session.dry_run:
            return _would(found, f"give {found.id} time until {said_moment(extended.due)}")
        if not told:
            hint = f"tell them: answered before {said_moment(extended.due)}; then add --told"
            message = "more time counts only if the person is told, with the reason"
            raise InvalidInput("extension_untold", message, hint=hint)
        done = desk.extend(found.id, reason)
        text = f"{done.id} has time until {said_moment(done.due)}."
        return request_answer(home, done, text)


@command(GROUP, "queue")
def queue(session: Session) -> Answer:
    """Show the open requests in their order, and how long they have waited.

    A plan changes the place in the queue only: rights, answers and deadlines are the same.
    """
    with read_home(session) as home:
        now = home.clock.now()
        places = rights_desk(home).queue()
    parts = ages(places)
    document: dict[str, Json] = {
        "queue": [
            {
                "place": place.number,
                "request": place.request,
                "kind": place.kind.value,
                "speed": place.speed.value,
                "age_hours": place.age.total_seconds() / 3600,
                "late": place.late,
            }
            for place in places
        ],
        "ages": {
            speed.value: {
                "waiting": part.waiting,
                "late": part.late,
                "oldest_hours": part.oldest.total_seconds() / 3600,
            }
            for speed, part in parts.items()
        },
    }
    rows = [
        (str(one.number), one.request, one.kind.value, one.speed.value, said_left(one.due, now))
        for one in places
    ]
    shown = [table(("#", "!request", "kind", "speed", "time"), rows)] if rows else []
    for speed, part in parts.items():
        if part.waiting:
            text = f"{speed.value}: {part.waiting} waiting, the oldest for {said_age(part.oldest)}"
            late = f", {part.late} late" if part.late else ""
            shown.append(line(f"{text}{late}.", BAD if part.late else ""))
    if not rows:
        shown.append(line("Nobody waits.", GOOD))
    return Answer(document=document, shown=tuple(shown))


@command(GROUP, "settle", writes=True)
def settle(session: Session) -> Answer:
    """Close the requests whose erasure is done or was taken back."""
    with write_home(session) as home:
        if session.dry_run:
            running = sum(one.erasure is not None for one in request_store(home).unanswered())
            text = f"would look at the erasures of {running} requests"
            return Answer(document={"dry_run": True, "running": running}, shown=(line(text),))
        closed = rights_desk(home).settle()
    document: dict[str, Json] = {"closed": [one.id for one in closed]}
    return Answer(document=document, shown=(line(f"Closed {len(closed)} requests.", GOOD),))


def _would_open(session: Session, name: str, wish: Wish, *, shown: bool) -> Answer:
    with read_home(session) as home:
        found = home.subjects.find(name)
        desk = rights_desk(home)
        desk.check(found, wish, verified=shown)
        until = desk.deadline(wish.kind, found.region)
        region = until.decided_by.region
        label = region_label(region, home.policy.pack.regions.get(region))
    document: dict[str, Json] = {
        "dry_run": True,
        "subject": found.id,
        "kind": wish.kind.value,
        "deadline": deadline_document(until),
    }
    would = line(f"would take up a request for {wish.kind}: {HAPPENS[wish.kind]}")
    return Answer(document=document, shown=(would, *say_deadline(until, label, due=until.due)))


def _hold(session: Session, name: str, wish: Wish, by: VerifiedBy | None, why: str) -> Answer:
    """Make it true all the same, where the request can't be recorded now."""
    with read_home(session) as home:
        found = home.subjects.find(name)
        desk = rights_desk(home)
        erasure = desk.hold(found, wish, channel=Channel.CLI, verified_by=by)
    document: dict[str, Json] = {
        "subject": found.id,
        "kind": wish.kind.value,
        "holds": True,
        "recorded": False,
        "erasure": erasure,
    }
    shown = [line(f"It holds from now on: {HAPPENS[wish.kind]}.", GOOD)]
    if erasure is not None:
        shown.append(line(f"The erasure's reference number: {erasure}"))
    shown.append(line(f"The request has no number yet ({why}): call this again later.", WARN))
    return Answer(document=document, shown=tuple(shown))


def _kind(word: str) -> RequestKind:
    try:
        return RequestKind(word)
    except ValueError:
        hint = f"one of {', '.join(RequestKind)}"
        raise InvalidInput("word_unknown", f"no kind of request {word[:40]!r}", hint=hint) from None


def _reason(outcome: RequestOutcome, word: str) -> Reason:
    if word not in REASONS[outcome]:
        hint = f"one of {', '.join(sorted(REASONS[outcome]))}"
        message = f"{word[:40]!r} is no reason for {outcome}"
        raise InvalidInput("request_reason", message, hint=hint)
    return Reason(word)


def _wish(
    kind: RequestKind,
    about: About,
    purposes: list[Purpose],
    conversations: list[str],
    *,
    history: bool,
) -> Wish:
    if history and conversations:
        message = "either all chats or single ones"
        raise InvalidInput("request_conversations", message, hint="leave out one of the two")
    if (history or conversations) and kind is not RequestKind.ERASURE:
        message = f"a request for {kind} names no chats"
        raise InvalidInput("request_conversations", message)
    scope = ErasureScope.HISTORY if history else ErasureScope.ACCOUNT
    if conversations:
        scope = ErasureScope.CONVERSATION
    named = tuple(ConversationId(name) for name in conversations)
    return Wish(kind=kind, about=about, purposes=tuple(purposes), scope=scope, conversations=named)


def _would(request: RightsRequest, text: str) -> Answer:
    document: dict[str, Json] = {"dry_run": True, "id": request.id, "kind": request.kind.value}
    return Answer(document=document, shown=(line(f"would {text}"),))
