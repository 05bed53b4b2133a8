"""``volens token``: with what programs prove who they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from volens.access.model import Scope
from volens.access.tokens import ApiToken
from volens.app.access import tokens_of
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table, whole
from volens.core.canonical import Json
from volens.core.ids import IdKind, TokenId, parse_id
from volens.core.time import format_moment
from volens.vault.subjects import check_word

GROUP = new_group("With what programs prove who they are.")
_DAYS = 90
_SCOPES = f"What it is good for; more than once for more: {', '.join(Scope)}."
_MOST_DAYS = 366


@command(GROUP, "issue", writes=True)
def issue(
    session: Session,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="A word for the program.")],
    scope: Annotated[list[Scope], typer.Option(metavar="SCOPE", help=_SCOPES)],
    days: Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="How long it lasts.")] = _DAYS,
    organisation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Good for this organisation's instructions only."),
    ] = None,
) -> Answer:
    """Issue an API token. It is shown once."""
    with write_home(session) as home:
        check_word("label", label)
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line("would issue a token"),))
        secret, made = tokens_of(home).issue(
            label, scope, lasts=timedelta(days=days), organisation=organisation
        )
    lines = (
        line(f"Issued {made.id} for {label}, until {format_moment(made.ends)[:10]}.", GOOD),
        whole(f"Token: {secret}"),
        line("It is not shown again.", DIM),
    )
    return Answer(document={**_document(made), "secret": secret}, shown=lines)


@command(GROUP, "list")
def list_tokens(session: Session) -> Answer:
    """List API tokens: what each is good for, until when, and when it was last used."""
    with read_home(session) as home:
        found, now = tokens_of(home).all(), home.clock.now()
    document: dict[str, Json] = {"tokens": [_document(one) for one in found]}
    if not found:
        return Answer(document=document, shown=(line("No token was issued."),))
    rows = []
    for one in found:
        state = f"until {format_moment(one.ends)[:10]}" if one.ends > now else "run out"
        rows.append(
            (
                one.id,
                one.label,
                ", ".join(sorted(one.scopes)) + _whose(one),
                "never" if one.used is None else format_moment(one.used)[:10],
                state if one.revoked is None else "revoked",
            )
        )
    heads = ("token", "for", "scopes", "last used", "state")
    return Answer(document=document, shown=(table(heads, rows),))


@command(GROUP, "revoke", writes=True)
def revoke(
    session: Session,
    token: Annotated[str, typer.Argument(metavar="TOKEN_ID", help="The token's id, tok_….")],
) -> Answer:
    """Revoke a token at once, by its id."""
    with write_home(session) as home:
        parse_id(IdKind.TOKEN, token)
        found = tokens_of(home).by_id(TokenId(token))
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line(f"would revoke {found.id}"),))
        done = tokens_of(home).revoke(found.id)
    text = f"Revoked {done.id}. Nothing is answered to it any more."
    return Answer(document=_document(done), shown=(line(text, GOOD),))


def _whose(token: ApiToken) -> str:
    return "" if token.organisation is None else f" of {token.organisation}"


def _document(token: ApiToken) -> dict[str, Json]:
    return {
        "token": token.id,
        "label": token.label,
        "scopes": [scope.value for scope in sorted(token.scopes)],
        "organisation": token.organisation,
        "created": format_moment(token.created),
        "ends": format_moment(token.ends),
        "used": None if token.used is None else format_moment(token.used),
        "revoked": None if token.revoked is None else format_moment(token.revoked),
    }
