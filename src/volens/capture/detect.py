"""Tell what a record is by its shape alone; a file's name never decides."""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture import volens_export
from volens.capture.model import Format
from volens.capture.values import elements, members
from volens.core.canonical import Json

NOT_CONVERSATIONS = {
    Format.CHATGPT_USER: "the account's own data, read for its id only",
    Format.CHATGPT_FEEDBACK: "ratings, joined to the messages they are about",
    Format.CHATGPT_SHARED: "a list of shared links, not conversations",
    Format.CLAUDE_PROJECTS: "projects and their documents, not conversations",
    Format.CLAUDE_USERS: "the account's own data, not conversations",
    Format.CLAUDE_MEMORIES: "what the assistant remembered, not conversations",
    Format.TASKMASTER_REWARDS: "scores of generated replies, not conversations",
    Format.MT_BENCH_ANSWERS: "a model's answers to a benchmark, not conversations",
    Format.VOLENS_EXPORT: "the list of what a person's copy of their data is made of",
    Format.VOLENS_PART: volens_export.WHY,
    Format.EMPTY: "empty",
}
WRAPPERS = ("conversations", "chats", "data")
"""Members under which some exports put their list of records."""


def recognise(value: Json) -> Format:
    """Return what one record is, or `Format.UNKNOWN`."""
    record = members(value)
    for form, required in _EXACT:
        if required <= record.keys() and _fits(form, record):
            return form
    if isinstance(value, dict | list) and not value:
        return Format.EMPTY
    return Format.UNKNOWN


def wrapped(value: Json) -> tuple[str, list[Json]] | None:
    """Return the name and the elements of a list of records inside one document."""
    record = members(value)
    for name in WRAPPERS:
        inner = record.get(name)
        if isinstance(inner, list) and all(isinstance(item, Mapping) for item in inner):
            return name, inner
    return None


# the narrowest first: a record is the first form all of whose members it has
_EXACT: tuple[tuple[Format, frozenset[str]], ...] = (
    (Format.VOLENS_EXPORT, frozenset({"version", "controller", "parts", "signature"})),
    (Format.CHATGPT, frozenset({"mapping"})),
    (Format.CLAUDE, frozenset({"uuid", "chat_messages"})),
    (Format.LIBRECHAT, frozenset({"conversationId", "messagesTree"})),
    (Format.LIBRECHAT, frozenset({"conversationId", "messages"})),
    (Format.OPEN_WEBUI, frozenset({"id", "chat"})),
    (Format.OASST, frozenset({"message_tree_id", "prompt"})),
    (Format.OASST, frozenset({"message_id", "role", "text"})),
    (Format.TASKMASTER, frozenset({"conversation_id", "utterances"})),
    (Format.TASKMASTER_REWARDS, frozenset({"conversation_id", "generation", "reward"})),
    (Format.MT_BENCH, frozenset({"question_id", "turns"})),
    (Format.MT_BENCH_ANSWERS, frozenset({"question_id", "answer_id", "choices"})),
    (Format.VOLENS, frozenset({"id", "turns"})),
    (Format.SHAREGPT, frozenset({"conversations"})),
    (Format.SHAREGPT, frozenset({"items"})),
    (Format.OPENAI_CHAT, frozenset({"messages"})),
    (Format.CHATGPT_FEEDBACK, frozenset({"conversation_id", "rating"})),
    (Format.CHATGPT_SHARED, frozenset({"conversation_id", "is_anonymous"})),
    (Format.CHATGPT_USER, frozenset({"id", "email"})),
    (Format.CLAUDE_USERS, frozenset({"uuid", "email_address"})),
    (Format.CLAUDE_PROJECTS, frozenset({"uuid", "name", "docs"})),
    (Format.CLAUDE_PROJECTS, frozenset({"uuid", "name", "prompt_template"})),
    (Format.CLAUDE_MEMORIES, frozenset({"conversations_memory"})),
)


def _fits(form: Format, record: Mapping[str, Json]) -> bool:
    """Look one level deeper where a form's member names are common words."""
    if form is Format.CHATGPT:
        mapping = members(record["mapping"])
        return any({"message", "children"} & members(node).keys() for node in mapping.values())
    if form is Format.OPEN_WEBUI:
        return isinstance(record["chat"], Mapping)
    if form is Format.SHAREGPT:
        said = elements(record.get("conversations")) or elements(record.get("items"))
        return any({"from", "value"} <= members(item).keys() for item in said)
    if form is Format.OPENAI_CHAT:
        return any("role" in members(item) for item in elements(record["messages"]))
    if form is Format.VOLENS:
        return any("role" in members(item) for item in elements(record["turns"]))
    if form is Format.MT_BENCH:
        return all(isinstance(turn, str) for turn in elements(record["turns"]))
    if form is Format.OASST:
        return "prompt" not in record or isinstance(record["prompt"], Mapping)
    return True
