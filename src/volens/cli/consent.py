"""``volens consent``: who said yes to what. Taking a yes back is never harder than giving it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.cli.choices import (
    TOLD,
    Named,
    apply_journal,
    chosen_purposes,
    known_event,
    new_event,
    notice_for,
    record_as_owner,
)
from volens.cli.commands import ForceYes, Session, command, new_group
from volens.cli.homes import parse_end, read_home, write_home
from volens.cli.output import (
    DIM,
    GOOD,
    STRONG,
    WARN,
    Answer,
    block,
    indented,
    line,
    table,
)
from volens.cli.subject import SubjectArgument
from volens.consent.model import NOTHING_SAID, Act, ConsentEvent
from volens.consent.receipts import issue_receipt
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.time import format_moment
from volens.gate.facts import known_purpose
from volens.policy.pack import LegalBasis
from volens.policy.wording import say
from volens.storage.files import write_durable

GROUP = new_group("Who said yes to what; grant and withdraw.")

PurposeArgument = Annotated[
    str,
    typer.Argument(
        metavar="PURPOSE", help="What for, such as batch_training; volens policy show lists all."
    ),
]
EventOption = Annotated[
    str | None,
    typer.Option("--event-id", help="An id of your own (evt_...): a repeat changes nothing."),
]
DatasetOption = Annotated[str, typer.Option(help="Only for the dataset of this name.")]
RunOption = Annotated[str, typer.Option(help="Only for the training run of this name.")]
PartnerOption = Annotated[str, typer.Option(help="Only for the partner of this name.")]


@command(GROUP, "show")
def show(session: Session, subject: SubjectArgument) -> Answer:
    """Show every choice of one person."""
    with read_home(session) as home:
        found = home.subjects.find(subject)
        states = home.ledger.states(found.id)
        now = home.clock.now()
        purposes = home.policy.pack.purposes
    asked = [
        purpose
        for purpose, info in purposes.items()
        if info.legal_basis is LegalBasis.CONSENT or purpose in states
    ]
    rows = []
    documents: dict[str, Json] = {}
    for purpose in asked:
        state = states.get(purpose, NOTHING_SAID)
        status = state.status_at(now).value
        grants: list[Json] = [
            {
                "scope": grant.scope.kind.value,
                "target": grant.scope.target,
                "status": grant.status_at(now).value,
                "since": format_moment(grant.since),
                "expires": format_moment(grant.expires) if grant.expires else None,
                "notice": grant.notice.sha256 if grant.notice else None,
            }
            for grant in state.grants
        ]
        documents[purpose.value] = {"status": status, "objected": state.objected, "grants": grants}
        scopes = ", ".join(
            f"{grant.scope.kind.value} {grant.scope.target}".strip() for grant in state.grants
        )
        objected = " objected" if state.objected else ""
        rows.append((purpose.value, status.replace("_", " ") + objected, scopes))
    document: dict[str, Json] = {"subject": found.id, "purposes": documents}
    shown = (table(("purpose", "choice", "scope"), rows),)
    return Answer(document=document, shown=shown)


@command(GROUP, "grant", writes=True)
def grant(
    session: Session,
    subject: SubjectArgument,
    purpose: PurposeArgument,
    yes: ForceYes = False,
    notice_language: Annotated[
        str, typer.Option(help="The language of the notice that the person saw.")
    ] = "en",
    dataset: DatasetOption = "",
    run: RunOption = "",
    partner: PartnerOption = "",
    expires: Annotated[
        str | None, typer.Option(metavar="DATE", help="The yes ends by itself after this day.")
    ] = None,
    event_id: EventOption = None,
) -> Answer:
    """Record a person's yes to one purpose, on the notice shown here.

    It covers all their conversations, past and to come, unless it names a dataset, run or partner.
    """
    wanted = known_purpose(purpose)
    scope = Named(dataset=dataset, run=run, partner=partner).scope()
    with read_home(session) as home:
        found = home.subjects.find(subject)
        notice, text = notice_for(home, found, wanted, notice_language)
        end = parse_end(expires, home.clock.now()) if expires else None
        label = say(home.policy.pack.purposes[wanted].label, "en")
    session.output.say(line(f"Notice for {label}:", STRONG), indented(block(text)))
    if session.dry_run:
        text = f"would record a yes of {found.id} to {wanted}"
        return Answer(document={"dry_run": True, "purpose": wanted.value}, shown=(line(text),))
    if not yes:
        if not session.output.interactive:
            hint = "show the person the notice, then give --yes"
            raise InvalidInput("not_confirmed", "nobody is here to confirm", hint=hint)
        if not session.output.ask(f"Does {found.id} say yes to this?"):
            return Answer(document={"recorded": False}, shown=(line("Nothing was recorded."),))
    with write_home(session) as home:
        event = new_event(
            home,
            found,
            wanted,
            Act.GRANT,
            scope=scope,
            event_id=event_id,
            notice=notice,
            expires=end,
        )
        recorded, fresh = record_as_owner(home, event)
    return _recorded(recorded.event, fresh=fresh)


@command(GROUP, "withdraw", writes=True)
def withdraw(
    session: Session,
    subject: SubjectArgument,
    purpose: Annotated[
        str | None,
        typer.Argument(metavar="[PURPOSE]", help="What for; without it, everything granted."),
    ] = None,
    dataset: DatasetOption = "",
    run: RunOption = "",
    partner: PartnerOption = "",
    event_id: EventOption = None,
) -> Answer:
    """Take a yes back. It holds as soon as this returns, whoever uses the home meanwhile."""
    return _take_back(
        session,
        subject,
        purpose,
        Act.WITHDRAW,
        Named(dataset=dataset, run=run, partner=partner),
        event_id,
    )


@command(GROUP, "object", writes=True)
def object_to(
    session: Session,
    subject: SubjectArgument,
    purpose: PurposeArgument,
    lift: Annotated[bool, typer.Option("--lift", help="Take the objection back.")] = False,
    event_id: EventOption = None,
) -> Answer:
    """Object to a use that rests on another basis than a yes."""
    if not lift:
        return _take_back(session, subject, purpose, Act.OBJECT, Named(), event_id)
    wanted = known_purpose(purpose)
    with write_home(session) as home:
        found = home.subjects.find(subject)
        event = new_event(home, found, wanted, Act.LIFT_OBJECTION, event_id=event_id)
        if session.dry_run:
            text = f"would lift the objection of {found.id} to {wanted}"
            return Answer(document={"dry_run": True, "purpose": wanted.value}, shown=(line(text),))
        recorded, fresh = record_as_owner(home, event)
    return _recorded(recorded.event, fresh=fresh)


@command(GROUP, "receipt", writes=True)
def receipt(
    session: Session,
    subject: SubjectArgument,
    purpose: Annotated[
        str | None,
        typer.Argument(metavar="[PURPOSE]", help="The latest choice about it; else the latest."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it.")] = None,
    event_id: Annotated[
        str | None, typer.Option("--event-id", help="The choice of this id (evt_...).")
    ] = None,
) -> Answer:
    """Write a signed receipt of a choice, to be checked offline with volens verify."""
    wanted = known_purpose(purpose) if purpose else None
    with write_home(session) as home:
        found = home.subjects.find(subject)
        chosen = [
            item
            for item in home.ledger.history(found.id)
            if wanted in {None, item.event.purpose} and event_id in {None, item.event.id}
        ]
        if not chosen:
            hint = f"volens consent show {found.id}"
            raise NotFound("no_choice", "there is no such choice to write down", hint=hint)
        recorded = chosen[-1]
        path = out or Path(f"{recorded.event.id}.receipt.json")
        document: dict[str, Json] = {
            "subject": found.id,
            "event": recorded.event.id,
            "purpose": recorded.event.purpose.value,
            "act": recorded.event.act.value,
            "path": str(path),
        }
        if session.dry_run:
            would = line(f"would write the receipt of {recorded.event.id} to {path}")
            return Answer(document={"dry_run": True, **document}, shown=(would,))
        if path.exists():
            hint = "choose another --out"
            raise InvalidInput("out_exists", f"{path} is there already", hint=hint)
        log = home.owned_log()
        log.publish()
        data = issue_receipt(
            recorded,
            entry=log.entry(recorded.log_index),
            proof=log.prove(recorded.log_index),
            signer=home.signer,
        )
        write_durable(path, data)
    shown = (
        line(f"Wrote the receipt of {recorded.event.id} to {path}.", GOOD),
        line(f"Check it anywhere: volens verify {path} --key VKEY", DIM),
    )
    return Answer(document=document, shown=shown)


def _take_back(
    session: Session, name: str, word: str | None, act: Act, named: Named, event_id: str | None
) -> Answer:
    """Record a negative choice: in the journal first, where it holds, then in the log."""
    wanted = known_purpose(word) if word else None
    scope = named.scope()
    with read_home(session) as home:
        found = home.subjects.find(name)
        purposes = [wanted] if wanted else chosen_purposes(home.ledger.states(found.id))
        if event_id and len(purposes) > 1:
            raise InvalidInput(
                "event_conflict", "one event id for several choices", hint="name the purpose"
            )
        events = [
            new_event(home, found, one, act, scope=scope, event_id=event_id) for one in purposes
        ]
        fresh = [event for event in events if known_event(home, event) is None]
        if not session.dry_run:
            for event in fresh:
                home.ledger.journal(event)
    said = ", ".join(purposes)
    document: dict[str, Json] = {
        "subject": found.id,
        "act": act.value,
        "purposes": [*purposes],
        "events": [event.id for event in events],
        "new": len(fresh),
    }
    if not events:
        text = f"{found.id} has said yes to nothing: there is nothing to take back."
        return Answer(document=document, shown=(line(text),))
    if session.dry_run:
        would = line(f"would record: {found.id} {TOLD[act]} {said}")
        return Answer(document={"dry_run": True, **document}, shown=(would,))
    why_not = apply_journal(session)
    if not fresh:
        text = "That was recorded before; nothing changed."
        return Answer(document={**document, "logged": not why_not}, shown=(line(text),))
    shown = [line(f"Recorded: {found.id} {TOLD[act]} {said}. It holds from now on.", GOOD)]
    if why_not:
        shown.append(line(f"It is in the journal; the log takes it in later ({why_not}).", WARN))
    else:
        shown.append(line("It is in the log.", DIM))
    return Answer(document={**document, "logged": not why_not}, shown=tuple(shown))


def _recorded(event: ConsentEvent, *, fresh: bool) -> Answer:
    document: dict[str, Json] = {
        "subject": event.subject,
        "act": event.act.value,
        "purposes": [event.purpose.value],
        "events": [event.id],
        "new": int(fresh),
        "logged": True,
    }
    text = f"Recorded: {event.subject} {TOLD[event.act]} {event.purpose}."
    if not fresh:
        text = "That was recorded before; nothing changed."
    shown = (
        line(text, GOOD),
        line(f"Receipt: volens consent receipt {event.subject} {event.purpose}", DIM),
    )
    return Answer(document=document, shown=shown)
