"""Envelopes open only as they were sealed."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, VerificationFailed
from volens.crypto.envelope import (
    HEADER_BYTES,
    OVERHEAD_BYTES,
    derive,
    open_envelope,
    seal_envelope,
)

KEY, KEY_ID, NONCE = bytes(range(32)), b"k" * 16, b"n" * 12


def sealed(plaintext: bytes = b"hello", key: bytes = KEY, associated: bytes = b"place") -> bytes:
    return seal_envelope(key, plaintext, key_id=KEY_ID, nonce=NONCE, associated=associated)


def test_the_vector_of_the_format_page() -> None:
    assert sealed().hex() == (
        "01016b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6e6e6e6e6e6e6e6e6e6e6e6e"
        "ecd012b4393604e5091ac60f0c4cf3197fa5049691c27ab7f433d7559cfb"
        "567ce549e2a59e5c5dec6ed3c167ec05c6061c04ec65a8"
    )


@given(st.binary(min_size=32, max_size=64), st.binary(max_size=80))
def test_derivation_is_sp_800_108_counter_mode_with_hmac_sha_512(
    key: bytes, context: bytes
) -> None:
    reference = KBKDFHMAC(
        algorithm=hashes.SHA512(),
        mode=Mode.CounterMode,
        length=64,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"volens/test",
        context=context,
        fixed=None,
    )
    assert derive(key, b"volens/test", context) == reference.derive(key)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_is_sealed_opens(plaintext: bytes, associated: bytes) -> None:
    envelope = sealed(plaintext, associated=associated)
    assert len(envelope) == len(plaintext) + OVERHEAD_BYTES
    assert open_envelope(KEY, envelope, key_id=KEY_ID, associated=associated) == plaintext


def test_any_changed_bit_is_found() -> None:
    envelope = sealed()
    for bit in range(len(envelope) * 8):
        changed = bytearray(envelope)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationFailed):
            open_envelope(KEY, bytes(changed), key_id=KEY_ID, associated=b"place")


def test_any_cut_is_found() -> None:
    envelope = sealed()
    for length in range(len(envelope)):
        with pytest.raises(VerificationFailed):
            open_envelope(KEY, envelope[:length], key_id=KEY_ID, associated=b"place")


def test_another_place_key_or_key_id_opens_nothing() -> None:
    envelope = sealed()
    for key, key_id, associated in (
        (bytes(32), KEY_ID, b"place"),
        (KEY, b"K" * 16, b"place"),
        (KEY, KEY_ID, b"other"),
    ):
        with pytest.raises(VerificationFailed) as refusal:
            open_envelope(key, envelope, key_id=key_id, associated=associated)
        assert refusal.value.code == "envelope_opens_not"


def test_a_commitment_transplanted_to_another_key_does_not_help() -> None:
    mine, other = sealed(), sealed(key=bytes(32))
    forged = other[:30] + mine[30:HEADER_BYTES] + other[HEADER_BYTES:]
    for key in (KEY, bytes(32)):
        with pytest.raises(VerificationFailed):
            open_envelope(key, forged, key_id=KEY_ID, associated=b"place")


@pytest.mark.parametrize(("key", "key_id", "nonce"), [(31, 16, 12), (32, 15, 12), (32, 16, 11)])
def test_parts_of_a_wrong_length_are_refused(key: int, key_id: int, nonce: int) -> None:
    with pytest.raises(InvalidInput):
        seal_envelope(bytes(key), b"", key_id=bytes(key_id), nonce=bytes(nonce), associated=b"")
