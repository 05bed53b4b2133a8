"""A program's own token, and the short links that it hands to a person's browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from volens.access.model import Scope
from volens.access.tokens import ApiToken
from volens.api.asking import Door, asker_of, on_home, open_to
from volens.api.model import Body, Moment, Told, Word
from volens.api.repeating import refuse_key
from volens.app.access import tokens_of
from volens.app.home import Home
from volens.core.errors import Denied
from volens.core.ids import TokenId

_CREATED = 201
_MOST_DAYS = 366


class TokenWanted(Body):
    """A token for another part of the same program: never good for more, and never for longer."""

    label: Word
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    days: Annotated[int, Field(strict=True, ge=1, le=_MOST_DAYS)] = 90


class TokenTold(Told):
    """What is known of a token; not the token."""

    id: str
    label: str
    scopes: list[Scope]
    organisation: str | None
    """Whose it is, if it is good for one organisation only."""
    created: Moment
    ends: Moment
    used: Moment | None
    """The day of its last use."""
    revoked: Moment | None


class TokenMade(Told):
    """A new token: it is shown this once."""

    token: str
    told: TokenTold


class EmbedMade(Told):
    """With this, the person's browser opens the dashboard once."""

    token: str
    ends: Moment


def add_routes(router: APIRouter) -> None:
    """Add the routes of tokens."""
    secret = [Depends(refuse_key)]
    router.post(
        "/subjects/{subject}/embed-tokens",
        tags=["tokens"],
        status_code=_CREATED,
        dependencies=secret,
    )(embed)
    router.get("/token", tags=["tokens"])(show_token)
    router.delete("/token", tags=["tokens"])(revoke_token)
    router.post("/token/parts", tags=["tokens"], status_code=_CREATED, dependencies=secret)(
        issue_token
    )


@open_to(Door.PROGRAM, Scope.EMBED)
async def embed(request: Request) -> EmbedMade:
    """Make a short-lived token with which a person's browser opens the dashboard once."""
    asker = asker_of(request)

    def act(home: Home) -> EmbedMade:
        token, ends = tokens_of(home).issue_embed(asker.principal, asker.find(home).id)
        return EmbedMade(token=token, ends=ends)

    return await on_home(request, act)


@open_to(Door.PROGRAM)
async def show_token(request: Request) -> TokenTold:
    """Show what the token that asks is good for, and until when."""
    token = _own(request)
    return await on_home(request, lambda home: _told(tokens_of(home).by_id(token)))


@open_to(Door.PROGRAM)
async def revoke_token(request: Request) -> TokenTold:
    """Revoke the token that asks, at once."""
    token = _own(request)
    return await on_home(request, lambda home: _told(tokens_of(home).revoke(token)))


@open_to(Door.PROGRAM)
async def issue_token(request: Request, wanted: TokenWanted) -> TokenMade:
    """Make a token that is good for a part of what the asking one is good for."""
    asker = asker_of(request)
    missing = sorted(set(wanted.scopes) - asker.principal.scopes)
    if missing:
        raise Denied("scope_missing", f"the token lacks the scope {', '.join(missing)}")
    own = _own(request)

    def act(home: Home) -> TokenMade:
        tokens = tokens_of(home)
        asking = tokens.by_id(own)
        lasts = min(asking.ends - home.clock.now(), timedelta(days=wanted.days))
        secret, made = tokens.issue(
            wanted.label, wanted.scopes, lasts=lasts, organisation=asking.organisation
        )
        return TokenMade(token=secret, told=_told(made))

    return await on_home(request, act)


def _own(request: Request) -> TokenId:
    found = asker_of(request).principal.token
    assert found is not None
    return found


def _told(token: ApiToken) -> TokenTold:
    return TokenTold(
        id=token.id,
        label=token.label,
        scopes=sorted(token.scopes),
        organisation=token.organisation,
        created=token.created,
        ends=token.ends,
        used=token.used,
        revoked=token.revoked,
    )
