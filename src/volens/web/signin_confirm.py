"""Showing once more who is signed in, before what can't be undone."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from volens.access.sessions import Session
from volens.access.signing import refused
from volens.app.access import accounts_of, codes_of, passkeys_of, sessions_of, signing_desk
from volens.app.home import Home
from volens.core.errors import VolensError
from volens.door.doorway import doorway_of
from volens.door.hashing import password_fits
from volens.door.problems import status_of
from volens.web.shell import page, safe_next, see_other, web_page
from volens.web.signin_parts import (
    TRY_AGAIN,
    fields_of,
    full_session,
    home_of,
    providers_of,
    visitor_of,
)

_HERE = "/sign-in/confirm"


def confirm_routes() -> list[BaseRoute]:
    """Return the routes of the fresh proof."""
    return [
        Route(_HERE, web_page(show), methods=["GET"]),
        Route(_HERE, web_page(take), methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """Ask who is signed in to show it once more."""
    _, session = await full_session(request)
    return await _form(request, session, request.query_params.get("next", ""))


async def take(request: Request) -> Response:
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
        if error.code not in TRY_AGAIN:
            raise
        return await _form(request, session, onward, error)
    return see_other(safe_next(onward, home_of(session)))


async def _form(
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
    shown = {"onward": safe_next(onward, ""), "said": said, **values, **providers_of(request)}
    return page(request, "signin/confirm.html", shown, principal=session.principal, status=status)


def _has_app(home: Home, session: Session) -> bool:
    return codes_of(home).is_set_up(accounts_of(home).by_number(session.account_no or 0))
