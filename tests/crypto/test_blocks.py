"""A block: members and a body, read back exactly or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, VerificationFailed
from volens.crypto.blocks import pack_block, unpack_block

MEMBERS = st.lists(
    st.tuples(
        st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1)),
        st.binary(min_size=32, max_size=32),
    ),
    min_size=1,
    max_size=5,
)


@given(MEMBERS, st.binary())
def test_a_block_is_read_back(members: list[tuple[tuple[bytes, int], bytes]], body: bytes) -> None:
    block = unpack_block(pack_block([one for one, _ in members], [s for _, s in members], body))
    assert [(block.member(n), block.secret(n)) for n in range(block.size)] == members
    assert bytes(block.body) == body
    assert repr(block) == "Block()"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"VBK1",
        b"VBK1\x00\x00\x00\x00",
        b"VBK1\x01\x00\x00\x00" + bytes(55),
        b"VBK2\x01\x00\x00\x00" + bytes(56),
    ],
)
def test_what_is_not_a_block_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed) as refused:
        unpack_block(data)
    assert refused.value.code == "block_form"


def test_ids_and_secrets_have_one_length_and_there_is_at_least_one() -> None:
    for members, secrets in (
        ([], []),
        ([(b"c" * 15, 0)], [bytes(32)]),
        ([(b"c" * 16, 0)], [bytes(31)]),
    ):
        with pytest.raises(InvalidInput) as refused:
            pack_block(members, secrets, b"")
        assert refused.value.code == "block_members"
