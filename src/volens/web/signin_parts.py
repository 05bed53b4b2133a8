"""What the pages of signing in share: who knocks, what they typed, and the cookies they get."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from volens.access.model import PrincipalKind
from volens.access.sessions import Session, SessionKind
from volens.access.signing import SignedIn, Visitor
from volens.access.throttle import DEVICE_TIME
from volens.core.errors import Denied
from volens.door.cookies import DEVICE, FORM, SESSION, drop_cookie, read_cookie, set_cookie
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import session_of
from volens.web.shell import safe_next, see_other

_LONGEST_FIELD: Final = 65536
PERSON_HOME: Final = "/me"
STAFF_HOME: Final = "/staff"
TRY_AGAIN: Final = frozenset({"credentials_refused", "too_many_requests"})
"""Said on the form itself."""


def visitor_of(request: Request) -> Visitor:
    """Return what is known of the browser behind a request."""
    return Visitor(
        address=request.client.host if request.client else "",
        device=read_cookie(request, DEVICE),
        session=read_cookie(request, SESSION),
    )


async def fields_of(request: Request) -> Mapping[str, str]:
    """Return the text fields of a form that a page of ours sent.

    Raises:
        Denied: ``csrf_refused``.
    """
    form = await request.form(max_files=0, max_fields=20, max_part_size=_LONGEST_FIELD)
    found = {name: value for name, value in form.items() if isinstance(value, str)}
    await check_csrf(request, found)
    return found


async def full_session(request: Request) -> tuple[str, Session]:
    """Return token and session of who is signed in with an account.

    Raises:
        Denied: ``sign_in_needed``; ``step_up_refused`` on an embedded page.
    """
    token, session = read_cookie(request, SESSION), await session_of(request)
    if token is None or session is None or session.kind is SessionKind.HALF:
        raise Denied("sign_in_needed", "nobody is signed in", hint="sign in first")
    if session.kind is SessionKind.EMBED:
        hint = "open the page outside of the other product and sign in there"
        raise Denied("step_up_refused", "an embedded page can't do this", hint=hint)
    return token, session


def welcome(request: Request, signed: SignedIn, *, onward: str = "") -> Response:
    """Return the answer that gives a browser its cookies and sends it on."""
    if signed.kind is SessionKind.HALF:
        answer = see_other(f"/sign-in/code?next={quote(safe_next(onward, ''), safe='/')}")
    else:
        home = STAFF_HOME if signed.is_staff else PERSON_HOME
        answer = see_other(safe_next(onward, home))
    return give_cookies(request, answer, signed)


def give_cookies(request: Request, answer: Response, signed: SignedIn) -> Response:
    """Set the cookies of somebody who has signed in."""
    set_cookie(request, answer, SESSION, signed.session)
    drop_cookie(request, answer, FORM)
    if signed.kind is SessionKind.FULL:
        seconds = DEVICE_TIME // timedelta(seconds=1)
        set_cookie(request, answer, DEVICE, signed.device, seconds=seconds)
    return answer


def home_of(session: Session) -> str:
    """Return where somebody's pages begin."""
    return PERSON_HOME if session.principal.kind is PrincipalKind.SUBJECT else STAFF_HOME


def providers_of(request: Request) -> dict[str, object]:
    """Return what a page says of another provider."""
    provider = doorway_of(request).settings.provider
    return {"provider": "" if provider is None else provider.name}
