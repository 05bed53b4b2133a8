"""LibreChat exports: one chat a file, its messages as a nested tree or a flat list.

The export doesn't say which branch was in view, so only what all branches share is on the path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from volens.capture.inline import split_answer
from volens.capture.model import Limits
from volens.capture.signals import read_signal, strictest
from volens.capture.threads import Context, Draft, Node, Piece, assemble, conversation, rate
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
from volens.vault.model import Role, TurnFlag

SOURCE = "librechat"
_NO_PARENT = "00000000-0000-0000-0000-000000000000"

Stretch = tuple[Role, str, TurnFlag]


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one chat.

    Raises:
        InvalidInput: ``source_id``, ``no_turns`` or as `threads.assemble`.
    """
    messages = list(_flat(record))
    account = context.account or account_id(record.get("user"))
    for message, _ in messages:
        account = account or account_id(message.get("user"))
    nodes = [
        Node(key=identifier(message, "messageId"), parent=parent, pieces=_pieces(message, account))
        for message, parent in messages
    ]
    times = [time for message, _ in messages if (time := moment(message.get("createdAt")))]
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=identifier(record, "conversationId"),
            turns=assemble(nodes, None, limits),
            title=string(record.get("title")),
            created=moment(record.get("createdAt")) or min(times, default=None),
            updated=moment(record.get("updatedAt")) or max(times, default=None),
            signal=strictest(
                read_signal(record),
                read_signal(members(record.get("options"))),
                *(read_signal(message) for message, _ in messages),
            ),
            attachments=[
                first_string(members(file), "filename", "name")
                for message, _ in messages
                for field in ("files", "attachments")
                for file in elements(message.get(field))
            ],
        ),
        account=account,
    )


def _flat(record: Mapping[str, Json]) -> Iterator[tuple[Mapping[str, Json], str | None]]:
    """Yield each message with its parent's id, parents first, without recursion."""
    if isinstance(record.get("messages"), list):
        previous = None
        for value in elements(record.get("messages")):
            message = members(value)
            named = string(message.get("parentMessageId")) or previous
            yield message, None if named == _NO_PARENT else named
            previous = string(message.get("messageId")) or None
        return
    waiting: list[tuple[Json, str | None]] = [
        (value, None) for value in reversed(elements(record.get("messagesTree")))
    ]
    while waiting:
        value, parent = waiting.pop()
        message = members(value)
        yield message, parent
        own = string(message.get("messageId")) or None
        waiting.extend((child, own) for child in reversed(elements(message.get("children"))))


def _pieces(message: Mapping[str, Json], account: str | None) -> tuple[Piece, ...]:
    by_person = message.get("isCreatedByUser")
    role = (
        {True: Role.USER, False: Role.ASSISTANT}.get(by_person)
        if isinstance(by_person, bool)
        else None
    )
    at = moment(message.get("createdAt"))
    common = TurnFlag.NONE
    if message.get("error") or message.get("unfinished"):
        common |= TurnFlag.INCOMPLETE
    speaker = account_id(message.get("user"))
    if role is None or (role is Role.USER and speaker is not None and speaker != account):
        common |= TurnFlag.THIRD_PARTY
    own = Role.TOOL if role is None else role
    stretches = [
        made for part in elements(message.get("content")) for made in _part(members(part), own)
    ]
    if not any(flags is TurnFlag.NONE for _, _, flags in stretches):
        stretches += _spoken(string(message.get("text")), own)
    pieces = [
        Piece(role=Role.TOOL, text=text, flags=TurnFlag.THIRD_PARTY, at=at)
        for file in elements(message.get("files"))
        if (text := string(members(file).get("text")))
    ]
    pieces += [Piece(role=who, text=text, flags=f | common, at=at) for who, text, f in stretches]
    return rate(pieces, rating(message.get("feedback")))


def _spoken(text: str, own: Role) -> list[Stretch]:
    if own is Role.ASSISTANT:
        return list(split_answer(text))
    return [(own, text, TurnFlag.NONE)] if text else []


def _part(part: Mapping[str, Json], own: Role) -> Iterator[Stretch]:
    kind = part.get("type")
    if kind == "text":
        yield from _spoken(_value(part.get("text")), own)
    elif kind == "think":
        yield Role.ASSISTANT, _value(part.get("think")), TurnFlag.REASONING
    elif kind == "tool_call":
        call = members(part.get("tool_call"))
        named = {"arguments": call.get("args"), "name": call.get("name")}
        yield Role.ASSISTANT, json.dumps(named, ensure_ascii=False), TurnFlag.REASONING
        if string(call.get("output")):
            yield Role.TOOL, string(call.get("output")), TurnFlag.THIRD_PARTY
    elif kind == "error":
        text = _value(part.get("error")) or _value(part.get("text"))
        yield Role.TOOL, text, TurnFlag.THIRD_PARTY | TurnFlag.INCOMPLETE
    else:
        yield Role.TOOL, _value(part.get("text")), TurnFlag.THIRD_PARTY


def _value(text: Json) -> str:
    return string(text) or string(members(text).get("value"))
