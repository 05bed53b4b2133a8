"""The envelope: AES-256-GCM, key commitment, versioned header (docs/formats/envelope.md).

    0   version 0x01
    1   suite 0x01: AES-256-GCM, keys derived by SP 800-108r1 (counter mode, HMAC-SHA-512)
    2   key id, 16 bytes: names the key, is bound into it
    18  nonce, 12 random bytes
    30  key commitment, 32 bytes
    62  ciphertext and 16-byte tag

The header is associated data too, so no byte of it can change unnoticed. The commitment makes a
ciphertext that opens under two keys as hard as a collision in SHA-512/256 bits (Albertini et al.,
"How to Abuse and Fix Authenticated Encryption Without Key Commitment", USENIX Security 2022).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from volens.core.errors import InvalidInput, VerificationFailed

VERSION_AND_SUITE = b"\x01\x01"
KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
HEADER_BYTES = 62
OVERHEAD_BYTES = HEADER_BYTES + 16
PREPARED_BYTES = 64
_ENVELOPE_LABEL = b"volens/envelope/v1"
_OPENS_NOT = "the envelope does not open: another key or purpose, or its bytes were changed"


def derive(key: bytes, label: bytes, context: bytes) -> bytes:
    """Derive 64 bytes from `key` (NIST SP 800-108r1, 4.1: KDF in counter mode, HMAC-SHA-512).

    One block: counter 1 (32 bits) || label || 0x00 || context || length 512 (32 bits).

    Args:
        key: 32 to 128 uniformly random bytes.
        label: what the result is for; fixed words without a zero byte.
        context: whom it is for; the caller fixes its width so that no two contexts can be confused.
    """
    return hmac.digest(key, derivation_block(label, context), "sha512")


def derivation_block(label: bytes, context: bytes) -> bytes:
    """Return what `derive` puts under HMAC, for callers that derive much from one key."""
    return b"\x00\x00\x00\x01" + label + b"\x00" + context + b"\x00\x00\x02\x00"


def seal_envelope(
    key: bytes, plaintext: bytes, *, key_id: bytes, nonce: bytes, associated: bytes
) -> bytes:
    """Seal `plaintext` under `key`.

    Args:
        key: 32 bytes.
        plaintext: any bytes below 2^36.
        key_id: 16 bytes that name the key; different keys need different ids only to be found.
        nonce: 12 bytes, never used before with this key.
        associated: what the ciphertext is bound to; the same bytes must be given to open it.

    Raises:
        InvalidInput: on a key, key id or nonce of another length.
    """
    if (len(key), len(key_id), len(nonce)) != (KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES):
        raise InvalidInput("envelope_key", "key, key id or nonce has a wrong length")
    derived = derive(key, _ENVELOPE_LABEL, key_id)
    header = VERSION_AND_SUITE + key_id + nonce + derived[32:]
    return header + AESGCM(derived[:32]).encrypt(nonce, plaintext, header + associated)


def open_envelope(key: bytes, envelope: bytes, *, key_id: bytes, associated: bytes) -> bytes:
    """Return the plaintext of an envelope sealed under `key` for `key_id` and `associated`.

    Raises:
        VerificationFailed: ``envelope_form`` for an unknown version or too few bytes, else
            ``envelope_opens_not``: another key, other associated data, or changed bytes. Which of
            these it was is not said.
    """
    return open_prepared(prepare_key(key, key_id), envelope, key_id=key_id, associated=associated)


def prepare_key(key: bytes, key_id: bytes) -> bytes:
    """Return the `PREPARED_BYTES` that open envelopes of `key` and `key_id` again and again.

    AES key (32) || key commitment (32); as secret as the key.
    """
    return derive(key, _ENVELOPE_LABEL, key_id)


def open_all_prepared(
    prepared: bytes,
    envelopes: Sequence[bytes],
    *,
    key_ids: Sequence[bytes],
    associated: Sequence[bytes],
) -> list[bytes]:
    """Do as `open_prepared` for many envelopes in one go, all or none of them.

    Args:
        prepared: what `prepare_key` gave for each, end to end.
        envelopes: in the same order.
        key_ids: of each.
        associated: of each.

    Raises:
        VerificationFailed: ``envelope_opens_not`` if one of them does not open; which is not said.
    """
    headers = [envelope[:HEADER_BYTES] for envelope in envelopes]
    places = range(0, PREPARED_BYTES * len(envelopes), PREPARED_BYTES)
    # All but the nonces, compared at once: a header that is too short makes the whole too short.
    said = b"".join([header[:18] + header[30:] for header in headers])
    wanted = b"".join(
        [
            VERSION_AND_SUITE + key_id + prepared[at + KEY_BYTES : at + PREPARED_BYTES]
            for key_id, at in zip(key_ids, places, strict=True)
        ]
    )
    try:
        if hmac.compare_digest(said, wanted):
            return [
                AESGCM(prepared[at : at + KEY_BYTES]).decrypt(
                    header[18:30], envelope[HEADER_BYTES:], header + bound
                )
                for at, header, envelope, bound in zip(
                    places, headers, envelopes, associated, strict=True
                )
            ]
    except InvalidTag:
        pass
    raise VerificationFailed("envelope_opens_not", _OPENS_NOT)


def open_prepared(prepared: bytes, envelope: bytes, *, key_id: bytes, associated: bytes) -> bytes:
    """Do as `open_envelope`, with a key from `prepare_key`.

    Raises:
        VerificationFailed: see `open_envelope`.
    """
    if len(envelope) < OVERHEAD_BYTES or envelope[:2] != VERSION_AND_SUITE:
        raise VerificationFailed("envelope_form", "not an envelope of a known version")
    header = envelope[:HEADER_BYTES]
    fits = hmac.compare_digest(header[30:], prepared[32:]) and header[2:18] == key_id
    try:
        if fits:
            return AESGCM(prepared[:32]).decrypt(
                header[18:30], envelope[HEADER_BYTES:], header + associated
            )
    except InvalidTag:
        pass
    raise VerificationFailed("envelope_opens_not", _OPENS_NOT)
