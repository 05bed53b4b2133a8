"""Roles of staff: given until a day, ended at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Delete, Engine, delete, insert, select

from volens.access.accounts import LocalAccount
from volens.access.model import Role
from volens.access.restored import ENDED
from volens.access.tables import ACCOUNT_ROLE, SESSION
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.core.time import from_millis, to_millis
from volens.log.entries import commit
from volens.log.fields import Value
from volens.log.kinds import EntryKind, StaffRole
from volens.log.recorder import Recorder

LONGEST_ROLE: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRole:
    """One role that somebody has, until a moment."""

    role: Role
    given: datetime
    until: datetime


class RoleStore:
    """Gives and ends roles; logged first."""

    def __init__(self, engine: Engine, recorder: Recorder, *, clock: Clock) -> None:
        """Use the tables in `engine`."""
        self._engine = engine
        self._recorder = recorder
        self._clock = clock

    def give(self, account: LocalAccount, role: Role, *, until: datetime) -> GivenRole:
        """Give a role until a moment; the same role again replaces its end.

        Raises:
            InvalidInput: ``role_form`` for a person's or an ended account, for an end that is past
                or more than a year away, or for an administrator of no organisation.
        """
        now = self._clock.now()
        if not account.is_staff or account.ended is not None:
            raise InvalidInput("role_form", "only an account of staff that has not ended has roles")
        check_end(until, now)
        if role is Role.ORGANISATION_ADMIN and account.organisation is None:
            hint = "volens staff add --organisation"
            raise InvalidInput("role_form", "an administrator is one of an organisation", hint=hint)
        self._log_end(account, role)
        raw = parse_id(IdKind.ACCOUNT, account.id)
        salt, commitment = self._recorder.commit(raw, role.value.encode())
        fields: dict[str, Value] = {"commitment": commitment, "role": StaffRole(role.value)}
        index = self._recorder.record(EntryKind.ROLE_GIVEN, {**fields, "until": until})
        row = {
            "account_no": account.number,
            "role": role.value,
            "given_ms": to_millis(now),
            "until_ms": to_millis(until),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(_one(account, role))
            db.execute(insert(ACCOUNT_ROLE).values(row))
        return GivenRole(role=role, given=now, until=until)

    def end(self, account: LocalAccount, role: Role) -> None:
        """End a role, and the sessions of the account: what they may has changed.

        Raises:
            NotFound: ``role_missing``.
        """
        if not self._log_end(account, role):
            raise NotFound("role_missing", f"{account.id} has no role {role.value}")
        with self._engine.begin() as db:
            db.execute(_one(account, role))
            db.execute(delete(SESSION).where(SESSION.c.account_no == account.number))

    def of(self, account: LocalAccount) -> list[GivenRole]:
        """Return the roles that an account has or had until they ran out."""
        query = select(ACCOUNT_ROLE).where(ACCOUNT_ROLE.c.account_no == account.number)
        with self._engine.connect() as db:
            return [
                GivenRole(
                    role=Role(row.role),
                    given=from_millis(row.given_ms),
                    until=from_millis(row.until_ms),
                )
                for row in db.execute(query.order_by(ACCOUNT_ROLE.c.no))
            ]

    def _log_end(self, account: LocalAccount, role: Role) -> bool:
        """Log that a role ends as it was given so far; say whether there is such a role."""
        with self._engine.connect() as db:
            query = select(ACCOUNT_ROLE.c.salt).where(_is(account, role))
            salts = list(db.execute(query).scalars())
        raw = parse_id(IdKind.ACCOUNT, account.id)
        for salt in salts:
            commitment = commit(salt, raw, role.value.encode(), ENDED)
            fields: dict[str, Value] = {"commitment": commitment, "role": StaffRole(role.value)}
            self._recorder.record(EntryKind.ROLE_ENDED, fields)
        return bool(salts)


def check_end(until: datetime, now: datetime) -> None:
    """Pass if a role may end then.

    Raises:
        InvalidInput: ``role_form``.
    """
    if not now < until <= now + LONGEST_ROLE:
        hint = "give it again when it ends"
        raise InvalidInput("role_form", "a role ends within a year", hint=hint)


def _one(account: LocalAccount, role: Role) -> Delete:
    return delete(ACCOUNT_ROLE).where(_is(account, role))


def _is(account: LocalAccount, role: Role) -> ColumnElement[bool]:
    return (ACCOUNT_ROLE.c.account_no == account.number) & (ACCOUNT_ROLE.c.role == role.value)
