"""Chat lines as used for fine-tuning and for chat completions: `{"messages": [{"role", ...}]}`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from volens.capture.inline import split_answer
from volens.capture.model import Limits
from volens.capture.signals import read_signal, strictest
from volens.capture.threads import Context, Draft, Piece, chain, content_id, conversation
from volens.capture.values import account_id, elements, first_string, members, moment, string
from volens.core.canonical import Json
from volens.vault.model import Role, TurnFlag

SOURCE = "openai-chat"
_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one line.

    Raises:
        InvalidInput: ``no_turns``, ``too_many_turns`` or ``turn_size``.
    """
    said = [members(value) for value in elements(record.get("messages"))]
    account = account_id(record.get("user")) or account_id(record.get("user_id"))
    people = {string(message.get("name")) for message in said if message.get("role") == "user"}
    # of several people who speak, only the one with the account's id is not a stranger
    strangers = people - {account} if len(people) > 1 else set[str]()
    turns = chain((piece for message in said for piece in _pieces(message, strangers)), limits)
    own = first_string(record, "id", "conversation_id", "custom_id")[:100]
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=content_id(turns, own),
            turns=turns,
            title=string(record.get("title")),
            created=moment(record.get("created_at")) or moment(record.get("created")),
            signal=strictest(read_signal(record), read_signal(members(record.get("metadata")))),
        ),
        account=account or context.account,
    )


def _pieces(message: Mapping[str, Json], strangers: AbstractSet[str | None]) -> Iterator[Piece]:
    role = _ROLES.get(string(message.get("role")))
    at = moment(message.get("created_at"))
    reasoning = first_string(message, "reasoning_content", "reasoning")
    if reasoning:
        yield Piece(role=Role.ASSISTANT, text=reasoning, flags=TurnFlag.REASONING, at=at)
    text = string(message.get("content")) or "\n".join(_part_texts(message.get("content")))
    if role is Role.ASSISTANT:
        for who, part, flags in split_answer(text or string(message.get("refusal"))):
            yield Piece(role=who, text=part, flags=flags, at=at)
    elif role is None:
        yield Piece(role=Role.TOOL, text=text, flags=TurnFlag.THIRD_PARTY, at=at)
    else:
        flags = TurnFlag.HIDDEN if role is Role.SYSTEM else TurnFlag.NONE
        if role is Role.USER and string(message.get("name")) in strangers:
            flags |= TurnFlag.THIRD_PARTY
        yield Piece(role=role, text=text, flags=flags, at=at)
    for other in _file_texts(message.get("content")):
        yield Piece(role=Role.TOOL, text=other, flags=TurnFlag.THIRD_PARTY, at=at)
    calls = [members(members(call).get("function")) for call in elements(message.get("tool_calls"))]
    calls += [members(message["function_call"])] if "function_call" in message else []
    for call in calls:
        if call:
            named = {"arguments": call.get("arguments"), "name": call.get("name")}
            text = json.dumps(named, ensure_ascii=False)
            yield Piece(role=Role.ASSISTANT, text=text, flags=TurnFlag.REASONING, at=at)


def _part_texts(content: Json) -> Iterator[str]:
    for value in elements(content):
        part = members(value)
        kind = part.get("type")
        if isinstance(kind, str) and kind in _TEXT_PARTS:
            yield string(part.get("text"))
        elif kind == "refusal":
            yield string(part.get("refusal"))


def _file_texts(content: Json) -> Iterator[str]:
    """Yield the text of parts that the speaker didn't write."""
    for value in elements(content):
        part = members(value)
        kind = part.get("type")
        if not (isinstance(kind, str) and kind in _TEXT_PARTS) and string(part.get("text")):
            yield string(part.get("text"))
