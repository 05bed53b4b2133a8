"""How somebody signs in, for themselves: password, one-time codes, passkeys, other sessions.

Every change takes a fresh proof of who asks.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from volens.access.accounts import LocalAccount
from volens.access.sessions import Session
from volens.app.access import accounts_of, codes_of, passkeys_of, sessions_of, signing_desk
from volens.app.home import Home
from volens.core.errors import Denied, InvalidInput, VolensError
from volens.door.cookies import SESSION, set_cookie
from volens.door.doorway import doorway_of
from volens.door.hashing import hash_of
from volens.door.problems import problem, status_of
from volens.door.who import stepped_up
from volens.web.codes import picture_of
from volens.web.shell import page, see_other, web_page
from volens.web.signin_parts import fields_of, full_session, home_of

_HERE = "/sign-in/security"


def security_routes() -> list[BaseRoute]:
    """Return the routes of somebody's own settings of signing in."""
    acts = {
        "password": change_password,
        "app": begin_app,
        "app/confirm": confirm_app,
        "app/remove": remove_app,
        "codes": new_codes,
        "passkey": add_passkey,
        "passkey/remove": remove_passkey,
        "elsewhere": end_elsewhere,
    }
    return [
        Route(_HERE, web_page(show), methods=["GET"]),
        Route(f"{_HERE}/passkey/options", passkey_options, methods=["POST"]),
        *(Route(f"{_HERE}/{name}", web_page(act), methods=["POST"]) for name, act in acts.items()),
    ]


async def show(request: Request) -> Response:
    """Show what somebody signs in with."""
    _, session = await full_session(request)
    return await _page(request, session)


async def change_password(request: Request) -> Response:
    """Set a new password; whoever is signed in elsewhere has to sign in again."""
    _, session = await full_session(request)
    fields = await fields_of(request)
    await stepped_up(request)
    doorway = doorway_of(request)
    if fields.get("password", "") != fields.get("again", ""):
        unlike = InvalidInput("password_again", "the two passwords are not the same")
        return await _page(request, session, error=unlike)
    try:
        entropy = await doorway.run(lambda home: home.entropy)
        made = await hash_of(fields.get("password", ""), entropy=entropy)
    except InvalidInput as error:
        return await _page(request, session, error=error)

    def act(home: Home) -> str:
        account = _account(home, session)
        accounts_of(home).set_password(account, made)
        return sessions_of(home).open(account.id, stepped_up=True)

    token = await doorway.run(act)
    answer = see_other(_HERE)
    set_cookie(request, answer, SESSION, token)
    return answer


async def begin_app(request: Request) -> Response:
    """Draw a secret for an app; the page then shows it."""
    _, session = await full_session(request)
    await fields_of(request)
    await stepped_up(request)
    await doorway_of(request).run(
        lambda home: codes_of(home).begin(
            _account(home, session), label=_label(home, _account(home, session))
        )
    )
    return see_other(_HERE)


async def confirm_app(request: Request) -> Response:
    """Let the app count, and show the recovery codes once."""
    _, session = await full_session(request)
    fields = await fields_of(request)
    await stepped_up(request)

    def act(home: Home) -> list[str] | None:
        codes, account = codes_of(home), _account(home, session)
        if not codes.confirm(account, fields.get("code", "")):
            return None
        return codes.new_recovery_codes(account)

    made = await doorway_of(request).run(act)
    if made is None:
        error = InvalidInput("code_wrong", "the code is not right", hint="type the newest one")
        return await _page(request, session, error=error)
    shown = {"codes": made, "onward": _HERE}
    return page(request, "signin/codes.html", shown, principal=session.principal)


async def remove_app(request: Request) -> Response:
    """Take the app away; staff keep at least one second factor."""
    _, session = await full_session(request)
    await fields_of(request)
    await stepped_up(request)

    def act(home: Home) -> None:
        account = _account(home, session)
        if account.is_staff and not passkeys_of(home).of(account):
            raise _needed()
        codes_of(home).remove(account)

    await doorway_of(request).run(act)
    return see_other(_HERE)


