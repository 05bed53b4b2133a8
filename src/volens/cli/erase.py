"""``volens erase``: ask for data to go, see by when it is gone, or take the request back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.erasing import dataset_target
from volens.app.home import Home
from volens.app.retention import new_request
from volens.cli.choices import apply_journal
from volens.cli.commands import ForceYes, Session, command, new_group
from volens.cli.holding import held_lines
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, STRONG, WARN, Answer, fields, line, table, whole
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import ConversationId, IdKind, parse_id
from volens.core.time import format_moment
from volens.datasets.erasing import Reached
from volens.holds.erasure import Erasure
from volens.holds.progress import Plan
from volens.lifecycle.planning import Planner
from volens.lifecycle.probe import Finding, probe
from volens.log.kinds import ErasureScope
from volens.vault.subjects import Subject

GROUP = new_group("Erase chats or a whole account; take it back in time.")
_FOUND = 4
_WHAT = {
    ErasureScope.CONVERSATION: "the chats named",
    ErasureScope.HISTORY: "all chats up to now",
    ErasureScope.ACCOUNT: "the account and all that belongs to it",
}

ChatsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Conversation ids, cnv_..., of one person.")
]
AtOnce = Annotated[
    bool, typer.Option("--no-cool-off", help="Without days in which it can be taken back.")
]
TakeBack = Annotated[
    bool, typer.Option("--cancel", help="Take the request back, while it still can be.")
]
Mail = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Where volens serve sends receipts; kept sealed until the last."
    ),
]
Look = Annotated[bool, typer.Option("--probe", help="Look through every file for this id instead.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """How the command was called."""

    scope: ErasureScope
    yes: bool
    at_once: bool
    take_back: bool
    mail: str | None


@command(GROUP, "conversation", writes=True)
def erase_conversation(
    session: Session,
    conversations: ChatsArgument,
    yes: ForceYes = False,
    no_cool_off: AtOnce = False,
    cancel: TakeBack = False,
    mail: Mail = None,
    look: Look = False,
) -> Answer:
    """Erase chats. Nobody can use them from the moment on at which this returns."""
    if look:
        return _probe(session, {name: (IdKind.CONVERSATION, name) for name in conversations})
    wanted = _Wanted(
        scope=ErasureScope.CONVERSATION,
        yes=yes,
        at_once=no_cool_off,
        take_back=cancel,
        mail=mail,
    )
    with read_home(session) as home:
        held = [home.vault.find_ended(name) for name in conversations]
        owners = {one.subject_no for one in held}
        if len(owners) != 1:
            hint = "erase each person's chats by themselves"
            raise InvalidInput("not_theirs", "these chats are not one person's", hint=hint)
        subject = home.subjects.by_number(owners.pop())
        return _answer(session, home, wanted, subject, [one.id for one in held])


@command(GROUP, "history", writes=True)
def erase_history(
    session: Session,
    subject: SubjectArgument,
    yes: ForceYes = False,
    no_cool_off: AtOnce = False,
    cancel: TakeBack = False,
    mail: Mail = None,
) -> Answer:
    """Erase all chats that a person has now. The account and later chats stay."""
    wanted = _Wanted(
        scope=ErasureScope.HISTORY, yes=yes, at_once=no_cool_off, take_back=cancel, mail=mail
    )
    with read_home(session) as home:
        return _answer(session, home, wanted, home.subjects.find(subject), ())


@command(GROUP, "subject", writes=True)
def erase_subject(
    session: Session,
    subject: SubjectArgument,
    yes: ForceYes = False,
    no_cool_off: AtOnce = False,
    cancel: TakeBack = False,
    mail: Mail = None,
    look: Look = False,
) -> Answer:
    """Close an account and erase everything that belongs to it."""
    if look:
        return _probe(session, {subject: (IdKind.SUBJECT, subject)})
    wanted = _Wanted(
        scope=ErasureScope.ACCOUNT, yes=yes, at_once=no_cool_off, take_back=cancel, mail=mail
    )
    with read_home(session) as home:
        return _answer(session, home, wanted, home.subjects.find(subject), ())


def _answer(
    session: Session,
    home: Home,
    wanted: _Wanted,
    subject: Subject,
    chats: list[ConversationId] | tuple[()],
) -> Answer:
    if wanted.take_back:
        return _take_back(session, home, wanted, subject, frozenset(chats))
    if wanted.mail is not None:
        _check_mail(session, wanted.mail)
    erasure = new_request(
        home,
        home.entropy.draw(16),
        wanted.scope,
        subject,
        conversations=chats,
        at_once=wanted.at_once,
    )
    plan = Planner(home.main).plan([erasure])[erasure.id]
    reached = _reached(home, plan)
    kept = held_lines(home.holds.active(erasure.requested), plan.conversations, erasure.requested)
    document = _document(erasure, plan, reached)
    if session.dry_run:
        shown = (*_would(erasure, plan, reached), *kept)
        return Answer(document={"dry_run": True, **document}, shown=shown)
    if not wanted.yes and not _confirmed(session, erasure, plan, reached):
        return Answer(document={"erased": False}, shown=(line("Nothing was erased."),))
    standing = home.erasures.request(erasure)
    if wanted.mail is not None:
        _keep_mail(home, standing, wanted.mail)
    why_not = apply_journal(session)
    known = standing.id != erasure.id
    document = _document(standing, plan, reached)
    return Answer(
        document={
            **document,
            "new": not known,
            "logged": not why_not,
            "mailed": wanted.mail is not None,
        },
        shown=(
            *_told(standing, plan, reached, known=known, why_not=why_not),
            *kept,
            *_mailed(wanted),
            line(f"How far it is: volens receipt show {standing.id}", DIM),
        ),
    )


def _confirmed(session: Session, erasure: Erasure, plan: Plan, reached: list[Reached]) -> bool:
    if not session.output.interactive:
        hint = "--dry-run shows what would go; --yes erases it"
        raise InvalidInput("not_confirmed", "nobody is here to confirm", hint=hint)
    session.output.say(*_would(erasure, plan, reached))
    return session.output.ask("Erase this?")


def _take_back(
    session: Session,
    home: Home,
    wanted: _Wanted,
    subject: Subject,
    chats: frozenset[ConversationId],
) -> Answer:
    """Take back the open requests about this and nothing else."""
    about = [
        item
        for item in home.erasures.of_subject(subject.id)
        if item.is_open and item.scope is wanted.scope and chats <= set(item.conversations)
    ]
    if not about:
        what = _WHAT[wanted.scope]
        raise NotFound("erasure_unknown", f"nobody asked to erase {what} of {subject.id}")
    names: list[Json] = [item.id for item in about]
    if session.dry_run:
        would = line(f"would take back {', '.join(item.id for item in about)}")
        return Answer(document={"dry_run": True, "cancelled": names}, shown=(would,))
    with write_home(session) as owned:
        for item in about:
            owned.erasures.cancel(item.id, owned.clock.now())
    taken = line(f"Taken back: {', '.join(item.id for item in about)}.", GOOD)
    shown = (taken, line("Nothing goes; what the person chose holds as before."))
    return Answer(document={"cancelled": names}, shown=shown)


def _check_mail(session: Session, address: str) -> None:
    """Refuse an address that no receipt could go to, before anything is asked for."""
    from volens.app.mailing import check_mail  # noqa: PLC0415 - takes long to load
    from volens.lifecycle.mailing import check_address  # noqa: PLC0415 - as above

    check_mail(session.environment)
    check_address(address)


def _keep_mail(home: Home, erasure: Erasure, address: str) -> None:
    from volens.app.mailing import keep_address  # noqa: PLC0415 - takes long to load
    from volens.lifecycle.addresses import Address  # noqa: PLC0415 - as above

    keep_address(home, Address(erasure=erasure.id, address=address, language="en"))


def _mailed(wanted: _Wanted) -> tuple[RenderableType, ...]:
    if wanted.mail is None:
        return ()
    text = "Receipts go to the address given, as long as volens serve runs; then it is forgotten."
    return (line(text),)


def _reached(home: Home, plan: Plan) -> list[Reached]:
    return dataset_target(home).reached(plan.numbers)


def _document(erasure: Erasure, plan: Plan, reached: list[Reached]) -> dict[str, Json]:
    return {
        "reference": erasure.id,
        "scope": erasure.scope.value,
        "subject": erasure.subject,
        "conversations": len(plan.conversations),
        "state": erasure.state.value,
        "requested": format_moment(erasure.requested),
        "cool_off_ends": format_moment(erasure.cool_off_ends),
        "promised_by": format_moment(erasure.promised_by),
        "datasets": [
            {
                "dataset": one.dataset,
                "purpose": one.purpose.value,
                "records": one.records,
                "in_the_clear": one.in_the_clear,
            }
            for one in reached
        ],
    }


def _would(erasure: Erasure, plan: Plan, reached: list[Reached]) -> tuple[RenderableType, ...]:
    return (
        line(f"This would erase {_WHAT[erasure.scope]} of {erasure.subject}:", STRONG),
        line(_amount(plan)),
        *_timeline(erasure),
        *_copies(reached),
    )


def _told(
    erasure: Erasure, plan: Plan, reached: list[Reached], *, known: bool, why_not: str
) -> tuple[RenderableType, ...]:
    if known:
        first = line("This was asked for before; that request stands.", GOOD)
    else:
        first = line(f"Asked for: {_WHAT[erasure.scope]}. Nobody can use it any more.", GOOD)
    shown: list[RenderableType] = [first, whole(f"Reference number: {erasure.id}")]
    shown += [line(_amount(plan)), *_timeline(erasure), *_copies(reached)]
    if why_not:
        text = f"It is in the journal and holds; the log takes it in later ({why_not})."
        shown.append(line(text, WARN))
    return tuple(shown)


def _amount(plan: Plan) -> str:
    count = len(plan.conversations)
    return f"{count:,} {'chat' if count == 1 else 'chats'}."


def _timeline(erasure: Erasure) -> tuple[RenderableType, ...]:
    asked, removed = _day(erasure, "requested"), _day(erasure, "cool_off_ends")
    rows = [(f"from {asked}", "nobody can use it: not for answers, training or reading")]
    if erasure.cool_off_ends > erasure.requested:
        rows.append((f"until {removed}", "it can be taken back, with --cancel"))
    else:
        rows.append(("at once", "it is due: it can't be taken back"))
    rows += [
        (f"after {removed}", "its keys and rows are removed: nothing here opens it"),
        (
            f"by {_day(erasure, 'promised_by')}",
            "no old copy opens any more either: gone for good",
        ),
    ]
    return fields(rows), line("Times are UTC.", DIM)


def _day(erasure: Erasure, moment: str) -> str:
    return format_moment(getattr(erasure, moment))[:16].replace("T", " ")


def _copies(reached: list[Reached]) -> tuple[RenderableType, ...]:
    """Say which datasets hold it, and whose holders owe a removal."""
    if not reached:
        return ()
    rows = [
        (
            one.dataset,
            f"{one.records:,}",
            "left in the clear: its holders must remove it"
            if one.in_the_clear
            else "sealed: closes with the keys",
        )
        for one in reached
    ]
    return (line("Datasets it is in:", STRONG), table(("!dataset", "#chats", "what happens"), rows))


def _probe(session: Session, names: dict[str, tuple[IdKind, str]]) -> Answer:
    """Look for ids, as bytes and as text, in every file of the home and of its custody."""
    needles: dict[str, bytes] = {}
    for name, (kind, text) in names.items():
        needles[name] = parse_id(kind, text)
        needles[f"{name} as text"] = text.encode("ascii")
    with read_home(session) as home:
        found = probe([home.folder, home.custody], needles)
    documents: list[Json] = [
        {"name": one.name, "spelling": one.spelling, "place": one.place} for one in found
    ]
    return Answer(
        document={"found": documents}, shown=_findings(found), code=_FOUND if found else 0
    )


def _findings(found: list[Finding]) -> tuple[RenderableType, ...]:
    if not found:
        return (line("Not found in any file of the home or of its keys.", GOOD),)
    places = sorted({one.place for one in found})
    return (
        line("Found. That is as it should be only until it is erased:", WARN),
        *(line(f"  {place}", DIM) for place in places),
    )
