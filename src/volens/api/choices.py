"""Choices: what a person said yes to, on which notice. Taking a yes back needs nothing but asking.

A grant names the notice that was shown, by id, language and hash, and the state of the choice that
it was shown with (``If-Match``): nobody says yes to a text or a state they did not see. A
withdrawal is one append to the journal and holds from then on, whatever else is broken.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from volens.access.model import Scope as TokenScope
from volens.api.asking import Door, asker_of, on_person, open_to
from volens.api.model import Body, Digest, Flag, Moment, Told, Word
from volens.api.repeating import Once, once_told
from volens.app.home import Home
from volens.consent.model import (
    GENERAL,
    NOTHING_SAID,
    Act,
    ConsentEvent,
    NoticeRef,
    PurposeState,
    Scope,
    ScopeKind,
)
from volens.core.canonical import Json, canonical_json
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.core.ids import EventId, IdKind, format_id
from volens.core.purposes import PROHIBITED, ConsentStatus, Purpose
from volens.core.time import format_moment
from volens.door.doorway import doorway_of
from volens.policy.pack import LegalBasis
from volens.policy.wording import say
from volens.vault.subjects import Subject


class ScopeNamed(Body):
    """What a choice is limited to; without it, everything, past and to come."""

    kind: ScopeKind
    target: Word


class NoticeSeen(Body):
    """The notice that the person was shown."""

    id: Word
    language: Word
    sha256: Digest


class ChoiceWanted(Body):
    """A yes or a no to one purpose."""

    granted: Flag
    notice: NoticeSeen | None = None
    """For a yes: what was shown. `GET /v1/notices` has the ones in force."""
    scope: ScopeNamed | None = None
    expires: datetime | None = None
    """For a yes: it ends by itself then."""


class GrantTold(Told):
    """One yes, or what became of it."""

    scope: ScopeKind
    target: str
    status: str
    since: Moment
    expires: Moment | None
    notice: str | None
    """The SHA-256 of the notice that was shown."""


class ChoiceTold(Told):
    """One purpose and what the person has said about it."""

    purpose: Purpose
    label: str
    status: str
    objected: bool
    rests_on: str
    """The legal basis; only ``consent`` is asked for."""
    asked: bool
    """Whether a person is ever asked for it."""
    grants: list[GrantTold]
    etag: str
    """For ``If-Match``, with a yes."""


class ChoicesTold(Told):
    """Every choice of one person."""

    choices: list[ChoiceTold]


class ChoiceRecorded(Told):
    """What became of a choice."""

    purpose: Purpose
    status: str
    event: str
    at: Moment
    holds: bool
    """True: it holds from now on."""
    logged: bool
    """Whether it is in the log already; a no holds before that."""
    etag: str | None


def add_routes(router: APIRouter) -> None:
    """Add the routes of choices."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.get(f"{prefix}/choices", tags=["choices"])(list_choices)
        router.get(f"{prefix}/choices/{{purpose}}", tags=["choices"])(show_choice)
        router.put(f"{prefix}/choices/{{purpose}}", tags=["choices"])(set_choice)


@open_to(Door.PERSON_OR_PROGRAM, TokenScope.CHOICES_READ)
async def list_choices(request: Request, language: Word = "en") -> ChoicesTold:
    """List every choice: all start off."""

    def act(home: Home, person: Subject) -> ChoicesTold:
        states = home.ledger.states(person.id)
        return ChoicesTold(
            choices=[
                _told(home, person, purpose, states.get(purpose, NOTHING_SAID), language)
                for purpose in home.policy.pack.purposes
            ]
        )

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM, TokenScope.CHOICES_READ)
async def show_choice(
    request: Request, response: Response, purpose: Purpose, language: Word = "en"
) -> ChoiceTold:
    """Show one choice, with its ``ETag``."""
    found = await on_person(
        request,
        lambda home, person: _told(
            home, person, purpose, state_of(home, person, purpose), language
        ),
    )
    response.headers["ETag"] = found.etag
    return found


@open_to(Door.PERSON_OR_PROGRAM, TokenScope.CHOICES_WRITE)
async def set_choice(
    request: Request,
    response: Response,
    purpose: Purpose,
    wanted: ChoiceWanted,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
    once_only: Once = None,
) -> ChoiceRecorded:
    """Say yes or no to one purpose.

    A yes needs the notice that was shown and ``If-Match``; a no needs neither, and always holds.
    """
    if wanted.granted:
        asker = asker_of(request)

        def grant(home: Home) -> ChoiceRecorded:
            return _grant(home, asker.find(home), purpose, wanted, if_match)

        found = await once_told(request, once_only, ChoiceRecorded, grant)
    else:
        if wanted.notice is not None or wanted.expires is not None:
            raise InvalidInput("notice_form", "a no names no notice and no end")
        found = await _withdraw(request, purpose, _scope(wanted.scope))
    if found.etag is not None:
        response.headers["ETag"] = found.etag
    return found


def etag_of(home: Home, person: Subject, purpose: Purpose, state: PurposeState) -> str:
    """Return the mark of one choice's state; it tells nothing to who does not know the state."""
    grants: list[Json] = [
        [
            one.scope.kind.value,
            one.scope.target,
            one.status.value,
            format_moment(one.since),
            format_moment(one.expires) if one.expires else None,
        ]
        for one in state.grants
    ]
    told = canonical_json([person.id, purpose.value, grants, state.objected])
    return f'"{home.sealer.lookup(b"etag", told)[:16].hex()}"'


