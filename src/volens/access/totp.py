"""Second factors that are typed: one-time codes of an app (RFC 6238), and recovery codes."""

from __future__ import annotations

import base64
import hmac
from typing import Final

import pyotp
from sqlalchemy import Engine, delete, func, insert, select, update

from volens.access.accounts import LocalAccount
from volens.access.secrets import AccessKeys
from volens.access.tables import RECOVERY_CODE, TOTP
from volens.core.errors import Denied
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.time import to_millis

STEP_SECONDS: Final = 30
_DRIFT: Final = 1
"""Steps that a clock may be off, either way (RFC 6238, 5.2)."""
_SECRET_BYTES: Final = 20  # RFC 4226, 4, R6
_KIND: Final = b"totp"
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
_ISSUER: Final = "Volens"


class CodeStore:
    """Sets up and checks codes; no code counts twice."""

    def __init__(self, engine: Engine, keys: AccessKeys, *, clock: Clock, entropy: Entropy) -> None:
        """Use the tables in `engine`."""
        self._engine = engine
        self._keys = keys
        self._clock = clock
        self._entropy = entropy

    def begin(self, account: LocalAccount, *, label: str) -> tuple[str, str]:
        """Draw a secret that counts once `confirm` has seen a code of it.

        An app that is set up already goes on counting until then.

        Returns:
            the secret in base32, and the address that apps read from a picture.

        Raises:
            Denied: ``totp_there`` if an app is set up: it is taken away first.
        """
        if self.is_set_up(account):
            hint = "take the present app away first"
            raise Denied("totp_there", "an app is set up already", hint=hint)
        raw = self._entropy.draw(_SECRET_BYTES)
        row = {
            "account_no": account.number,
            "sealed": self._keys.seal(_KIND, _raw(account), raw, entropy=self._entropy),
            "last_step": 0,
            "confirmed_ms": None,
        }
        with self._engine.begin() as db:
            db.execute(delete(TOTP).where(TOTP.c.account_no == account.number))
            db.execute(insert(TOTP).values(row))
        secret = base64.b32encode(raw).decode("ascii")
        return secret, pyotp.TOTP(secret).provisioning_uri(name=label, issuer_name=_ISSUER)

    def waiting(self, account: LocalAccount, *, label: str) -> tuple[str, str] | None:
        """Return secret and address of an app that waits for its first code, or None."""
        with self._engine.connect() as db:
            row = db.execute(select(TOTP).where(TOTP.c.account_no == account.number)).first()
        if row is None or row.confirmed_ms is not None:
            return None
        secret = base64.b32encode(self._keys.open(_KIND, _raw(account), row.sealed)).decode()
        return secret, pyotp.TOTP(secret).provisioning_uri(name=label, issuer_name=_ISSUER)

    def confirm(self, account: LocalAccount, code: str) -> bool:
        """Let the app count if it shows the right code; say whether it did."""
        if not self._take(account, code, confirmed=False):
            return False
        with self._engine.begin() as db:
            known = update(TOTP).where(TOTP.c.account_no == account.number)
            db.execute(known.values(confirmed_ms=to_millis(self._clock.now())))
        return True

    def check(self, account: LocalAccount, code: str) -> bool:
        """Say whether a code of the app, or a recovery code, is right; it counts once."""
        return self._take(account, code, confirmed=True) or self._recover(account, code)

    def is_set_up(self, account: LocalAccount) -> bool:
        """Say whether an app is set up and counts."""
        wanted = (TOTP.c.account_no == account.number) & TOTP.c.confirmed_ms.is_not(None)
        with self._engine.connect() as db:
            return db.execute(select(TOTP.c.account_no).where(wanted)).first() is not None

    def remove(self, account: LocalAccount) -> None:
        """Take the app away."""
        with self._engine.begin() as db:
            db.execute(delete(TOTP).where(TOTP.c.account_no == account.number))

    def new_recovery_codes(self, account: LocalAccount) -> list[str]:
        """Replace the recovery codes and return them; each counts once and is nowhere else."""
        codes = [
            base64.b32encode(self._entropy.draw(_RECOVERY_BYTES)).decode("ascii").lower()
            for _ in range(RECOVERY_CODES)
        ]
        rows = [
            {"digest": self._digest(account, code), "account_no": account.number} for code in codes
        ]
        with self._engine.begin() as db:
            db.execute(delete(RECOVERY_CODE).where(RECOVERY_CODE.c.account_no == account.number))
            db.execute(insert(RECOVERY_CODE), rows)
        return ["-".join((code[:4], code[4:8], code[8:12], code[12:])) for code in codes]

    def recovery_codes_left(self, account: LocalAccount) -> int:
        """Return how many recovery codes were not used yet."""
        query = select(func.count()).where(RECOVERY_CODE.c.account_no == account.number)
        with self._engine.connect() as db:
            return int(db.execute(query).scalar() or 0)

    def _take(self, account: LocalAccount, code: str, *, confirmed: bool) -> bool:
        """Check a code, and let neither it nor an older one count again (RFC 6238, 5.2)."""
        plain = "".join(code.split())
        with self._engine.begin() as db:
            row = db.execute(select(TOTP).where(TOTP.c.account_no == account.number)).first()
            if row is None or (row.confirmed_ms is not None) is not confirmed:
                return False
            secret = base64.b32encode(self._keys.open(_KIND, _raw(account), row.sealed)).decode()
            now = int(self._clock.now().timestamp()) // STEP_SECONDS
            fitting = [
                step
                for step in range(now - _DRIFT, now + _DRIFT + 1)
                if hmac.compare_digest(
                    pyotp.TOTP(secret).generate_otp(step).encode(),
                    plain.encode("utf-8", "surrogatepass"),
                )
                and step > row.last_step
            ]
            if not fitting:
                return False
            known = update(TOTP).where(TOTP.c.account_no == account.number)
            db.execute(known.values(last_step=fitting[-1]))
            return True

    def _recover(self, account: LocalAccount, code: str) -> bool:
        digest = self._digest(account, code)
        with self._engine.begin() as db:
            wanted = (RECOVERY_CODE.c.digest == digest) & (
                RECOVERY_CODE.c.account_no == account.number
            )
            return db.execute(delete(RECOVERY_CODE).where(wanted)).rowcount == 1

    def _digest(self, account: LocalAccount, code: str) -> bytes:
        plain = "".join(letter for letter in code.lower() if letter.isalnum())
        return self._keys.digest(b"recovery", _raw(account), plain.encode())


def _raw(account: LocalAccount) -> bytes:
    return parse_id(IdKind.ACCOUNT, account.id)
