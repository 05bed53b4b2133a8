"""Addresses to which the receipts of erasures go: given with the request, gone with the last mail.

Each is a file of its own, sealed under a key of its own that lies with the other keys, outside the
home. So any process can keep one, also while another owns the home, and without its key no copy of
the home says where a mail went.

    HOME/addresses/REFERENCE            envelope over canonical JSON {address, language, v}
    CUSTODY/mail-REFERENCE.key          32 bytes
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from volens.core.canonical import canonical_json, read_canonical
from volens.core.errors import InvalidInput, VolensError
from volens.core.ids import ErasureId, IdKind, parse_id
from volens.core.ports import Entropy
from volens.crypto.envelope import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    open_envelope,
    seal_envelope,
)
from volens.lifecycle.mailing import check_address
from volens.lifecycle.receipt_words import LANGUAGES
from volens.storage.files import make_folder, read_private, sync_folder, write_private

FOLDER = "addresses"
_BINDING = b"volens/address/v1\x00"
_KEY_ID = hashlib.sha256(b"volens/address/v1").digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to tell somebody how far their erasure is."""

    erasure: ErasureId
    address: str
    language: str


class AddressBook:
    """Keeps addresses until they are forgotten."""

    def __init__(self, home: Path, custody: Path, *, entropy: Entropy) -> None:
        """Use the folder of a home and that of its keys."""
        self._folder = home / FOLDER
        self._custody = custody
        self._entropy = entropy

    def keep(self, address: Address) -> None:
        """Keep an address, in place of one that was given for the same erasure before.

        Raises:
            InvalidInput: ``mail_address``, ``language_unknown``.
        """
        check_address(address.address)
        if address.language not in LANGUAGES:
            hint = f"there are words in: {', '.join(LANGUAGES)}"
            raise InvalidInput("language_unknown", "no words in this language", hint=hint)
        raw = parse_id(IdKind.ERASURE, address.erasure)
        key = self._entropy.draw(KEY_BYTES)
        sealed = seal_envelope(
            key,
            canonical_json({"v": 1, "address": address.address, "language": address.language}),
            key_id=_KEY_ID,
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=_BINDING + raw,
        )
        make_folder(self._folder)
        # The key first: an address that nothing opens would wait for ever.
        write_private(self._key(address.erasure), key)
        write_private(self._folder / address.erasure, sealed)

    def waiting(self) -> list[ErasureId]:
        """Return the erasures for which an address is kept."""
        if not self._folder.is_dir():
            return []
        prefix = f"{IdKind.ERASURE.value}_"
        names = sorted(path.name for path in self._folder.iterdir())
        return [ErasureId(name) for name in names if name.startswith(prefix)]

    def read(self, erasure: ErasureId) -> Address | None:
        """Return the address kept for an erasure; None if there is none, or nothing opens it."""
        key = read_private(self._key(erasure))
        sealed = read_private(self._folder / erasure)
        if key is None or sealed is None:
            return None
        raw = parse_id(IdKind.ERASURE, erasure)
        try:
            plain = open_envelope(key, sealed, key_id=_KEY_ID, associated=_BINDING + raw)
        except VolensError:
            return None  # one of the two files was replaced in between, or was changed
        body = read_canonical(plain)
        assert isinstance(body, dict)
        return Address(
            erasure=erasure, address=str(body["address"]), language=str(body["language"])
        )

    def forget(self, erasure: ErasureId) -> None:
        """Remove an address, its key first; no error if there is none."""
        for path in (self._key(erasure), self._folder / erasure):
            if path.exists():
                path.unlink()
                sync_folder(path.parent)

    def _key(self, erasure: ErasureId) -> Path:
        return self._custody / f"mail-{erasure}.key"
