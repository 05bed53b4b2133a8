"""Sealing: content goes in, ciphertext comes out, keys stay here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from volens.core.ports import Entropy
from volens.crypto.binding import bind_block, capture_commitment
from volens.crypto.blocks import Member, pack_block
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, derive, seal_envelope
from volens.crypto.keystore import Account, Holder, KeyStore
from volens.crypto.pages import AccountKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBlock:
    """The ciphertext of one block."""

    id: bytes
    envelope: bytes = field(repr=False)


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

    def draw(self, wanted: Mapping[Holder, Sequence[bytes]], blocks: Mapping[Holder, int]) -> Drawn:
        """Draw keys for new conversations and for blocks to hold them; durable on return.

        If the process dies before the caller stores the ciphertext, they open nothing.

        Args:
            wanted: for each holder, ids (16 bytes) of conversations; known ones keep their keys.
            blocks: how many blocks each of these holders will fill.
        """
        ids = {holder: [self._entropy.draw(16) for _ in range(blocks[holder])] for holder in wanted}
        accounts = self._keys.add_salts(
            {holder: [*conversations, *ids[holder]] for holder, conversations in wanted.items()}
        )
        return Drawn(wanted, ids, accounts, entropy=self._entropy)


class Drawn:
    """Keys drawn for one capture; seals its blocks and shows none of them."""

    def __init__(
        self,
        wanted: Mapping[Holder, Sequence[bytes]],
        blocks: Mapping[Holder, Sequence[bytes]],
        accounts: Mapping[bytes, Account],
        *,
        entropy: Entropy,
    ) -> None:
        """Derive what the capture commits to; use `Sealer.draw`."""
        self._blocks = {holder: iter(ids) for holder, ids in blocks.items()}
        self._accounts = accounts
        self._entropy = entropy
        self._keys = {holder: AccountKeys(accounts[holder.raw].key) for holder in wanted}
        self._secrets: dict[bytes, bytes] = {}
        for holder, conversations in wanted.items():
            keys, salts = self._keys[holder], accounts[holder.raw].salts
            for one in conversations:
                self._secrets[one] = keys.of_conversation(one, salts[one])[1]
        self.commitments = {
            one: capture_commitment(secret, one) for one, secret in self._secrets.items()
        }
        """For each conversation, what its capture logs (32 bytes)."""

    def seal(
        self, holder: Holder, members: Sequence[Member], body: bytes, *, tenant: bytes
    ) -> SealedBlock:
        """Seal the next block of a holder.

        Args:
            holder: whose; one of those that keys were drawn for.
            members: which conversations, in the order of `body`.
            body: the vault's bytes.
            tenant: 16 bytes that the block is bound to.
        """
        block = next(self._blocks[holder])
        secrets = [self._secrets[conversation] for conversation, _ in members]
        envelope = seal_envelope(
            self._keys[holder].of_block(block, self._accounts[holder.raw].salts[block]),
            pack_block(members, secrets, body),
            key_id=block,
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=bind_block(tenant, holder.raw, block),
        )
        return SealedBlock(id=block, envelope=envelope)
