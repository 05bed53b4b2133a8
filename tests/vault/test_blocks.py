"""The body of a block: columns that give back exactly what was packed, and refuse anything else."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.vault.blocks import (
    ROW_DTYPE,
    TURN_DTYPE,
    Columns,
    Entry,
    merge_bodies,
    pack_body,
)
from volens.vault.model import Conversation, Role, Turn, TurnFlag, pack_payload

TURNS = st.lists(
    st.builds(
        Turn,
        role=st.sampled_from(Role),
        text=st.text(max_size=12),
        flags=st.sampled_from([TurnFlag.NONE, *TurnFlag]),
        rating=st.sampled_from([-1, 0, 1]),
    ),
    max_size=4,
)
PAYLOADS = st.builds(
    lambda turns, names: pack_payload(
        Conversation(source="test", source_id="1", turns=tuple(turns), attachments=names)
    ),
    TURNS,
    st.sampled_from([(), ("a.pdf",)]),
)


def entries(payloads: list[bytes], first: int = 0) -> list[Entry]:
    return [
        Entry(number=first + n, batch=7, position=n, payload=one) for n, one in enumerate(payloads)
    ]


def test_the_widths_are_those_of_the_format() -> None:
    assert TURN_DTYPE.itemsize == struct.calcsize("<BBbxiqI") == 20
    assert ROW_DTYPE.itemsize == struct.calcsize("<QQIIIIII") == 40


@settings(deadline=None)
@given(st.lists(st.lists(PAYLOADS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_packed_comes_back_from_one_body_or_many(groups: list[list[bytes]]) -> None:
    payloads = [one for group in groups for one in group]
    bodies, first = [], 0
    for group in groups:
        bodies.append(pack_body(entries(group, first)))
        first += len(group)
    columns = Columns.of(bodies)
    assert [columns.payload(place) for place in range(len(payloads))] == payloads
    assert columns.rows["number"].tolist() == list(range(len(payloads)))
    assert columns.attached.tolist() == [b"a.pdf" in one for one in payloads]
    assert set(columns.rows["batch"].tolist()) == {7}


@settings(deadline=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=6), st.data())
def test_columns_are_taken_and_bodies_merged_in_the_order_asked_for(
    payloads: list[bytes], data: st.DataObject
) -> None:
    columns = Columns.of([pack_body(entries(payloads))])
    places = data.draw(st.lists(st.sampled_from(range(len(payloads))), unique=True))
    taken = columns.take(np.array(places, dtype=np.int64))
    assert [taken.payload(n) for n in range(len(places))] == [payloads[at] for at in places]
    kept = sorted(places)
    if kept:
        parts = [(memoryview(pack_body(entries(payloads))), kept)] * 2
        merged = Columns.of([merge_bodies(parts)])
        assert [merged.payload(n) for n in range(2 * len(kept))] == [
            payloads[at] for at in kept
        ] * 2
        assert merged.rows["position"].tolist() == kept * 2


def test_a_body_is_the_bytes_of_its_page() -> None:
    payload = pack_payload(
        Conversation(source="t", source_id="1", turns=(Turn(role=Role.USER, text="Hi"),))
    )
    meta = b'{"attachments":[],"language":"","title":""}'
    row = struct.pack("<QQIIIIII", 9, 2, 3, 4, 1, len(meta), 0, 0)
    head = b"VBB1" + struct.pack("<IIIQ", 1, 1, len(meta), 2)
    body = pack_body([Entry(number=9, batch=3, position=4, payload=payload)])
    assert body == head + row + payload[12:32] + meta + b"Hi"


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (0, b"VBB2"),
        (4, b"\x03"),
        (8, b"\x05"),
        (12, b"\x01"),
        (16, b"\x09"),
        (24 + 8, b"\x05"),
        (24 + 24, b"\x00"),
        (24 + 28, b"\x01"),
        (24 + 32, b"\x02"),
        (24 + 36, b"\x01"),
        (104, b"\x04"),
        (105, b"\x80"),
        (106, b"\x02"),
        (107, b"\x01"),
        (108, b"\x00\x00\x00\x00"),
        (112, b"\x00\x00\x00\x00\x00\x00\x00\x7f"),
        (120, b"\x05"),
    ],
)
def test_what_is_out_of_range_is_refused(at: int, data: bytes) -> None:
    payload = pack_payload(
        Conversation(source="t", source_id="1", turns=(Turn(role=Role.USER, text="Hi"),))
    )
    body = bytearray(pack_body(entries([payload, payload])))
    body[at : at + len(data)] = data
    with pytest.raises(InvalidInput) as refused:
        Columns.of([bytes(body)])
    assert refused.value.code == "payload_form"


def test_a_body_cut_at_any_byte_or_with_a_byte_too_many_is_refused() -> None:
    payload = pack_payload(
        Conversation(source="t", source_id="1", turns=(Turn(role=Role.USER, text="Hi"),))
    )
    body = pack_body(entries([payload]))
    for changed in [*(body[:end] for end in range(len(body))), body + b"x"]:
        with pytest.raises(InvalidInput):
            Columns.of([changed])


def test_nothing_is_nothing() -> None:
    assert len(Columns.of([]).rows) == 0


def test_a_repr_shows_no_text() -> None:
    turns = (Turn(role=Role.USER, text="secret words"),)
    payload = pack_payload(Conversation(source="t", source_id="1", turns=turns))
    shown = entries([payload])
    assert "secret" not in repr(shown)
    assert "secret" not in repr(Columns.of([pack_body(shown)]))
