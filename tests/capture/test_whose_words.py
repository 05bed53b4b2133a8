"""Whose words are whose: each format's working, tools, files, strangers and hidden context.

Every text in these exports is a word of its own, so a test can say where each one went.
"""

import json
from pathlib import Path

import pytest

from tests.capture.reading import chat_line, chatgpt, chatgpt_message, chatgpt_node, read, read_json
from volens.core.purposes import Signal
from volens.vault.model import ROOT, Conversation, Role, TurnFlag

NONE = TurnFlag.NONE
OTHERS = TurnFlag.THIRD_PARTY
HIDDEN = TurnFlag.HIDDEN
WORKING = TurnFlag.REASONING
OFF = TurnFlag.OFF_PATH
BROKEN = TurnFlag.INCOMPLETE


def said(conversation: Conversation) -> list[tuple[Role, str, TurnFlag]]:
    return [(turn.role, turn.text, turn.flags) for turn in conversation.turns]


def one_chatgpt_message(folder: Path, message: dict[str, object]) -> tuple[Role, str, TurnFlag]:
    (turn,) = said(read_json(folder, [chatgpt(chatgpt_node("a", None, message), current="a")]).only)
    return turn


def content(kind: str, **fields: object) -> dict[str, object]:
    return {"content_type": kind, **fields}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (chatgpt_message("w", "user"), (Role.USER, "w", NONE)),
        (chatgpt_message("w", "assistant"), (Role.ASSISTANT, "w", NONE)),
        (chatgpt_message("w", "system"), (Role.SYSTEM, "w", HIDDEN)),
        (chatgpt_message("w", "tool"), (Role.TOOL, "w", OTHERS)),
        (chatgpt_message("w", "moderator"), (Role.TOOL, "w", OTHERS)),
        (chatgpt_message("w", "assistant", recipient="python"), (Role.ASSISTANT, "w", WORKING)),
        (chatgpt_message("w", "assistant", channel="analysis"), (Role.ASSISTANT, "w", WORKING)),
        (chatgpt_message("w", "assistant", channel="final"), (Role.ASSISTANT, "w", NONE)),
        (chatgpt_message("w", "assistant", weight=0), (Role.ASSISTANT, "w", HIDDEN)),
        (chatgpt_message("w", "assistant", status="in_progress"), (Role.ASSISTANT, "w", BROKEN)),
        (
            chatgpt_message("w", "assistant", metadata={"is_complete": False}),
            (Role.ASSISTANT, "w", BROKEN),
        ),
        (
            chatgpt_message("w", metadata={"is_user_system_message": True}),
            (Role.USER, "w", HIDDEN),
        ),
        (
            chatgpt_message("w", metadata={"is_visually_hidden_from_conversation": True}),
            (Role.USER, "w", HIDDEN),
        ),
        (
            chatgpt_message("w", "assistant", metadata={"finish_details": {"type": "interrupted"}}),
            (Role.ASSISTANT, "w", BROKEN),
        ),
        (
            chatgpt_message(
                "",
                author={"role": "assistant", "metadata": {"real_author": "tool:web"}},
                content=content("text", parts=["w"]),
            ),
            (Role.ASSISTANT, "w", OTHERS),
        ),
        (
            chatgpt_message("", content=content("multimodal_text", parts=[
                {"content_type": "image_asset_pointer", "asset_pointer": "file-1"},
                "w",
                {"content_type": "audio_transcription", "text": "spoken"},
            ])),
            (Role.USER, "w\nspoken", NONE),
        ),
        (
            chatgpt_message("", "assistant", content=content(
                "thoughts", thoughts=[{"summary": "w", "content": "v", "chunks": ["v"]}]
            )),
            (Role.ASSISTANT, "w\nv", WORKING),
        ),
        (
            chatgpt_message("", "assistant", content=content("reasoning_recap", content="w")),
            (Role.ASSISTANT, "w", WORKING),
        ),
        (
            chatgpt_message("", "tool", content=content("execution_output", text="w")),
            (Role.TOOL, "w", OTHERS),
        ),
        (
            chatgpt_message("", content=content("tether_quote", text="w", title="t", url="u")),
            (Role.TOOL, "t\nu\nw", OTHERS),
        ),
        (
            chatgpt_message("", "assistant", content=content(
                "model_editable_context", model_set_context="w", repository=None
            )),
            (Role.ASSISTANT, "w", HIDDEN),
        ),
        (chatgpt_message("", content={"parts": ["w"]}), (Role.TOOL, "w", OTHERS)),
    ],
)  # fmt: skip
def test_a_chatgpt_message_goes_where_its_kind_says(
    tmp_path: Path, message: dict[str, object], expected: tuple[Role, str, TurnFlag]
) -> None:
    assert one_chatgpt_message(tmp_path, message) == expected


