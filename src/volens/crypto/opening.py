"""Opening: ciphertext goes in, plaintext comes out. Only `gate` may import this module.

The gate calls it after the decision is made and its log entry is durable, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from volens.core.errors import Unavailable
from volens.core.ports import Entropy
from volens.crypto.binding import (
    bind_content,
    capture_commitment,
    manifest_leaf,
    record_binding,
)
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, derive, open_envelope, seal_envelope
from volens.crypto.keystore import Account, Holder, KeyStore
from volens.crypto.pages import AccountKeys, conversation_keys, record_key

Segment = tuple[bytes, int, bytes]
"""Conversation id (16 bytes), sequence number, envelope: one sealed segment of a known holder."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One opened conversation: its payload, capture secret and key. `repr` shows none of them."""

    payload: bytes = field(repr=False)
    capture_secret: bytes = field(repr=False)
    key: bytes = field(repr=False)


class Opener:
    """Opens content for the gate."""

    def __init__(self, keys: KeyStore, *, entropy: Entropy) -> None:
        """Use `keys`."""
        self._keys = keys
        self._entropy = entropy

    def open_many(
        self, items: Sequence[tuple[Holder, Sequence[Segment]]], *, tenant: bytes
    ) -> Iterator[list[Opened | None]]:
        """Open segments holder by holder, keys fetched once for the batch.

        Args:
            items: sorted by holder number; each with that holder's segments.
            tenant: 16 bytes that every segment is bound to.

        Yields:
            For each holder, its payloads in order; None where the key is gone (erased).

        Raises:
            VerificationFailed: if a segment or key page was changed or moved.
        """
        holders = [holder for holder, _ in items]
        for (holder, group), account in zip(items, self._keys.accounts(holders), strict=True):
            if account is None:
                yield [None] * len(group)
            else:
                yield _open_group(account, tenant, holder.raw, group)

    def capture_secret(self, holder: Holder, conversation: bytes) -> bytes:
        """Return the capture secret that belongs to the person.

        Raises:
            Unavailable: ``key_missing`` if the conversation's keys are gone.
        """
        account = self._keys.account(holder)
        salt = account.salts.get(conversation)
        if salt is None:
            raise Unavailable("key_missing", "the conversation's key is missing: it was erased")
        return conversation_keys(account.key, conversation, salt)[1]

    def open_references(self, items: Sequence[tuple[Holder, bytes]]) -> Iterator[str | None]:
        """Open the names by which the product knows people; None where the key is gone.

        Args:
            items: (holder, sealed reference), sorted by holder number.
        """
        holders = [holder for holder, _ in items]
        for (holder, sealed), account in zip(items, self._keys.accounts(holders), strict=True):
            if account is None:
                yield None
                continue
            key = derive(account.key, b"volens/reference/v1", holder.raw)[:KEY_BYTES]
            associated = b"volens/reference/v1\x00" + holder.raw
            opened = open_envelope(key, sealed, key_id=holder.raw, associated=associated)
            yield opened.decode("utf-8")

    def seal_record(self, key: bytes, plaintext: bytes, *, dataset: bytes, leaf: bytes) -> bytes:
        """Seal one record of a sealed dataset under a key derived from its conversation's key."""
        return seal_envelope(
            record_key(key, dataset, leaf),
            plaintext,
            key_id=leaf[:16],
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=record_binding(dataset, leaf),
        )


def open_record(key: bytes, envelope: bytes, *, dataset: bytes, leaf: bytes) -> bytes:
    """Open one record of a sealed dataset, given its conversation's key.

    Raises:
        VerificationFailed: if the record was changed or belongs elsewhere.
    """
    return open_envelope(
        record_key(key, dataset, leaf),
        envelope,
        key_id=leaf[:16],
        associated=record_binding(dataset, leaf),
    )


def leaf_of(capture_secret: bytes, *, dataset: bytes, conversation: bytes) -> bytes:
    """Return the conversation's leaf in a dataset's manifest."""
    return manifest_leaf(capture_secret, dataset, conversation)


def commitment_of(capture_secret: bytes, conversation: bytes) -> bytes:
    """Return the commitment that the conversation's capture logged."""
    return capture_commitment(capture_secret, conversation)


def _open_group(
    account: Account, tenant: bytes, subject: bytes, group: Sequence[Segment]
) -> list[Opened | None]:
    keys = AccountKeys(account.key)
    salts = account.salts
    found: list[Opened | None] = []
    for conversation, sequence, envelope in group:
        salt = salts.get(conversation)
        if salt is None:
            found.append(None)
            continue
        key, secret = keys.of_conversation(conversation, salt)
        associated = bind_content(tenant, subject, conversation, sequence)
        payload = open_envelope(key, envelope, key_id=conversation, associated=associated)
        found.append(Opened(payload, secret, key))
    return found
