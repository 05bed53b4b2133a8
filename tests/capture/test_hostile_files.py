"""Files made to break an importer: each is refused by name and costs nothing else."""

import gzip
import hashlib
import json
import os
import stat
import struct
import time
import tracemalloc
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.capture.reading import (
    Outcome,
    chat_line,
    chatgpt,
    chatgpt_message,
    chatgpt_node,
    read,
    read_bytes,
    read_json,
)
from volens.capture.entries import open_regular
from volens.capture.inline import split_answer
from volens.capture.model import Format, Limits
from volens.capture.reader import read_paths
from volens.vault.model import ROOT, TurnFlag

MEBIBYTE = 1024 * 1024
GOOD = json.dumps(chat_line("hello", "hi")).encode()


def make_zip(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def hash_of(number: int) -> str:
    """Text that doesn't shrink well."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def reason_at(outcome: Outcome, ending: str) -> str:
    found = [item.reason for item in outcome.skipped if item.place.endswith(ending)]
    assert len(found) == 1, outcome.skipped
    return found[0]


def test_a_zip_bomb_stops_at_the_ratio_and_the_other_member_is_read(tmp_path: Path) -> None:
    bomb = b'[{"messages":[{"role":"user","content":"' + b"a" * (24 * MEBIBYTE)
    path = make_zip(tmp_path, ("bomb.json", bomb), ("good.jsonl", GOOD))
    outcome = read(path)
    assert len(outcome.captured) == 1
    assert reason_at(outcome, "!bomb.json") == "inflated_ratio"


def test_what_stood_before_the_bomb_went_off_is_kept(tmp_path: Path) -> None:
    data = GOOD + b"\n" + b" " * (24 * MEBIBYTE)
    outcome = read(make_zip(tmp_path, ("bomb.jsonl", data)))
    assert len(outcome.captured) == 1
    assert outcome.reasons == {"inflated_ratio": 1}


def test_many_small_bombs_are_one_bomb(tmp_path: Path) -> None:
    data = GOOD + b"\n" + b" " * (4 * MEBIBYTE)
    outcome = read(make_zip(tmp_path, *((f"{n}.jsonl", data) for n in range(10))))
    assert outcome.reasons["inflated_ratio"] >= 5
    assert outcome.captured


def test_a_gzip_bomb_stops_at_the_ratio(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, gzip.compress(GOOD + b"\n" + b" " * (24 * MEBIBYTE)))
    assert outcome.reasons == {"inflated_ratio": 1}
    assert len(outcome.captured) == 1


def test_a_bomb_never_takes_more_memory_than_one_record_may(tmp_path: Path) -> None:
    path = make_zip(tmp_path, ("bomb.json", b'["' + b"a" * (40 * MEBIBYTE)))
    limits = Limits(record_bytes=MEBIBYTE, ratio=10**6)
    tracemalloc.start()
    outcome = read(path, limits=limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not outcome.captured
    assert peak < 8 * MEBIBYTE


def test_members_together_stop_at_the_total(tmp_path: Path) -> None:
    data = b"\n".join([GOOD] * 2000)
    path = make_zip(tmp_path, *((f"{n}.jsonl", data) for n in range(4)))
    outcome = read(path, limits=Limits(total_bytes=3 * len(data)))
    assert outcome.reasons == {"inflated_size": 1}
    assert 6000 <= len(outcome.captured) < 8000


def test_one_member_stops_at_its_own_limit(tmp_path: Path) -> None:
    data = b"\n".join([GOOD] * 2000)
    outcome = read(make_zip(tmp_path, ("a.jsonl", data)), limits=Limits(member_bytes=100_000))
    assert outcome.reasons == {"inflated_size": 1}
    assert outcome.captured


@pytest.mark.parametrize(
    "name", ["../up.json", "a/../../up.json", "/etc/up.json", "C:/up.json", "a\\..\\up.json"]
)
def test_a_climbing_or_absolute_member_is_refused_and_the_rest_read(
    tmp_path: Path, name: str
) -> None:
    outcome = read(make_zip(tmp_path, (name, GOOD), ("good.jsonl", GOOD)))
    assert outcome.reasons == {"member_name": 1}
    assert len(outcome.captured) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    outcome = read(make_zip(tmp_path, (link, b"/etc/passwd"), ("good.jsonl", GOOD)))
    assert outcome.reasons == {"link": 1}
    assert len(outcome.captured) == 1


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path, ("secret.jsonl", GOOD))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert read(path).reasons == {"encrypted_member": 1}


def test_a_packing_method_that_can_hide_bombs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.jsonl", GOOD)
    assert read(path).reasons == {"packing_method": 1}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_member_of_the_same_name_is_refused(tmp_path: Path) -> None:
    outcome = read(make_zip(tmp_path, ("a.jsonl", GOOD), ("a.jsonl", GOOD)))
    assert outcome.reasons == {"doubled_member": 1}
    assert len(outcome.captured) == 1


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path, ("a.jsonl", GOOD), ("b.jsonl", GOOD), ("c.jsonl", GOOD))
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)  # APPNOTE 4.3.12: offset of local header
    path.write_bytes(data)
    outcome = read(path)
    assert outcome.reasons == {"overlapping_member": 2}
    assert len(outcome.captured) == 1


def test_a_zip_or_gzip_inside_a_zip_is_not_opened(tmp_path: Path) -> None:
    inner = make_zip(tmp_path, ("a.jsonl", GOOD)).read_bytes()
    outer = make_zip(tmp_path, ("inner.zip", inner), ("inner.gz", gzip.compress(GOOD)))
    outcome = read(outer)
    assert outcome.reasons == {"nested_archive": 2}
    assert not outcome.captured


def test_a_gzip_inside_a_gzip_is_not_opened(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, gzip.compress(gzip.compress(GOOD)))
    assert outcome.reasons == {"nested_archive": 1}


def test_too_many_members_refuse_the_whole_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path, *((f"{n}.jsonl", GOOD) for n in range(20)))
    assert read(path, limits=Limits(members=10)).reasons == {"too_many_members": 1}


def test_a_table_of_contents_too_large_to_read_refuses_the_zip_unread(tmp_path: Path) -> None:
    path = make_zip(tmp_path, *((f"{n}{'x' * 900}.jsonl", GOOD) for n in range(20)))
    outcome = read(path, limits=Limits(members=1))
    assert outcome.reasons == {"too_many_members": 1}


def test_a_zip64_table_of_contents_is_measured_too(tmp_path: Path) -> None:
    path = make_zip(tmp_path, *((f"{n}{'x' * 9000}.jsonl", GOOD) for n in range(5)))
    data = path.read_bytes()
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", data, end + 12)
    # APPNOTE 4.3.14 and 4.3.15: the large record and where it is
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 5, 5, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    last = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    path.write_bytes(data[:end] + record + locator + last)
    assert len(read(path).captured) == 5
    assert read(path, limits=Limits(members=10)).reasons == {"too_many_members": 1}


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
def test_a_zip_cut_short_is_refused_with_what_to_do(tmp_path: Path, kept: float) -> None:
    path = make_zip(tmp_path, ("a.jsonl", GOOD * 20))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    outcome = read(path)
    assert outcome.reasons == {"corrupt_archive": 1}
    assert "download it again" in outcome.skipped[0].message


def test_a_member_with_broken_bytes_keeps_what_came_out_before(tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(chat_line(hash_of(n))).encode() for n in range(4000))
    path = make_zip(tmp_path, ("a.jsonl", lines))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 64] = b"\xff" * 64
    path.write_bytes(data)
    outcome = read(path)
    assert 0 < len(outcome.captured) < 4000
    assert "corrupt_archive" in outcome.reasons


def test_a_gzip_cut_short_keeps_what_came_out_before(tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(chat_line(hash_of(n))).encode() for n in range(4000))
    packed = gzip.compress(lines)
    outcome = read_bytes(tmp_path, packed[: len(packed) // 2])
    assert 1000 < len(outcome.captured) < 4000
    assert outcome.reasons == {"truncated": 1}


def test_json_cut_in_the_middle_of_a_record_keeps_the_records_before(tmp_path: Path) -> None:
    data = json.dumps([chat_line(f"number {n}") for n in range(10)]).encode()
    outcome = read_bytes(tmp_path, data[: int(len(data) * 0.75)])
    assert len(outcome.captured) == 7
    assert outcome.reasons == {"truncated": 1}


def test_json_cut_between_records_keeps_all_and_says_so(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, b"[" + GOOD + b"," + GOOD)
    assert len(outcome.captured) == 2
    assert outcome.reasons == {"truncated": 1}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"messages":[{"role":"user","content":"a"}],"x":1,"x":2}', "duplicate_key"),
        (b'{"messages":[{"role":"user","content":"a"}],"x":NaN}', "json_number"),
        (b'{"messages":[{"role":"user","content":"a"}],"x":1e999}', "json_number"),
        (b'{"messages":[{"role":"user","content":"a"}],"x":123456789012345678}', "json_number"),
        (b'{"messages":[{"role":"user","content":"\\ud800"}]}', "json_surrogate"),
        (b'{"messages":[{"role":"user","content":"\xff"}]}', "json_encoding"),
        (b'{"messages":[{"role":"user" "content":"a"}]}', "json_syntax"),
        (b'{"messages":[{"role":"user","content":"a"]]}', "json_syntax"),
        (b"17", "record_shape"),
        (b'"text"', "record_shape"),
        (b"null", "record_shape"),
        (b"", "json_syntax"),
        (b"{}", "record_shape"),
        (b'{"messages":[]}', "record_shape"),
        (b'{"messages":[{"role":"user","content":""}]}', "no_turns"),
    ],
)
def test_a_bad_record_costs_itself_only(tmp_path: Path, bad: bytes, reason: str) -> None:
    outcome = read_bytes(tmp_path, b"[" + b",".join((GOOD, bad, GOOD)) + b"]")
    assert len(outcome.captured) == 2
    assert outcome.reasons == {reason: 1}
    assert outcome.skipped[0].place.endswith("export[1]")
    if bad:
        lines = read_bytes(tmp_path, b"\n".join((GOOD, bad, GOOD)))
        assert len(lines.captured) == 2
        assert lines.reasons == {reason: 1}


def deep_record(levels: int, inside: str = "1") -> bytes:
    return b'{"x":' + b"[" * levels + inside.encode() + b"]" * levels + b"," + GOOD[1:]


def test_a_nesting_bomb_is_refused_without_a_deep_stack(tmp_path: Path) -> None:
    data = b"[" + GOOD + b"," + deep_record(200_000) + b"," + GOOD + b"]"
    outcome = read_bytes(tmp_path, data)
    assert len(outcome.captured) == 2
    assert outcome.reasons == {"json_depth": 1}


def test_an_unclosed_nesting_bomb_is_refused(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, GOOD + b"\n" + b"[" * 10**6)
    assert len(outcome.captured) == 1
    assert outcome.reasons == {"json_depth": 1}


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ('{"a":1,"a":2}', "duplicate_key"),
        ('"\\ud83d"', "json_surrogate"),
        ('"\\ude00\\ud83d"', "json_surrogate"),
        ("NaN", "json_syntax"),
        ("123456789012345678", "json_number"),
        ('"\x01', "json_syntax"),
    ],
)
def test_deep_records_are_read_as_strictly_as_shallow_ones(
    tmp_path: Path, inside: str, reason: str
) -> None:
    assert len(read_bytes(tmp_path, deep_record(3000, '"\\ud83d\\ude00\\\\ud83d"')).captured) == 1
    assert read_bytes(tmp_path, deep_record(3000, inside)).reasons in (
        {"unknown_format": 1},
        {reason: 1},
    )
    outcome = read_bytes(tmp_path, GOOD + b"\n" + deep_record(3000, inside))
    assert outcome.reasons in ({reason: 1}, {"json_syntax": 1})


def test_a_record_over_the_limit_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    big = json.dumps(chat_line("x" * 200_000)).encode()
    limits = Limits(record_bytes=100_000)
    for data in (b"[" + b",".join((GOOD, big, GOOD)) + b"]", b"\n".join((GOOD, big, GOOD))):
        outcome = read_bytes(tmp_path, data, limits=limits)
        assert len(outcome.captured) == 2
        assert outcome.reasons == {"record_size": 1}


def test_a_turn_over_the_limit_is_refused_by_its_bytes(tmp_path: Path) -> None:
    records = [chat_line("\N{EURO SIGN}" * 33), chat_line("\N{EURO SIGN}" * 34)]
    outcome = read_json(tmp_path, records, limits=Limits(text_bytes=100))
    assert len(outcome.captured) == 1
    assert outcome.reasons == {"turn_size": 1}


def test_too_many_turns_are_refused(tmp_path: Path) -> None:
    records = [chat_line(*"abc"), chat_line(*"abcd")]
    outcome = read_json(tmp_path, records, limits=Limits(turns=3))
    assert len(outcome.captured) == 1
    assert outcome.reasons == {"too_many_turns": 1}


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")],
)
def test_a_byte_order_mark_is_heeded(tmp_path: Path, mark: bytes, encoding: str) -> None:
    text = json.dumps([chat_line("grüezi 😀")], ensure_ascii=False)
    conversation = read_bytes(tmp_path, mark + text.encode(encoding)).only
    assert conversation.turns[0].text == "grüezi 😀"


def test_broken_utf_16_is_reported(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, b"\xff\xfe" + "[1]".encode("utf-16-le") + b"\x00\xd8\x00\x00x")
    assert not outcome.captured
    assert outcome.reasons == {"json_encoding": 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "binary_file"),
        (b"<html></html>", "not_json"),
        (b"question,answer\n", "not_json"),
        (b"7z\xbc\xaf\x27\x1c", "nested_archive"),
        (b"a" * 257 + b"ustar", "nested_archive"),
        (b'{"a": 1}', "unknown_format"),
        (b"{", "unknown_format"),
        (b"[", "unknown_format"),
        (b'"', "not_json"),
    ],
)
def test_a_file_of_another_kind_is_reported(tmp_path: Path, data: bytes, reason: str) -> None:
    outcome = read_bytes(tmp_path, data)
    assert outcome.reasons == {reason: 1}
    assert outcome.reports[0].why


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"[]", b"{}", b"[ ]\n"])
def test_an_empty_file_is_reported_as_empty(tmp_path: Path, data: bytes) -> None:
    outcome = read_bytes(tmp_path, data)
    assert outcome.reports[0].format is Format.EMPTY
    assert not outcome.skipped


def test_a_path_that_is_not_there_is_reported(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing").reasons == {"not_found": 1}
    assert read(Path("a\0b")).reasons == {"unreadable": 1}


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jsonl"
    outside.write_bytes(GOOD)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.jsonl").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    (folder / "good.jsonl").write_bytes(GOOD)
    outcome = read(folder)
    assert outcome.reasons == {"link": 2, "not_a_file": 1}
    assert len(outcome.captured) == 1


def test_a_pipe_named_on_purpose_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path / "pipe").reasons == {"unreadable": 1}


def test_folders_too_deep_are_refused_by_name(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "x.jsonl").write_bytes(GOOD)
    outcome = read(tmp_path, limits=Limits(folder_depth=2))
    assert outcome.reasons == {"folder_depth": 1}
    assert len(read(tmp_path, limits=Limits(folder_depth=3)).captured) == 1


def test_zips_and_gzips_in_a_folder_are_read_in_place(tmp_path: Path) -> None:
    make_zip(tmp_path, ("export/a.jsonl", GOOD))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(GOOD))
    before = sorted(tmp_path.iterdir())
    assert len(read(tmp_path).captured) == 2
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_a_chain_of_a_hundred_thousand_messages_is_read(tmp_path: Path) -> None:
    count = 100_000
    nodes = [
        {"id": str(n), "parent": str(n - 1) if n else None, "message": chatgpt_message(str(n))}
        for n in range(count)
    ]
    conversation = read_json(tmp_path, [chatgpt(*nodes, current=str(count - 1))]).only
    assert len(conversation.turns) == count
    assert conversation.turns[-1].parent == count - 2
    assert all(not turn.flags for turn in conversation.turns)


def test_a_nested_tree_of_two_thousand_messages_is_read(tmp_path: Path) -> None:
    text = "{}"
    for n in reversed(range(2000)):
        children = f"[{text}]" if n < 1999 else "[]"
        text = (
            f'{{"messageId":"m{n}","isCreatedByUser":{"true" if n % 2 == 0 else "false"},'
            f'"text":"{n}","children":{children}}}'
        )
    data = f'{{"conversationId":"c","messagesTree":[{text}]}}'.encode()
    conversation = read_bytes(tmp_path, data).only
    assert [turn.parent for turn in conversation.turns] == [ROOT, *range(1999)]


@pytest.mark.parametrize(
    "nodes",
    [
        [chatgpt_node("a", "a")],
        [chatgpt_node("a", "b"), chatgpt_node("b", "a")],
        [chatgpt_node("r", None), chatgpt_node("a", "b"), chatgpt_node("b", "a")],
    ],
)
def test_messages_that_answer_each_other_in_a_circle_are_refused(
    tmp_path: Path, nodes: list[dict[str, object]]
) -> None:
    outcome = read_json(tmp_path, [chatgpt(*nodes), chatgpt(chatgpt_node("a", None))])
    assert outcome.reasons == {"tree_cycle": 1}
    assert len(outcome.captured) == 1


def test_a_branch_whose_parent_is_missing_is_kept_as_broken_off(tmp_path: Path) -> None:
    record = chatgpt(
        chatgpt_node("a", None),
        chatgpt_node("b", "a"),
        chatgpt_node("lost", "nowhere"),
        chatgpt_node("after", "lost"),
        current="b",
    )
    turns = read_json(tmp_path, [record]).only.turns
    assert [(turn.text, turn.parent, turn.flags) for turn in turns] == [
        ("text of a", ROOT, TurnFlag.NONE),
        ("text of b", 0, TurnFlag.NONE),
        ("text of lost", ROOT, TurnFlag.OFF_PATH | TurnFlag.INCOMPLETE),
        ("text of after", 2, TurnFlag.OFF_PATH),
    ]


def test_reading_takes_the_memory_of_one_record_not_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    with path.open("wb") as file:
        file.write(b"[")
        for n in range(3000):
            line = json.dumps(chat_line("x" * 5000, str(n))).encode()
            file.write((b"," if n else b"") + line)
        file.write(b"]")
    tracemalloc.start()
    yielded = sum(1 for _ in read_paths([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert yielded == 3001
    assert path.stat().st_size > 14 * MEBIBYTE
    assert peak < MEBIBYTE


def test_a_file_of_nothing_but_bad_lines_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(GOOD + b"\n" + b"x\n" * 30_000)
    tracemalloc.start()
    yielded = sum(1 for _ in read_paths([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert yielded == 30_002
    assert peak < MEBIBYTE


def test_a_tree_over_the_limit_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    def line(tree: str, parent: str | None, key: str) -> dict[str, object]:
        ids = {"message_tree_id": tree, "message_id": key, "parent_id": parent}
        return ids | {"role": "prompter", "text": "x" * 1000}

    lines = [
        line("a", None, "a"),
        *(line("a", "a", f"a{n}") for n in range(9)),
        line("b", None, "b"),
    ]
    outcome = read_json(tmp_path, lines, limits=Limits(record_bytes=5000))
    assert [item.source_id for item in outcome.conversations] == ["b"]
    assert outcome.reasons == {"record_size": 1}


def test_a_link_put_in_a_files_place_after_the_walk_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(GOOD)
    with ExitStack() as stack, pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "link", stack, follow=False)
    assert len(read(tmp_path / "link").captured) == 1


@pytest.mark.parametrize(
    "unit",
    [
        "<details ",
        "<details type=reasoning ",
        '<details "',
        '"<details"',
        "<details></details>",
        "<think></think>",
        "<details type=reasoning>",
        "</details>",
        ":::thinking\n",
        "&lt;",
    ],
)
def test_no_text_makes_taking_an_answer_apart_slow(unit: str) -> None:
    def spent_on(count: int) -> float:
        begun = time.process_time()
        for _ in split_answer(unit * count):
            pass
        return time.process_time() - begun

    few = max(spent_on(2000), 0.001)
    assert spent_on(40_000) < 100 * few  # a square would take 400 times as long


def test_a_document_with_a_line_break_after_a_colon_is_one_document(tmp_path: Path) -> None:
    data = b"""{"options":
{}, "conversationId": "l",
"messages": [{"messageId": "1", "isCreatedByUser": true, "text": "q"}]}"""
    assert len(read_bytes(tmp_path, data).only.turns) == 1


def test_a_string_of_many_bytes_takes_a_few_times_its_size(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(json.dumps(chat_line("x" * (8 * MEBIBYTE))).encode())
    tracemalloc.start()
    assert len(read(path).captured) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80 * MEBIBYTE


def test_an_opened_file_is_closed_when_reading_stops_early(tmp_path: Path) -> None:
    path = make_zip(tmp_path, ("a.jsonl", b"\n".join([GOOD] * 5000)))
    before = open_files()
    reading = read_paths([path])
    next(reading)
    reading.close()
    assert open_files() == before