def human(name: str | None, text: str, user_id: str | None = None) -> dict[str, object]:
    author = {"role": "user", "name": name, "metadata": {"user_id": user_id} if user_id else {}}
    return chatgpt_message(text, author=author)


def test_of_several_people_only_the_accounts_own_person_is_not_a_stranger(tmp_path: Path) -> None:
    nodes = [
        chatgpt_node("1", None, human("Ann", "mine", "user-1")),
        chatgpt_node("2", "1", human("Bob", "theirs", "user-2")),
        chatgpt_node("3", "2", chatgpt_message("reply", "assistant")),
    ]
    own = read_json(tmp_path, [chatgpt(*nodes, current="3", user_id="user-1")]).only
    assert [flags for _, _, flags in said(own)] == [NONE, OTHERS, NONE]
    nobody = read_json(tmp_path, [chatgpt(*nodes, current="3")]).only
    assert [flags for _, _, flags in said(nobody)] == [OTHERS, OTHERS, NONE]


def test_in_a_group_chat_nobody_is_taken_for_the_account_by_guess(tmp_path: Path) -> None:
    node = chatgpt_node("1", None, human(None, "whose?"))
    outcome = read_json(tmp_path, {"chats": [chatgpt(node, current="1")]})
    assert said(outcome.only) == [(Role.USER, "whose?", OTHERS)]
    assert outcome.captured[0].place.endswith("[0].chats[0]")


@pytest.mark.parametrize("current", [None, "nowhere", 7])
def test_without_a_known_last_message_only_the_shared_start_is_on_the_path(
    tmp_path: Path, current: object
) -> None:
    nodes = [chatgpt_node(*pair) for pair in (("a", None), ("b", "a"), ("c", "b"), ("d", "b"))]
    record = chatgpt(*nodes) | {"current_node": current}
    flags = [flags for _, _, flags in said(read_json(tmp_path, [record]).only)]
    assert flags == [NONE, NONE, OFF, OFF]


def test_a_node_that_does_not_name_its_parent_is_found_among_children(tmp_path: Path) -> None:
    first, second = chatgpt_node("a", None), chatgpt_node("b", None)
    first["children"] = ["b"]
    turns = read_json(tmp_path, [chatgpt(second, first, current="b")]).only.turns
    assert [(turn.text, turn.parent) for turn in turns] == [("text of a", ROOT), ("text of b", 0)]


def test_a_node_without_text_passes_its_place_to_its_children(tmp_path: Path) -> None:
    nodes = [
        chatgpt_node("a", None),
        chatgpt_node("b", "a", chatgpt_message("  ", "assistant")),
        chatgpt_node("c", "b"),
    ]
    turns = read_json(tmp_path, [chatgpt(*nodes, current="c")]).only.turns
    assert [turn.parent for turn in turns] == [ROOT, 0]


def claude(*messages: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "uuid": "c-1",
        "name": "T",
        "account": {"uuid": "me"},
        "chat_messages": list(messages),
    } | more


def claude_message(sender: str, uuid: str, **more: object) -> dict[str, object]:
    return {"uuid": uuid, "sender": sender, "text": "", **more}


def test_a_claude_message_is_taken_apart_in_order(tmp_path: Path) -> None:
    message = claude_message(
        "assistant",
        "m",
        text="a digest of blocks",
        content=[
            {"type": "thinking", "thinking": "thought"},
            {"type": "text", "text": "let me look"},
            {"type": "tool_use", "name": "search", "input": {"q": "query"}},
            {"type": "tool_result", "content": [{"type": "text", "text": "page"}]},
            {"type": "text", "text": "answer"},
            {"type": "text", "text": "more"},
            {"type": "hologram", "text": "odd"},
        ],
    )
    conversation = read_json(tmp_path, [claude(message)]).only
    assert said(conversation) == [
        (Role.ASSISTANT, "thought", WORKING),
        (Role.ASSISTANT, "let me look", NONE),
        (Role.ASSISTANT, '{"input": {"q": "query"}, "name": "search"}', WORKING),
        (Role.TOOL, "page", OTHERS),
        (Role.ASSISTANT, "answer\nmore", NONE),
        (Role.TOOL, "odd", OTHERS),
    ]
    assert [turn.parent for turn in conversation.turns] == list(range(-1, 5))


