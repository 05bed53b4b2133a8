"""Opening: ciphertext goes in, plaintext comes out. Only `gate` may import this module.

The gate calls it after the decision is made and its log entry is durable, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from volens.core.errors import Unavailable, VerificationFailed
from volens.core.ports import Entropy
from volens.crypto.binding import (
    bind_block,
    capture_commitment,
    manifest_leaf,
    record_binding,
)
from volens.crypto.blocks import (
    ID_BYTES,
    ROW_BYTES,
    SECRET_AT,
    SEQUENCE_AT,
    Block,
    unpack_block,
)
from volens.crypto.envelope import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    derive,
    open_all_prepared,
    open_envelope,
    prepare_key,
    seal_envelope,
)
from volens.crypto.keystore import Account, Holder, KeyStore
from volens.crypto.pages import AccountKeys, AccountRows, conversation_keys, record_key

Segment = tuple[bytes, bytes]
"""Block id (16 bytes) and envelope: one sealed block of a known holder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAccount:
    """What of one person was opened. `repr` shows nothing of it."""

    blocks: Sequence[Block] = field(repr=False)
    """The blocks, in the order asked for."""
    erased: frozenset[bytes] = field(repr=False)
    """Conversations in them whose own keys are gone: they may not be handed out."""
    keys: ConversationKeys = field(repr=False)


class ConversationKeys:
    """Derives the keys of one person's conversations; `repr` shows none."""

    __slots__ = ("_keys", "_salts")

    def __init__(self, account: Account) -> None:
        """Take an opened account."""
        self._keys = AccountKeys(account.key)
        self._salts = account.salts

    def of(self, conversation: bytes) -> bytes:
        """Return the 32-byte key of a conversation that is not erased."""
        return self._keys.of_conversation(conversation, self._salts[conversation])[0]


class Opener:
    """Opens content for the gate."""

    def __init__(self, keys: KeyStore, *, entropy: Entropy) -> None:
        """Use `keys`."""
        self._keys = keys
        self._entropy = entropy

    def open_many(
        self, items: Sequence[tuple[Holder, Sequence[Segment]]], *, tenant: bytes, few: bool = False
    ) -> Iterator[OpenedAccount | None]:
        """Open blocks holder by holder, keys fetched once for the batch.

        A block is opened whole: what is not asked for lies in memory until the batch is dropped.

        Args:
            items: sorted by holder number; each with that holder's blocks.
            tenant: 16 bytes that every block is bound to.
            few: they are few of what the holders have: look their keys up instead of reading all.

        Yields:
            For each holder, what was opened; None where the person's keys are gone (erased).

        Raises:
            VerificationFailed: if a block or key page was changed, moved or is missing.
        """
        if few:
            for holder, group in items:
                rows = self._keys.rows(holder)
                yield None if rows is None else _open_few(rows, tenant, holder.raw, group)
            return
        holders = [holder for holder, _ in items]
        for (holder, group), account in zip(items, self._keys.accounts(holders), strict=True):
            yield None if account is None else _open_group(account, tenant, holder.raw, group)

    def capture_secret(self, holder: Holder, conversation: bytes) -> bytes:
        """Return the capture secret that belongs to the person.

        Raises:
            Unavailable: ``key_missing`` if the conversation's keys are gone.
        """
        rows = self._keys.rows(holder)
        salt = None if rows is None else rows.pick([conversation]).get(conversation)
        if rows is None or salt is None:
            raise Unavailable("key_missing", "the conversation's key is missing: it was erased")
        return conversation_keys(rows.key, conversation, salt)[1]

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

    def record_keys(
        self, items: Sequence[tuple[Holder, Sequence[tuple[bytes, bytes]]]], *, dataset: bytes
    ) -> Iterator[list[bytes | None]]:
        """Return what `open_prepared_records` opens records with; keys fetched once for all.

        Args:
            items: sorted by holder number; each with (conversation, leaf) of that holder's records.
            dataset: the dataset's id, 16 bytes.

        Yields:
            For each holder, for each record, `PREPARED_BYTES`; None where it is erased.
        """
        holders = [holder for holder, _ in items]
        for (_, records), account in zip(items, self._keys.accounts(holders), strict=True):
            if account is None:
                yield [None] * len(records)
                continue
            keys, salts = AccountKeys(account.key), account.salts
            yield [
                None
                if (salt := salts.get(conversation)) is None
                else prepare_key(
                    record_key(keys.of_conversation(conversation, salt)[0], dataset, leaf),
                    leaf[:KEY_ID_BYTES],
                )
                for conversation, leaf in records
            ]

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


