"""Published exports, each imported whole: counts from the files themselves, not from our reader."""

import gzip
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime

from tests.capture.reading import DATA, needs_data, read
from volens.capture.model import Format
from volens.capture.reader import measure, read_paths
from volens.core.purposes import Signal
from volens.vault.model import (
    ROOT,
    Conversation,
    Role,
    Turn,
    TurnFlag,
    pack_payload,
    unpack_payload,
)

pytestmark = needs_data
EXPORTS = DATA / "exports"
SHARDED = EXPORTS / "derived" / "chatgpt-export-sharded.zip"
NONE = TurnFlag.NONE


def nature(conversation: Conversation) -> list[tuple[Role, TurnFlag, int]]:
    return [(turn.role, turn.flags, turn.parent) for turn in conversation.turns]


def sharded_records() -> list[dict]:
    with zipfile.ZipFile(SHARDED) as archive:
        return [
            *json.loads(archive.read("conversations-000.json")),
            *json.loads(archive.read("conversations-001.json")),
        ]


def texts(turns: tuple[Turn, ...]) -> list[str]:
    return [turn.text for turn in turns]


def test_the_sharded_export_gives_every_conversation_but_the_corrupt_one() -> None:
    outcome = read(SHARDED)
    assert len(outcome.captured) == 60
    assert outcome.reasons == {"no_mapping": 1, "not_json": 1}
    assert outcome.skipped[0].place.endswith("!conversations-001.json[30]")
    assert outcome.skipped[1].place.endswith("!chat.html")
    assert {report.path.partition("!")[2]: report.format for report in outcome.reports} == {
        "conversations-000.json": Format.CHATGPT,
        "conversations-001.json": Format.CHATGPT,
        "user.json": Format.CHATGPT_USER,
        "message_feedback.json": Format.CHATGPT_FEEDBACK,
        "shared_conversations.json": Format.CHATGPT_SHARED,
        "group_chats.json": Format.EMPTY,
        "shopping.json": Format.EMPTY,
        "sora.json": Format.EMPTY,
        "chat.html": Format.UNKNOWN,
        "": Format.ZIP,
    }


def test_the_sharded_export_keeps_each_message_once_in_its_place_in_the_tree() -> None:
    outcome = read(SHARDED)
    by_id = {item.source_id: item for item in outcome.conversations}
    nodes = branches = 0
    for record in sharded_records():
        mapping = record.get("mapping", {})
        nodes += len(mapping)
        branches += sum(len(node["children"]) > 1 for node in mapping.values())
        if mapping:
            assert_same_tree(mapping, record["current_node"], by_id[record["id"]])
    assert (nodes, branches) == (793, 169)
    assert sum(len(item.turns) for item in outcome.conversations) == 793 - 60


def assert_same_tree(mapping: dict, current: str, conversation: Conversation) -> None:
    said = {
        key: node["message"]["content"]["parts"][0]
        for key, node in mapping.items()
        if node["message"]
    }
    assert Counter(texts(conversation.turns)) == Counter(said.values())
    edges = Counter((said[key], said.get(mapping[key]["parent"])) for key in said)
    read_edges = Counter(
        (turn.text, None if turn.parent == ROOT else conversation.turns[turn.parent].text)
        for turn in conversation.turns
    )
    assert read_edges == edges
    path = []
    while current in said:
        path.append(said[current])
        current = mapping[current]["parent"]
    on_path = [turn.text for turn in conversation.turns if not turn.flags & TurnFlag.OFF_PATH]
    assert on_path == path[::-1]


def test_the_sharded_export_joins_ratings_signals_and_the_account() -> None:
    outcome = read(SHARDED)
    ratings = Counter(turn.rating for item in outcome.conversations for turn in item.turns)
    assert ratings == {0: 723, 1: 5, -1: 5}
    assert {item.account for item in outcome.captured} == {"user-abc123"}
    said_no = {record["id"] for record in sharded_records() if record.get("is_do_not_remember")}
    read_no = {c.source_id for c in outcome.conversations if c.signal is Signal.DO_NOT_REMEMBER}
    assert said_no
    assert read_no == said_no
    assert all(c.signal is Signal.NONE for c in outcome.conversations if c.source_id not in said_no)


def test_the_modern_chatgpt_export_hides_context_and_reports_the_entry_without_mapping() -> None:
    outcome = read(EXPORTS / "chatgpt" / "librechat_chatgpt-modern-export.json")
    first, second = outcome.conversations
    assert outcome.reasons == {"no_mapping": 1}
    assert outcome.skipped[0].place.endswith("[1]")
    assert nature(first) == [
        (Role.USER, TurnFlag.HIDDEN, ROOT),
        (Role.USER, NONE, 0),
        (Role.ASSISTANT, NONE, 1),
        (Role.USER, NONE, 2),
        (Role.ASSISTANT, NONE, 3),
    ]
    assert first.turns[0].text == "The user is an SRE.\nAnswer concisely."
    assert first.created == datetime.fromtimestamp(1756000000.123, UTC)
    assert texts(second.turns) == ["Something with anchovies?", "Puttanesca."]