def test_an_attachments_text_is_not_the_persons(tmp_path: Path) -> None:
    message = claude_message(
        "human",
        "m",
        text="summarise this",
        attachments=[{"file_name": "a.pdf", "extracted_content": "the book"}],
        files=[{"file_name": "b.png"}],
    )
    conversation = read_json(tmp_path, [claude(message)]).only
    assert said(conversation) == [
        (Role.TOOL, "the book", OTHERS),
        (Role.USER, "summarise this", NONE),
    ]
    assert conversation.attachments == ("a.pdf", "b.png")


def test_a_claude_tree_follows_its_leaf(tmp_path: Path) -> None:
    top = "00000000-0000-4000-8000-000000000000"
    record = claude(
        claude_message("human", "1", text="q", parent_message_uuid=top),
        claude_message("assistant", "2", text="old", parent_message_uuid="1"),
        claude_message("assistant", "3", text="new", parent_message_uuid="1", truncated=True),
        current_leaf_message_uuid="3",
    )
    assert said(read_json(tmp_path, [record]).only) == [
        (Role.USER, "q", NONE),
        (Role.ASSISTANT, "old", OFF),
        (Role.ASSISTANT, "new", BROKEN),
    ]


def test_another_person_in_a_shared_claude_chat_is_a_stranger(tmp_path: Path) -> None:
    record = claude(
        claude_message("human", "1", text="mine", account={"uuid": "me"}),
        claude_message("human", "2", text="theirs", account={"uuid": "you"}),
        claude_message("robot", "3", text="whose"),
    )
    assert said(read_json(tmp_path, [record]).only) == [
        (Role.USER, "mine", NONE),
        (Role.USER, "theirs", OTHERS),
        (Role.TOOL, "whose", OTHERS),
    ]


def test_claudes_other_files_are_named_and_not_read(tmp_path: Path) -> None:
    for record, name in (
        ({"uuid": "p", "name": "P", "docs": [{"content": "d"}]}, "claude-projects"),
        ({"uuid": "u", "full_name": "N", "email_address": "a@b.c"}, "claude-users"),
        ({"conversations_memory": "m", "account_uuid": "u"}, "claude-memories"),
    ):
        outcome = read_json(tmp_path, [record])
        assert outcome.reports[0].format.value == name
        assert "not conversations" in outcome.reports[0].why
        assert not outcome.captured
        assert not outcome.skipped


def open_webui(*messages: dict[str, object], **more: object) -> dict[str, object]:
    history = {"messages": {str(m["id"]): m for m in messages}, "currentId": messages[-1]["id"]}
    return {"id": "o-1", "user_id": "me", "chat": {"history": history}} | more


def test_details_in_an_open_webui_answer_are_taken_out(tmp_path: Path) -> None:
    answer = (
        '<details type="reasoning" done="true">\n<summary>Thought</summary>\n&gt; why &amp; how\n'
        '</details>\nfirst <details type="tool_calls" result="&quot;page&quot;">'
        "<summary>Ran</summary></details> last <details><summary>mine</summary>kept</details>"
    )
    question = {"id": "1", "parentId": None, "role": "user", "content": "<details type=reasoning>q"}
    reply = {"id": "2", "parentId": "1", "role": "assistant", "content": answer, "done": False}
    turns = said(read_json(tmp_path, [open_webui(question, reply)]).only)
    assert turns[0] == (Role.USER, "<details type=reasoning>q", NONE)
    assert turns[1] == (Role.ASSISTANT, "> why & how", WORKING | BROKEN)
    assert turns[2] == (Role.ASSISTANT, "first", BROKEN)
    assert turns[3][0] is Role.TOOL
    assert '"page"' in turns[3][1]
    assert turns[3][2] == OTHERS | BROKEN
    kept = "last <details><summary>mine</summary>kept</details>"
    assert turns[4] == (Role.ASSISTANT, kept, BROKEN)


