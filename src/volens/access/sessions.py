"""Sessions: who is signed in, by a token of which only the digest is kept.

A session ends when its person or member of staff signs out, after a while without a request, after
a day's work at most, and at once when the account ends, when the last role ends, and when an
erasure of the person's account is asked for. Ends are looked up at every request; nothing has to
run for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, insert, select, update

from volens.access.model import Principal, PrincipalKind, Role
from volens.access.secrets import digest_of, new_secret
from volens.access.tables import ACCOUNT, ACCOUNT_ROLE, SESSION
from volens.core.errors import Denied, NotFound
from volens.core.ids import AccountId, IdKind, SubjectId, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import SubjectStatus
from volens.core.time import from_millis, to_millis
from volens.vault.tables import SUBJECT

STEP_UP_TIME: Final = timedelta(minutes=10)
_SEEN_EVERY: Final = timedelta(minutes=1)
"""How often it is written down that a session is in use."""
OPEN_STATUSES: Final = frozenset({SubjectStatus.ACTIVE.value, SubjectStatus.RESTRICTED.value})
"""With any other status nobody is signed in for a person."""


class SessionKind(StrEnum):
    """What a session is good for."""

    FULL = "full"
    HALF = "half"
    """The password was right and the second factor is not shown yet: nobody is signed in."""
    EMBED = "embed"
    """Inside another product: short, and never stepped up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session lasts."""

    idle: timedelta
    whole: timedelta


PERSON: Final = Limits(idle=timedelta(minutes=30), whole=timedelta(hours=12))
STAFF: Final = Limits(idle=timedelta(minutes=15), whole=timedelta(hours=8))
EMBED: Final = Limits(idle=timedelta(minutes=15), whole=timedelta(minutes=15))
HALF: Final = Limits(idle=timedelta(minutes=5), whole=timedelta(minutes=5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session that has not ended."""

    kind: SessionKind
    principal: Principal
    """Who is signed in; for the kind ``half``, who will be."""
    account_no: int | None
    ends: datetime
    digest: bytes = field(repr=False)


