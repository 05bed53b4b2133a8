"""Key pages: the one place where a person's account key and conversation salts lie, sealed.

Page 0 holds the account key; every page holds up to 128 rows (id, salt), one for each conversation
and one for each block that holds conversations. A key of either exists only as a function of both,
so dropping a row, or page 0, drops keys. Pure bytes here; `keystore` keeps them.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from volens.core.errors import VerificationFailed
from volens.crypto.envelope import derivation_block, derive

MAGIC = b"VKP1"
ROWS_PER_PAGE = 128
ACCOUNT_KEY_BYTES = 32
SALT_BYTES = 16
_ID_BYTES = 16
_ROW_BYTES = _ID_BYTES + SALT_BYTES
_HEAD_BYTES = len(MAGIC) + ACCOUNT_KEY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One key page, opened. `repr` shows no key."""

    account_key: bytes = field(repr=False)
    """32 bytes on page 0, empty on the others."""
    salts: Mapping[bytes, bytes] = field(repr=False)
    """Id of a conversation or block (16 bytes) to salt (16 bytes), in order of arrival."""


def pack_page(page: Page) -> bytes:
    """Write a page; equal pages give equal bytes."""
    account_key = page.account_key or bytes(ACCOUNT_KEY_BYTES)
    rows = b"".join(conversation + salt for conversation, salt in page.salts.items())
    return MAGIC + account_key + rows


def unpack_page(data: bytes) -> Page:
    """Read a page.

    Raises:
        VerificationFailed: if `data` is not what `pack_page` writes.
    """
    account_key, body = split_page(data)
    salts = {
        body[at : at + _ID_BYTES]: body[at + _ID_BYTES : at + _ROW_BYTES]
        for at in range(0, len(body), _ROW_BYTES)
    }
    if len(salts) * _ROW_BYTES != len(body):
        raise VerificationFailed("key_page_form", "a key page names an id twice")
    return Page(account_key=account_key, salts=salts)


def split_page(data: bytes) -> tuple[bytes, bytes]:
    """Return the account key of a page (empty on all but page 0), and its rows as they are.

    Raises:
        VerificationFailed: if `data` has not the form of a page.
    """
    body = data[_HEAD_BYTES:]
    if data[: len(MAGIC)] != MAGIC or len(data) < _HEAD_BYTES or len(body) % _ROW_BYTES:
        raise VerificationFailed("key_page_form", "not a key page")
    if len(body) > ROWS_PER_PAGE * _ROW_BYTES:
        raise VerificationFailed("key_page_form", "a key page has too many rows")
    account_key = data[len(MAGIC) : _HEAD_BYTES]
    return account_key if any(account_key) else b"", body


class AccountRows:
    """One person's account key and rows, of which a few are wanted; `repr` shows none.

    To look a few up in the rows of 10^5 conversations costs a fiftieth of reading all of them.
    """

    __slots__ = ("_rows", "key")

    def __init__(self, key: bytes, bodies: Sequence[bytes]) -> None:
        """Take the account key and the rows of all pages, in order."""
        self.key = key
        self._rows = b"".join(bodies)

    def pick(self, ids: Collection[bytes]) -> dict[bytes, bytes]:
        """Return id to salt for those of `ids` (16 bytes each) that have one.

        Raises:
            VerificationFailed: ``key_page_form`` if one of them has two.
        """
        if not ids:
            return {}
        words = np.frombuffer(self._rows, dtype="<u8").reshape(-1, _ROW_BYTES // 8)[:, 0]
        wanted = np.sort(np.frombuffer(b"".join(one[:8] for one in ids), dtype="<u8"))
        places = np.minimum(np.searchsorted(wanted, words), len(wanted) - 1)
        alike = np.flatnonzero(wanted[places] == words)  # half an id says where to look
        found: dict[bytes, bytes] = {}
        known = frozenset(ids)
        for at in (alike * _ROW_BYTES).tolist():
            one = self._rows[at : at + _ID_BYTES]
            if one not in known:
                continue
            if one in found:
                raise VerificationFailed("key_page_form", "a person's key pages name an id twice")
            found[one] = self._rows[at + _ID_BYTES : at + _ROW_BYTES]
        return found


def conversation_keys(account_key: bytes, conversation: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return (conversation key, capture secret), 32 bytes each.

    The halves of one derivation are independent: the capture secret is given to the person and
    says nothing about the key.
    """
    return AccountKeys(account_key).of_conversation(conversation, salt)


class AccountKeys:
    """Derives the keys of one account's conversations; `repr` shows none."""

    __slots__ = ("_mac",)

    def __init__(self, account_key: bytes) -> None:
        """Take the 32 bytes of the account key."""
        self._mac = hmac.new(account_key, digestmod="sha512")

    def of_conversation(self, conversation: bytes, salt: bytes) -> tuple[bytes, bytes]:
        """Return (conversation key, capture secret), see `conversation_keys`."""
        block = derivation_block(b"volens/conversation/v1", conversation + salt)
        mac = self._mac.copy()  # the key's part is set up once for all of the account
        mac.update(block)
        both = mac.digest()
        return both[:32], both[32:]

    def of_block(self, block: bytes, salt: bytes) -> bytes:
        """Return the 32-byte key of the block with this id (16 bytes) and salt (16 bytes)."""
        mac = self._mac.copy()
        mac.update(derivation_block(b"volens/block/v1", block + salt))
        return mac.digest()[:32]


def record_key(conversation_key: bytes, dataset: bytes, leaf: bytes) -> bytes:
    """Return the 32-byte key of one record of a sealed dataset.

    Args:
        conversation_key: 32 bytes; without it no record key of the conversation can be had.
        dataset: the dataset's id, 16 bytes.
        leaf: the record's commitment in the manifest, 32 bytes.
    """
    return derive(conversation_key, b"volens/record/v1", dataset + leaf)[:32]