def test_working_that_never_ends_does_not_pass_for_an_answer(tmp_path: Path) -> None:
    for opening in ('<details type="reasoning">', "<think>", ":::thinking\n"):
        reply = {"id": "2", "parentId": None, "role": "assistant", "content": f"a {opening}b"}
        if opening.startswith(":"):
            reply["content"] = f"a\n{opening}b"
        assert said(read_json(tmp_path, [open_webui(reply)]).only) == [
            (Role.ASSISTANT, "a", NONE),
            (Role.ASSISTANT, "b", WORKING | BROKEN),
        ]


def test_open_webui_sources_and_files_are_others_words(tmp_path: Path) -> None:
    question = {
        "id": "1", "parentId": None, "role": "user", "content": "q",
        "files": [{"name": "f.txt", "file": {"data": {"content": "file text"}}}],
    }  # fmt: skip
    reply = {
        "id": "2", "parentId": "1", "role": "assistant", "content": "a",
        "sources": [{"document": ["page one", "page two"]}], "annotation": {"rating": -1},
    }  # fmt: skip
    conversation = read_json(tmp_path, [open_webui(question, reply)]).only
    assert said(conversation) == [
        (Role.TOOL, "file text", OTHERS),
        (Role.USER, "q", NONE),
        (Role.TOOL, "page one", OTHERS),
        (Role.TOOL, "page two", OTHERS),
        (Role.ASSISTANT, "a", NONE),
    ]
    assert [turn.rating for turn in conversation.turns] == [0, 0, 0, 0, -1]
    assert conversation.attachments == ("f.txt",)


def test_a_librechat_message_is_taken_apart(tmp_path: Path) -> None:
    reply = {
        "messageId": "2", "isCreatedByUser": False, "unfinished": True, "text": "a digest",
        "feedback": {"rating": "thumbsUp"},
        "content": [
            {"type": "think", "think": "thought"},
            {"type": "tool_call", "tool_call": {"name": "t", "args": "{}", "output": "page"}},
            {"type": "text", "text": {"value": "answer"}},
        ],
        "children": [],
    }  # fmt: skip
    question = {"messageId": "1", "isCreatedByUser": True, "text": "q", "children": [reply]}
    record = {"conversationId": "l", "messagesTree": [question]}
    conversation = read_json(tmp_path, record).only
    assert said(conversation) == [
        (Role.USER, "q", NONE),
        (Role.ASSISTANT, "thought", WORKING | BROKEN),
        (Role.ASSISTANT, '{"arguments": "{}", "name": "t"}', WORKING | BROKEN),
        (Role.TOOL, "page", OTHERS | BROKEN),
        (Role.ASSISTANT, "answer", BROKEN),
    ]
    assert sum(turn.rating for turn in conversation.turns) == 1


def test_a_flat_librechat_export_keeps_its_branches_and_guesses_no_path(tmp_path: Path) -> None:
    none = "00000000-0000-0000-0000-000000000000"
    messages = [
        {"messageId": "1", "parentMessageId": none, "isCreatedByUser": True, "text": "q"},
        {"messageId": "2", "parentMessageId": "1", "isCreatedByUser": False, "text": "one"},
        {"messageId": "3", "parentMessageId": "1", "isCreatedByUser": False, "text": "two"},
    ]
    conversation = read_json(tmp_path, {"conversationId": "l", "messages": messages}).only
    assert said(conversation) == [
        (Role.USER, "q", NONE),
        (Role.ASSISTANT, "one", OFF),
        (Role.ASSISTANT, "two", OFF),
    ]


def test_a_chat_line_is_taken_apart(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "q"}, {"type": "file", "text": "file text"}]
    record = {
        "user": "me",
        "messages": [
            {"role": "developer", "content": "rules"},
            {"role": "user", "content": parts},
            {
                "role": "assistant", "content": "<think>t</think>look", "reasoning_content": "r",
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "page"},
            {"role": "assistant", "content": None, "refusal": "no"},
        ],
    }  # fmt: skip
    outcome = read_json(tmp_path, record)
    assert said(outcome.only) == [
        (Role.SYSTEM, "rules", HIDDEN),
        (Role.USER, "q", NONE),
        (Role.TOOL, "file text", OTHERS),
        (Role.ASSISTANT, "r", WORKING),
        (Role.ASSISTANT, "t", WORKING),
        (Role.ASSISTANT, "look", NONE),
        (Role.ASSISTANT, '{"arguments": "{}", "name": "f"}', WORKING),
        (Role.TOOL, "page", OTHERS),
        (Role.ASSISTANT, "no", NONE),
    ]
    assert outcome.captured[0].account == "me"


