"""Signing in, the second factor, showing once more who it is, and signing out.

Plain forms; a passkey needs the one script there is.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from volens.access.sessions import Session, SessionKind
from volens.access.signing import refused
from volens.app.access import (
    accounts_of,
    codes_of,
    passkeys_of,
    sessions_of,
    signing_desk,
    tokens_of,
)
from volens.app.home import Home
from volens.core.errors import Denied, VolensError
from volens.door.cookies import FORM, SESSION, drop_cookie, read_cookie, set_cookie
from volens.door.doorway import doorway_of
from volens.door.hashing import password_fits
from volens.door.problems import problem, status_of
from volens.door.who import session_of
from volens.web.shell import page, safe_next, see_other, web_page
from volens.web.signin_parts import (
    PERSON_HOME,
    fields_of,
    full_session,
    give_cookies,
    home_of,
    visitor_of,
    welcome,
)
from volens.web.signin_provider import provider_routes
from volens.web.signin_security import security_routes

_TRY_AGAIN: Final = frozenset({"credentials_refused", "too_many_requests"})
"""Said on the form itself."""


def signin_routes() -> list[BaseRoute]:
    """Return the routes of signing in and out."""
    return [
        Route("/sign-in", web_page(show), methods=["GET"]),
        Route("/sign-in", web_page(take_password), methods=["POST"]),
        Route("/sign-in/code", web_page(show_code), methods=["GET"]),
        Route("/sign-in/code", web_page(take_code), methods=["POST"]),
        Route("/sign-in/set-up", web_page(show_set_up), methods=["GET"]),
        Route("/sign-in/set-up", web_page(take_set_up), methods=["POST"]),
        Route("/sign-in/confirm", web_page(show_confirm), methods=["GET"]),
        Route("/sign-in/confirm", web_page(take_confirm), methods=["POST"]),
        Route("/sign-in/passkey/options", passkey_options, methods=["POST"]),
        Route("/sign-in/passkey", web_page(take_passkey), methods=["POST"]),
        Route("/sign-out", web_page(sign_out), methods=["POST"]),
        Route("/embed", web_page(embed), methods=["GET"]),
        *security_routes(),
        *provider_routes(),
    ]


async def show(request: Request) -> Response:
    """Show the form, or go on if somebody is signed in."""
    session = await session_of(request)
    onward = request.query_params.get("next", "")
    if session is not None and session.kind is SessionKind.FULL:
        return see_other(safe_next(onward, home_of(session)))
    return _form(request, "sign-in", onward, _providers(request))


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
        signed = await doorway.run(
            lambda home: signing_desk(home).password_was_right(begun, visitor)
        )
    except VolensError as error:
        return _again(request, error, "sign-in", onward, _providers(request))
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
        if error.code not in _TRY_AGAIN:
            raise
        return await _set_up_form(request, error)
    answer = page(request, "signin/codes.html", {"codes": codes, "onward": "/staff"})
    return give_cookies(request, answer, signed)


async def show_confirm(request: Request) -> Response:
    """Ask who is signed in to show it once more."""
    _, session = await full_session(request)
    return await _confirm_form(request, session, request.query_params.get("next", ""))


async def take_confirm(request: Request) -> Response:
    """Check the proof and let it count for ten minutes.

    Where an app is set up, its code is asked for and not the password.
    """
    token, session = await full_session(request)
    fields, visitor, doorway = await fields_of(request), visitor_of(request), doorway_of(request)
    onward = fields.get("next", "")
    try:
        if "answer" in fields:
            handle, answer = fields.get("handle", ""), fields["answer"]
            origin = doorway.settings.public_url
            await doorway.run(
                lambda home: signing_desk(home).confirm_passkey(
                    session, handle, answer, origin=origin
                )
            )
        elif await doorway.run(lambda home: _has_app(home, session)):
            await doorway.run(
                lambda home: signing_desk(home).check_code(
                    accounts_of(home).by_number(session.account_no or 0),
                    fields.get("code", ""),
                    visitor,
                )
            )
        else:
            begun = await doorway.run(
                lambda home: signing_desk(home).begin_confirming(session, visitor)
            )
            if not await password_fits(fields.get("password", ""), begun.password):
                raise refused()
            await doorway.run(lambda home: signing_desk(home).confirmed(begun))
        await doorway.run(lambda home: sessions_of(home).step_up(token))
    except VolensError as error:
        if error.code not in _TRY_AGAIN:
            raise
        return await _confirm_form(request, session, onward, error)
    return see_other(safe_next(onward, home_of(session)))


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
        return _again(request, error, "sign-in", onward, _providers(request))
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
    if error.code not in _TRY_AGAIN:
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
    values: dict[str, object] = {"secret": _in_fours(shown[0]), "address": shown[1]}
    said, status = ("", 200) if error is None else (error.code, status_of(error))
    return _form(request, "set-up", "", values, said=said, status=status)


async def _confirm_form(
    request: Request, session: Session, onward: str, error: VolensError | None = None
) -> Response:
    def act(home: Home) -> dict[str, object]:
        account = accounts_of(home).by_number(session.account_no or 0)
        return {
            "has_app": codes_of(home).is_set_up(account),
            "has_passkey": bool(passkeys_of(home).of(account)),
            "has_password": account.password is not None,
        }

    values = await doorway_of(request).run(act)
    said, status = ("", 200) if error is None else (error.code, status_of(error))
    shown = {"onward": safe_next(onward, ""), "said": said, **values, **_providers(request)}
    return page(request, "signin/confirm.html", shown, principal=session.principal, status=status)


def _has_app(home: Home, session: Session) -> bool:
    return codes_of(home).is_set_up(accounts_of(home).by_number(session.account_no or 0))


def _in_fours(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _providers(request: Request) -> dict[str, object]:
    """Return what the first page says of another provider."""
    provider = doorway_of(request).settings.provider
    return {"provider": "" if provider is None else provider.name}
