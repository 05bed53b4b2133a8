"""Signing in, the second factor, showing once more who it is, and signing out.

Plain forms; a passkey needs the one script there is.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from volens.access.passwords import is_old
from volens.access.sessions import SessionKind
from volens.access.signing import Begun, SignedIn, Visitor, refused
from volens.app.access import (
    accounts_of,
    codes_of,
    passkeys_of,
    sessions_of,
    signing_desk,
    tokens_of,
)
from volens.app.home import Home
from volens.core.errors import Denied, InvalidInput, VolensError
from volens.door.cookies import FORM, SESSION, drop_cookie, read_cookie, set_cookie
from volens.door.doorway import doorway_of
from volens.door.hashing import hash_of, password_fits
from volens.door.problems import problem, status_of
from volens.door.who import session_of
from volens.web.codes import picture_of
from volens.web.shell import page, safe_next, see_other, web_page
from volens.web.signin_confirm import confirm_routes
from volens.web.signin_parts import (
    PERSON_HOME,
    TRY_AGAIN,
    fields_of,
    give_cookies,
    home_of,
    providers_of,
    visitor_of,
    welcome,
)
from volens.web.signin_provider import provider_routes
from volens.web.signin_return import return_routes, way_back
from volens.web.signin_security import security_routes


def signin_routes() -> list[BaseRoute]:
    """Return the routes of signing in and out."""
    return [
        Route("/sign-in", web_page(show), methods=["GET"]),
        Route("/sign-in", web_page(take_password), methods=["POST"]),
        Route("/sign-in/code", web_page(show_code), methods=["GET"]),
        Route("/sign-in/code", web_page(take_code), methods=["POST"]),
        Route("/sign-in/set-up", web_page(show_set_up), methods=["GET"]),
        Route("/sign-in/set-up", web_page(take_set_up), methods=["POST"]),
        Route("/sign-in/passkey/options", passkey_options, methods=["POST"]),
        Route("/sign-in/passkey", web_page(take_passkey), methods=["POST"]),
        Route("/sign-out", web_page(sign_out), methods=["POST"]),
        Route("/embed", web_page(embed), methods=["GET"]),
        *confirm_routes(),
        *return_routes(),
        *security_routes(),
        *provider_routes(),
    ]


async def show(request: Request) -> Response:
    """Show the form, or go on if somebody is signed in."""
    session = await session_of(request)
    onward = request.query_params.get("next", "")
    if session is not None and session.kind is SessionKind.FULL:
        return see_other(safe_next(onward, home_of(session)))
    return _form(request, "sign-in", onward, providers_of(request))


async def take_password(request: Request) -> Response:
    """Check name and password; the answer to a wrong name is that to a wrong password."""
    fields, visitor, doorway = await fields_of(request), visitor_of(request), doorway_of(request)
    onward = fields.get("next", "")
    try:
        begun = await doorway.run(
            lambda home: signing_desk(home).begin(fields.get("name", ""), visitor)
        )
        if not await password_fits(fields.get("password", ""), begun.password):
            raise refused()
        signed = await _after_password(request, begun, visitor)
        if isinstance(signed, Response):
            return signed
    except VolensError as error:
        return _again(request, error, "sign-in", onward, providers_of(request))
    if begun.password is not None and is_old(begun.password):
        await _rehash(request, begun, fields.get("password", ""))
    return welcome(request, signed, onward=onward)


async def show_code(request: Request) -> Response:
    """Ask for the second factor; a member of staff who has none sets one up."""
    token = read_cookie(request, SESSION) or ""
    onward = request.query_params.get("next", "")

    def act(home: Home) -> tuple[bool, bool]:
        desk = signing_desk(home)
        _, account = desk.half(token)
        return desk.has_second(account), codes_of(home).is_set_up(account)

    has_second, has_app = await doorway_of(request).run(act)
    if not has_second:
        return see_other("/sign-in/set-up")
    return _form(request, "code", onward, {"has_app": has_app})


async def take_code(request: Request) -> Response:
    """Check a one-time or recovery code."""
    fields, visitor = await fields_of(request), visitor_of(request)
    onward, token = fields.get("next", ""), visitor.session or ""
    try:
        signed = await doorway_of(request).run(
            lambda home: signing_desk(home).second(token, fields.get("code", ""), visitor)
        )
    except VolensError as error:
        return _again(request, error, "code", onward, {"has_app": True})
    return welcome(request, signed, onward=onward)


async def show_set_up(request: Request) -> Response:
    """Show the secret of an app that a member of staff sets up at the first sign-in."""
    return await _set_up_form(request)


async def take_set_up(request: Request) -> Response:
    """Check the first code of the app, and show the recovery codes once."""
    fields, visitor = await fields_of(request), visitor_of(request)
    try:
        signed, codes = await doorway_of(request).run(
            lambda home: signing_desk(home).set_up(
                visitor.session or "", fields.get("code", ""), visitor
            )
        )
    except Denied as error:
        if error.code not in TRY_AGAIN:
            raise
        return await _set_up_form(request, error)
    answer = page(request, "signin/codes.html", {"codes": codes, "onward": "/staff"})
    return give_cookies(request, answer, signed)


async def passkey_options(request: Request) -> Response:
    """Return what the browser asks its passkey, as JSON for the script."""
    origin = doorway_of(request).settings.public_url
    try:
        await fields_of(request)
        handle, options = await doorway_of(request).run(
            lambda home: passkeys_of(home).begin_sign_in(origin=origin)
        )
    except VolensError as error:
        return problem(error)
    return JSONResponse(
        {"handle": handle, "options": options}, headers={"Cache-Control": "no-store"}
    )


async def take_passkey(request: Request) -> Response:
    """Sign in with a passkey."""
    fields, visitor, doorway = await fields_of(request), visitor_of(request), doorway_of(request)
    onward, origin = fields.get("next", ""), doorway.settings.public_url
    try:
        signed = await doorway.run(
            lambda home: signing_desk(home).passkey(
                fields.get("handle", ""), fields.get("answer", ""), visitor, origin=origin
            )
        )
    except VolensError as error:
        return _again(request, error, "sign-in", onward, providers_of(request))
    return welcome(request, signed, onward=onward)


async def sign_out(request: Request) -> Response:
    """End the session; the browser forgets what it has kept of these pages.

    The cookie of a known browser stays: it shows that guesses from elsewhere are not its own.
    """
    await fields_of(request)
    token = read_cookie(request, SESSION)
    if token is not None:
        await doorway_of(request).run(lambda home: sessions_of(home).end(token))
    answer = see_other("/sign-in")
    drop_cookie(request, answer, SESSION)
    drop_cookie(request, answer, FORM)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


async def embed(request: Request) -> Response:
    """Take an embed token, once, and open the person's pages in a short session.

    Whoever is signed in here as somebody else stays that: no link signs anybody over.
    """
    secret = request.query_params.get("token", "")
    present = await session_of(request)

    def act(home: Home) -> str | None:
        token = tokens_of(home).exchange_embed(secret)
        made = sessions_of(home).find(token)
        if made is None:
            raise refused()
        if present is None or present.kind is not SessionKind.FULL:
            return token
        sessions_of(home).end(token)
        if present.principal.subject != made.principal.subject:
            hint = "sign out here first"
            raise Denied("somebody_else", "somebody else is signed in here", hint=hint)
        return None

    token = await doorway_of(request).run(act)
    answer = see_other(PERSON_HOME)
    if token is not None:
        embedded = bool(doorway_of(request).settings.embedded_by)
        set_cookie(request, answer, SESSION, token, embedded=embedded)
    return answer


async def _after_password(request: Request, begun: Begun, visitor: Visitor) -> SignedIn | Response:
    """Sign in, or lead somebody whose account is being deleted to where that is taken back."""
    try:
        return await doorway_of(request).run(
            lambda home: signing_desk(home).password_was_right(begun, visitor)
        )
    except Denied:
        leaving = await way_back(request, begun)
        if leaving is None:
            raise
        return leaving


async def _rehash(request: Request, begun: Begun, password: str) -> None:
    """Keep a password that was right under a hash with today's costs."""
    doorway = doorway_of(request)
    entropy = await doorway.run(lambda home: home.entropy)
    try:
        made = await hash_of(password, entropy=entropy)
    except InvalidInput:
        return  # it was chosen under older rules, and stays as it is

    def act(home: Home) -> None:
        if begun.account is not None:
            accounts_of(home).rehash(accounts_of(home).by_id(begun.account), made)

    await doorway.run(act)