def open_prepared_records(
    prepared: bytes, envelopes: Sequence[bytes], *, dataset: bytes, leaves: Sequence[bytes]
) -> list[bytes]:
    """Open records of a sealed dataset with what `Opener.record_keys` gave for each, end to end.

    Raises:
        VerificationFailed: if one of them was changed or belongs elsewhere.
    """
    return open_all_prepared(
        prepared,
        envelopes,
        key_ids=[leaf[:KEY_ID_BYTES] for leaf in leaves],
        associated=[record_binding(dataset, leaf) for leaf in leaves],
    )


def leaves_of(members: bytes, places: Sequence[int], *, dataset: bytes) -> list[bytes]:
    """Return the leaves of some members in a dataset's manifest.

    Args:
        members: rows of members, end to end.
        places: where the rows of those that are asked for begin.
        dataset: the dataset's id, 16 bytes.
    """
    return [
        manifest_leaf(
            members[at + SECRET_AT : at + SEQUENCE_AT], dataset, members[at : at + ID_BYTES]
        )
        for at in places
    ]


def commitments_of(members: bytes) -> list[bytes]:
    """Return the commitment that each member's capture logged."""
    return [
        capture_commitment(members[at + SECRET_AT : at + SEQUENCE_AT], members[at : at + ID_BYTES])
        for at in range(0, len(members), ROW_BYTES)
    ]


def _open_group(
    account: Account, tenant: bytes, subject: bytes, group: Sequence[Segment]
) -> OpenedAccount:
    salts = account.salts
    blocks = _open_blocks(AccountKeys(account.key), salts, tenant, subject, group)
    erased = frozenset(_members(blocks) - salts.keys())
    return OpenedAccount(blocks=blocks, erased=erased, keys=ConversationKeys(account))


def _open_few(
    rows: AccountRows, tenant: bytes, subject: bytes, group: Sequence[Segment]
) -> OpenedAccount:
    own = rows.pick([block for block, _ in group])
    blocks = _open_blocks(AccountKeys(rows.key), own, tenant, subject, group)
    members = _members(blocks)
    account = Account(key=rows.key, salts=rows.pick(members))
    erased = members - account.salts.keys()
    return OpenedAccount(blocks=blocks, erased=erased, keys=ConversationKeys(account))


def _open_blocks(
    keys: AccountKeys,
    salts: Mapping[bytes, bytes],
    tenant: bytes,
    subject: bytes,
    group: Sequence[Segment],
) -> list[Block]:
    blocks = []
    for block, envelope in group:
        salt = salts.get(block)
        if salt is None:  # a stored block has its key: what is erased leaves its block first
            raise VerificationFailed("block_key_missing", "a stored block's key is missing")
        data = open_envelope(
            keys.of_block(block, salt),
            envelope,
            key_id=block,
            associated=bind_block(tenant, subject, block),
        )
        blocks.append(unpack_block(data))
    return blocks


def _members(blocks: Sequence[Block]) -> frozenset[bytes]:
    """Return the ids of the conversations in blocks."""
    return frozenset(
        block.rows[at : at + ID_BYTES]
        for block in blocks
        for at in range(0, len(block.rows), ROW_BYTES)
    )
