"""Local accounts: a name to sign in with, linked to one person or to one member of staff.

The name is kept as a keyed digest. A person's is kept in no other form: the product's name for the
person, sealed with the person's own key, is enough to say whom an answer is about. A member of
staff's is sealed beside the digest, so that a list can be read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, insert, select, update

from volens.access.model import Role
from volens.access.restored import ENDED
from volens.access.secrets import AccessKeys
from volens.access.sessions import roles_of
from volens.access.tables import (
    ACCOUNT,
    ACCOUNT_ROLE,
    CHALLENGE,
    EMBED_TOKEN,
    LOGIN_FAILURE,
    PASSKEY,
    RECOVERY_CODE,
    SESSION,
    TOTP,
)
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import AccountId, IdKind, SubjectId, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.time import from_millis, to_millis
from volens.log.entries import commit
from volens.log.fields import Value
from volens.log.kinds import AccountSort, EntryKind
from volens.log.recorder import Recorder

MAX_NAME_CHARACTERS: Final = 254
_NAME: Final = b"sign-in-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAccount:
    """One account; who it is for stands in `subject`, or it is a member of staff's."""

    number: int
    id: AccountId
    subject: SubjectId | None
    organisation: str | None
    roles: frozenset[Role]
    """Those that count now; for staff only."""
    created: datetime
    ended: datetime | None
    password: str | None = field(repr=False)
    """The argon2id hash, or None."""
    name_digest: bytes = field(repr=False)
    name_sealed: bytes | None = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def is_staff(self) -> bool:
        """Say whether this is a member of staff's."""
        return self.subject is None


