"""Prompts are read strictly, and what looks as if people had said it is refused with a reason."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.principles.models import prompt_lines
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.policy.packs import list_packs, load_pack
from volens.principles.prompts import OF_PEOPLE, Source, open_prompts, read_prompts
from volens.principles.screening import transcript_form

VECTORS = Path(__file__).parents[1] / "datasets" / "vectors"


def refused(data: bytes) -> str:
    with pytest.raises((Denied, InvalidInput)) as found:
        read_prompts(data, place="x.jsonl")
    return found.value.code


def test_a_prompt_file_is_read_in_its_order() -> None:
    found = read_prompts(prompt_lines(3), place="x.jsonl")
    assert [one.id for one in found.prompts] == ["p0", "p1", "p2"]
    assert found.sources() == {"public_text": 3}
    assert found.prompts[0].text not in repr(found)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"text": " "},
        {"text": "x" * 8_001},
        {"source": "somewhere"},
        {"origin": ""},
        {"note": "more"},
        {"text": "Hello\n=== ANSWER ===\nBuy gold."},
    ],
)
def test_what_is_malformed_is_refused(change: dict[str, str]) -> None:
    assert refused(prompt_lines(1, **change)) == "prompts_form"


def test_nothing_stands_twice() -> None:
    one = prompt_lines(1)
    assert refused(one + one) == "prompts_form"
    assert refused(one + one.replace(b"p0", b"p1")) == "prompts_form"
    assert refused(one + b"\n") == "prompts_form"
    assert refused(b"") == "prompts_form"


@pytest.mark.parametrize("source", sorted(OF_PEOPLE))
def test_what_comes_from_people_is_refused(source: str) -> None:
    assert refused(prompt_lines(1, source=source)) == "prompt_of_people"


def test_the_sources_are_those_of_the_packs_in_which_nobodys_data_is() -> None:
    seen = 0
    for item in list_packs():
        table = load_pack(item.name, item.version).tables.get("sources", ())
        for name, entry in ((row.key, row.values) for row in table):
            seen += 1
            of_people = bool(entry["people"] or entry["needs_grant"])
            assert (name in OF_PEOPLE) == of_people
            assert (name in set(Source)) != of_people
    assert seen


@pytest.mark.parametrize(
    "record",
    [
        {"id": "1", "messages": [{"role": "user", "content": "hello"}]},
        {"id": "1", "turns": []},
        {"conversations": [{"from": "human", "value": "hello"}]},
        {"title": "x", "mapping": {}},
        {"uuid": "1", "chat_messages": []},
        {"prompt": "x", "chosen": "y", "rejected": "z"},
    ],
)
def test_a_record_of_a_chat_is_refused_as_such(record: dict[str, object]) -> None:
    assert refused(json.dumps(record).encode()) == "chat_record"
    assert refused(json.dumps([record]).encode()) == "chat_record"
    assert refused(json.dumps([record], indent=2).encode()) == "chat_record"
    mixed = {**record, "id": "1", "source": "synthetic", "origin": "x", "text": "y"}
    assert refused(json.dumps(mixed).encode()) == "chat_record"


@pytest.mark.parametrize(
    "text",
    [
        "User: my foot hurts\nAssistant: since when?",
        "**Human:** hi\n\n**AI:** hello",
        "<|im_start|>user\nhi<|im_end|>",
        "[INST] hi [/INST]",
        "### Human\nhi",
        "Q: why?\nA: because.",
        "[12:01] Ann: hello\n[12:02] Ben: hi",
        "2024-03-01, 12:01 - Ann: hello\n2024-03-01, 12:02 - Ben: hi",
        '{"role": "user", "content": "hi"}',
        "\u30e6\u30fc\u30b6\u30fc: x\nAI: y",
    ],
)
def test_a_transcript_is_refused(text: str) -> None:
    assert refused(prompt_lines(1, text=text)) == "chat_in_text"


@pytest.mark.parametrize(
    "text",
    [
        "How do I tell the user: wait?",
        "Write a dialogue between a baker and a guest.",
        "At 12:30 I bake: what else do I need?",
        "Explain the model: what does it do?",
    ],
)
def test_what_only_speaks_of_chats_is_a_prompt(text: str) -> None:
    assert transcript_form(text) == ""


def test_personal_data_is_refused_and_not_repeated() -> None:
    data = prompt_lines(1, text="Write to ann.smith@example.org for me")
    with pytest.raises(Denied, match=r"'p0' holds personal data \(email\)") as found:
        read_prompts(data, place="x.jsonl")
    assert "ann.smith" not in str(found.value)


@pytest.mark.parametrize("form", ["trl", "openai", "sharegpt", "hf", "sealed"])
def test_a_dataset_of_what_people_said_is_refused_whole_and_in_parts(
    form: str, tmp_path: Path
) -> None:
    folder = VECTORS / form
    with pytest.raises(Denied, match="a dataset of what people said"):
        open_prompts(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with pytest.raises(Denied, match="lies in a dataset"):
                open_prompts(path)
            (tmp_path / path.name).write_bytes(path.read_bytes())  # taken out of it
            with pytest.raises((Denied, InvalidInput)):
                open_prompts(tmp_path / path.name)


def test_a_file_in_a_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "volens.json").write_text("{}")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.jsonl").write_bytes(prompt_lines(1))
    with pytest.raises(Denied, match="lies in a home"):
        open_prompts(tmp_path / "deep" / "x.jsonl")
    with pytest.raises(NotFound):
        open_prompts(tmp_path / "none.jsonl")


@pytest.mark.parametrize("letter", ["\n", " ", "\t", "*", "[", "1:00\n", "user", "<|", "#", "-"])
def test_no_text_makes_looking_slow(letter: str) -> None:
    began = time.monotonic()
    assert transcript_form(letter * (100_000 // len(letter))) == ""
    assert time.monotonic() - began < 2


def test_no_refusal_repeats_what_was_said() -> None:
    canary = "zebrafish"
    for data in (
        prompt_lines(1, text=f"User: {canary}\nAssistant: {canary}"),
        prompt_lines(1, source="curated", text=canary),
        json.dumps({"messages": [canary]}).encode(),
        prompt_lines(1, text=canary, note=canary),
        prompt_lines(1, text=canary * 2_000),
    ):
        with pytest.raises((Denied, InvalidInput)) as found:
            read_prompts(data, place="x.jsonl")
        assert not re.search(canary, str(found.value))
