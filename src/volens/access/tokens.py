"""API tokens for programs, and embed tokens that such a program hands to a person's browser.

Both are random and kept as a digest only: each is shown once, when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, insert, select, update

from volens.access.model import Principal, PrincipalKind, Scope
from volens.access.restored import REVOKED
from volens.access.secrets import digest_of, new_secret
from volens.access.sessions import OPEN_STATUSES, SessionStore
from volens.access.tables import API_TOKEN, EMBED_TOKEN
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import IdKind, SubjectId, TokenId, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.time import from_millis, to_millis
from volens.log.entries import commit
from volens.log.fields import Value
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.vault.subjects import check_word
from volens.vault.tables import SUBJECT

PREFIX: Final = "vol_"
EMBED_PREFIX: Final = "emb_"
LONGEST: Final = timedelta(days=366)
EMBED_TIME: Final = timedelta(minutes=2)
_DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What is known of a token; not the token."""

    number: int
    id: TokenId
    label: str
    scopes: frozenset[Scope]
    organisation: str | None
    """Whose it is, and good for; None: of whoever runs the home."""
    created: datetime
    ends: datetime
    used: datetime | None
    """The day of its last use."""
    revoked: datetime | None


class TokenStore:
    """Issues, finds and revokes tokens; issuing and revoking are logged first."""

    def __init__(
        self,
        engine: Engine,
        sessions: SessionStore,
        recorder: Recorder,
        *,
        clock: Clock,
        entropy: Entropy,
        writing: bool = True,
    ) -> None:
        """Use the tables in `engine`; embed tokens are exchanged for `sessions`.

        If not `writing`, tokens are found and nothing is noted of that.
        """
        self._writing = writing
        self._engine = engine
        self._sessions = sessions
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy

    def issue(
        self,
        label: str,
        scopes: Iterable[Scope],
        *,
        lasts: timedelta = LONGEST,
        organisation: str | None = None,
    ) -> tuple[str, ApiToken]:
        """Issue a token; the secret is returned here and is nowhere else.

        Args:
            label: a word for the program.
            scopes: what it is good for.
            lasts: how long.
            organisation: whose it is; it is good for that one's instructions, and nothing else.

        Raises:
            InvalidInput: ``word_form``; ``token_form`` without a scope, for more than a year, or
                with a scope that reaches beyond its organisation.
        """
        wanted = sorted({scope.value for scope in scopes})
        if not wanted or not timedelta(0) < lasts <= LONGEST:
            hint = "name at least one scope, and at most a year"
            raise InvalidInput("token_form", "a token has scopes and an end", hint=hint)
        if organisation is not None:
            check_word("organisation", organisation)
            if wanted != [Scope.ORGANISATIONS.value]:
                hint = f"give it the scope {Scope.ORGANISATIONS.value} and no other"
                message = "a token of an organisation is good for its instructions only"
                raise InvalidInput("token_form", message, hint=hint)
        check_word("label", label)
        now = self._clock.now()
        raw, secret = self._entropy.draw(16), PREFIX + new_secret(self._entropy)
        whose = [] if organisation is None else [organisation]
        salt, commitment = self._recorder.commit(raw, " ".join(wanted + whose).encode())
        fields: dict[str, Value] = {"commitment": commitment, "scopes": len(wanted)}
        index = self._recorder.record(EntryKind.TOKEN_ISSUED, {**fields, "until": now + lasts})
        row = {
            "id": raw,
            "digest": digest_of(secret),
            "label": label,
            "scopes": " ".join(wanted),
            "organisation": organisation,
            "created_ms": to_millis(now),
            "ends_ms": to_millis(now + lasts),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(insert(API_TOKEN).values(row))
        return secret, self.by_id(TokenId(format_id(IdKind.TOKEN, raw)))

    def find(self, secret: str) -> Principal | None:
        """Return the program behind a token, or None if it ended or never was."""
        now = to_millis(self._clock.now())
        with self._engine.connect() as db:
            row = db.execute(
                select(API_TOKEN).where(API_TOKEN.c.digest == digest_of(secret))
            ).first()
        if row is None or row.revoked_ms is not None or now >= row.ends_ms:
            return None
        day = now - now % _DAY_MS
        if self._writing and row.used_ms != day:
            with self._engine.begin() as db:
                db.execute(update(API_TOKEN).where(API_TOKEN.c.no == row.no).values(used_ms=day))
        found = _token(row)
        return Principal(
            kind=PrincipalKind.SERVICE,
            scopes=found.scopes,
            token=found.id,
            organisation=found.organisation,
        )

    def by_id(self, token: TokenId) -> ApiToken:
        """Return what is known of a token.

        Raises:
            InvalidInput: ``id_form``.
            NotFound: ``token_unknown``.
        """
        wanted = API_TOKEN.c.id == parse_id(IdKind.TOKEN, token)
        with self._engine.connect() as db:
            row = db.execute(select(API_TOKEN).where(wanted)).first()
        if row is None:
            hint = "volens token list shows them"
            raise NotFound("token_unknown", f"no token {token} here", hint=hint)
        return _token(row)

    def all(self) -> list[ApiToken]:
        """Return all tokens, oldest first."""
        with self._engine.connect() as db:
            return [_token(row) for row in db.execute(select(API_TOKEN).order_by(API_TOKEN.c.no))]

    def revoke(self, token: TokenId) -> ApiToken:
        """Revoke a token at once, with the embed tokens it asked for; a repeat changes nothing."""
        found = self.by_id(token)
        if found.revoked is not None:
            return found
        raw = parse_id(IdKind.TOKEN, token)
        with self._engine.connect() as db:
            salt = db.execute(select(API_TOKEN.c.salt).where(API_TOKEN.c.id == raw)).scalar_one()
        commitment = commit(salt, raw, REVOKED)
        self._recorder.record(EntryKind.TOKEN_REVOKED, {"commitment": commitment})
        with self._engine.begin() as db:
            known = update(API_TOKEN).where(API_TOKEN.c.no == found.number)
            db.execute(known.values(revoked_ms=to_millis(self._clock.now())))
            db.execute(delete(EMBED_TOKEN).where(EMBED_TOKEN.c.token_no == found.number))
        return self.by_id(token)

    def issue_embed(self, principal: Principal, subject: SubjectId) -> tuple[str, datetime]:
        """Issue a token with which a person's browser opens the dashboard once.

        Returns:
            the token and until when it can be exchanged.

        Raises:
            Denied: ``scope_missing`` unless a program with ``embed:issue`` asks.
            NotFound: ``subject_unknown``.
        """
        if principal.token is None or Scope.EMBED not in principal.scopes:
            raise Denied("scope_missing", f"the token lacks the scope {Scope.EMBED.value}")
        raw, now = parse_id(IdKind.SUBJECT, subject), self._clock.now()
        with self._engine.connect() as db:
            known = db.execute(select(SUBJECT.c.status).where(SUBJECT.c.id == raw)).scalar()
        if known not in OPEN_STATUSES:
            raise NotFound("subject_unknown", f"no open account of {subject} here")
        number = self.by_id(principal.token).number
        secret, ends = EMBED_PREFIX + new_secret(self._entropy), now + EMBED_TIME
        row = {"digest": digest_of(secret), "subject": raw, "token_no": number}
        with self._engine.begin() as db:
            db.execute(delete(EMBED_TOKEN).where(EMBED_TOKEN.c.ends_ms <= to_millis(now)))
            db.execute(insert(EMBED_TOKEN).values(**row, ends_ms=to_millis(ends)))
        return secret, ends

    def exchange_embed(self, secret: str) -> str:
        """Take an embed token, once, and return the token of a short session.

        Raises:
            Denied: ``credentials_refused`` if it was used, ran out, or never was.
        """
        wanted = EMBED_TOKEN.c.digest == digest_of(secret)
        with self._engine.begin() as db:
            row = db.execute(select(EMBED_TOKEN).where(wanted)).first()
            db.execute(delete(EMBED_TOKEN).where(wanted))
        if row is None or to_millis(self._clock.now()) >= row.ends_ms:
            hint = "ask the product that showed the link for a new one"
            raise Denied("credentials_refused", "the link was used or has run out", hint=hint)
        return self._sessions.open_embedded(row.subject)


def _token(row: Row[*tuple[Any, ...]]) -> ApiToken:
    return ApiToken(
        number=row.no,
        id=TokenId(format_id(IdKind.TOKEN, row.id)),
        label=row.label,
        scopes=frozenset(Scope(word) for word in row.scopes.split()),
        organisation=row.organisation,
        created=from_millis(row.created_ms),
        ends=from_millis(row.ends_ms),
        used=None if row.used_ms is None else from_millis(row.used_ms),
        revoked=None if row.revoked_ms is None else from_millis(row.revoked_ms),
    )
