"""The key service: keeper of the key-encryption keys (KEKs), outside the home.

The port fits a folder of files, Vault or OpenBao transit, or a cloud KMS: KEKs never leave the
service; callers hand it small secrets to wrap and unwrap, one for each scope and epoch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from volens.core.errors import InvalidInput, Unavailable
from volens.core.ports import Entropy
from volens.crypto.envelope import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    open_envelope,
    seal_envelope,
)
from volens.storage.files import read_private, storage_errors, sync_folder, write_private

_SCOPE_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class KeyService(Protocol):
    """Wraps and unwraps under KEKs named by (scope, epoch).

    Contract: `create` is durable when it returns and never replaces a KEK. `unwrap` of anything
    that `wrap` did not give for the same scope, epoch and associated data raises. After `destroy`
    returns, no call opens what that KEK wrapped; destroying twice is no error. A service that can't
    be reached raises `Unavailable` and has done nothing.
    """

    def create(self, scope: str, epoch: int) -> None:
        """Make the KEK of (scope, epoch) if it does not exist."""
        ...

    def wrap(self, scope: str, epoch: int, secret: bytes, associated: bytes) -> bytes:
        """Return `secret` wrapped.

        Raises:
            Unavailable: ``kek_missing`` if that KEK does not exist (any more).
        """
        ...

    def unwrap(self, scope: str, epoch: int, wrapped: bytes, associated: bytes) -> bytes:
        """Return the secret that was wrapped.

        Raises:
            Unavailable: ``kek_missing`` if that KEK does not exist (any more).
            VerificationFailed: if `wrapped` was changed or belongs elsewhere.
        """
        ...

    def destroy(self, scope: str, epoch: int) -> None:
        """Destroy the KEK of (scope, epoch) for good."""
        ...


class FileKeyService:
    """KEKs as files of 32 bytes, mode 0600, in a folder outside the home.

    Destroying removes the file; it promises nothing against forensics of that disk.
    """

    def __init__(self, folder: Path, *, entropy: Entropy) -> None:
        """Use `folder` (made on the first `create`)."""
        self._folder = folder
        self._entropy = entropy

    def create(self, scope: str, epoch: int) -> None:
        """See `KeyService.create`."""
        path = self._path(scope, epoch)
        if not path.exists():
            with storage_errors(self._folder):
                write_private(path, self._entropy.draw(KEY_BYTES))

    def wrap(self, scope: str, epoch: int, secret: bytes, associated: bytes) -> bytes:
        """See `KeyService.wrap`."""
        nonce = self._entropy.draw(NONCE_BYTES)
        key_id = _key_id(scope, epoch)
        kek = self._kek(scope, epoch)
        return seal_envelope(kek, secret, key_id=key_id, nonce=nonce, associated=associated)

    def unwrap(self, scope: str, epoch: int, wrapped: bytes, associated: bytes) -> bytes:
        """See `KeyService.unwrap`."""
        kek = self._kek(scope, epoch)
        return open_envelope(kek, wrapped, key_id=_key_id(scope, epoch), associated=associated)

    def destroy(self, scope: str, epoch: int) -> None:
        """See `KeyService.destroy`."""
        self._path(scope, epoch).unlink(missing_ok=True)
        if self._folder.exists():
            sync_folder(self._folder)

    def _kek(self, scope: str, epoch: int) -> bytes:
        kek = read_private(self._path(scope, epoch))
        if kek is None or len(kek) != KEY_BYTES:
            raise Unavailable(
                "kek_missing",
                f"the key-encryption key of {scope}, epoch {epoch}, is not in {self._folder}",
                hint="set VOLENS_KEK_DIR to the folder that keeps this home's keys",
            )
        return kek

    def _path(self, scope: str, epoch: int) -> Path:
        if not scope or not _SCOPE_ALPHABET.issuperset(scope):
            raise InvalidInput("key_scope", f"not a key scope: {scope[:40]!r}")
        return self._folder / f"{scope}.{epoch:06d}.kek"


def _key_id(scope: str, epoch: int) -> bytes:
    return hashlib.sha256(f"{scope}.{epoch}".encode()).digest()[:KEY_ID_BYTES]
