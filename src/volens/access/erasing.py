"""What an erasure does to sign-in: with the account of a person goes all they sign in with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Engine, delete

from volens.access.accounts import AccountStore
from volens.access.tables import ACCOUNT, EMBED_TOKEN, REPEAT, SESSION
from volens.storage.engine import find_among, in_runs


class Erased(Protocol):
    """What one erasure removes."""

    @property
    def is_account(self) -> bool:
        """Say whether all of the person goes."""
        ...

    @property
    def subject(self) -> bytes:
        """Return whose it is: a raw id, 16 bytes."""
        ...


class AccessTarget:
    """A store of the erasure map."""

    def __init__(self, engine: Engine, accounts: AccountStore) -> None:
        """Let `accounts` do it, and look into `engine` afterwards."""
        self._engine = engine
        self._accounts = accounts

    @property
    def stores(self) -> Mapping[str, str]:
        """Return what it clears, and how."""
        return {"access": "row_deleted"}

    def erase(self, items: Sequence[Erased]) -> None:
        """Delete what the people among `items` sign in with; what is gone already is no error."""
        people = _people(items)
        if people:
            with self._engine.begin() as db:
                for some in in_runs(list(people)):
                    db.execute(delete(REPEAT).where(REPEAT.c.subject.in_(some)))
            self._accounts.erase_subjects(people)

    def probe(self, items: Sequence[Erased]) -> list[str]:
        """Return the tables in which anything of `items` still is.

        All others are reached through the account's row, which goes last, in one transaction.
        """
        with self._engine.connect() as db:
            return sorted(
                f"main.db {table.name}"
                for table in (ACCOUNT, SESSION, EMBED_TOKEN, REPEAT)
                if any(True for _ in find_among(db, table.c.subject, _people(items)))
            )


def _people(items: Sequence[Erased]) -> list[bytes]:
    return [item.subject for item in items if item.is_account]
