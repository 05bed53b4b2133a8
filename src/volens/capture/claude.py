"""Claude exports: `conversations.json` with `chat_messages`, with or without content blocks.

Older exports have only `text`; newer ones have `content` blocks, of which `text` is a digest, so
that is read only where the blocks hold no text. Older exports aren't in the order of the talk:
messages are put in the order of their times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from volens.capture.model import Limits
from volens.capture.signals import read_signal
from volens.capture.threads import Context, Draft, Node, Piece, assemble, chain, conversation, rate
from volens.capture.values import (
    account_id,
    elements,
    first_string,
    identifier,
    members,
    moment,
    rating,
    string,
)
from volens.core.canonical import Json
from volens.vault.model import Role, Turn, TurnFlag

SOURCE = "claude"
_ROLES = {"human": Role.USER, "user": Role.USER, "assistant": Role.ASSISTANT}
_LOOSE_FIELDS = ("text", "thinking", "message")
_BROKEN_OFF = frozenset({"user_canceled", "error", "max_tokens", "refusal"})


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one conversation.

    Raises:
        InvalidInput: ``source_id``, ``no_turns`` or as `threads.assemble`.
    """
    account = account_id(members(record.get("account")).get("uuid")) or context.account
    messages = [members(message) for message in elements(record.get("chat_messages"))]
    strangers = _strangers(messages, account)
    names = [name for message in messages for name in _attachments(message)]
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=identifier(record, "uuid"),
            turns=_turns(record, messages, strangers, limits),
            title=string(record.get("name")),
            created=moment(record.get("created_at")),
            updated=moment(record.get("updated_at")),
            signal=read_signal(record),
            attachments=names,
        ),
        account=account,
    )


def _turns(
    record: Mapping[str, Json],
    messages: Sequence[Mapping[str, Json]],
    strangers: frozenset[str],
    limits: Limits,
) -> tuple[Turn, ...]:
    made = [(message, tuple(_pieces(message, strangers))) for message in messages]
    if any(string(message.get("parent_message_uuid")) for message in messages):
        known = {string(message.get("uuid")) for message in messages}
        firsts = {parent for message in messages if (parent := _parent(message)) not in known}
        nodes = [
            Node(
                key=identifier(message, "uuid"),
                # the one id that no message has is the export's word for "none"
                parent=None
                if len(firsts) == 1 and _parent(message) in firsts
                else _parent(message),
                pieces=pieces,
            )
            for message, pieces in made
        ]
        return assemble(nodes, string(record.get("current_leaf_message_uuid")) or None, limits)
    times = [moment(message.get("created_at")) for message in messages]
    if all(time is not None for time in times):
        order = sorted(range(len(made)), key=lambda index: (times[index], index))
        made = [made[index] for index in order]
    return chain((piece for _, pieces in made for piece in pieces), limits)


def _parent(message: Mapping[str, Json]) -> str | None:
    return string(message.get("parent_message_uuid")) or None


def _sender_id(message: Mapping[str, Json]) -> str:
    account = members(message.get("account")) or members(message.get("sender_account"))
    return first_string(account, "uuid") or first_string(message, "account_uuid", "sender_uuid")


def _strangers(messages: Sequence[Mapping[str, Json]], account: str | None) -> frozenset[str]:
    """Return the people other than the account's own who speak in a shared chat."""
    people = {_sender_id(m) for m in messages if _ROLES.get(string(m.get("sender"))) is Role.USER}
    people.discard("")
    return frozenset(people - {account}) if account or len(people) > 1 else frozenset()


def _pieces(message: Mapping[str, Json], strangers: frozenset[str]) -> tuple[Piece, ...]:
    role = _ROLES.get(string(message.get("sender")))
    at = moment(message.get("created_at"))
    common = TurnFlag.NONE
    if role is None or (role is Role.USER and _sender_id(message) in strangers):
        common |= TurnFlag.THIRD_PARTY
    if message.get("truncated") is True or string(message.get("stop_reason")) in _BROKEN_OFF:
        common |= TurnFlag.INCOMPLETE
    pieces = [
        Piece(role=Role.TOOL, text=text, flags=TurnFlag.THIRD_PARTY, at=at)
        for attachment in elements(message.get("attachments"))
        if (text := string(members(attachment).get("extracted_content")))
    ]
    own = Role.TOOL if role is None else role
    spoken: list[Piece] = []
    has_text = False
    for block in elements(message.get("content")):
        made = _block(members(block), own)
        if made is None:
            continue
        kind, text, flags = made
        is_plain = flags is TurnFlag.NONE
        has_text |= is_plain and bool(text)
        flags |= common
        if is_plain and spoken and spoken[-1].flags == flags and spoken[-1].role is kind:
            text = f"{spoken.pop().text}\n{text}"
        spoken.append(Piece(role=kind, text=text, flags=flags, at=at))
    if not has_text:
        spoken.append(Piece(role=own, text=string(message.get("text")), flags=common, at=at))
    given = rating(message.get("chat_feedback")) or rating(message.get("feedback"))
    return tuple(pieces) + rate(spoken, given)


def _block(block: Mapping[str, Json], own: Role) -> tuple[Role, str, TurnFlag] | None:
    """Return who speaks in a content block, what, and its nature."""
    kind = block.get("type")
    if kind == "text":
        return own, string(block.get("text")), TurnFlag.NONE
    if kind == "thinking":
        return own, string(block.get("thinking")), TurnFlag.REASONING
    if kind == "tool_use":
        call = json.dumps(
            {"input": block.get("input"), "name": block.get("name")}, ensure_ascii=False
        )
        return Role.ASSISTANT, call, TurnFlag.REASONING
    if kind == "tool_result":
        text = "\n".join(_result_texts(block.get("content")))
        return Role.TOOL, text, TurnFlag.THIRD_PARTY
    loose = [string(block.get(name)) for name in _LOOSE_FIELDS]
    loose += list(_result_texts(block.get("content")))
    text = "\n".join(part for part in loose if part)
    return (Role.TOOL, text, TurnFlag.THIRD_PARTY) if text else None


def _result_texts(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in elements(content):
        text = first_string(members(part), "text")
        if text:
            yield text


def _attachments(message: Mapping[str, Json]) -> Iterator[str]:
    for name in ("attachments", "files", "files_v2"):
        for file in elements(message.get(name)):
            yield first_string(members(file), "file_name")