def require_notice(home: Home, purpose: Purpose, seen: NoticeSeen) -> NoticeRef:
    """Return the notice in force, if it is the one that the person saw.

    Raises:
        Denied: ``prohibited`` if nobody may be asked for this at all.
        NotFound: ``notice_missing`` if there is none about this, in this language.
        InvalidInput: ``notice_changed`` if the person saw another text.
    """
    if purpose in PROHIBITED:
        raise Denied("prohibited", f"{purpose} is prohibited: nobody can grant it")
    about = [
        one
        for one in home.policy.pack.notices
        if purpose in one.purposes and one.language == seen.language
    ]
    if not about:
        hint = "GET /v1/notices lists what can be asked for"
        raise NotFound("notice_missing", f"no notice about {purpose} in that language", hint=hint)
    for one in about:
        if (one.id, one.hash) == (seen.id, seen.sha256):
            return NoticeRef(id=one.id, language=one.language, sha256=one.hash)
    hint = "show the person the notice in force: GET /v1/notices"
    raise InvalidInput("notice_changed", "the notice in force is another one", hint=hint)


def _grant(
    home: Home, person: Subject, purpose: Purpose, wanted: ChoiceWanted, match: str | None
) -> ChoiceRecorded:
    if wanted.notice is None:
        hint = "show the person a notice first: GET /v1/notices"
        raise InvalidInput("notice_form", "a yes names the notice that was shown", hint=hint)
    if match is None:
        hint = "send the choice's etag as If-Match"
        raise InvalidInput("precondition_needed", "a yes needs If-Match", hint=hint)
    notice = require_notice(home, purpose, wanted.notice)
    before = state_of(home, person, purpose)
    if match != etag_of(home, person, purpose, before):
        hint = "show the person the choice as it is now"
        raise InvalidInput("choice_changed", "the choice has changed meanwhile", hint=hint)
    expires = wanted.expires
    if expires is not None and expires.tzinfo is None:
        raise InvalidInput("expiry_form", "the moment has no zone", hint="end it in Z")
    event = new_event(
        home, person, purpose, Act.GRANT, _scope(wanted.scope), notice=notice, expires=expires
    )
    (recorded,) = home.ledger.record([event])
    state = state_of(home, person, purpose)
    return ChoiceRecorded(
        purpose=purpose,
        status=state.status_at(home.clock.now()).value,
        event=recorded.event.id,
        at=recorded.event.at,
        holds=True,
        logged=True,
        etag=etag_of(home, person, purpose, state),
    )


async def _withdraw(request: Request, purpose: Purpose, scope: Scope) -> ChoiceRecorded:
    event, logged = await take_back(request, purpose, Act.WITHDRAW, scope)
    etag, status = None, ConsentStatus.WITHDRAWN.value
    with suppress(VolensError, SQLAlchemyError, OSError):
        status, etag = await on_person(
            request, lambda home, person: _standing(home, person, purpose)
        )
    return ChoiceRecorded(
        purpose=purpose,
        status=status,
        event=event.id,
        at=event.at,
        holds=True,
        logged=logged,
        etag=etag,
    )


async def take_back(
    request: Request, purpose: Purpose, act: Act, scope: Scope = GENERAL
) -> tuple[ConsentEvent, bool]:
    """Make a negative act true in the journal; say whether the log has it already, too.

    It holds once it is in the journal, which takes it without waiting for anybody. That the log or
    the database can't be written right now is no reason to tell the person anything else.
    """
    asker, doorway = asker_of(request), doorway_of(request)

    def hold(home: Home) -> ConsentEvent:
        event = new_event(home, asker.find(home), purpose, act, scope)
        home.ledger.journal(event)
        return event

    event = await doorway.beside(hold)
    with suppress(VolensError, SQLAlchemyError, OSError):
        await doorway.run(lambda home: home.ledger.drain())
        return event, True
    return event, False


def _standing(home: Home, person: Subject, purpose: Purpose) -> tuple[str, str]:
    state = state_of(home, person, purpose)
    return state.status_at(home.clock.now()).value, etag_of(home, person, purpose, state)


def new_event(
    home: Home,
    person: Subject,
    purpose: Purpose,
    act: Act,
    scope: Scope,
    *,
    notice: NoticeRef | None = None,
    expires: datetime | None = None,
) -> ConsentEvent:
    """Return an act of the person, as it comes through this door, now."""
    return ConsentEvent(
        id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
        subject=person.id,
        purpose=purpose,
        act=act,
        at=home.clock.now(),
        scope=scope,
        notice=notice,
        expires=expires,
        channel="api",
    )


def _scope(named: ScopeNamed | None) -> Scope:
    if named is None:
        return GENERAL
    if not named.target.isprintable():
        raise InvalidInput("scope_form", "the target of a scope has unprintable characters")
    return Scope(kind=named.kind, target=named.target)


def state_of(home: Home, person: Subject, purpose: Purpose) -> PurposeState:
    """Return what the person has said about a purpose."""
    return home.ledger.states(person.id).get(purpose, NOTHING_SAID)


def _told(
    home: Home, person: Subject, purpose: Purpose, state: PurposeState, language: str
) -> ChoiceTold:
    info = home.policy.pack.purposes.get(purpose)
    now = home.clock.now()
    basis = LegalBasis.NONE if info is None else info.legal_basis
    return ChoiceTold(
        purpose=purpose,
        label=purpose.value.replace("_", " ") if info is None else say(info.label, language),
        status=state.status_at(now).value,
        objected=state.objected,
        rests_on=basis.value,
        asked=info is not None and info.prompted,
        grants=[
            GrantTold(
                scope=one.scope.kind,
                target=one.scope.target,
                status=one.status_at(now).value,
                since=one.since,
                expires=one.expires,
                notice=one.notice.sha256 if one.notice else None,
            )
            for one in state.grants
        ],
        etag=etag_of(home, person, purpose, state),
    )
