"""HMAC (RFC 2104, FIPS 198-1) over bare hashes: the same values as `hmac.digest`, set up faster.

A call of `hmac.digest` takes 1.4-1.9 us for a short message, most of it for setting OpenSSL's HMAC
up; two bare hashes take half of that, and a third if the key's first blocks are kept. Opening one
conversation takes five such calls.
"""

from __future__ import annotations

from hashlib import sha256, sha512

from volens.core.errors import InvalidInput

_SHA256_BLOCK, _SHA512_BLOCK = 64, 128
_INNER = bytes(byte ^ 0x36 for byte in range(256))  # RFC 2104, 2: ipad
_OUTER = bytes(byte ^ 0x5C for byte in range(256))  # RFC 2104, 2: opad


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA-256 of `data` under a key of at most 64 bytes.

    Raises:
        InvalidInput: ``mac_key`` on a longer key.
    """
    if len(key) > _SHA256_BLOCK:
        raise _too_long(key)
    block = key.ljust(_SHA256_BLOCK, b"\x00")
    inner = sha256(block.translate(_INNER) + data).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def hmac_sha512(key: bytes, data: bytes) -> bytes:
    """Return the 64-byte HMAC-SHA-512 of `data` under a key of at most 128 bytes.

    Raises:
        InvalidInput: ``mac_key`` on a longer key.
    """
    if len(key) > _SHA512_BLOCK:
        raise _too_long(key)
    block = key.ljust(_SHA512_BLOCK, b"\x00")
    inner = sha512(block.translate(_INNER) + data).digest()
    return sha512(block.translate(_OUTER) + inner).digest()


class Mac512:
    """HMAC-SHA-512 under one key, for many messages. `repr` shows nothing of the key."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """Hash the key's blocks once.

        Raises:
            InvalidInput: ``mac_key`` on a key of more than 128 bytes.
        """
        if len(key) > _SHA512_BLOCK:
            raise _too_long(key)
        block = key.ljust(_SHA512_BLOCK, b"\x00")
        self._inner = sha512(block.translate(_INNER))
        self._outer = sha512(block.translate(_OUTER))

    def digest(self, data: bytes) -> bytes:
        """Return the 64-byte code of `data`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


def _too_long(key: bytes) -> InvalidInput:
    return InvalidInput("mac_key", f"a key of {len(key)} bytes is longer than a block of the hash")