def test_the_branching_example_puts_the_other_branch_off_the_path() -> None:
    conversation = read(EXPORTS / "chatgpt" / "chatgpt-export-parser_example.json").only
    assert nature(conversation) == [
        (Role.USER, NONE, ROOT),
        (Role.ASSISTANT, NONE, 0),
        (Role.USER, NONE, 1),
        (Role.ASSISTANT, NONE, 2),
        (Role.USER, TurnFlag.OFF_PATH, 1),
    ]


def test_the_chatgpt_sample_with_every_field_and_unknown_types_is_read_as_others_content() -> None:
    conversation = read(EXPORTS / "chatgpt" / "polylogue_sample-00.json").only
    assert len(conversation.turns) == 3
    assert all(turn.flags & TurnFlag.THIRD_PARTY for turn in conversation.turns)
    assert conversation.signal is Signal.DO_NOT_REMEMBER  # its memory scope is not a known yes


def test_the_claude_export_without_blocks_is_put_in_the_order_of_its_times() -> None:
    path = EXPORTS / "claude-ai" / "claude-to-sqlite_artifacts.json"
    conversation = read(path).only
    messages = json.loads(path.read_text())[0]["chat_messages"]
    assert Counter(texts(conversation.turns)) == Counter(m["text"] for m in messages)
    assert [turn.role for turn in conversation.turns] == [Role.USER, Role.ASSISTANT] * 9 + [
        Role.USER,
        Role.ASSISTANT,
    ]
    moments = [turn.at for turn in conversation.turns]
    assert moments == sorted(moments)
    assert len(conversation.attachments) == 5


def test_the_small_claude_export_names_its_account_and_file() -> None:
    captured = read(EXPORTS / "claude-ai" / "claude-to-sqlite_example.json").captured[0]
    assert captured.account == "2a0434bc-651f-407a-bc74-bdc295dc009b"
    assert captured.conversation.attachments == ("CleanShot 20241017 at 22.29.542x.png",)
    assert nature(captured.conversation) == [(Role.USER, NONE, ROOT), (Role.ASSISTANT, NONE, 0)]


def test_the_claude_sample_marks_attachments_and_unknown_blocks_as_others_content() -> None:
    path = EXPORTS / "claude-ai" / "polylogue_sample-00.json"
    conversation = read(path).only
    messages = json.loads(path.read_text())["chat_messages"]
    own = [turn for turn in conversation.turns if not turn.flags & TurnFlag.THIRD_PARTY]
    assert texts(tuple(own)) == [message["text"] for message in messages]
    attached = sum(len(message["attachments"]) for message in messages)
    assert sum(turn.role is Role.TOOL for turn in conversation.turns) >= attached


def test_the_open_webui_export_takes_working_and_tool_results_out_of_the_answers() -> None:
    outcome = read(EXPORTS / "open-webui" / "librechat_openwebui-export.json")
    thinking, tool, simple = outcome.conversations
    assert nature(thinking) == [
        (Role.USER, NONE, ROOT),
        (Role.ASSISTANT, TurnFlag.REASONING, 0),
        (Role.ASSISTANT, NONE, 1),
    ]
    assert thinking.turns[2].text == "255"
    assert nature(tool) == [
        (Role.USER, NONE, ROOT),
        (Role.ASSISTANT, TurnFlag.REASONING, 0),
        (Role.TOOL, TurnFlag.THIRD_PARTY, 1),
        (Role.ASSISTANT, NONE, 2),
    ]
    assert tool.turns[2].text == "Paris: 18C, rain"
    assert texts(simple.turns) == ["Hello", "Hi there!"]
    assert {item.account for item in outcome.captured} == {"u1"}


def test_the_librechat_export_is_one_straight_line_of_six() -> None:
    captured = read(EXPORTS / "librechat" / "librechat-export.json").captured[0]
    conversation = captured.conversation
    assert nature(conversation) == [
        (Role.USER if index % 2 == 0 else Role.ASSISTANT, NONE, index - 1) for index in range(6)
    ]
    assert captured.account == "65f1ad8c90523874d2d409f8"


def oasst_texts() -> list[str]:
    lines = (DATA / "oasst-sample" / "en_100_tree.jsonl").read_text().splitlines()
    waiting = [json.loads(line)["prompt"] for line in lines]
    found = []
    while waiting:
        message = waiting.pop()
        found.append(message["text"])
        waiting += message["replies"]
    return found


