"""Open WebUI exports: chats with a message tree in `chat.history`.

Where a message has structured `output` items, they are read and its `content` (the same, rendered)
is not; elsewhere `<details>` blocks are taken out of `content`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from volens.capture.inline import split_answer
from volens.capture.model import Limits
from volens.capture.signals import read_signal, strictest
from volens.capture.threads import Context, Draft, Node, Piece, assemble, chain, conversation, rate
from volens.capture.values import (
    account_id,
    elements,
    first_string,
    identifier,
    is_absent_or,
    members,
    moment,
    rating,
    string,
)
from volens.core.canonical import Json
from volens.vault.model import Role, TurnFlag

SOURCE = "open-webui"
_COMPLETED = frozenset({"completed"})
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one chat.

    Raises:
        InvalidInput: ``source_id``, ``no_turns`` or as `threads.assemble`.
    """
    chat = members(record.get("chat"))
    history = members(chat.get("history"))
    by_key = members(history.get("messages"))
    account = account_id(record.get("user_id")) or context.account
    if by_key:
        messages: Sequence[Mapping[str, Json]] = [members(item) for item in by_key.values()]
        nodes = [
            Node(
                key=key,
                parent=string(members(item).get("parentId")) or None,
                pieces=_pieces(members(item), account),
            )
            for key, item in by_key.items()
        ]
        turns = assemble(nodes, string(history.get("currentId")) or None, limits)
    else:
        messages = [members(item) for item in elements(chat.get("messages"))]
        turns = chain((piece for item in messages for piece in _pieces(item, account)), limits)
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=identifier(record, "id"),
            turns=turns,
            title=first_string(record, "title") or string(chat.get("title")),
            created=moment(record.get("created_at")),
            updated=moment(record.get("updated_at")),
            signal=strictest(
                read_signal(record), read_signal(chat), read_signal(members(record.get("meta")))
            ),
            attachments=[name for item in messages for name in _attachments(item)],
        ),
        account=account,
    )


def _pieces(message: Mapping[str, Json], account: str | None) -> tuple[Piece, ...]:
    role = _ROLES.get(string(message.get("role")))
    at = moment(message.get("timestamp"))
    common = TurnFlag.NONE
    if message.get("done") is False or message.get("error"):
        common |= TurnFlag.INCOMPLETE
    if role is Role.SYSTEM:
        common |= TurnFlag.HIDDEN
    speaker = string(message.get("user_id"))
    if role is None or (role is Role.USER and speaker and account and speaker != account):
        common |= TurnFlag.THIRD_PARTY
    pieces = [
        Piece(role=Role.TOOL, text=text, flags=TurnFlag.THIRD_PARTY, at=at)
        for text in _others_texts(message)
    ]
    own = Role.TOOL if role is None else role
    stretches = list(_output(message)) if role is Role.ASSISTANT else []
    if not stretches:
        text = string(message.get("content"))
        stretches = (
            list(split_answer(text)) if role is Role.ASSISTANT else [(own, text, TurnFlag.NONE)]
        )
    pieces += [Piece(role=who, text=text, flags=f | common, at=at) for who, text, f in stretches]
    return rate(pieces, rating(message.get("annotation")))


def _output(message: Mapping[str, Json]) -> Iterator[tuple[Role, str, TurnFlag]]:
    for value in elements(message.get("output")):
        item = members(value)
        kind = string(item.get("type"))
        text = "\n".join(_item_texts(item))
        status = item.get("status")
        broken = TurnFlag.NONE if is_absent_or(status, _COMPLETED) else TurnFlag.INCOMPLETE
        if kind == "message":
            for who, part, flags in split_answer(text):
                yield who, part, flags | broken
        elif kind == "reasoning":
            yield Role.ASSISTANT, text, TurnFlag.REASONING | broken
        elif kind in {"function_call", "open_webui:code_interpreter"}:
            call = " ".join(part for part in (string(item.get("name")), text) if part)
            yield Role.ASSISTANT, call, TurnFlag.REASONING | broken
        else:
            yield Role.TOOL, text, TurnFlag.THIRD_PARTY | broken


def _item_texts(item: Mapping[str, Json]) -> Iterator[str]:
    for name in ("arguments", "code", "content", "output"):
        value = item.get(name)
        if isinstance(value, str) and value:
            yield value
        for part in elements(value):
            text = first_string(members(part), "text")
            if text:
                yield text


def _others_texts(message: Mapping[str, Json]) -> Iterator[str]:
    """Yield what searched pages and uploaded files said."""
    for source in (*elements(message.get("sources")), *elements(message.get("citations"))):
        for document in elements(members(source).get("document")):
            if string(document):
                yield string(document)
    for file in elements(message.get("files")):
        data = members(members(members(file).get("file")).get("data"))
        text = string(data.get("content")) or string(members(file).get("content"))
        if text:
            yield text


def _attachments(message: Mapping[str, Json]) -> Iterator[str]:
    for file in elements(message.get("files")):
        yield first_string(members(file), "name", "filename")
