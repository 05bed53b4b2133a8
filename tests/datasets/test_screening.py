"""Which turns become a record; and that the fast form answers as the slow one."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.datasets.screening import (
    EXCLUSIONS,
    TURN_DTYPE,
    Exclusion,
    Rules,
    read_batch,
    screen,
    screen_batch,
)
from volens.vault.model import Conversation, Role, Turn, TurnFlag, pack_payload, unpack_payload

USER = Turn(role=Role.USER, text="how do I boil an egg")
ANSWER = Turn(role=Role.ASSISTANT, text="seven minutes")


def packed(*turns: Turn, attachments: tuple[str, ...] = ()) -> bytes:
    return pack_payload(
        Conversation(source="test", source_id="1", turns=turns, attachments=attachments)
    )


def test_a_question_and_its_answer_become_a_record() -> None:
    screened = screen([USER, ANSWER])
    assert screened.reason is None
    assert screened.turns == [("user", "how do I boil an egg"), ("assistant", "seven minutes")]


@pytest.mark.parametrize("flag", [flag for flag in TurnFlag if flag])
def test_a_flagged_turn_is_dropped_and_the_others_stay(flag: TurnFlag) -> None:
    extra = Turn(role=Role.ASSISTANT, text="not for training", flags=flag)
    assert screen([USER, extra, ANSWER]).turns == screen([USER, ANSWER]).turns


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000\u00a0"])
def test_a_turn_without_text_is_dropped(text: str) -> None:
    assert len(screen([USER, Turn(role=Role.USER, text=text), ANSWER]).turns) == 2


def test_tool_turns_are_dropped() -> None:
    assert len(screen([USER, Turn(role=Role.TOOL, text="result"), ANSWER]).turns) == 2


def test_a_visible_system_turn_is_kept() -> None:
    shown = Turn(role=Role.SYSTEM, text="be brief")
    assert screen([shown, USER, ANSWER]).turns[0] == ("system", "be brief")


PASTED = Turn(role=Role.USER, text="a page", flags=TurnFlag.THIRD_PARTY)


@pytest.mark.parametrize(
    ("turns", "attachments", "rules", "reason"),
    [
        ([], (), Rules(), Exclusion.NO_USER_TURN),
        ([ANSWER], (), Rules(), Exclusion.NO_USER_TURN),
        ([USER], (), Rules(), Exclusion.NO_ASSISTANT_TURN),
        ([PASTED, ANSWER], (), Rules(), Exclusion.THIRD_PARTY_ONLY),
        ([PASTED, USER, ANSWER], (), Rules(), None),
        ([USER, ANSWER], ("cv.pdf",), Rules(), Exclusion.ATTACHMENT_MISSING),
        ([USER, ANSWER], ("cv.pdf",), Rules(with_attachments=True), None),
        ([USER, ANSWER], (), Rules(least_text_bytes=34), Exclusion.TOO_SHORT),
        ([USER, ANSWER], (), Rules(least_text_bytes=33), None),
        ([USER, ANSWER], (), Rules(most_text_bytes=32), Exclusion.TOO_LONG),
        ([USER, ANSWER], (), Rules(most_text_bytes=33), None),
    ],
)
def test_each_exclusion_has_its_reason_in_both_forms(
    turns: list[Turn], attachments: tuple[str, ...], rules: Rules, reason: Exclusion | None
) -> None:
    slow = screen(turns, attachments=attachments, rules=rules)
    fast = screen_batch(read_batch([packed(*turns, attachments=attachments)]), rules=rules)
    assert slow.reason is reason
    assert EXCLUSIONS[fast.reasons[0]] is reason
    assert bool(slow.turns) is (reason is None)


def test_the_repr_of_a_screened_conversation_shows_no_text() -> None:
    assert "egg" not in repr(screen([USER, ANSWER]))
    assert "egg" not in repr(read_batch([packed(USER, ANSWER)]))


def test_a_row_of_the_turn_table_has_the_size_that_the_vault_writes() -> None:
    assert TURN_DTYPE.itemsize == struct.calcsize("<BBbxiqI") == 20


TURNS = st.lists(
    st.builds(
        Turn,
        role=st.sampled_from(Role),
        text=st.text(max_size=12) | st.sampled_from(["", " ", "\n\u2003", "\u3000x", "é", "日本"]),
        flags=st.sampled_from([TurnFlag.NONE] * 6 + list(TurnFlag)),
        rating=st.sampled_from([-1, 0, 1]),
    ),
    max_size=6,
)
CONVERSATIONS = st.lists(st.tuples(TURNS, st.sampled_from([(), (), ("a.pdf",)])), max_size=8)
RULES = st.builds(
    Rules,
    least_text_bytes=st.integers(0, 8),
    most_text_bytes=st.integers(8, 40),
    with_attachments=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(CONVERSATIONS, RULES)
def test_the_fast_form_answers_as_the_slow_one(
    conversations: list[tuple[list[Turn], tuple[str, ...]]], rules: Rules
) -> None:
    payloads = [packed(*turns, attachments=names) for turns, names in conversations]
    batch = read_batch([memoryview(payload) for payload in payloads])
    fast = screen_batch(batch, rules=rules)
    for index, payload in enumerate(payloads):
        content = unpack_payload(payload)
        slow = screen(content.turns, attachments=content.attachments, rules=rules)
        first, last = batch.turn_starts[index : index + 2]
        kept = [at for at in range(first, last) if fast.keep[at]]
        assert EXCLUSIONS[fast.reasons[index]] is slow.reason
        names = [Role(int(batch.turns["role"][at])).name.lower() for at in kept]
        assert list(zip(names, map(batch.text, kept), strict=True)) == slow.turns


@settings(max_examples=300, deadline=None)
@given(TURNS, st.integers(0, 10_000), st.integers(1, 255))
def test_what_the_vault_refuses_in_the_table_or_texts_the_fast_form_refuses_too(
    turns: list[Turn], at: int, flip: int
) -> None:
    payload = bytearray(packed(*turns))
    end = 12 + 20 * len(turns)
    places = [*range(end), *range(end + payload[8], len(payload))]
    payload[places[at % len(places)]] ^= flip
    try:
        unpack_payload(bytes(payload))
    except (InvalidInput, OverflowError):
        with pytest.raises(InvalidInput, match="payload 0 of the batch"):
            read_batch([bytes(payload)])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda p: p[:5], "shorter than its header"),
        (lambda p: b"VCP2" + p[4:], "unknown version"),
        (lambda p: p[:-1], "more or fewer bytes"),
        (lambda p: p + b"x", "more or fewer bytes"),
        (lambda p: p[:12] + b"\x09" + p[13:], "out of range"),
        (lambda p: p[:13] + b"\x80" + p[14:], "out of range"),
        (lambda p: p[:15] + b"\x01" + p[16:], "out of range"),
        (lambda p: p[:16] + b"\x00\x00\x00\x00" + p[20:], "out of range"),
        (lambda p: p[:-2] + b"\xff\xff", "not UTF-8"),
        (lambda p: p.replace(b'{"att', b'{"btt'), "other metadata"),
    ],
)
def test_a_malformed_payload_is_named_and_refused(
    change: Callable[[bytes], bytes], what: str
) -> None:
    good = packed(USER, ANSWER)
    with pytest.raises(InvalidInput, match=f"payload 1 of the batch.*{what}") as refused:
        read_batch([good, change(good)])
    assert refused.value.code == "payload_form"


def test_a_text_that_begins_inside_a_character_is_refused() -> None:
    payload = bytearray(packed(Turn(role=Role.USER, text="é"), Turn(role=Role.ASSISTANT, text="é")))
    struct.pack_into("<I", payload, 12 + 16, 1)
    struct.pack_into("<I", payload, 12 + 20 + 16, 3)
    with pytest.raises(InvalidInput, match="begins inside a character"):
        read_batch([bytes(payload)])


def test_an_empty_batch_is_fine() -> None:
    batch = read_batch([])
    assert screen_batch(batch).reasons.size == 0
