"""Shredding: ciphertext goes in, ciphertext without some conversations comes out, keys are dropped.

Blocks are opened and sealed anew inside one call; what lies in them is handed to one pure function
that lays out what stays, and to nobody else. Only `vault` may import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from volens.core.errors import Unavailable
from volens.core.ports import Entropy
from volens.crypto.binding import bind_block
from volens.crypto.blocks import Block, Member, pack_block, unpack_block
from volens.crypto.envelope import NONCE_BYTES, open_envelope, seal_envelope
from volens.crypto.keystore import Account, Holder, KeyStore
from volens.crypto.pages import AccountKeys
from volens.crypto.sealing import SealedBlock

Layout = Callable[[Sequence[tuple[memoryview, Sequence[int]]]], bytes]
"""From (body, places that stay) of each block, the body of the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """Blocks of one person to be merged into one, without some of their conversations."""

    holder: Holder
    blocks: Sequence[tuple[bytes, bytes]]
    """Block id (16 bytes) and envelope of each."""
    without: Collection[Member] = ()
    """What goes: exactly these versions of these conversations."""
    anew: frozenset[bytes] = frozenset()
    """Conversations that `layout` changes: their sequence numbers go up by one."""
    layout: Layout | None = None
    """How what stays is laid out, if not as always."""


class Shredder:
    """Rewrites blocks and drops keys; hands out no plaintext."""

    def __init__(self, keys: KeyStore, layout: Layout, *, tenant: bytes, entropy: Entropy) -> None:
        """Use `keys`; `layout` is pure, and `tenant` (16 bytes) what blocks are bound to."""
        self._keys = keys
        self._layout = layout
        self._tenant = tenant
        self._entropy = entropy

    def rewrite(self, wanted: Sequence[Rewrite]) -> list[SealedBlock | None]:
        """Return, for each rewrite, the block that takes the place of its blocks; None if empty.

        The new blocks' keys are durable when this returns; the old ones are still there, so that a
        stop at any point leaves either form readable. `drop` comes after the new form is stored.

        Raises:
            VerificationFailed: if a block was changed or moved.
            Unavailable: ``key_missing`` if a person's keys or a block's key are gone.
        """
        ids = [self._entropy.draw(16) for _ in wanted]
        accounts = {one.holder: self._keys.account(one.holder) for one in wanted}
        sealed: list[SealedBlock | None] = []
        opened = [self._open(accounts[one.holder], one) for one in wanted]
        salts: dict[Holder, list[bytes]] = {}
        for one, block, kept in zip(wanted, ids, opened, strict=True):
            if kept[1]:
                salts.setdefault(one.holder, []).append(block)
        drawn = self._keys.add_salts(salts) if salts else {}
        for one, block, (parts, members, secrets) in zip(wanted, ids, opened, strict=True):
            if not members:
                sealed.append(None)
                continue
            account = drawn[one.holder.raw]
            envelope = seal_envelope(
                AccountKeys(account.key).of_block(block, account.salts[block]),
                pack_block(members, secrets, (one.layout or self._layout)(parts)),
                key_id=block,
                nonce=self._entropy.draw(NONCE_BYTES),
                associated=bind_block(self._tenant, one.holder.raw, block),
            )
            sealed.append(SealedBlock(id=block, envelope=envelope))
        return sealed

    def drop(self, unwanted: Mapping[Holder, Collection[bytes]]) -> None:
        """Remove the keys of conversations and blocks (ids of 16 bytes); durable on return."""
        self._keys.drop_salts(unwanted)

    def keep_only(self, holder: Holder, needed: Collection[bytes]) -> None:
        """Remove all keys of conversations and blocks of a holder but those that are `needed`.

        A holder whose keys are gone is no error.
        """
        try:
            there = self._keys.account(holder).salts.keys()
        except Unavailable as error:
            if error.code != "key_missing":
                raise
            return
        if unwanted := there - set(needed):
            self._keys.drop_salts({holder: unwanted})

    def drop_accounts(self, numbers: Collection[int]) -> None:
        """Remove all keys of the people in these rows; durable on return. Twice is no error."""
        self._keys.drop_accounts(numbers)

    def _open(
        self, account: Account, wanted: Rewrite
    ) -> tuple[list[tuple[memoryview, list[int]]], list[Member], list[bytes]]:
        keys, without = AccountKeys(account.key), frozenset(wanted.without)
        parts: list[tuple[memoryview, list[int]]] = []
        members: list[Member] = []
        secrets: list[bytes] = []
        for block_id, envelope in wanted.blocks:
            salt = account.salts.get(block_id)
            if salt is None:
                raise Unavailable("key_missing", "a block's key is missing: it was erased")
            data = open_envelope(
                keys.of_block(block_id, salt),
                envelope,
                key_id=block_id,
                associated=bind_block(self._tenant, wanted.holder.raw, block_id),
            )
            block = unpack_block(data)
            kept = _kept(block, without, account.salts)
            parts.append((block.body, kept))
            members += [
                (conversation, sequence + (conversation in wanted.anew))
                for conversation, sequence in map(block.member, kept)
            ]
            secrets += [block.secret(index) for index in kept]
        return parts, members, secrets


def _kept(block: Block, without: frozenset[Member], salts: Mapping[bytes, bytes]) -> list[int]:
    """Return the places of what stays: not asked to go, and not erased already."""
    found = []
    for index in range(block.size):
        member = block.member(index)
        if member not in without and member[0] in salts:
            found.append(index)
    return found
