"""After a restore: what had ended by then ends again, as far as the log tells.

The entry that ends an account, a role or a token commits to it under the salt of the entry that
began it. The salt lies in the row, so a restored row can be compared with a newer log.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, delete, select, update

from volens.access.tables import (
    ACCOUNT,
    ACCOUNT_ROLE,
    API_TOKEN,
    CHALLENGE,
    EMBED_TOKEN,
    PASSKEY,
    RECOVERY_CODE,
    SESSION,
    TOTP,
)
from volens.core.time import to_millis
from volens.log.entries import Entry, commit
from volens.log.kinds import EntryKind

ENDED = b"ended"
REVOKED = b"revoked"
_ENDING = frozenset({EntryKind.ACCOUNT_ENDED, EntryKind.ROLE_ENDED, EntryKind.TOKEN_REVOKED})
_Told = dict[tuple[EntryKind, bytes], int]
"""Kind and commitment of each ending, and when it was."""


def end_again(engine: Engine, entries: Iterable[Entry]) -> None:
    """End all sessions, and what `entries` say has ended since its row was copied.

    Passwords and second factors stay as the backup has them. It is done all at once; a repeat
    changes nothing.

    Args:
        engine: the restored database.
        entries: the whole log, or all after the backup.
    """
    told: _Told = {}
    for one in entries:
        commitment = one.fields.get("commitment")
        if one.kind in _ENDING and isinstance(commitment, bytes):
            told[one.kind, commitment] = to_millis(one.at)
    with engine.begin() as db:
        for table in (SESSION, CHALLENGE, EMBED_TOKEN):
            db.execute(delete(table))
        _accounts(db, told)
        _roles(db, told)
        _tokens(db, told)


def _accounts(db: Connection, told: _Told) -> None:
    for row in db.execute(select(ACCOUNT).where(ACCOUNT.c.ended_ms.is_(None))).all():
        at = told.get((EntryKind.ACCOUNT_ENDED, commit(row.salt, row.id, ENDED)))
        if at is None:
            continue
        known = update(ACCOUNT).where(ACCOUNT.c.no == row.no)
        db.execute(known.values(ended_ms=at, password=None))
        for table in (PASSKEY, TOTP, RECOVERY_CODE):
            db.execute(delete(table).where(table.c.account_no == row.no))


def _roles(db: Connection, told: _Told) -> None:
    owner = ACCOUNT.c.no == ACCOUNT_ROLE.c.account_no
    for row in db.execute(select(ACCOUNT_ROLE, ACCOUNT.c.id).join(ACCOUNT, owner)).all():
        ended = commit(row.salt, row.id, row.role.encode(), ENDED)
        if (EntryKind.ROLE_ENDED, ended) in told:
            db.execute(delete(ACCOUNT_ROLE).where(ACCOUNT_ROLE.c.no == row.no))


def _tokens(db: Connection, told: _Told) -> None:
    for row in db.execute(select(API_TOKEN).where(API_TOKEN.c.revoked_ms.is_(None))).all():
        at = told.get((EntryKind.TOKEN_REVOKED, commit(row.salt, row.id, REVOKED)))
        if at is not None:
            db.execute(update(API_TOKEN).where(API_TOKEN.c.no == row.no).values(revoked_ms=at))