async def new_codes(request: Request) -> Response:
    """Replace the recovery codes and show them once."""
    _, session = await full_session(request)
    await fields_of(request)
    await stepped_up(request)
    made = await doorway_of(request).run(
        lambda home: codes_of(home).new_recovery_codes(_account(home, session))
    )
    shown = {"codes": made, "onward": _HERE}
    return page(request, "signin/codes.html", shown, principal=session.principal)


async def passkey_options(request: Request) -> Response:
    """Return what the browser needs to make a passkey, as JSON for the script."""
    origin = doorway_of(request).settings.public_url
    try:
        _, session = await full_session(request)
        await fields_of(request)
        await stepped_up(request)
        handle, options = await doorway_of(request).run(
            lambda home: passkeys_of(home).begin_adding(
                _account(home, session),
                origin=origin,
                label=_label(home, _account(home, session)),
            )
        )
    except VolensError as error:
        return problem(error)
    return JSONResponse(
        {"handle": handle, "options": options}, headers={"Cache-Control": "no-store"}
    )


async def add_passkey(request: Request) -> Response:
    """Keep the passkey that the browser made."""
    _, session = await full_session(request)
    fields = await fields_of(request)
    await stepped_up(request)
    origin = doorway_of(request).settings.public_url
    await doorway_of(request).run(
        lambda home: passkeys_of(home).add(
            _account(home, session),
            fields.get("handle", ""),
            fields.get("answer", ""),
            origin=origin,
        )
    )
    return see_other(_HERE)


async def remove_passkey(request: Request) -> Response:
    """Remove one passkey; staff keep at least one second factor."""
    _, session = await full_session(request)
    fields = await fields_of(request)
    await stepped_up(request)
    try:
        credential = bytes.fromhex(fields.get("credential", ""))
    except ValueError as error:
        raise InvalidInput("credential_form", "not a passkey of this account") from error

    def act(home: Home) -> None:
        account, passkeys = _account(home, session), passkeys_of(home)
        last = len(passkeys.of(account)) <= 1
        if account.is_staff and last and not codes_of(home).is_set_up(account):
            raise _needed()
        passkeys.remove(account, credential)

    await doorway_of(request).run(act)
    return see_other(_HERE)


async def end_elsewhere(request: Request) -> Response:
    """End all other sessions of the account; it only takes away, so no fresh proof is asked."""
    token, session = await full_session(request)
    await fields_of(request)
    await doorway_of(request).run(
        lambda home: sessions_of(home).end_account(session.account_no or 0, but=token)
    )
    return see_other(_HERE)


async def _page(
    request: Request, session: Session, *, error: VolensError | None = None
) -> Response:
    def act(home: Home) -> dict[str, object]:
        account, codes = _account(home, session), codes_of(home)
        waiting = codes.waiting(account, label=_label(home, account))
        return {
            "has_password": account.password is not None,
            "has_app": codes.is_set_up(account),
            "waiting": waiting,
            "picture": picture_of(waiting[1]) if waiting else "",
            "left": codes.recovery_codes_left(account),
            "passkeys": passkeys_of(home).of(account),
            "wants_second": signing_desk(home).wants_second(account),
            "fresh": session.principal.stepped_up(home.clock.now()),
        }

    values = await doorway_of(request).run(act)
    shown = {**values, "problem": error, "home": home_of(session)}
    status = 200 if error is None else status_of(error)
    return page(request, "signin/security.html", shown, principal=session.principal, status=status)


def _account(home: Home, session: Session) -> LocalAccount:
    return accounts_of(home).by_number(session.account_no or 0)


def _label(home: Home, account: LocalAccount) -> str:
    """Return what apps and browsers call the account: a person's name is not kept here."""
    return accounts_of(home).name_of(account) or account.id[:12]


def _needed() -> Denied:
    hint = "set up another one first"
    return Denied("second_factor_needed", "staff sign in with a second factor", hint=hint)