def _form(
    request: Request,
    name: str,
    onward: str,
    values: dict[str, object] | None = None,
    *,
    said: str = "",
    status: int = 200,
) -> Response:
    shown = {"onward": safe_next(onward, ""), "said": said, **(values or {})}
    return page(request, f"signin/{name}.html", shown, status=status)


def _again(
    request: Request,
    error: VolensError,
    name: str,
    onward: str,
    values: dict[str, object] | None = None,
) -> Response:
    """Show the form once more, with what was wrong, or let another page say it."""
    if error.code not in TRY_AGAIN:
        raise error
    return _form(request, name, onward, values, said=error.code, status=status_of(error))


async def _set_up_form(request: Request, error: VolensError | None = None) -> Response:
    token = read_cookie(request, SESSION) or ""

    def act(home: Home) -> tuple[str, str] | None:
        desk, codes = signing_desk(home), codes_of(home)
        _, account = desk.half(token)
        if desk.has_second(account):
            return None
        label = accounts_of(home).name_of(account) or account.id
        return codes.waiting(account, label=label) or codes.begin(account, label=label)

    shown = await doorway_of(request).run(act)
    if shown is None:
        return see_other("/sign-in/code")
    secret, address = shown
    values: dict[str, object] = {
        "secret": _in_fours(secret),
        "address": address,
        "picture": picture_of(address),
    }
    said, status = ("", 200) if error is None else (error.code, status_of(error))
    return _form(request, "set-up", "", values, said=said, status=status)


def _in_fours(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
