"""Which member of staff acts, from an account's id or sign-in name."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.access.model import Principal, PrincipalKind
from volens.app.access import accounts_of
from volens.app.home import Home
from volens.core.errors import Denied, NotFound
from volens.core.ids import AccountId, IdKind

AsOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Your own staff account: its name or id.")
]


def member_of(home: Home, name: str) -> Principal:
    """Return who acts, with the roles that count now.

    Whoever runs the program on the machine of the home is trusted to name themselves; people who
    come through a door prove it.

    Raises:
        NotFound: ``account_unknown``.
        Denied: ``exception_role`` if it is no member of staff's, or has ended.
    """
    accounts = accounts_of(home)
    prefixed = name.startswith(f"{IdKind.ACCOUNT.value}_")
    found = accounts.by_id(AccountId(name)) if prefixed else accounts.find(name)
    if found is None:
        hint = "volens staff list shows which there are"
        raise NotFound("account_unknown", "no staff account of this name here", hint=hint)
    if not found.is_staff or found.ended is not None:
        raise Denied("exception_role", f"{found.id} is not a working account of staff")
    return Principal(kind=PrincipalKind.STAFF, account=found.id, roles=found.roles)
