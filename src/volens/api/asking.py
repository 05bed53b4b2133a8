"""Who may ask what: each route says it, and nobody gets further than it says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from volens.access.model import Principal, PrincipalKind, Scope
from volens.app.home import Home
from volens.app.rights import rights_desk
from volens.core.errors import Denied, VolensError
from volens.door.doorway import doorway_of
from volens.door.who import service_of, stepped_up, subject_of
from volens.rights.gpc import signalled
from volens.vault.subjects import Subject

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_Result = TypeVar("_Result")
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MARK: Final = "__volens_admission__"


class Door(Enum):
    """Whom a route is for."""

    EVERYBODY = "everybody"
    """What is public anyway: no sign-in."""
    PERSON_OR_PROGRAM = "person_or_program"
    """The person, under ``/me``; a program with the scope, under ``/subjects/{subject}``."""
    PROGRAM = "program"
    """A program with the scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may use one route, and how much they may send."""

    door: Door
    scope: Scope | None = None
    """What a program's token must be good for; None: no program."""
    step_up: bool = False
    """The person must have shown a second time, just now, that it is they."""
    raw: bool = False
    """The body is not JSON."""
    most_bytes: int = 0
    """The most a body may have; 0 for the common limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and about whom; admitted."""

    principal: Principal
    about: str | None = None
    """The id of the person asking, or the id or reference that a program names."""

    def find(self, home: Home) -> Subject:
        """Return the person it is about.

        Raises:
            NotFound: ``subject_unknown``.
        """
        assert self.about is not None
        return home.subjects.find(self.about)


def open_to(
    door: Door,
    scope: Scope | None = None,
    *,
    step_up: bool = False,
    raw: bool = False,
    most_bytes: int = 0,
) -> Callable[[_Endpoint], _Endpoint]:
    """Say who may use an endpoint; one that says nothing can't become a route."""
    admission = Admission(door=door, scope=scope, step_up=step_up, raw=raw, most_bytes=most_bytes)

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _MARK, admission)
        return endpoint

    return mark


def admission_of(endpoint: Callable[..., Any]) -> Admission:
    """Return what an endpoint says of who may use it.

    Raises:
        TypeError: if it says nothing.
    """
    found = getattr(endpoint, _MARK, None)
    if not isinstance(found, Admission):
        raise TypeError(f"the endpoint {endpoint!r} does not say who may use it")
    return found


async def admit(request: Request, admission: Admission) -> Asker | None:
    """Return who asks, before anything else of the request is read; None where it does not matter.

    Raises:
        Denied: ``sign_in_needed``, ``credentials_refused``, ``scope_missing``, ``step_up_needed``,
            ``csrf_refused``.
        NotFound: if it is somebody of another kind.
    """
    if admission.door is Door.EVERYBODY:
        return None
    about = request.path_params.get("subject")
    if admission.door is Door.PROGRAM or about is not None:
        scopes = () if admission.scope is None else (admission.scope,)
        return Asker(principal=await service_of(request, *scopes), about=about)
    principal = await subject_of(request)
    _check_origin(request)
    if admission.step_up:
        await stepped_up(request)
    asker = Asker(principal=principal, about=principal.subject)
    if signalled(request.headers.items()):
        await _honour(request, asker)
    return asker


def asker_of(request: Request) -> Asker:
    """Return who asks, as admitted."""
    found = request.state.asker
    assert isinstance(found, Asker)
    return found


async def on_home(request: Request, act: Callable[[Home], _Result]) -> _Result:
    """Run an act on the home."""
    return await doorway_of(request).run(act)


async def on_person(request: Request, act: Callable[[Home, Subject], _Result]) -> _Result:
    """Run an act on the home, about the person that the request is about."""
    asker = asker_of(request)
    return await doorway_of(request).run(lambda home: act(home, asker.find(home)))


async def require_step_up(request: Request) -> None:
    """Pass if the person has shown a second time, just now, that it is they; programs have not to.

    Raises:
        Denied: ``step_up_needed``.
    """
    if asker_of(request).principal.kind is PrincipalKind.SUBJECT:
        await stepped_up(request)


async def _honour(request: Request, asker: Asker) -> None:
    """Record the browser's Global Privacy Control as a "do not sell", once (rights/gpc.py).

    What goes wrong meanwhile is no reason to refuse what was asked: nothing is ever sold anyway,
    and the next request carries the signal again.
    """

    def act(home: Home) -> None:
        rights_desk(home).signalled(asker.find(home))

    with suppress(VolensError, SQLAlchemyError, OSError):
        await doorway_of(request).run(act)


def _check_origin(request: Request) -> None:
    """Refuse a change that another site's page could have sent with the person's cookie.

    A token in ``Authorization`` is nothing that a browser adds by itself. For a cookie, the browser
    must say that the page is our own: by ``Origin``, or by ``Sec-Fetch-Site``. A body that is not
    JSON is refused later on, so that no form of another site can be taken for one.

    Raises:
        Denied: ``csrf_refused``.
    """
    if request.method in _SAFE or "authorization" in request.headers:
        return
    origin = request.headers.get("origin")
    own = doorway_of(request).settings.public_url
    site = request.headers.get("sec-fetch-site")
    fits = origin == own if origin is not None else site == "same-origin"
    if not fits or site not in {None, "same-origin"}:
        hint = "send it from a page of this site, or with a token"
        raise Denied(
            "csrf_refused", "the request does not come from a page of this site", hint=hint
        )
