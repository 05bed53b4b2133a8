"""Opening: ciphertext goes in, plaintext comes out. Only `gate` may import this module.

The gate calls it after the decision is made and its log entry is durable, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from volens.core.errors import Unavailable
from volens.core.ports import Entropy
from volens.crypto.binding import (
    ContentPlace,
    capture_commitment,
    content_binding,
    manifest_leaf,
    record_binding,
)
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, derive, open_envelope, seal_envelope
from volens.crypto.keystore import Account, Holder, KeyStore
from volens.crypto.pages import conversation_keys, record_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ToOpen:
    """One sealed segment and where it belongs."""

    place: ContentPlace
    envelope: bytes = field(repr=False)


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
        self, items: Sequence[tuple[Holder, Sequence[ToOpen]]]
    ) -> Iterator[list[Opened | None]]:
        """Open segments holder by holder, keys fetched once for the batch.

        Args:
            items: sorted by holder number; each with that holder's segments.

        Yields:
            For each holder, its payloads in order; None where the key is gone (erased).

        Raises:
            VerificationFailed: if a segment or key page was changed or moved.
        """
        holders = [holder for holder, _ in items]
        for (_, group), account in zip(items, self._keys.accounts(holders), strict=True):
            if account is None:
                yield [None] * len(group)
            else:
                yield [_open(account, item) for item in group]

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


def _open(account: Account, item: ToOpen) -> Opened | None:
    conversation = item.place.conversation
    salt = account.salts.get(conversation)
    if salt is None:
        return None
    key, secret = conversation_keys(account.key, conversation, salt)
    payload = open_envelope(
        key, item.envelope, key_id=conversation, associated=content_binding(item.place)
    )
    return Opened(payload, secret, key)