def test_several_names_in_a_chat_line_are_several_people(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "name": "ann", "content": "mine"},
        {"role": "user", "name": "bob", "content": "theirs"},
    ]
    flags = [f for _, _, f in said(read_json(tmp_path, {"messages": messages, "user": "ann"}).only)]
    assert flags == [NONE, OTHERS]
    flags = [f for _, _, f in said(read_json(tmp_path, {"messages": messages}).only)]
    assert flags == [OTHERS, OTHERS]
    flags = [f for _, _, f in said(read_json(tmp_path, {"messages": messages[:1]}).only)]
    assert flags == [NONE]


def test_an_account_file_speaks_for_its_own_kind_of_export_and_only_when_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.json").write_text('{"id": "user-1", "email": "a@b.c"}')
    (tmp_path / "line.json").write_text(json.dumps(chat_line("q")))
    (tmp_path / "tree.json").write_text(json.dumps([chatgpt(chatgpt_node("a", None))]))
    accounts = {item.conversation.source: item.account for item in read(tmp_path).captured}
    assert accounts == {"openai-chat": None, "chatgpt": "user-1"}
    (tmp_path / "two.json").write_text('{"id": "user-2", "email": "b@b.c"}')
    assert {item.account for item in read(tmp_path).captured} == {None}


def test_oasst_messages_are_grouped_by_tree_and_the_deleted_lose_their_words(
    tmp_path: Path,
) -> None:
    def line(key: str, parent: str | None, **more: object) -> dict[str, object]:
        role = "prompter" if key.startswith("p") else "assistant"
        base = {"message_id": key, "parent_id": parent, "role": role, "text": f"text of {key}"}
        return base | {"message_tree_id": "p1", "user_id": "me"} | more

    lines = [
        line("p1", None),
        line("a1", "p1", deleted=True),
        line("p2", "a1", user_id="you"),
        line("p9", None, message_tree_id="p9", tree_state="halted_by_moderator"),
    ]
    first, second = read_json(tmp_path, lines).conversations
    assert said(first) == [(Role.USER, "text of p1", NONE), (Role.USER, "text of p2", OTHERS)]
    assert (first.source_id, first.signal) == ("p1", Signal.NONE)
    assert (second.source_id, second.signal) == ("p9", Signal.EXCLUDED)


def test_messages_of_a_tree_that_lie_apart_are_refused_not_taken_for_another(
    tmp_path: Path,
) -> None:
    def line(key: str, parent: str | None, tree: str) -> dict[str, object]:
        base = {"message_id": key, "parent_id": parent, "role": "prompter", "text": key}
        return base | {"message_tree_id": tree}

    lines = [line("1", None, "1"), line("2", None, "2"), line("3", "1", "1")]
    outcome = read_json(tmp_path, lines)
    assert [item.source_id for item in outcome.conversations] == ["1", "2"]
    assert outcome.reasons == {"split_tree": 1}


def test_a_sharegpt_id_counts_in_its_file_only(tmp_path: Path) -> None:
    def record(text: str) -> dict[str, object]:
        return {"id": "identity_0", "conversations": [{"from": "human", "value": text}]}

    first = read_json(tmp_path, [record("one")]).only.source_id
    again = read_json(tmp_path, [record("one")]).only.source_id
    other = read_json(tmp_path, [record("two")]).only.source_id
    assert first == again
    assert first != other
    assert first.startswith("identity_0~")


def test_a_lower_rating_wins_over_a_higher_one(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    read_json(folder, [chatgpt(chatgpt_node("a", None), current="a")])
    given = [
        {"id": "a", "conversation_id": "c-1", "rating": "thumbs_up"},
        {"id": "a", "conversation_id": "c-1", "rating": "thumbs_down"},
        {"id": "a", "conversation_id": "c-2", "rating": "thumbs_up"},
    ]
    (folder / "feedback").write_text(json.dumps(given))
    assert [turn.rating for turn in read(folder).only.turns] == [-1]
