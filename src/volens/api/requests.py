"""Requests under the law: open one, see by when it is answered, take it back."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from volens.access.model import PrincipalKind, Scope
from volens.api.asking import Asker, Door, asker_of, on_person, open_to, require_step_up
from volens.api.model import Body, Moment, Told
from volens.api.repeating import Once, once_about, once_told
from volens.app.home import Home
from volens.app.rights import request_store, rights_desk
from volens.core.errors import InvalidInput, NotFound, Unavailable
from volens.core.ids import ConversationId
from volens.core.purposes import Purpose
from volens.holds.erasure import MAX_CONVERSATIONS
from volens.log.kinds import ErasureScope, RequestKind
from volens.rights.effects import Wish
from volens.rights.requests import About, Channel, RightsRequest, VerifiedBy
from volens.vault.subjects import Subject

_CREATED = 201
Named = Annotated[str, Field(max_length=40)]


class RequestWanted(Body):
    """Which right, and what about."""

    kind: RequestKind
    about: About = About.NOTHING
    """For a rectification: what is wrong. The right words go to the operator directly."""
    purposes: Annotated[tuple[Purpose, ...], Field(max_length=len(Purpose))] = ()
    """For an objection; none for everything that may be objected to."""
    scope: ErasureScope | None = None
    """For an erasure; the account without it."""
    conversations: Annotated[tuple[Named, ...], Field(max_length=MAX_CONVERSATIONS)] = ()


class RequestTold(Told):
    """One request, and how far it has come."""

    id: str | None
    """None: it holds, and gets its number when the home can be written again."""
    kind: RequestKind
    state: str
    channel: str
    opened: Moment | None
    due: Moment | None
    """From then on an answer is late."""
    region: str | None
    """Whose rules set the deadline."""
    outcome: str | None
    reason: str | None
    erasure: str | None
    holds: bool
    """Whether what it asks to stop has stopped."""


class RequestsTold(Told):
    """Every request of one person."""

    requests: list[RequestTold]


def add_routes(router: APIRouter) -> None:
    """Add the routes of rights requests."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.post(
            f"{prefix}/requests",
            tags=["rights"],
            status_code=_CREATED,
            response_model=RequestTold,
        )(open_request)
        router.get(f"{prefix}/requests", tags=["rights"])(list_requests)
        router.get(f"{prefix}/requests/{{number}}", tags=["rights"])(show_request)
        router.post(f"{prefix}/requests/{{number}}/withdraw", tags=["rights"])(withdraw)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def open_request(request: Request, wanted: RequestWanted, once_only: Once = None) -> Response:
    """Take up a request. What can be done at once is done by the answer.

    A program's request waits until somebody has shown that it is the person, except for what only
    takes away from what is done with the data.
    """
    wish = Wish(
        kind=wanted.kind,
        about=wanted.about,
        purposes=tuple(wanted.purposes),
        scope=wanted.scope or ErasureScope.ACCOUNT,
        conversations=tuple(ConversationId(name) for name in wanted.conversations),
    )
    if wanted.kind is RequestKind.ERASURE and wish.scope is not ErasureScope.CONVERSATION:
        await require_step_up(request)
    shown = _shown(asker_of(request))

    def act(home: Home, person: Subject) -> RequestTold:
        desk = rights_desk(home)
        try:
            return _told(desk.open(person, wish, channel=Channel.API, verified_by=shown))
        except Unavailable:
            erasure = desk.hold(person, wish, channel=Channel.API, verified_by=shown)
            return _held(wish, erasure)

    return await once_about(request, once_only, act, status=_CREATED)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def list_requests(request: Request) -> RequestsTold:
    """List a person's requests, oldest first."""
    return await on_person(
        request,
        lambda home, person: RequestsTold(
            requests=[_told(one) for one in request_store(home).of_subject(person)]
        ),
    )


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def show_request(request: Request, number: str) -> RequestTold:
    """Show one request."""
    return await on_person(request, lambda home, person: _told(_own(home, person, number)))


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def withdraw(request: Request, number: str, once_only: Once = None) -> RequestTold:
    """Take a request back, its erasure with it while that can be."""
    asker = asker_of(request)

    def act(home: Home) -> RequestTold:
        return _told(rights_desk(home).take_back(_own(home, asker.find(home), number).id))

    return await once_told(request, once_only, RequestTold, act)


def _shown(asker: Asker) -> VerifiedBy | None:
    """Say how it was shown who asks: by the person's sign-in, or not yet."""
    person = asker.principal.kind is PrincipalKind.SUBJECT
    return VerifiedBy.SIGNED_IN if person else None


def _own(home: Home, person: Subject, number: str) -> RightsRequest:
    with suppress(InvalidInput, NotFound):
        return request_store(home).find(number, of=person)
    hint = "GET requests lists them"
    raise NotFound("request_unknown", f"no request {number[:40]!r} here", hint=hint)


def _told(found: RightsRequest) -> RequestTold:
    closing = found.closing
    return RequestTold(
        id=found.id,
        kind=found.kind,
        state=found.state.value,
        channel=found.channel.value,
        opened=found.opened,
        due=found.due,
        region=found.region.value,
        outcome=closing.outcome.value if closing else None,
        reason=closing.reason.value if closing else None,
        erasure=found.erasure,
        holds=closing is not None or found.erasure is not None,
    )


def _held(wish: Wish, erasure: str | None) -> RequestTold:
    return RequestTold(
        id=None,
        kind=wish.kind,
        state="open",
        channel=Channel.API.value,
        opened=None,
        due=None,
        region=None,
        outcome=None,
        reason=None,
        erasure=erasure,
        holds=True,
    )
