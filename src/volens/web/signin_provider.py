"""Signing in through another provider: there, and back."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from volens.access.accounts import LocalAccount
from volens.access.challenges import Asked, Challenge
from volens.access.secrets import digest_of, new_secret
from volens.access.sessions import Session
from volens.access.signing import SignedIn, Visitor, refused
from volens.app.access import accounts_of, challenges_of, sessions_of, signing_desk
from volens.app.home import Home
from volens.core.errors import Denied, NotFound
from volens.core.ids import IdKind
from volens.door.cookies import PROVIDER, drop_cookie, read_cookie, set_cookie
from volens.door.doorway import doorway_of
from volens.door.oidc import Pending, RelyingParty, Vouched
from volens.door.who import session_of
from volens.web.shell import safe_next, web_page
from volens.web.signin_parts import fields_of, visitor_of, welcome

_BACK: Final = "/sign-in/provider/back"
_SECONDS: Final = 300


def provider_routes() -> list[BaseRoute]:
    """Return the routes; without a provider they lead nowhere."""
    return [
        Route("/sign-in/provider", web_page(go), methods=["POST"]),
        Route(_BACK, web_page(back), methods=["GET"]),
    ]


async def go(request: Request) -> Response:
    """Send the browser to the provider; what comes back fits this browser only, and once."""
    party, doorway = _party(request), doorway_of(request)
    fields = await fields_of(request)

    def act(home: Home) -> tuple[str, str, Pending]:
        nonce, verifier, browser = (new_secret(home.entropy) for _ in range(3))
        pending = Pending(nonce=nonce, verifier=verifier, again=fields.get("again") == "1")
        kept = {
            "nonce": nonce,
            "verifier": verifier,
            "again": pending.again,
            "browser": digest_of(browser).hex(),
            "next": safe_next(fields.get("next", ""), ""),
        }
        state = challenges_of(home).ask(Asked.OIDC, json.dumps(kept).encode())
        return state, browser, pending

    state, browser, pending = await doorway.run(act)
    answer = RedirectResponse(await party.address(pending, state), status_code=303)
    set_cookie(request, answer, PROVIDER, browser, seconds=_SECONDS)
    return answer


async def back(request: Request) -> Response:
    """Take what the provider says, and sign in or step up whom it vouches for."""
    party, doorway, visitor = _party(request), doorway_of(request), visitor_of(request)
    state, browser = request.query_params.get("state", ""), read_cookie(request, PROVIDER)
    asked = await doorway.run(lambda home: challenges_of(home).take(Asked.OIDC, state))
    kept = _kept(asked, browser)
    pending = Pending(
        nonce=str(kept["nonce"]), verifier=str(kept["verifier"]), again=bool(kept["again"])
    )
    now = await doorway.run(lambda home: home.clock.now())
    vouched = await party.finish(dict(request.query_params), pending, now=now)
    session = await session_of(request) if pending.again else None
    issuer = doorway.settings.provider.issuer if doorway.settings.provider else ""

    def act(home: Home) -> SignedIn | None:
        account = _account(home, issuer, vouched)
        if pending.again:
            _step_up(home, account, session, visitor)
            return None
        return signing_desk(home).vouched(account, visitor)

    signed = await doorway.run(act)
    onward = str(kept["next"])
    if signed is None:
        answer: Response = RedirectResponse(safe_next(onward, "/"), status_code=303)
    else:
        answer = welcome(request, signed, onward=onward)
    drop_cookie(request, answer, PROVIDER)
    return answer


def _step_up(home: Home, account: LocalAccount, session: Session | None, visitor: Visitor) -> None:
    if session is None or session.account_no != account.number or visitor.session is None:
        hint = "sign out here first"
        raise Denied("somebody_else", "somebody else is signed in here", hint=hint)
    sessions_of(home).step_up(visitor.session)


def _kept(asked: Challenge | None, browser: str | None) -> dict[str, object]:
    """Return what was kept for this state, if this browser began it."""
    if asked is None or browser is None:
        raise refused()
    kept: dict[str, object] = json.loads(asked.value)
    if kept["browser"] != digest_of(browser).hex():
        raise refused()
    return kept


def _account(home: Home, issuer: str, vouched: Vouched) -> LocalAccount:
    """Return the account of whom a provider vouches for; the first time, it is made.

    Raises:
        Denied: ``account_missing`` if the product told of no such person; ``credentials_refused``
            if the account has ended, or the provider's name for somebody came to mean another.
    """
    hint = "ask the product that sent you here"
    missing = Denied("account_missing", "nobody is known here by that name", hint=hint)
    if vouched.reference.startswith(f"{IdKind.SUBJECT.value}_"):
        raise missing  # it is looked up as a name, never as an id
    try:
        subject = home.subjects.find(vouched.reference)
    except NotFound:
        raise missing from None
    accounts = accounts_of(home)
    name = hashlib.sha256(json.dumps([issuer, vouched.subject]).encode()).hexdigest()
    known = accounts.find(f"oidc:{name}")
    if known is None:
        return accounts.add_person(f"oidc:{name}", subject.id)
    if known.ended is not None or known.subject != subject.id:
        raise refused()
    return known


def _party(request: Request) -> RelyingParty:
    settings = doorway_of(request).settings
    if settings.provider is None:
        raise NotFound("page_missing", "no other provider is set up here")
    return RelyingParty(settings.provider, back=f"{settings.public_url}{_BACK}")
