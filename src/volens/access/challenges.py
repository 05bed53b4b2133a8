"""What was asked of a browser and is answered once, within minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine, delete, insert, select

from volens.access.secrets import digest_of, new_secret
from volens.access.tables import CHALLENGE
from volens.core.ports import Clock, Entropy
from volens.core.time import to_millis

CHALLENGE_TIME: Final = timedelta(minutes=5)


class Asked(StrEnum):
    """What for; an answer to one is none to another."""

    PASSKEY_ADD = "passkey_add"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    OIDC = "oidc"
    RETURN = "return"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One that was asked and is taken now."""

    account_no: int | None
    value: bytes = field(repr=False)


class ChallengeStore:
    """Keeps challenges until they are taken, once."""

    def __init__(self, engine: Engine, *, clock: Clock, entropy: Entropy) -> None:
        """Use the table in `engine`."""
        self._engine = engine
        self._clock = clock
        self._entropy = entropy

    def ask(self, purpose: Asked, value: bytes, *, account_no: int | None = None) -> str:
        """Keep a challenge; return by what its answer has to name it."""
        handle, now = new_secret(self._entropy), self._clock.now()
        row = {
            "digest": digest_of(handle),
            "purpose": purpose.value,
            "account_no": account_no,
            "value": value,
            "ends_ms": to_millis(now + CHALLENGE_TIME),
        }
        with self._engine.begin() as db:
            db.execute(delete(CHALLENGE).where(CHALLENGE.c.ends_ms <= to_millis(now)))
            db.execute(insert(CHALLENGE).values(row))
        return handle

    def take(self, purpose: Asked, handle: str) -> Challenge | None:
        """Return a challenge and forget it; None if it was taken, ran out, or never was."""
        wanted = CHALLENGE.c.digest == digest_of(handle)
        with self._engine.begin() as db:
            row = db.execute(select(CHALLENGE).where(wanted)).first()
            db.execute(delete(CHALLENGE).where(wanted))
        now = to_millis(self._clock.now())
        if row is None or row.purpose != purpose.value or now >= row.ends_ms:
            return None
        return Challenge(account_no=row.account_no, value=row.value)
