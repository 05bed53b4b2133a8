"""What was trained on people's records is sealed as their records are, under keys of its own.

Each family of runs holds keys as a person does, under a number below zero, so that epochs rotate
and end for it as for everybody. Each checkpoint has a salt of its own: without it, and once its
epoch is destroyed, the checkpoint opens never again.
"""

from __future__ import annotations

from collections.abc import Collection

from volens.core.errors import Unavailable
from volens.core.ports import Entropy
from volens.crypto.envelope import NONCE_BYTES, derive, open_envelope, seal_envelope
from volens.crypto.keystore import Account, Holder, KeyStore

ID_BYTES = 16


class Artefacts:
    """Seals, opens and destroys what runs made."""

    def __init__(self, keys: KeyStore, *, scope: str, entropy: Entropy) -> None:
        """Keep the keys in `keys`, under the epochs of `scope`."""
        self._keys = keys
        self._scope = scope
        self._entropy = entropy

    def begin(self, family: bytes) -> None:
        """Make the keys of a family of runs, unless it has some; durable when this returns."""
        try:
            self._keys.account(holder_of(family))
        except Unavailable:
            self._keys.open_scope(self._scope)
            self._keys.add_accounts(self._scope, [holder_of(family)])

    def seal(self, family: bytes, name: bytes, data: bytes) -> bytes:
        """Seal an artefact; its key is durable when this returns.

        Args:
            family: the raw id of the family, 16 bytes.
            name: what it is, 32 bytes: the digest of what it was made from.
            data: its bytes.

        Raises:
            Unavailable: ``key_missing`` if the family has no keys.
        """
        holder = holder_of(family)
        account = self._keys.add_salts({holder: [name[:ID_BYTES]]})[family]
        return seal_envelope(
            _key(account, family, name),
            data,
            key_id=name[:ID_BYTES],
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=artefact_binding(family, name),
        )

    def open(self, family: bytes, name: bytes, envelope: bytes) -> bytes | None:
        """Open an artefact; None if its key is gone.

        Raises:
            VerificationFailed: if it is not what was sealed under this name.
        """
        try:
            account = self._keys.account(holder_of(family))
        except Unavailable:
            return None
        if name[:ID_BYTES] not in account.salts:
            return None
        key = _key(account, family, name)
        associated = artefact_binding(family, name)
        return open_envelope(key, envelope, key_id=name[:ID_BYTES], associated=associated)

    def destroy(self, family: bytes, names: Collection[bytes]) -> None:
        """Remove the keys of artefacts; durable when this returns. Twice is no error."""
        self._keys.drop_salts({holder_of(family): [name[:ID_BYTES] for name in names]})


def holder_of(family: bytes) -> Holder:
    """Return who holds the keys of a family: a number below zero, made of its id."""
    return Holder(number=-1 - (int.from_bytes(family, "big") >> 66), raw=family)


def _key(account: Account, family: bytes, name: bytes) -> bytes:
    salt = account.salts[name[:ID_BYTES]]
    return derive(account.key, b"volens/artefact/v1", family + name + salt)[:32]


def artefact_binding(family: bytes, name: bytes) -> bytes:
    """Return what an artefact's envelope is bound to."""
    return b"volens/artefact/v1\x00" + family + name
