"""Passwords on the command line: made here and shown once, or read from standard input."""

from __future__ import annotations

import base64
import sys
from typing import Annotated

import typer

from volens.access.accounts import LocalAccount
from volens.access.passwords import hash_password
from volens.app.access import accounts_of
from volens.app.home import Home
from volens.core.errors import NotFound
from volens.core.ids import AccountId, IdKind

PasswordInput = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the password from standard input instead of making one."
    ),
]
AccountArgument = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The sign-in name, or the account's id.")
]
_BYTES = 10


def password_for(home: Home, *, from_input: bool) -> tuple[str | None, str]:
    """Return the password to show, None if it was read from standard input, and its hash.

    Raises:
        InvalidInput: ``password_form``.
    """
    if from_input:
        given = sys.stdin.readline().rstrip("\r\n")
        return None, hash_password(given, entropy=home.entropy)
    word = base64.b32encode(home.entropy.draw(_BYTES)).decode("ascii").lower()
    made = "-".join((word[:4], word[4:8], word[8:12], word[12:]))
    return made, hash_password(made, entropy=home.entropy)


def find_account(home: Home, name: str) -> LocalAccount:
    """Return the account with this id or sign-in name.

    Raises:
        NotFound: ``account_unknown``.
    """
    accounts = accounts_of(home)
    if name.startswith(f"{IdKind.ACCOUNT.value}_"):
        return accounts.by_id(AccountId(name))
    found = accounts.find(name)
    if found is None:
        hint = "volens account list and volens staff list show who is here"
        raise NotFound("account_unknown", "no account with this sign-in name here", hint=hint)
    return found
