"""The documented generic form: read in full, and refused wherever it is not exactly that."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.capture.reading import read_bytes, read_json
from volens.core.purposes import Signal
from volens.vault.model import ROOT, Role, TurnFlag

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats" / "import.md"


def turn(**more: object) -> dict[str, object]:
    return {"role": "user", "text": "q"} | more


def record(*turns: dict[str, object], **more: object) -> dict[str, object]:
    return {"id": "v-1", "turns": list(turns) or [turn()]} | more


def test_every_member_arrives(tmp_path: Path) -> None:
    full = record(
        turn(at="2026-01-31T09:30:00.000Z", rating=1),
        turn(role="assistant", text="a", parent=0, rating=-1, reasoning=True),
        turn(role="tool", text="t", third_party=True, hidden=True),
        turn(role="system", text="s", parent=None, off_path=True, incomplete=True),
        format="volens-jsonl/1",
        subject="person@example.com",
        created="2026-01-31T09:30:00.000Z",
        updated="2026-02-01T00:00:00.000Z",
        title="T",
        language="pt-BR",
        signal="do_not_remember",
        attachments=["a.pdf"],
    )
    captured = read_json(tmp_path, full).captured[0]
    conversation = captured.conversation
    assert captured.account == "person@example.com"
    assert (conversation.source, conversation.source_id) == ("volens-jsonl", "v-1")
    assert conversation.created == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert conversation.updated == datetime(2026, 2, 1, tzinfo=UTC)
    assert (conversation.title, conversation.language) == ("T", "pt-BR")
    assert conversation.signal is Signal.DO_NOT_REMEMBER
    assert conversation.attachments == ("a.pdf",)
    assert [(t.role, t.text, t.flags, t.parent, t.rating) for t in conversation.turns] == [
        (Role.USER, "q", TurnFlag.NONE, ROOT, 1),
        (Role.ASSISTANT, "a", TurnFlag.REASONING, 0, -1),
        (Role.TOOL, "t", TurnFlag.THIRD_PARTY | TurnFlag.HIDDEN, 1, 0),
        (Role.SYSTEM, "s", TurnFlag.OFF_PATH | TurnFlag.INCOMPLETE, ROOT, 0),
    ]
    assert conversation.turns[0].at == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(training_allowed=True), "unknown_field"),
        (record(turn(consent="granted")), "unknown_field"),
        (record(format="volens-jsonl/2"), "field_type"),
        (record(signal="maybe"), "field_type"),
        (record(signal=True), "field_type"),
        (record(language="not a tag"), "field_type"),
        (record(title=1), "field_type"),
        (record(subject="a\nb"), "field_type"),
        (record(attachments="a"), "field_type"),
        (record(attachments=[1]), "field_type"),
        (record(created="31.1.2026"), "time_form"),
        (record(created="2026-01-31T09:30:00.000+01:00"), "time_form"),
        (record(turn(at="2026-01-31")), "time_form"),
        (record(turn(role="human"), turn()), "field_type"),
        (record(turn(text=None)), "field_type"),
        (record(turn(rating=2)), "field_type"),
        (record(turn(rating=True)), "field_type"),
        (record(turn(third_party="yes")), "field_type"),
        (record(turn(third_party=None)), "field_type"),
        (record(turn(parent=0)), "turn_order"),
        (record(turn(), turn(parent=1)), "turn_order"),
        (record(turn(), turn(parent=-1)), "turn_order"),
        (record(turn(), turn(parent=False)), "turn_order"),
        (record(id=""), "source_id"),
        (record(id="x" * 201), "source_id"),
        (record(id="a\tb"), "source_id"),
        (record(id=True), "source_id"),
    ],
)
def test_what_is_not_exactly_the_format_is_refused(
    tmp_path: Path, bad: dict[str, object], reason: str
) -> None:
    outcome = read_bytes(tmp_path, "\n".join(map(json.dumps, (record(), bad))).encode())
    assert len(outcome.captured) == 1
    assert outcome.reasons == {reason: 1}


def test_the_examples_of_the_page_are_read_as_it_says(tmp_path: Path) -> None:
    examples = re.findall(r"```jsonl\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        outcome = read_bytes(tmp_path, example.encode())
        assert not outcome.skipped
        assert len(outcome.captured) == len(example.strip().splitlines())


def test_the_page_names_every_reason_that_can_be_given() -> None:
    page = PAGE.read_text(encoding="utf-8")
    given: set[str] = set()
    for path in (PAGE.parents[2] / "src" / "volens" / "capture").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        given |= set(re.findall(r'(?:InvalidInput|Unavailable)\(\s*"([a-z_0-9]+)"', source))
        given |= set(re.findall(r'reason="([a-z_0-9]+)"', source))
        given |= set(re.findall(r'return "([a-z_0-9]+)", "', source))
        given |= set(re.findall(r'_(?:refusal|left_out)\([^")]*?, "([a-z_0-9]+)"', source))
    assert len(given) > 25
    assert {reason for reason in given if f"`{reason}`" not in page} == set()