def test_both_files_of_oasst_trees_give_the_same_hundred_conversations() -> None:
    folder = DATA / "oasst-sample"
    trees = read(folder / "en_100_tree.jsonl").conversations
    messages = read(folder / "en_100_message.jsonl").conversations
    assert len(trees) == len(messages) == 100
    assert Counter(t.text for item in trees for t in item.turns) == Counter(oasst_texts())
    assert sum(len(item.turns) for item in trees) == 1167
    assert {(t.source, t.source_id): t.turns for t in trees} == {
        (m.source, m.source_id): m.turns for m in messages
    }
    assert {item.language for item in trees} == {"en"}


def test_an_oasst_path_follows_the_best_ranked_reply() -> None:
    lines = (DATA / "oasst-sample" / "en_100_tree.jsonl").read_text().splitlines()
    records = {record["message_tree_id"]: record for record in map(json.loads, lines)}
    for conversation in read(DATA / "oasst-sample" / "en_100_tree.jsonl").conversations:
        node, path = records[conversation.source_id]["prompt"], []
        while node:
            path.append(node["text"])
            ranked = sorted(node["replies"], key=lambda reply: reply.get("rank") or 0)
            unranked = [reply for reply in node["replies"] if reply.get("rank") is None]
            node = (node["replies"] if len(unranked) == len(node["replies"]) else ranked)[:1]
            node = node[0] if node else None
        on = [turn.text for turn in conversation.turns if not turn.flags & TurnFlag.OFF_PATH]
        assert on == path


def test_taskmaster_gives_each_dialogue_and_leaves_scores_alone() -> None:
    outcome = read(DATA / "taskmaster4")
    dialogues = []
    for index in range(5):
        with gzip.open(DATA / "taskmaster4" / f"data_0{index}.json.gz") as file:
            dialogues += json.load(file)
    expected = Counter(
        (Role[said["speaker"].upper()], said["text"])
        for record in dialogues
        for said in record["utterances"]
    )
    assert len(outcome.captured) == len(dialogues) == 2500
    read_back = Counter((t.role, t.text) for c in outcome.conversations for t in c.turns)
    assert read_back == expected
    assert expected.total() == 9389
    forms = Counter(report.format for report in outcome.reports)
    assert forms == {Format.TASKMASTER: 5, Format.TASKMASTER_REWARDS: 5, Format.UNKNOWN: 1}


def test_sharegpt_gives_five_hundred_conversations_of_two_thousand_turns() -> None:
    path = DATA / "sharegpt-fastchat" / "dummy_conversation.json"
    outcome = read(path)
    said = Counter(
        (turn["from"], turn["value"].strip())
        for record in json.loads(path.read_text())
        for turn in record["conversations"]
    )
    names = {Role.USER: "human", Role.ASSISTANT: "gpt"}
    assert (
        Counter(
            (names[turn.role], turn.text.strip()) for c in outcome.conversations for turn in c.turns
        )
        == said
    )
    assert said.total() == 2000
    assert len({item.source_id for item in outcome.conversations}) == 500


def test_benchmark_questions_are_prompts_and_their_answers_no_conversations() -> None:
    outcome = read(DATA / "mt-bench")
    assert len(outcome.captured) == 80
    assert {turn.role for item in outcome.conversations for turn in item.turns} == {Role.USER}
    assert {report.format for report in outcome.reports} == {
        Format.MT_BENCH,
        Format.MT_BENCH_ANSWERS,
        Format.UNKNOWN,
    }


def test_files_that_hold_no_conversations_are_reported_with_a_reason() -> None:
    outcome = read(DATA / "presidio-research", DATA / "banking77", DATA / "schemas")
    assert not outcome.captured
    assert set(outcome.reasons) == {"not_json", "unknown_format"}
    assert all(report.why and report.format is Format.UNKNOWN for report in outcome.reports)


def test_all_that_is_read_fits_the_payload_and_comes_back_from_it() -> None:
    outcome = read(EXPORTS, DATA / "oasst-sample", DATA / "sharegpt-fastchat")
    assert len(outcome.captured) == 60 + 2 + 1 + 1 + 3 + 3 + 1 + 200 + 500
    for conversation in outcome.conversations:
        back = unpack_payload(pack_payload(conversation))
        assert texts(back.turns) == texts(conversation.turns)


def test_a_second_import_gives_the_same_ids_and_values() -> None:
    assert read(EXPORTS).captured == read(EXPORTS).captured


def test_progress_grows_to_the_whole() -> None:
    seen: list[tuple[int, int]] = []
    paths = [DATA / "taskmaster4", SHARDED, EXPORTS / "claude-ai"]
    for _ in read_paths(paths, on_progress=lambda done, total: seen.append((done, total))):
        pass
    total = measure(paths)
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)
    assert {whole for _, whole in seen} == {total}
    assert len({done for done, _ in seen}) > 20
