"""Who asks: the principal of a request, from its session cookie or its bearer token.

Nothing else in a request says who somebody is. The answer is looked up once for each request.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection

from volens.access.model import ANONYMOUS, Principal, PrincipalKind, Role, Scope
from volens.access.sessions import Session, SessionKind
from volens.access.tokens import PREFIX
from volens.app.access import sessions_of, tokens_of
from volens.core.errors import Denied, NotFound
from volens.door.cookies import SESSION, read_cookie
from volens.door.doorway import Doorway, doorway_of

_LONGEST_BEARER: Final = 128


async def who(request: HTTPConnection) -> Principal:
    """Return who asks.

    An ``Authorization`` header goes before a cookie. A cookie whose session has ended is as none.

    Raises:
        Denied: ``credentials_refused`` for an ``Authorization`` header that is not a good token.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is None:
        known = await _look_up(request)
        request.state.principal = known
    return known


async def session_of(request: HTTPConnection) -> Session | None:
    """Return the session of a request, half ones included, or None."""
    token = read_cookie(request, SESSION)
    if token is None:
        return None
    return await doorway_of(request).look(lambda home: sessions_of(home).find(token))


async def subject_of(request: HTTPConnection) -> Principal:
    """Return the person who asks for their own data.

    Raises:
        Denied: ``sign_in_needed`` if nobody is signed in; ``credentials_refused``.
        NotFound: ``not_here`` if it is somebody else than a person.
    """
    return await _of_kind(request, PrincipalKind.SUBJECT)


async def staff_of(request: HTTPConnection, *roles: Role) -> Principal:
    """Return the member of staff who asks, with at least one of `roles` if any are named.

    Raises:
        Denied: ``sign_in_needed`` if nobody is signed in; ``role_missing``.
        NotFound: ``not_here`` if it is somebody else than staff.
    """
    found = await _of_kind(request, PrincipalKind.STAFF)
    if roles and not found.roles.intersection(roles):
        wanted = ", ".join(role.value for role in roles)
        raise Denied("role_missing", f"this takes one of the roles: {wanted}")
    return found


async def service_of(request: HTTPConnection, *scopes: Scope) -> Principal:
    """Return the program that asks, with all of `scopes`.

    Raises:
        Denied: ``sign_in_needed`` without a token; ``scope_missing``; ``credentials_refused``.
    """
    found = await who(request)
    if found.kind is not PrincipalKind.SERVICE:
        hint = "send Authorization: Bearer and a token; volens token issue makes one"
        raise Denied("sign_in_needed", "this takes an API token", hint=hint)
    missing = sorted(scope.value for scope in scopes if scope not in found.scopes)
    if missing:
        raise Denied("scope_missing", f"the token lacks the scope {', '.join(missing)}")
    return found


async def stepped_up(request: HTTPConnection) -> Principal:
    """Return who asks, if a fresh second proof of identity counts.

    Raises:
        Denied: ``sign_in_needed``, ``step_up_needed``.
    """
    found = await who(request)
    if found.kind is PrincipalKind.ANONYMOUS:
        raise Denied("sign_in_needed", "nobody is signed in", hint="sign in first")
    if not found.stepped_up(await doorway_of(request).look(lambda home: home.clock.now())):
        hint = "show once more that it is you, at /sign-in/confirm"
        raise Denied("step_up_needed", "this takes a fresh proof of who asks", hint=hint)
    return found


async def _of_kind(request: HTTPConnection, kind: PrincipalKind) -> Principal:
    found = await who(request)
    if found.kind is PrincipalKind.ANONYMOUS:
        raise Denied("sign_in_needed", "nobody is signed in", hint="sign in first")
    if found.kind is not kind:
        raise NotFound("not_here", "there is nothing here for who is signed in")
    return found


async def _look_up(request: HTTPConnection) -> Principal:
    header = request.headers.get("authorization")
    if header is not None:
        found = await program_of(doorway_of(request), header)
        if found is None:
            hint = "send Authorization: Bearer and a token that has not ended"
            raise Denied("credentials_refused", "the credentials are not good here", hint=hint)
        return found
    session = await session_of(request)
    if session is None or session.kind is SessionKind.HALF:
        return ANONYMOUS
    return session.principal


async def program_of(doorway: Doorway, header: str) -> Principal | None:
    """Return the program behind an ``Authorization`` header, or None if it is no good token."""
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret.startswith(PREFIX) or len(secret) > _LONGEST_BEARER:
        return None
    return await doorway.look(lambda home: tokens_of(home).find(secret))
