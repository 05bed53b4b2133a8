"""``volens staff``: who works here, in which roles, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from volens.access.accounts import LocalAccount, plain_name
from volens.access.model import Role
from volens.access.staff import GivenRole, check_end
from volens.app.access import accounts_of, roles_of
from volens.app.home import Home
from volens.cli.account import password_lines
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import parse_end, read_home, write_home
from volens.cli.output import GOOD, Answer, line, table
from volens.cli.secrets import AccountArgument, PasswordInput, find_account, password_for
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.vault.subjects import check_word

GROUP = new_group("Who works here, in which roles, until when.")
_DAYS = 90
_ROLES = f"One of {', '.join(Role)}."

UntilOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help=f"When the role ends.  [default: in {_DAYS} days]"),
]


@command(GROUP, "add", writes=True)
def add(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is typed to sign in.")],
    role: Annotated[list[Role] | None, typer.Option(metavar="ROLE", help=_ROLES)] = None,
    until: UntilOption = None,
    organisation: Annotated[
        str | None, typer.Option(help="Whose administrator this is, for organisation_admin.")
    ] = None,
    password_stdin: PasswordInput = False,
) -> Answer:
    """Add a member of staff. The password is shown once; the second factor is set up at sign-in."""
    with write_home(session) as home:
        now = home.clock.now()
        ends = parse_end(until, now) if until else now + timedelta(days=_DAYS)
        check_end(ends, now)
        plain_name(name)
        if organisation is not None:
            check_word("organisation", organisation)
        if Role.ORGANISATION_ADMIN in (role or ()) and organisation is None:
            hint = "--organisation says which"
            raise InvalidInput("role_form", "an administrator is one of an organisation", hint=hint)
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line("would add a member of staff"),))
        shown, hashed = password_for(home, from_input=password_stdin)
        made = accounts_of(home).add_staff(name, password=hashed, organisation=organisation)
        roles = [roles_of(home).give(made, one, until=ends) for one in role or ()]
        document = _document(home, made, roles)
    if shown is not None:
        document["password"] = shown
    lines = [line(f"Added {made.id}: {_told(roles)}.", GOOD)]
    return Answer(document=document, shown=(*lines, *password_lines(shown)))


@command(GROUP, "list")
def list_staff(session: Session) -> Answer:
    """List who works here, in which roles, until when."""
    with read_home(session) as home:
        found = [(one, roles_of(home).of(one)) for one in accounts_of(home).staff()]
        documents: list[Json] = [_document(home, one, roles) for one, roles in found]
        rows = [
            (
                one.id,
                accounts_of(home).name_of(one) or "",
                _told(roles),
                "active" if one.ended is None else f"ended {format_moment(one.ended)[:10]}",
            )
            for one, roles in found
        ]
    document: dict[str, Json] = {"staff": documents}
    if not rows:
        return Answer(document=document, shown=(line("Nobody works here yet."),))
    return Answer(document=document, shown=(table(("account", "name", "roles", "state"), rows),))


@command(GROUP, "role", writes=True)
def give_role(
    session: Session,
    account: AccountArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)],
    until: UntilOption = None,
    take: Annotated[
        bool, typer.Option("--end", help="End the role now instead, and every session with it.")
    ] = False,
) -> Answer:
    """Give a role until a day, or end one at once."""
    with write_home(session) as home:
        found, roles, wanted = find_account(home, account), roles_of(home), _role(role)
        now = home.clock.now()
        ends = parse_end(until, now) if until else now + timedelta(days=_DAYS)
        if session.dry_run:
            text = f"would {'end' if take else 'give'} the role {wanted.value}"
            return Answer(document={"dry_run": True}, shown=(line(text),))
        if take:
            roles.end(found, wanted)
        else:
            roles.give(found, wanted, until=ends)
        document = _document(home, accounts_of(home).by_id(found.id), roles.of(found))
    day = format_moment(ends)[:10]
    text = (
        f"Ended {wanted.value} of {found.id}."
        if take
        else f"{found.id} is {wanted.value} until {day}."
    )
    return Answer(document=document, shown=(line(text, GOOD),))


@command(GROUP, "end", writes=True)
def end(session: Session, account: AccountArgument) -> Answer:
    """End the account of a member of staff and all its sessions at once."""
    with write_home(session) as home:
        found = find_account(home, account)
        if session.dry_run:
            return Answer(document={"dry_run": True}, shown=(line(f"would end {found.id}"),))
        ended = accounts_of(home).end(found)
        document = _document(home, ended, roles_of(home).of(ended))
    text = f"Ended {ended.id}. Nobody is signed in with it any more."
    return Answer(document=document, shown=(line(text, GOOD),))


def _role(word: str) -> Role:
    """Return the role of this name.

    Raises:
        InvalidInput: ``word_unknown``.
    """
    try:
        return Role(word)
    except ValueError:
        raise InvalidInput("word_unknown", f"no role {word[:40]!r}", hint=_ROLES) from None


def _told(roles: list[GivenRole]) -> str:
    said = [f"{one.role.value} until {format_moment(one.until)[:10]}" for one in roles]
    return ", ".join(said) or "no role"


def _document(home: Home, account: LocalAccount, roles: list[GivenRole]) -> dict[str, Json]:
    return {
        "account": account.id,
        "name": accounts_of(home).name_of(account),
        "organisation": account.organisation,
        "roles": {one.role.value: format_moment(one.until) for one in roles},
        "created": format_moment(account.created),
        "ended": None if account.ended is None else format_moment(account.ended),
    }