class AccountStore:
    """Adds, finds and ends accounts; logged before they count."""

    def __init__(
        self,
        engine: Engine,
        keys: AccessKeys,
        recorder: Recorder,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Use the tables in `engine`."""
        self._engine = engine
        self._keys = keys
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy

    def add_person(
        self, name: str, subject: SubjectId, *, password: str | None = None
    ) -> LocalAccount:
        """Add the account of a person.

        Args:
            name: what is typed to sign in.
            subject: whose account it is; must be here.
            password: an argon2id hash, or None if there is another way to sign in.

        Raises:
            InvalidInput: ``account_exists``, ``name_form``.
        """
        raw = parse_id(IdKind.SUBJECT, subject)
        return self._add(name, AccountSort.PERSON, subject=raw, password=password)

    def add_staff(
        self, name: str, *, password: str | None = None, organisation: str | None = None
    ) -> LocalAccount:
        """Add the account of a member of staff; without a role nobody signs in with it.

        Raises:
            InvalidInput: ``account_exists``, ``name_form``.
        """
        return self._add(name, AccountSort.STAFF, password=password, organisation=organisation)

    def find(self, name: str) -> LocalAccount | None:
        """Return the account with this sign-in name, ended ones included, or None."""
        try:
            digest = self.digest(name)
        except InvalidInput:
            return None
        return self.by_digest(digest)

    def by_digest(self, digest: bytes) -> LocalAccount | None:
        """Return the account whose sign-in name has this digest, or None."""
        return self._first(ACCOUNT.c.name_digest == digest)

    def by_id(self, account: AccountId) -> LocalAccount:
        """Return an account by its id.

        Raises:
            InvalidInput: ``id_form``.
            NotFound: ``account_unknown``.
        """
        found = self._first(ACCOUNT.c.id == parse_id(IdKind.ACCOUNT, account))
        if found is None:
            raise NotFound("account_unknown", f"no account {account} here")
        return found

    def by_number(self, number: int) -> LocalAccount:
        """Return the account in row `number`.

        Raises:
            NotFound: ``account_unknown``.
        """
        found = self._first(ACCOUNT.c.no == number)
        if found is None:
            raise NotFound("account_unknown", f"no account number {number} here")
        return found

    def of_subject(self, subject: SubjectId) -> list[LocalAccount]:
        """Return the accounts of a person, oldest first."""
        return self._all(ACCOUNT.c.subject == parse_id(IdKind.SUBJECT, subject))

    def staff(self) -> list[LocalAccount]:
        """Return all accounts of staff, oldest first."""
        return self._all(ACCOUNT.c.subject.is_(None))

    def people(self) -> list[LocalAccount]:
        """Return all accounts of people, oldest first."""
        return self._all(ACCOUNT.c.subject.is_not(None))

    def name_of(self, account: LocalAccount) -> str | None:
        """Return the sign-in name of a member of staff; a person's is not kept (None)."""
        if account.name_sealed is None:
            return None
        raw = parse_id(IdKind.ACCOUNT, account.id)
        return self._keys.open(_NAME, raw, account.name_sealed).decode()

    def digest(self, name: str) -> bytes:
        """Return the keyed digest of a sign-in name.

        Raises:
            InvalidInput: ``name_form``.
        """
        return self._keys.digest(_NAME, plain_name(name).encode())

    def set_password(self, account: LocalAccount, password: str) -> None:
        """Replace the hash of the password, and end what was signed in with the old one."""
        with self._engine.begin() as db:
            known = update(ACCOUNT).where(ACCOUNT.c.no == account.number)
            db.execute(known.values(password=password))
            for table in (SESSION, CHALLENGE):
                db.execute(delete(table).where(table.c.account_no == account.number))

    def rehash(self, account: LocalAccount, password: str) -> None:
        """Keep the same password under a newer hash; sessions go on."""
        with self._engine.begin() as db:
            known = update(ACCOUNT).where(ACCOUNT.c.no == account.number)
            db.execute(known.values(password=password))

    def end(self, account: LocalAccount) -> LocalAccount:
        """End an account and all its sessions at once; logged first. A repeat changes nothing."""
        if account.ended is not None:
            return account
        raw = parse_id(IdKind.ACCOUNT, account.id)
        commitment = commit(account.salt, raw, ENDED)
        sort = AccountSort.STAFF if account.is_staff else AccountSort.PERSON
        fields: dict[str, Value] = {"commitment": commitment, "account": sort}
        self._recorder.record(EntryKind.ACCOUNT_ENDED, fields)
        with self._engine.begin() as db:
            known = update(ACCOUNT).where(ACCOUNT.c.no == account.number)
            db.execute(known.values(ended_ms=to_millis(self._clock.now()), password=None))
            for table in (SESSION, CHALLENGE, PASSKEY, TOTP, RECOVERY_CODE):
                db.execute(delete(table).where(table.c.account_no == account.number))
        return self.by_id(account.id)

    def erase_subjects(self, subjects: Sequence[bytes]) -> None:
        """Delete all that sign-in keeps of these people (raw ids)."""
        mine = select(ACCOUNT.c.no).where(ACCOUNT.c.subject.in_(subjects))
        names = select(ACCOUNT.c.name_digest).where(ACCOUNT.c.subject.in_(subjects))
        with self._engine.begin() as db:
            db.execute(delete(LOGIN_FAILURE).where(LOGIN_FAILURE.c.who.in_(names)))
            for table in (CHALLENGE, PASSKEY, TOTP, RECOVERY_CODE, ACCOUNT_ROLE):
                db.execute(delete(table).where(table.c.account_no.in_(mine)))
            for table in (SESSION, EMBED_TOKEN, ACCOUNT):
                db.execute(delete(table).where(table.c.subject.in_(subjects)))

    def _add(
        self,
        name: str,
        sort: AccountSort,
        *,
        subject: bytes | None = None,
        password: str | None = None,
        organisation: str | None = None,
    ) -> LocalAccount:
        digest = self.digest(name)
        if self.by_digest(digest) is not None:
            hint = "choose another name; the name of an ended account is not given again"
            raise InvalidInput("account_exists", "there is an account with this name", hint=hint)
        raw = self._entropy.draw(16)
        salt, commitment = self._recorder.commit(raw, b"added")
        index = self._recorder.record(
            EntryKind.ACCOUNT_ADDED, {"commitment": commitment, "account": sort}
        )
        plain = plain_name(name).encode()
        row = {
            "id": raw,
            "subject": subject,
            "name_digest": digest,
            "name_sealed": self._keys.seal(_NAME, raw, plain, entropy=self._entropy)
            if subject is None
            else None,
            "password": password,
            "organisation": organisation,
            "created_ms": to_millis(self._clock.now()),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(insert(ACCOUNT).values(row))
        return self.by_id(AccountId(format_id(IdKind.ACCOUNT, raw)))

    def _first(self, wanted: Any) -> LocalAccount | None:  # noqa: ANN401 - a condition
        found = self._all(wanted)
        return found[0] if found else None

    def _all(self, wanted: Any) -> list[LocalAccount]:  # noqa: ANN401 - a condition
        now = self._clock.now()
        with self._engine.connect() as db:
            rows = db.execute(select(ACCOUNT).where(wanted).order_by(ACCOUNT.c.no)).all()
            return [
                _account(row, roles_of(db, row.no, now) if row.subject is None else frozenset())
                for row in rows
            ]


def plain_name(name: str) -> str:
    """Return the one spelling of a sign-in name: NFKC, case folded, no spaces around it.

    Raises:
        InvalidInput: ``name_form``.
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    if not 0 < len(plain) <= MAX_NAME_CHARACTERS or not plain.isprintable():
        hint = f"printable, at most {MAX_NAME_CHARACTERS} characters"
        raise InvalidInput("name_form", "not a usable sign-in name", hint=hint)
    return plain


def _account(row: Row[*tuple[Any, ...]], roles: frozenset[Role]) -> LocalAccount:
    return LocalAccount(
        number=row.no,
        id=AccountId(format_id(IdKind.ACCOUNT, row.id)),
        subject=None if row.subject is None else SubjectId(format_id(IdKind.SUBJECT, row.subject)),
        organisation=row.organisation,
        roles=roles,
        created=from_millis(row.created_ms),
        ended=None if row.ended_ms is None else from_millis(row.ended_ms),
        password=row.password,
        name_digest=row.name_digest,
        name_sealed=row.name_sealed,
        salt=row.salt,
    )
