"""ChatGPT exports: `conversations.json`, whole or in shards, with a message tree in `mapping`.

The shape was learned from published exports and importers (see docs/formats/import.md). What a
tool, a page or a file said is another person's content; what the product hid stays hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from volens.capture.model import Limits
from volens.capture.signals import read_signal
from volens.capture.threads import Context, Draft, Node, Piece, assemble, conversation, rate
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
from volens.core.errors import InvalidInput
from volens.vault.model import Role, TurnFlag

SOURCE = "chatgpt"
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "tool": Role.TOOL}
_FINISHED = frozenset({"finished_successfully", "finished"})
_TO_ALL = frozenset({"all"})
_FINAL = frozenset({"final"})
_STOPPED = frozenset({"stop", "unknown"})
_PLAIN = frozenset({"text", "multimodal_text", "code", "audio_transcription"})
_CONTEXT = frozenset({"user_editable_context", "model_editable_context"})
_REASONING = frozenset({"thoughts", "reasoning_recap"})
_CONTEXT_FIELDS = (
    "user_profile",
    "user_instructions",
    "model_set_context",
    "repository",
    "repo_summary",
    "structured_context",
)
_LOOSE_FIELDS = ("title", "url", "domain", "snippet", "summary", "text", "result", "content")


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one conversation.

    Raises:
        InvalidInput: ``no_mapping``, ``source_id``, ``no_turns`` or as `threads.assemble`.
    """
    mapping = record.get("mapping")
    if not isinstance(mapping, Mapping):
        raise InvalidInput("no_mapping", "the entry has no `mapping`, so no messages")
    source_id = identifier(record, "conversation_id", "id")
    account = account_id(record.get("user_id")) or context.account
    parents = _parents(mapping)
    strangers = _strangers(mapping, account, context)
    names: list[str] = []
    nodes = []
    for key, value in mapping.items():
        message = members(members(value).get("message"))
        given = context.ratings.get((source_id, string(message.get("id")) or key), 0)
        given = given or context.ratings.get((source_id, key), 0) or rating(message.get("rating"))
        pieces = _pieces(message, _author(message) in strangers)
        nodes.append(Node(key=key, parent=parents[key], pieces=rate(pieces, given)))
        names.extend(_attachments(message))
    current = string(record.get("current_node")) or None
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=source_id,
            turns=assemble(nodes, current, limits),
            title=string(record.get("title")),
            created=moment(record.get("create_time")),
            updated=moment(record.get("update_time")),
            signal=read_signal(record),
            attachments=names,
        ),
        account=account,
    )


def _parents(mapping: Mapping[str, Json]) -> dict[str, str | None]:
    """Return each node's parent; where a node doesn't name it, its place among children does."""
    listed = {
        child: key
        for key, node in mapping.items()
        for child in elements(members(node).get("children"))
        if isinstance(child, str)
    }
    return {
        key: string(members(node).get("parent")) or listed.get(key) for key, node in mapping.items()
    }


def _author(message: Mapping[str, Json]) -> str:
    """Return what tells one human author from another; empty if nothing does."""
    author = members(message.get("author"))
    if author.get("role") != "user":
        return ""
    extra = members(author.get("metadata"))
    of_message = members(message.get("metadata"))
    return (
        first_string(extra, "user_id", "real_author", "sender_id")
        or first_string(of_message, "user_id", "sender_id")
        or string(author.get("name"))
    )


def _strangers(
    mapping: Mapping[str, Json], account: str | None, context: Context
) -> frozenset[str]:
    """Return the human authors who are not, or may not be, the account's person.

    One unnamed author is the person. Of several, only the one with the account's id is; without
    such a one, nobody is.
    """
    authors = {
        _author(members(members(node).get("message")))
        for node in mapping.values()
        if members(members(members(node).get("message")).get("author")).get("role") == "user"
    }
    own = {author for author in authors if account and author in {account, f"user:{account}"}}
    if len(authors) <= 1 and not context.group:
        return frozenset()
    return frozenset(authors - own)


def _pieces(message: Mapping[str, Json], is_stranger: bool) -> tuple[Piece, ...]:
    if not message:
        return ()
    author = members(message.get("author"))
    role = _ROLES.get(string(author.get("role")))
    flags = _message_flags(message, role)
    if is_stranger or string(members(author.get("metadata")).get("real_author")).startswith("tool"):
        flags |= TurnFlag.THIRD_PARTY
    content = members(message.get("content"))
    kind = string(content.get("content_type"))
    at = moment(message.get("create_time"))
    if kind in _REASONING:
        flags |= TurnFlag.REASONING
    elif kind in _CONTEXT:
        flags |= TurnFlag.HIDDEN
    elif kind not in _PLAIN:
        flags |= TurnFlag.THIRD_PARTY
        role = Role.TOOL if role is Role.USER else role
    text = "\n".join(_texts(content, kind))
    return (Piece(role=Role.TOOL if role is None else role, text=text, flags=flags, at=at),)


def _message_flags(message: Mapping[str, Json], role: Role | None) -> TurnFlag:
    flags = TurnFlag.NONE
    extra = members(message.get("metadata"))
    if role is None or role is Role.TOOL:
        flags |= TurnFlag.THIRD_PARTY
    if (
        role is Role.SYSTEM
        or message.get("weight") == 0
        or extra.get("is_visually_hidden_from_conversation")
        or extra.get("is_user_system_message")
    ):
        flags |= TurnFlag.HIDDEN
    to_tool = not is_absent_or(message.get("recipient"), _TO_ALL)
    if role is Role.ASSISTANT and (to_tool or not is_absent_or(message.get("channel"), _FINAL)):
        flags |= TurnFlag.REASONING
    finish = members(extra.get("finish_details")).get("type")
    if (
        not is_absent_or(message.get("status"), _FINISHED)
        or (isinstance(finish, str) and finish not in _STOPPED)
        or extra.get("is_error")
        or extra.get("is_complete") is False
    ):
        flags |= TurnFlag.INCOMPLETE
    return flags


def _texts(content: Mapping[str, Json], kind: str) -> Iterator[str]:
    if kind in _CONTEXT:
        for name in _CONTEXT_FIELDS:
            yield from _nonempty(content.get(name))
        return
    for part in elements(content.get("parts")):
        yield from _nonempty(part)
        yield from _nonempty(members(part).get("text"))
    if kind == "thoughts":
        for thought in elements(content.get("thoughts")):
            yield from _nonempty(members(thought).get("summary"))
            yield from _nonempty(members(thought).get("content"))
    elif kind == "reasoning_recap":
        yield from _nonempty(content.get("content"))
    elif kind in _PLAIN:
        yield from _nonempty(content.get("text"))
    else:
        for name in _LOOSE_FIELDS:
            yield from _nonempty(content.get(name))
        for thought in elements(content.get("thoughts")):
            yield from _nonempty(members(thought).get("content"))


def _nonempty(value: Json) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value


def _attachments(message: Mapping[str, Json]) -> Iterator[str]:
    for file in elements(members(message.get("metadata")).get("attachments")):
        yield first_string(members(file), "name", "id")
    for part in elements(members(message.get("content")).get("parts")):
        yield string(members(part).get("asset_pointer"))


def read_feedback(record: Mapping[str, Json]) -> tuple[tuple[str, str], int] | None:
    """Return (conversation id, message id) and -1 or 1 from one line of message_feedback.json."""
    given = rating(record.get("rating"))
    conversation_id = string(record.get("conversation_id"))
    message_id = first_string(record, "message_id", "id")
    return ((conversation_id, message_id), given) if given and message_id else None
