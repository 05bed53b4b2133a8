"""Whatever a file holds, reading it raises nothing, loses no good record and tells no content."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import ijson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.capture.reading import (
    DATA,
    Outcome,
    chat_line,
    chatgpt,
    chatgpt_node,
    needs_data,
    read,
    read_bytes,
)
from volens.capture.model import DEFAULT, Limits
from volens.capture.splitting import Broken, Raw, split_records
from volens.capture.values import read_value
from volens.core.errors import InvalidInput
from volens.vault.model import pack_payload

CALM = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(CALM, max_examples=60)
NAMES = [
    "mapping", "message", "author", "role", "content", "content_type", "parts", "metadata", "id",
    "conversation_id", "current_node", "parent", "children", "uuid", "chat_messages", "sender",
    "text", "attachments", "type", "messages", "conversations", "from", "value", "message_id",
    "parent_id", "replies", "prompt", "message_tree_id", "utterances", "speaker", "question_id",
    "turns", "chat", "history", "messagesTree", "conversationId", "messageId", "output", "rating",
    "created_at", "create_time", "signal", "user_id", "status", "recipient", "files", "title",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False),
    st.sampled_from(["user", "assistant", "human", "text", "thoughts", "a", "b", "-1", ""]),
    st.text(max_size=8),
)
SHAPES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=3)), inner, max_size=6),
    ),
    max_leaves=30,
)
SEEDS = [
    chatgpt(chatgpt_node("a", None), chatgpt_node("b", "a"), current="b"),
    {"uuid": "c", "chat_messages": [{"uuid": "1", "sender": "human", "text": "q", "content": []}]},
    {"id": "o", "chat": {"history": {"messages": {"1": {"role": "user", "content": "q"}}}}},
    {"conversationId": "l", "messagesTree": [{"messageId": "1", "text": "q", "children": []}]},
    {"message_tree_id": "p", "prompt": {"message_id": "p", "text": "q", "replies": []}},
    {"conversation_id": "t", "utterances": [{"speaker": "user", "text": "q"}]},
    {"question_id": 1, "turns": ["q"]},
    {"id": "v", "turns": [{"role": "user", "text": "q"}]},
    {"conversations": [{"from": "human", "value": "q"}]},
    chat_line("q", "a"),
]


def read_anywhere(data: bytes, limits: Limits = DEFAULT) -> Outcome:
    with TemporaryDirectory() as folder:
        return read_bytes(Path(folder), data, limits=limits)


def assert_sound(outcome: Outcome) -> None:
    """What is captured is storable; every file has a report; the counts agree (in `read`)."""
    for conversation in outcome.conversations:
        pack_payload(conversation)
    assert outcome.reports
    assert all(report.why or report.read for report in outcome.reports)


@CALM
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_reported(data: bytes) -> None:
    assert_sound(read_anywhere(data))


@CALM
@given(st.binary(max_size=200))
def test_arbitrary_bytes_behind_a_known_beginning_are_reported(data: bytes) -> None:
    for start in (b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"[", b"{", b"\xff\xfe", b'[{"mapping":{'):
        assert_sound(read_anywhere(start + data))


@CALM
@given(SHAPES)
def test_arbitrary_json_is_reported(value: object) -> None:
    for data in (json.dumps(value), json.dumps([value, value]), json.dumps([*SEEDS[:1], value])):
        assert_sound(read_anywhere(data.encode()))


@CALM
@given(st.sampled_from(SEEDS), st.data())
def test_a_known_shape_with_one_value_replaced_is_read_or_refused(
    seed: dict[str, object], data: st.DataObject
) -> None:
    changed = json.loads(json.dumps(seed))
    here, steps = changed, data.draw(st.integers(0, 6))
    for _ in range(steps):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and data.draw(st.booleans()):
            here = here[key]
        else:
            here[key] = data.draw(SHAPES)
            break
    outcome = read_anywhere(json.dumps([seed, changed, seed]).encode())
    assert_sound(outcome)
    assert len(outcome.captured) + len(outcome.skipped) == 3
    assert len(outcome.captured) >= 2


@CALM
@given(
    st.lists(SHAPES, max_size=6),
    st.integers(1, 40),
    st.sampled_from([None, 1, 3]),
    st.booleans(),
)
def test_cutting_gives_the_same_records_as_reading_the_whole(
    values: list[object], size: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    cut = list(split_records(chunks, DEFAULT))
    assert [json.loads(raw.data) for raw in cut if isinstance(raw, Raw)] == json.loads(data)
    assert [raw.index for raw in cut] == list(range(len(values)))


@CALM
@given(
    st.lists(st.dictionaries(st.text(max_size=4), SHAPES, max_size=3), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_cutting_lines_gives_each_line(values: list[object], size: int) -> None:
    data = "\n".join(json.dumps(value) for value in values).encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    cut = list(split_records(chunks, DEFAULT))
    assert [json.loads(raw.data) for raw in cut if isinstance(raw, Raw)] == values


@CALM
@given(st.dictionaries(st.text(max_size=4), SHAPES, min_size=1), st.integers(1, 40))
def test_cutting_a_document_gives_it_whole(value: object, size: int) -> None:
    data = json.dumps(value, indent=2).encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    (raw,) = split_records(chunks, DEFAULT)
    assert isinstance(raw, Raw)
    assert json.loads(raw.data) == value


@CALM
@given(st.binary(max_size=200), st.integers(1, 7), st.integers(1, 50))
def test_cutting_anything_ends_and_never_hands_out_too_much(
    data: bytes, size: int, most: int
) -> None:
    for start in (b"", b"[", b"{", b'[{"a":', b'{"a":1}\n'):
        whole = start + data
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        try:
            cut = list(split_records(chunks, Limits(record_bytes=most)))
        except InvalidInput as error:
            assert error.code in {"empty_file", "not_json"}  # noqa: PT017 - one of two outcomes
            continue
        assert all(isinstance(raw, Broken) or len(raw.data) <= most for raw in cut)


@CALM
@given(SHAPES, st.integers(190, 210))
def test_deep_and_shallow_reading_agree(value: object, levels: int) -> None:
    text = "[" * levels + json.dumps(value) + "]" * levels
    outcomes = []
    for most in (levels + 60, 10_000):
        try:
            found = read_value(text.encode(), Limits(depth=most))
        except InvalidInput as error:
            outcomes.append(error.code)
            continue
        for _ in range(levels):
            (found,) = found
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]
    if outcomes[0] not in ("json_number", "json_surrogate", "json_syntax"):
        assert outcomes[0] == value


@pytest.mark.parametrize("backend", ["python", "yajl2_c"])
def test_deep_reading_does_not_depend_on_the_parser_behind_it(backend: str) -> None:
    if backend not in ijson.ALL_BACKENDS:  # a tuple of names
        pytest.skip("this parser is not installed")
    asked = f"""
