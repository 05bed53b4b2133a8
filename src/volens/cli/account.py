"""``volens account``: with what people sign in. A sign-in name is never shown: it is not kept."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import RenderableType

from volens.access.accounts import LocalAccount, plain_name
from volens.app.access import accounts_of
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table, whole
from volens.cli.secrets import AccountArgument, PasswordInput, find_account, password_for
from volens.cli.subject import SubjectArgument
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment

GROUP = new_group("With what people sign in.")


@command(GROUP, "add", writes=True)
def add(
    session: Session,
    subject: SubjectArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is typed to sign in.")],
    password_stdin: PasswordInput = False,
) -> Answer:
    """Add an account for a person to sign in with. The password is shown once."""
    with write_home(session) as home:
        found = home.subjects.find(subject)
        plain_name(name)
        if session.dry_run:
            return _would(f"would add an account for {found.id}")
        shown, hashed = password_for(home, from_input=password_stdin)
        made = accounts_of(home).add_person(name, found.id, password=hashed)
    return _added(made, shown)


@command(GROUP, "list")
def list_accounts(session: Session) -> Answer:
    """List the accounts of people."""
    with read_home(session) as home:
        found = accounts_of(home).people()
    document: dict[str, Json] = {"accounts": [_document(one) for one in found]}
    if not found:
        return Answer(document=document, shown=(line("Nobody has an account to sign in with."),))
    rows = [
        (one.id, str(one.subject), format_moment(one.created)[:10], _state(one)) for one in found
    ]
    return Answer(document=document, shown=(table(("account", "person", "since", "state"), rows),))


@command(GROUP, "end", writes=True)
def end(session: Session, account: AccountArgument) -> Answer:
    """End an account, and everything that is signed in with it, at once."""
    with write_home(session) as home:
        found = find_account(home, account)
        if session.dry_run:
            return _would(f"would end {found.id} and its sessions")
        ended = accounts_of(home).end(found)
    text = f"Ended {ended.id}. Nobody is signed in with it any more."
    return Answer(document=_document(ended), shown=(line(text, GOOD),))


@command(GROUP, "password", writes=True)
def password(
    session: Session, account: AccountArgument, password_stdin: PasswordInput = False
) -> Answer:
    """Set a new password, shown once; whoever is signed in has to sign in again."""
    with write_home(session) as home:
        found = find_account(home, account)
        if found.ended is not None:
            hint = "add another account"
            raise InvalidInput("account_ended", f"{found.id} has ended", hint=hint)
        if session.dry_run:
            return _would(f"would set a new password for {found.id}")
        shown, hashed = password_for(home, from_input=password_stdin)
        accounts_of(home).set_password(found, hashed)
    document = _document(found)
    if shown is not None:
        document["password"] = shown
    lines = [line(f"Set a new password for {found.id}.", GOOD)]
    return Answer(document=document, shown=(*lines, *password_lines(shown)))


def password_lines(shown: str | None) -> list[RenderableType]:
    """Return the lines that show a password once."""
    if shown is None:
        return []
    return [whole(f"Password: {shown}"), line("It is not shown again.", DIM)]


def _added(made: LocalAccount, shown: str | None) -> Answer:
    document = _document(made)
    if shown is not None:
        document["password"] = shown
    lines = [line(f"Added {made.id} for {made.subject}.", GOOD)]
    return Answer(document=document, shown=(*lines, *password_lines(shown)))


def _would(text: str) -> Answer:
    return Answer(document={"dry_run": True}, shown=(line(text),))


def _state(account: LocalAccount) -> str:
    return "active" if account.ended is None else f"ended {format_moment(account.ended)[:10]}"


def _document(account: LocalAccount) -> dict[str, Json]:
    return {
        "account": account.id,
        "subject": account.subject,
        "created": format_moment(account.created),
        "ended": None if account.ended is None else format_moment(account.ended),
    }
