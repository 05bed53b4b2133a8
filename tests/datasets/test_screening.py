"""Which turns become a record; and that the fast form answers as the slow one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volens.datasets.screening import (
    EXCLUSIONS,
    Exclusion,
    Rules,
    screen,
    screen_batch,
)
from volens.vault.blocks import Columns, Entry, pack_body
from volens.vault.model import Conversation, Role, Turn, TurnFlag, pack_payload, unpack_payload

USER = Turn(role=Role.USER, text="how do I boil an egg")
ANSWER = Turn(role=Role.ASSISTANT, text="seven minutes")


def packed(*turns: Turn, attachments: tuple[str, ...] = ()) -> bytes:
    return pack_payload(
        Conversation(source="test", source_id="1", turns=turns, attachments=attachments)
    )


def columns(payloads: list[bytes]) -> Columns:
    entries = [Entry(number=n, batch=1, position=n, payload=one) for n, one in enumerate(payloads)]
    return Columns.of([pack_body(entries)])


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
    fast = screen_batch(columns([packed(*turns, attachments=attachments)]), rules=rules)
    assert slow.reason is reason
    assert EXCLUSIONS[fast.reasons[0]] is reason
    assert bool(slow.turns) is (reason is None)


def test_the_repr_of_a_screened_conversation_shows_no_text() -> None:
    assert "egg" not in repr(screen([USER, ANSWER]))
    assert "egg" not in repr(columns([packed(USER, ANSWER)]))


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
    batch = columns(payloads)
    fast = screen_batch(batch, rules=rules)
    for index, payload in enumerate(payloads):
        content = unpack_payload(payload)
        slow = screen(content.turns, attachments=content.attachments, rules=rules)
        first, last = batch.turn_starts[index : index + 2]
        kept = [at for at in range(first, last) if fast.keep[at]]
        assert EXCLUSIONS[fast.reasons[index]] is slow.reason
        names = [Role(int(batch.turns["role"][at])).name.lower() for at in kept]
        assert list(zip(names, map(batch.text, kept), strict=True)) == slow.turns


def test_an_empty_batch_is_fine() -> None:
    batch = columns([])
    assert screen_batch(batch).reasons.size == 0