class SessionStore:
    """Opens, finds and ends sessions."""

    def __init__(
        self,
        engine: Engine,
        *,
        leaving: Callable[[SubjectId], bool],
        clock: Clock,
        entropy: Entropy,
        writing: bool = True,
    ) -> None:
        """Use the tables in `engine`.

        `leaving` tells whether an erasure of a person's account was asked for that the tables do
        not know of yet. If not `writing`, sessions are found and nothing is noted of that.
        """
        self._writing = writing
        self._engine = engine
        self._leaving = leaving
        self._clock = clock
        self._entropy = entropy

    def open(
        self,
        account: AccountId,
        *,
        kind: SessionKind = SessionKind.FULL,
        stepped_up: bool = False,
        instead_of: str | None = None,
    ) -> str:
        """Open a session of an account and return its token; it is nowhere else.

        Each sign-in has a token of its own: one that a browser had before (`instead_of`) ends, so
        that nobody can plant one.

        Raises:
            NotFound: ``account_unknown`` if there is none, or it has ended.
        """
        with self._engine.connect() as db:
            query = select(ACCOUNT.c.no, ACCOUNT.c.subject).where(
                ACCOUNT.c.id == parse_id(IdKind.ACCOUNT, account), ACCOUNT.c.ended_ms.is_(None)
            )
            row = db.execute(query).first()
        if row is None:
            raise NotFound("account_unknown", f"no account {account} here")
        limits = STAFF if row.subject is None else PERSON
        return self._open(
            row.no,
            row.subject,
            kind,
            HALF if kind is SessionKind.HALF else limits,
            stepped_up=stepped_up,
            instead_of=instead_of,
        )

    def open_embedded(self, subject: bytes) -> str:
        """Open a short session for a person inside another product; return its token."""
        return self._open(None, subject, SessionKind.EMBED, EMBED)

    def find(self, token: str) -> Session | None:
        """Return the session of a token, or None if it has ended or never was."""
        now = self._clock.now()
        found = digest_of(token)
        with self._engine.connect() as db:
            row = db.execute(_JOINED.where(SESSION.c.digest == found)).first()
            if row is None:
                return None
            roles = roles_of(db, row.account_no, now) if row.subject is None else frozenset()
        session = self._alive(row, roles, now)
        if not self._writing:
            return session
        if session is None:
            self.end(token)
        elif now - from_millis(row.seen_ms) >= _SEEN_EVERY:
            with self._engine.begin() as db:
                known = update(SESSION).where(SESSION.c.digest == found)
                db.execute(known.values(seen_ms=to_millis(now)))
        return session

    def step_up(self, token: str) -> datetime:
        """Let a fresh second proof count for ten minutes; return until when.

        Raises:
            Denied: ``sign_in_needed`` without a session; ``step_up_refused`` for a session that
                can't have it.
        """
        session = self.find(token)
        if session is None or session.kind is SessionKind.HALF:
            raise Denied("sign_in_needed", "nobody is signed in", hint="sign in first")
        if session.kind is SessionKind.EMBED:
            hint = "open the page outside of the other product and sign in there"
            raise Denied("step_up_refused", "an embedded page can't do this", hint=hint)
        until = min(self._clock.now() + STEP_UP_TIME, session.ends)
        with self._engine.begin() as db:
            known = update(SESSION).where(SESSION.c.digest == session.digest)
            db.execute(known.values(stepped_up_until_ms=to_millis(until)))
        return until

    def end(self, token: str) -> None:
        """End one session; one that has ended is no error."""
        self._delete(SESSION.c.digest == digest_of(token))

    def end_account(self, account_no: int, *, but: str | None = None) -> None:
        """End all sessions of an account, but for one."""
        wanted = SESSION.c.account_no == account_no
        self._delete(wanted if but is None else wanted & (SESSION.c.digest != digest_of(but)))

    def count(self) -> int:
        """Return how many sessions are kept."""
        with self._engine.connect() as db:
            return len(db.execute(select(SESSION.c.digest)).all())

    def _open(
        self,
        account_no: int | None,
        subject: bytes | None,
        kind: SessionKind,
        limits: Limits,
        *,
        stepped_up: bool = False,
        instead_of: str | None = None,
    ) -> str:
        token, now = new_secret(self._entropy), self._clock.now()
        row = {
            "digest": digest_of(token),
            "account_no": account_no,
            "subject": subject,
            "kind": kind.value,
            "created_ms": to_millis(now),
            "seen_ms": to_millis(now),
            "ends_ms": to_millis(now + limits.whole),
            "stepped_up_until_ms": to_millis(now + STEP_UP_TIME) if stepped_up else None,
        }
        with self._engine.begin() as db:
            db.execute(delete(SESSION).where(SESSION.c.ends_ms <= to_millis(now)))
            if instead_of is not None:
                db.execute(delete(SESSION).where(SESSION.c.digest == digest_of(instead_of)))
            db.execute(insert(SESSION).values(row))
        return token

    def _alive(
        self, row: Row[*tuple[Any, ...]], roles: frozenset[Role], now: datetime
    ) -> Session | None:
        """Return the session in `row`, unless anything has ended it."""
        kind = SessionKind(row.kind)
        limits = _limits(kind, staff=row.subject is None)
        over = now >= from_millis(row.ends_ms) or now - from_millis(row.seen_ms) >= limits.idle
        if over or (kind is not SessionKind.EMBED and not row.lives):
            return None
        if row.subject is None:
            if not roles:
                return None
        elif row.status not in OPEN_STATUSES or self._leaving(_subject(row.subject)):
            return None
        stepped = row.stepped_up_until_ms
        staff = row.subject is None
        return Session(
            kind=kind,
            account_no=row.account_no,
            ends=from_millis(row.ends_ms),
            digest=row.digest,
            principal=Principal(
                kind=PrincipalKind.STAFF if staff else PrincipalKind.SUBJECT,
                account=None if row.id is None else AccountId(format_id(IdKind.ACCOUNT, row.id)),
                subject=None if staff else _subject(row.subject),
                roles=roles,
                organisation=row.organisation if staff else None,
                stepped_up_until=None if stepped is None else from_millis(stepped),
            ),
        )

    def _delete(self, wanted: ColumnElement[bool]) -> int:
        with self._engine.begin() as db:
            return db.execute(delete(SESSION).where(wanted)).rowcount


_JOINED = (
    select(
        SESSION,
        ACCOUNT.c.id,
        ACCOUNT.c.organisation,
        (ACCOUNT.c.no.is_not(None) & ACCOUNT.c.ended_ms.is_(None)).label("lives"),
        SUBJECT.c.status,
    )
    .outerjoin(ACCOUNT, ACCOUNT.c.no == SESSION.c.account_no)
    .outerjoin(SUBJECT, SUBJECT.c.id == SESSION.c.subject)
)


def roles_of(db: Connection, account_no: int, now: datetime) -> frozenset[Role]:
    """Return the roles that a member of staff has at a moment."""
    query = select(ACCOUNT_ROLE.c.role).where(
        ACCOUNT_ROLE.c.account_no == account_no, ACCOUNT_ROLE.c.until_ms > to_millis(now)
    )
    return frozenset(Role(word) for word in db.execute(query).scalars())


def _limits(kind: SessionKind, *, staff: bool) -> Limits:
    match kind:
        case SessionKind.EMBED:
            return EMBED
        case SessionKind.HALF:
            return HALF
        case SessionKind.FULL:
            return STAFF if staff else PERSON


def _subject(raw: bytes) -> SubjectId:
    return SubjectId(format_id(IdKind.SUBJECT, raw))
