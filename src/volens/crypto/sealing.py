"""Sealing: content goes in, ciphertext comes out, keys stay here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from volens.core.ports import Entropy
from volens.crypto.binding import ContentPlace, capture_commitment, content_binding
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, derive, seal_envelope
from volens.crypto.keystore import Holder, KeyStore
from volens.crypto.pages import conversation_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSeal:
    """One conversation's payload and where it belongs."""

    place: ContentPlace
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed segment and the commitment that its capture logs."""

    envelope: bytes = field(repr=False)
    commitment: bytes


class Sealer:
    """Seals content and references; can open nothing."""

    def __init__(self, keys: KeyStore, *, lookup_key: bytes, entropy: Entropy) -> None:
        """Use `keys`; `lookup_key` (32 bytes) finds equal values without reading them."""
        self._keys = keys
        self._lookup_key = lookup_key
        self._entropy = entropy

    def lookup(self, kind: bytes, value: bytes) -> bytes:
        """Return a 16-byte keyed digest by which an equal value is found again."""
        data = kind + b"\x00" + value
        return hmac.digest(self._lookup_key, data, hashlib.sha256)[:16]

    def open_scope(self, scope: str) -> None:
        """Make the first key epoch of `scope` if it has none."""
        self._keys.open_scope(scope)

    def add_accounts(self, scope: str, holders: Sequence[Holder]) -> None:
        """Draw an account key for each holder; durable when this returns."""
        self._keys.add_accounts(scope, holders)

    def seal_references(self, references: Mapping[Holder, str]) -> dict[Holder, bytes]:
        """Seal many references; `references` is sorted by holder number.

        Raises:
            Unavailable: ``key_missing`` if a holder has no account key.
        """
        sealed = {}
        for holder, account in zip(references, self._keys.accounts(list(references)), strict=True):
            key = self._keys.account(holder).key if account is None else account.key
            sealed[holder] = seal_envelope(
                derive(key, b"volens/reference/v1", holder.raw)[:KEY_BYTES],
                references[holder].encode("utf-8"),
                key_id=holder.raw,
                nonce=self._entropy.draw(NONCE_BYTES),
                associated=b"volens/reference/v1\x00" + holder.raw,
            )
        return sealed

    def seal(self, items: Mapping[Holder, Sequence[ToSeal]]) -> dict[bytes, Sealed]:
        """Draw keys for new conversations and seal them.

        The keys are durable when this returns; if the process dies before the caller stores the
        ciphertext, they open nothing.

        Returns:
            Conversation id (16 bytes) to sealed segment.
        """
        wanted = {
            holder: [item.place.conversation for item in group] for holder, group in items.items()
        }
        accounts = self._keys.add_salts(wanted)
        sealed: dict[bytes, Sealed] = {}
        for holder, group in items.items():
            account = accounts[holder.raw]
            for item in group:
                conversation = item.place.conversation
                key, secret = conversation_keys(
                    account.key, conversation, account.salts[conversation]
                )
                envelope = seal_envelope(
                    key,
                    item.payload,
                    key_id=conversation,
                    nonce=self._entropy.draw(NONCE_BYTES),
                    associated=content_binding(item.place),
                )
                commitment = capture_commitment(secret, conversation)
                sealed[conversation] = Sealed(envelope=envelope, commitment=commitment)
        return sealed
