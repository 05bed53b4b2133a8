"""Passkeys: registered and checked as WebAuthn says (W3C, Web Authentication level 3, 7.1, 7.2).

A passkey is discoverable and checks who holds it, so it stands for both factors at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import Engine, delete, insert, select, update
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from volens.access.accounts import AccountStore, LocalAccount
from volens.access.challenges import Asked, ChallengeStore
from volens.access.tables import PASSKEY
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.time import from_millis, to_millis

MOST_PASSKEYS: Final = 20
_CHALLENGE_BYTES: Final = 32
_PARTY: Final = "Volens"
_LONGEST_ANSWER: Final = 32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of an account."""

    credential: bytes
    created: datetime
    used: datetime | None


class PasskeyStore:
    """Registers, checks and removes passkeys."""

    def __init__(
        self,
        engine: Engine,
        accounts: AccountStore,
        challenges: ChallengeStore,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Use the tables in `engine`."""
        self._engine = engine
        self._accounts = accounts
        self._challenges = challenges
        self._clock = clock
        self._entropy = entropy

    def begin_adding(self, account: LocalAccount, *, origin: str, label: str) -> tuple[str, str]:
        """Ask a browser for a new passkey.

        Args:
            account: for whom.
            origin: what the browser calls this server.
            label: what the browser shows for it.

        Returns:
            what the answer has to name, and the options as JSON.
        """
        known = self.of(account)
        if len(known) >= MOST_PASSKEYS:
            hint = "remove one that is not used any more"
            raise InvalidInput("passkeys_full", f"{MOST_PASSKEYS} passkeys are there", hint=hint)
        challenge = self._entropy.draw(_CHALLENGE_BYTES)
        options = webauthn.generate_registration_options(
            rp_id=_host(origin),
            rp_name=_PARTY,
            user_id=parse_id(IdKind.ACCOUNT, account.id),
            user_name=label,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential) for one in known],
        )
        handle = self._challenges.ask(Asked.PASSKEY_ADD, challenge, account_no=account.number)
        return handle, webauthn.options_to_json(options)

    def add(self, account: LocalAccount, handle: str, answer: str, *, origin: str) -> None:
        """Keep the passkey that a browser made.

        Raises:
            Denied: ``credentials_refused``.
        """
        asked = self._challenges.take(Asked.PASSKEY_ADD, handle)
        if asked is None or asked.account_no != account.number or len(answer) > _LONGEST_ANSWER:
            raise _refused()
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=asked.value,
                expected_rp_id=_host(origin),
                expected_origin=origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise _refused() from error
        row = {
            "credential": found.credential_id,
            "account_no": account.number,
            "public_key": found.credential_public_key,
            "sign_count": found.sign_count,
            "created_ms": to_millis(self._clock.now()),
        }
        with self._engine.begin() as db:
            wanted = PASSKEY.c.credential == found.credential_id
            if db.execute(select(PASSKEY.c.account_no).where(wanted)).first() is not None:
                raise _refused()
            db.execute(insert(PASSKEY).values(row))

    def begin_sign_in(self, *, origin: str) -> tuple[str, str]:
        """Ask a browser for any passkey of this server; who it is comes with the answer."""
        challenge = self._entropy.draw(_CHALLENGE_BYTES)
        options = webauthn.generate_authentication_options(
            rp_id=_host(origin),
            challenge=challenge,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        handle = self._challenges.ask(Asked.PASSKEY_SIGN_IN, challenge)
        return handle, webauthn.options_to_json(options)

    def check(self, handle: str, answer: str, *, origin: str) -> LocalAccount:
        """Return whose passkey answered.

        Raises:
            Denied: ``credentials_refused``.
        """
        asked = self._challenges.take(Asked.PASSKEY_SIGN_IN, handle)
        if asked is None or len(answer) > _LONGEST_ANSWER:
            raise _refused()
        try:
            return self._verified(asked.value, answer, origin)
        except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _refused() from error

    def of(self, account: LocalAccount) -> list[Passkey]:
        """Return the passkeys of an account, oldest first."""
        query = select(PASSKEY).where(PASSKEY.c.account_no == account.number)
        with self._engine.connect() as db:
            return [
                Passkey(
                    credential=row.credential,
                    created=from_millis(row.created_ms),
                    used=None if row.used_ms is None else from_millis(row.used_ms),
                )
                for row in db.execute(query.order_by(PASSKEY.c.created_ms))
            ]

    def remove(self, account: LocalAccount, credential: bytes) -> None:
        """Remove a passkey of an account; one that is gone is no error."""
        with self._engine.begin() as db:
            wanted = (PASSKEY.c.credential == credential) & (PASSKEY.c.account_no == account.number)
            db.execute(delete(PASSKEY).where(wanted))

    def _verified(self, challenge: bytes, answer: str, origin: str) -> LocalAccount:
        credential = webauthn.helpers.parse_authentication_credential_json(answer)
        raw = base64url_to_bytes(credential.id)
        with self._engine.connect() as db:
            row = db.execute(select(PASSKEY).where(PASSKEY.c.credential == raw)).first()
        if row is None:
            raise _refused()
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_host(origin),
            expected_origin=origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
        account = self._accounts.by_number(row.account_no)
        handle = credential.response.user_handle
        if handle is not None and handle != parse_id(IdKind.ACCOUNT, account.id):  # 7.2, step 6
            raise _refused()
        if account.ended is not None:
            raise _refused()
        with self._engine.begin() as db:
            used = {
                "sign_count": found.new_sign_count,
                "used_ms": to_millis(self._clock.now()),
            }
            db.execute(update(PASSKEY).where(PASSKEY.c.credential == raw).values(used))
        return account


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _refused() -> Denied:
    hint = "try again, or sign in another way"
    return Denied("credentials_refused", "the passkey does not fit", hint=hint)
