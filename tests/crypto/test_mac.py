"""Our HMAC gives the values of the standard, and of the library's."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.crypto.mac import Mac512, hmac_sha256, hmac_sha512

# RFC 4231, 4.2 to 4.5: test cases 1 to 4 (5 truncates, 6 and 7 have keys that are refused here)
VECTORS = (
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        (
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
            "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
        ),
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        (
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ),
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        (
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
            "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
        ),
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        (
            "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
            "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"
        ),
    ),
)


@pytest.mark.parametrize(("key", "data", "short", "long"), VECTORS)
def test_the_vectors_of_rfc_4231(key: bytes, data: bytes, short: str, long: str) -> None:
    assert hmac_sha256(key, data).hex() == short
    assert hmac_sha512(key, data).hex() == long
    assert Mac512(key).digest(data).hex() == long


@given(st.binary(max_size=64), st.lists(st.binary(max_size=300), max_size=4))
def test_it_is_the_librarys_hmac(key: bytes, messages: list[bytes]) -> None:
    kept = Mac512(key)
    for message in messages:
        assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")
        assert hmac_sha512(key, message) == hmac.digest(key, message, "sha512")
        assert kept.digest(message) == hmac_sha512(key, message)


def test_keys_longer_than_a_block_are_refused() -> None:
    assert hmac_sha512(bytes(128), b"") == hmac.digest(bytes(128), b"", "sha512")
    for refused in (
        lambda: hmac_sha256(bytes(65), b""),
        lambda: hmac_sha512(bytes(129), b""),
        lambda: Mac512(bytes(129)),
    ):
        with pytest.raises(InvalidInput):
            refused()
    assert repr(bytes(32)) not in repr(Mac512(bytes(32)))