import ijson
from volens.capture.model import Limits
from volens.capture.values import read_value
from volens.core.errors import InvalidInput
assert ijson.backend_name == {backend!r}
for inside in {DEEP_CASES!r}:
    try:
        found = read_value(b"[" * 900 + inside + b"]" * 900, Limits())
        for _ in range(900):
            (found,) = found
        print(ascii(found))
    except InvalidInput as error:
        print(error.code)
"""
    environment = {**os.environ, "IJSON_BACKEND": backend, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines() == [
        "{'a': [1, 2.5, True, None, '\\U0001f600']}",
        "duplicate_key",
        "json_surrogate",
        "json_surrogate",
        "json_syntax",
        "json_number",
        "json_syntax",
        "json_syntax",
    ]


DEEP_CASES = [
    b'{"a": [1, 2.5, true, null, "\\ud83d\\ude00"]}',
    b'{"a": 1, "a": 2}',
    b'"\\ud83d"',
    b'{"\\ude00": 1}',
    b"NaN",
    b"9007199254740993",
    b'"\xff"',
    b"1 1",
]
SOURCES = Path(__file__).resolve().parents[2] / "src"


def published() -> list[bytes]:
    if not DATA.is_dir():
        return [b""]
    files = [
        *sorted((DATA / "exports").rglob("*.json")),
        *sorted((DATA / "exports").rglob("*.zip")),
        DATA / "taskmaster4" / "data_00.json.gz",
    ]
    return [path.read_bytes() for path in files if path.stat().st_size < 300_000]


PUBLISHED = published()


@needs_data
@FEW
@given(st.sampled_from(PUBLISHED), st.data())
def test_published_exports_with_bytes_changed_never_crash(
    whole: bytes, data: st.DataObject
) -> None:
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "drop", "double"]))
        if kind == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif kind == "cut" and at > 0:
            del changed[at:]
        elif kind == "drop":
            del changed[at : at + data.draw(st.integers(1, 50))]
        else:
            changed[at:at] = changed[at : at + data.draw(st.integers(1, 50))]
        if not changed:
            break
    assert_sound(read_anywhere(bytes(changed)))


@FEW
@given(st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=60)), max_size=5))
def test_zips_of_anything_are_reported(members: list[tuple[str, bytes]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, (name, data) in enumerate(members):
            archive.writestr(f"{number}{name}".encode("utf-8", "replace").decode(), data)
    assert_sound(read_anywhere(packed.getvalue()))


@needs_data
def test_every_prefix_of_a_small_export_is_read_or_reported(tmp_path: Path) -> None:
    whole = (DATA / "exports" / "claude-ai" / "claude-to-sqlite_example.json").read_bytes()
    for end in range(0, len(whole), 7):
        outcome = read_bytes(tmp_path, whole[:end])
        assert len(outcome.captured) <= 1
        assert_sound(outcome)


@needs_data
def test_every_prefix_of_a_gzip_is_read_or_reported(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(json.dumps(chat_line(str(n))) for n in range(50)).encode())
    for end in range(len(packed)):
        assert_sound(read_bytes(tmp_path, packed[:end]))


def test_no_text_of_a_conversation_gets_into_places_messages_or_reprs(tmp_path: Path) -> None:
    secret = "zebra crossing"
    bad = [
        chat_line(secret, x=secret),
        {"messages": [{"role": "user", "content": secret}], secret: 1, "n": 10**30},
        chatgpt(chatgpt_node("a", "a"), title=secret),
        {"id": "v", "turns": [{"role": secret, "text": secret}]},
        {"id": "v", "turns": [{"role": "user", "text": secret, secret: 1}]},
        {"id": "v", "created": secret, "turns": [{"role": "user", "text": secret}]},
        {"id": secret * 20, "turns": [{"role": "user", "text": secret}]},
    ]
    for value in bad:
        for text in (json.dumps(value), json.dumps(value).replace(":", f':"{secret}"', 1)):
            outcome = read_bytes(tmp_path, text.encode())
            assert secret not in repr(outcome.skipped)
            assert secret not in repr(outcome.reports)
            assert secret not in repr([item.conversation.turns for item in outcome.captured])
            assert secret not in repr([item.place for item in outcome.captured])


def test_reading_the_same_file_twice_yields_equal_values(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("\n".join(json.dumps(seed) for seed in SEEDS[-1:] * 3))
    assert read(tmp_path).captured == read(tmp_path).captured
