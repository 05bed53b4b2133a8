"""Only a no is read from an export; an import never grants anything."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.capture.reading import chat_line, chatgpt, chatgpt_node, read_json
from volens.capture.model import Captured
from volens.capture.signals import read_signal, strictest
from volens.core.purposes import Signal
from volens.vault.model import Conversation, Turn

YES = {
    "training_allowed": True,
    "allow_training": True,
    "consent": "granted",
    "consent_status": "granted",
    "opt_in": True,
    "license": "public domain, training permitted",
    "tier": "public",
    "is_temporary": False,
    "is_do_not_remember": False,
    "memory_scope": "global_enabled",
}


def a_chatgpt(**more: object) -> dict[str, object]:
    return chatgpt(chatgpt_node("a", None), current="a", **more)


def a_claude(**more: object) -> dict[str, object]:
    return {"uuid": "c", "chat_messages": [{"uuid": "1", "sender": "human", "text": "q"}]} | more


def an_open_webui(**more: object) -> dict[str, object]:
    return {"id": "o", "chat": {"messages": [{"role": "user", "content": "q"}]}} | more


def a_librechat(**more: object) -> dict[str, object]:
    message = {"messageId": "1", "isCreatedByUser": True, "text": "q"}
    return {"conversationId": "l", "messages": [message]} | more


def a_chat_line(**more: object) -> dict[str, object]:
    return chat_line("q", **more)


def a_sharegpt(**more: object) -> dict[str, object]:
    return {"conversations": [{"from": "human", "value": "q"}]} | more


def a_taskmaster(**more: object) -> dict[str, object]:
    return {"conversation_id": "t", "utterances": [{"speaker": "user", "text": "q"}]} | more


Make = Callable[..., dict[str, object]]
FORMATS = [
    a_chatgpt,
    a_claude,
    an_open_webui,
    a_librechat,
    a_chat_line,
    a_sharegpt,
    a_taskmaster,
]


@pytest.mark.parametrize("make", FORMATS)
def test_an_export_that_says_training_is_allowed_changes_nothing(
    tmp_path: Path, make: Make
) -> None:
    plain = read_json(tmp_path, [make()]).captured
    eager = read_json(tmp_path, [make(**YES)]).captured
    assert eager == plain
    assert plain[0].conversation.signal is Signal.NONE


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize(
    ("name", "value", "signal"),
    [
        ("is_temporary", True, Signal.TEMPORARY),
        ("isTemporary", "maybe", Signal.TEMPORARY),
        ("expiredAt", "2026-01-01", Signal.TEMPORARY),
        ("is_do_not_remember", True, Signal.DO_NOT_REMEMBER),
        ("is_do_not_remember", 0, Signal.DO_NOT_REMEMBER),
        ("memory_scope", "project_v2", Signal.DO_NOT_REMEMBER),
        ("memory_scope", ["global_enabled"], Signal.DO_NOT_REMEMBER),
        ("training_allowed", False, Signal.EXCLUDED),
        ("training_allowed", "yes", Signal.EXCLUDED),
        ("history_and_training_disabled", True, Signal.EXCLUDED),
        ("do_not_train", 1, Signal.EXCLUDED),
    ],
)
def test_a_no_in_any_format_becomes_a_signal(
    tmp_path: Path, make: Make, name: str, value: object, signal: Signal
) -> None:
    assert read_json(tmp_path, [make(**{name: value})]).only.signal is signal


def test_of_several_signals_the_strictest_counts() -> None:
    both = {"is_temporary": True, "is_do_not_remember": True}
    assert read_signal(both) is Signal.TEMPORARY
    assert strictest() is Signal.NONE
    assert strictest(*Signal) is Signal.TEMPORARY


@given(st.dictionaries(st.sampled_from(sorted(YES)), st.one_of(st.booleans(), st.none())))
def test_adding_members_never_makes_a_signal_milder(more: dict[str, bool | None]) -> None:
    base = {"is_deleted": True}
    assert read_signal(base | more) is strictest(Signal.EXCLUDED, read_signal(more))


def test_what_is_captured_has_no_place_for_a_grant() -> None:
    names = {field.name for kind in (Captured, Conversation, Turn) for field in fields(kind)}
    assert not {name for name in names if any(w in name for w in ("consent", "grant", "allow"))}
