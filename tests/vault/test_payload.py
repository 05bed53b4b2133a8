"""The payload is strict: exactly what is written can be read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.core.purposes import Signal
from volens.core.time import from_millis
from volens.vault.model import (
    MAX_TURNS,
    ROOT,
    Conversation,
    Role,
    Turn,
    TurnFlag,
    pack_payload,
    unpack_payload,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLAGS = st.integers(0, 31).map(TurnFlag)
MOMENT = st.none() | st.integers(-(10**12), 4 * 10**12).map(from_millis)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    count = draw(st.integers(0, 5))
    turns = tuple(
        Turn(
            role=draw(st.sampled_from(Role)),
            text=draw(TEXT),
            flags=draw(FLAGS),
            parent=draw(st.integers(ROOT, index - 1)),
            at=draw(MOMENT),
            rating=draw(st.sampled_from([-1, 0, 1])),
        )
        for index in range(count)
    )
    return Conversation(
        source="test",
        source_id="1",
        turns=turns,
        title=draw(TEXT),
        language="en",
        attachments=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@given(conversations())
def test_what_is_packed_is_unpacked(conversation: Conversation) -> None:
    payload = unpack_payload(pack_payload(conversation))
    assert payload.turns == conversation.turns
    assert (payload.title, payload.language) == (conversation.title, "en")
    assert payload.attachments == conversation.attachments


SAMPLE = pack_payload(
    Conversation(
        source="test",
        source_id="1",
        turns=(
            Turn(role=Role.USER, text="héllo", at=datetime(2026, 1, 1, tzinfo=UTC)),
            Turn(role=Role.ASSISTANT, text="yes", parent=0, rating=1),
        ),
        title="A title",
        signal=Signal.NONE,
    )
)


def test_every_cut_and_every_addition_is_refused() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(InvalidInput):
            unpack_payload(SAMPLE[:length])
    with pytest.raises(InvalidInput):
        unpack_payload(SAMPLE + b"x")


def test_a_changed_byte_is_refused_or_reads_as_exactly_what_it_says() -> None:
    original = unpack_payload(SAMPLE)
    for place in range(len(SAMPLE)):
        for bit in range(8):
            changed = bytearray(SAMPLE)
            changed[place] ^= 1 << bit
            try:
                found = unpack_payload(bytes(changed))
            except InvalidInput:
                continue
            assert found != original


@pytest.mark.parametrize(
    "turn",
    [
        Turn(role=Role.USER, text="\ud800"),
        Turn(role=Role.USER, text="x", parent=0),
        Turn(role=Role.USER, text="x", parent=-2),
        Turn(role=Role.USER, text="x", rating=2),
    ],
)
def test_a_turn_that_cannot_be_written_is_refused(turn: Turn) -> None:
    with pytest.raises(InvalidInput):
        pack_payload(Conversation(source="test", source_id="1", turns=(turn,)))


def test_too_many_turns_are_refused() -> None:
    turns = (Turn(role=Role.USER, text=""),) * (MAX_TURNS + 1)
    with pytest.raises(InvalidInput):
        pack_payload(Conversation(source="test", source_id="1", turns=turns))


def test_no_text_shows_in_a_repr() -> None:
    turn = Turn(role=Role.USER, text="canary")
    conversation = Conversation(source="t", source_id="1", turns=(turn,), title="canary")
    assert "canary" not in repr(conversation) + repr(turn) + repr(unpack_payload(SAMPLE))
