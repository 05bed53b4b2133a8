"""Secrets that are handed out and looked up by digest, and keys for what sign-in keeps sealed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from volens.core.ports import Entropy
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, derive, open_envelope, seal_envelope

SECRET_BYTES = 32
"""256 bits: nobody guesses them, so a plain digest hides them."""


def new_secret(entropy: Entropy) -> str:
    """Return 256 random bits, as 43 characters of base64url."""
    return base64.urlsafe_b64encode(entropy.draw(SECRET_BYTES)).rstrip(b"=").decode("ascii")


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 by which a secret is found; it must have 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """Keys for digests and envelopes of sign-in, derived from the look-up key in custody."""

    root: bytes = field(repr=False)

    def digest(self, kind: bytes, *parts: bytes) -> bytes:
        """Return a 32-byte keyed digest of `parts`, each behind its length."""
        message = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
        return hmac.digest(self._key(b"digest/" + kind), message, "sha256")

    def seal(self, kind: bytes, owner: bytes, value: bytes, *, entropy: Entropy) -> bytes:
        """Seal a small value for its owner (16 bytes)."""
        nonce = entropy.draw(NONCE_BYTES)
        key = self._key(b"seal/" + kind)
        return seal_envelope(key, value, key_id=owner, nonce=nonce, associated=kind)

    def open(self, kind: bytes, owner: bytes, sealed: bytes) -> bytes:
        """Open what `seal` made.

        Raises:
            VerificationFailed: if it was made for somebody or something else, or changed.
        """
        return open_envelope(self._key(b"seal/" + kind), sealed, key_id=owner, associated=kind)

    def _key(self, label: bytes) -> bytes:
        return derive(self.root, b"volens/access/v1/" + label, b"")[:KEY_BYTES]
