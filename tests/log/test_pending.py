"""The pending file: what a crash may leave is cut, anything else is refused."""

from hashlib import sha256
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.pending import parse_pending, pending_header, pending_record

FIRST = [b"one", b"two"]
LAST = [bytes([number]) * 300 for number in range(1, 8)]
WHOLE = pending_header(5) + pending_record(5, FIRST) + pending_record(7, LAST)
LAST_AT = len(pending_header(5) + pending_record(5, FIRST))


def test_groups_read_back_in_order() -> None:
    pending = parse_pending(WHOLE)
    assert (pending.base, pending.torn_bytes) == (5, 0)
    assert list(pending.entries) == FIRST + LAST


def test_the_bytes_of_the_format() -> None:
    """The example of docs/formats/log.md."""
    assert pending_header(5).hex() == "564c50454e44310a0000000000000005"
    assert pending_record(5, [b"one"]).hex() == (
        "564c523100000000000000050000000100000005"
        "db3a4e6b"
        "00036f6e65"
        "f01fb463a59c5a1639af941a9679e2fccd012351accce5d999fc86f7e967b197"
    )


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), max_size=5))
def test_every_group_reads_back(groups: list[list[bytes]]) -> None:
    data, size = pending_header(0), 0
    for group in groups:
        data += pending_record(size, group)
        size += len(group)
    pending = parse_pending(data)
    assert list(pending.entries) == [entry for group in groups for entry in group]
    assert pending.torn_bytes == 0


def test_a_last_group_that_breaks_off_was_never_acknowledged() -> None:
    for stop in range(LAST_AT, len(WHOLE)):
        pending = parse_pending(WHOLE[:stop])
        assert list(pending.entries) == FIRST
        assert pending.torn_bytes == stop - LAST_AT


def test_a_last_group_with_unwritten_sectors_was_never_acknowledged() -> None:
    for start in range(0, len(WHOLE), 512):
        stop = min(start + 512, len(WHOLE))
        if start <= LAST_AT:
            continue
        data = WHOLE[:start] + bytes(stop - start) + WHOLE[stop:]
        pending = parse_pending(data)
        assert list(pending.entries) == FIRST
        assert pending.torn_bytes == len(data) - LAST_AT


def test_every_changed_bit_is_refused() -> None:
    for at in [*range(100), *range(LAST_AT, LAST_AT + 40), len(WHOLE) - 40, len(WHOLE) - 1]:
        for bit in range(8):
            data = bytearray(WHOLE)
            data[at] ^= 1 << bit
            with pytest.raises(VerificationFailed) as refusal:
                parse_pending(bytes(data))
            assert refusal.value.code == "pending_form"


def test_a_damaged_group_before_a_whole_one_is_refused_even_if_it_looks_torn() -> None:
    first = pending_header(0) + pending_record(0, LAST)
    torn = first[:512] + bytes(512) + first[1024:]
    assert parse_pending(torn).torn_bytes == len(first) - 16
    for behind in (pending_record(7, FIRST), pending_record(7, FIRST) + b"VLR1"):
        with pytest.raises(VerificationFailed):
            parse_pending(torn + behind)
    assert parse_pending(torn + b"VLR1").entries == ()
    assert parse_pending(torn + pending_record(7, FIRST)[:-1]).entries == ()


def test_a_group_whose_count_is_wrong_is_refused() -> None:
    record = pending_record(0, FIRST)
    head = record[:12] + (3).to_bytes(4, "big") + record[16:20]
    body = head + crc32(head).to_bytes(4, "big") + record[24:-32]
    with pytest.raises(VerificationFailed):
        parse_pending(pending_header(0) + body + sha256(body).digest())
    same = record[:-32]
    assert parse_pending(pending_header(0) + same + sha256(same).digest()).entries == tuple(FIRST)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pending_header(0)[:-1],
        b"VLPEND2\n" + bytes(8),
        pending_header(4) + pending_record(5, FIRST),
        pending_header(5) + pending_record(5, FIRST) + pending_record(5, FIRST),
        pending_header(5) + pending_record(5, FIRST) + b"x" * 100,
        pending_header(5) + b"x" * 600,
    ],
)
def test_what_is_no_pending_file_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        parse_pending(data)


def test_an_entry_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidInput):
        pending_record(0, [bytes(65_536)])
