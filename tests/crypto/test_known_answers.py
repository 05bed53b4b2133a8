"""Known answers: what is stored today must open tomorrow, so derivations may never change."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from volens.core.errors import InvalidInput, VerificationFailed
from volens.crypto.binding import (
    bind_block,
    capture_commitment,
    manifest_leaf,
    record_binding,
)
from volens.crypto.blocks import pack_block
from volens.crypto.envelope import (
    OVERHEAD_BYTES,
    VERSION_AND_SUITE,
    derive,
    open_envelope,
    seal_envelope,
)
from volens.crypto.pages import (
    AccountKeys,
    Page,
    conversation_keys,
    pack_page,
    record_key,
    unpack_page,
)

KEY = bytes(range(32))
CONVERSATION, SALT, DATASET, LEAF = b"c" * 16, b"s" * 16, b"d" * 16, b"l" * 32
BLOCK = b"b" * 16


def test_keys_and_commitments_are_what_they_were() -> None:
    key, secret = conversation_keys(KEY, CONVERSATION, SALT)
    both = derive(KEY, b"volens/conversation/v1", CONVERSATION + SALT)
    assert (key, secret) == (both[:32], both[32:])
    answers = {
        "conversation key": key,
        "capture secret": secret,
        "record key": record_key(KEY, DATASET, LEAF),
        "capture commitment": capture_commitment(KEY, CONVERSATION),
        "manifest leaf": manifest_leaf(KEY, DATASET, CONVERSATION),
        "block key": AccountKeys(KEY).of_block(BLOCK, SALT),
        "block binding": bind_block(b"t" * 16, b"u" * 16, BLOCK),
        "block": pack_block([(CONVERSATION, 7)], [KEY], b"body"),
        "record binding": record_binding(DATASET, LEAF),
        "key page": pack_page(Page(account_key=KEY, salts={CONVERSATION: SALT})),
    }
    assert {name: data.hex() for name, data in answers.items()} == ANSWERS


def test_an_envelope_that_names_another_keys_commitment_is_refused() -> None:
    """Whoever knows two keys may not make one envelope that opens under both."""
    key_id, nonce = b"k" * 16, b"n" * 12
    mine, other = (derive(key, b"volens/envelope/v1", key_id) for key in (KEY, bytes(32)))
    header = VERSION_AND_SUITE + key_id + nonce + other[32:]
    forged = header + AESGCM(mine[:32]).encrypt(nonce, b"two faces", header + b"place")
    with pytest.raises(VerificationFailed) as refusal:
        open_envelope(KEY, forged, key_id=key_id, associated=b"place")
    assert refusal.value.code == "envelope_opens_not"


def test_another_version_and_too_few_bytes_are_told_apart_from_what_does_not_open() -> None:
    envelope = seal_envelope(KEY, b"", key_id=b"k" * 16, nonce=b"n" * 12, associated=b"")
    assert len(envelope) == OVERHEAD_BYTES
    assert open_envelope(KEY, envelope, key_id=b"k" * 16, associated=b"") == b""
    for wrong in (b"\x02" + envelope[1:], envelope[:1] + b"\x02" + envelope[2:], envelope[:-1]):
        with pytest.raises(VerificationFailed) as refusal:
            open_envelope(KEY, wrong, key_id=b"k" * 16, associated=b"")
        assert refusal.value.code == "envelope_form"
    with pytest.raises(InvalidInput) as malformed:
        seal_envelope(KEY, b"", key_id=b"", nonce=b"n" * 12, associated=b"")
    assert malformed.value.code == "envelope_key"


@pytest.mark.parametrize(
    "data",
    [b"VKP2" + bytes(32), b"VKP1" + bytes(31), b"VKP1" + bytes(32 + 31), b"VKP1" + bytes(96)],
)
def test_what_is_no_key_page_says_so(data: bytes) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        unpack_page(data)
    assert refusal.value.code == "key_page_form"


ANSWERS = {
    "conversation key": ("b45dea4c9a53889da2645761e4b7e74120cc23fd5d765fd0c10c2893caa4aa6d"),
    "capture secret": ("cfed8d642879e832e432d9e16b5545665219aeaf035312c3d1e9448f00e66020"),
    "record key": ("39e05b4ec269676aed21941fbb9b6407059f975fa31dff76bf82f7049b435a0d"),
    "capture commitment": ("bfd023be56afb5437a7b8f638ca635c61d2a7f45b497047415b59a980188d27a"),
    "manifest leaf": ("533964f1ff8b7bdcc3ac8014e65740490cf9e5e7cf8fb5183013ace1b179331c"),
    "block key": "5b57bae1c2cca696c782a6034462f955d493cb33be70a7a5872a4ffac4c7c0b1",
    "block binding": (
        "766f6c656e732f626c6f636b2f76310074747474747474747474747474747474"
        "7575757575757575757575757575757562626262626262626262626262626262"
        "0001"
    ),
    "block": (
        "56424b3101000000636363636363636363636363636363630001020304050607"
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0700000000000000"
        "626f6479"
    ),
    "record binding": (
        "766f6c656e732f7265636f72642f763100646464646464646464646464646464"
        "646c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c"
        "6c"
    ),
    "key page": (
        "564b5031000102030405060708090a0b0c0d0e0f101112131415161718191a1b"
        "1c1d1e1f63636363636363636363636363636363737373737373737373737373"
        "73737373"
    ),
}
