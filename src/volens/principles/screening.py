"""What a text looks like that somebody said in a chat, and what is refused for it.

This can only notice forms: a transcript, another product's marks of turns, personal data that the
redactor finds, a file that lies in a home or in a dataset. One sentence that a person wrote, copied
by hand into a prompt file and called public, looks like any other sentence. Comparing prompts with
what is held would mean opening everybody's chats for a use that nobody said yes to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from volens.core.errors import Denied
from volens.datasets.redaction.profiles import STANDARD
from volens.datasets.redaction.redactor import Redactor

MEMBERS_OF_CHATS: Final = frozenset(
    {
        "messages", "turns", "conversations", "conversation", "conversation_id", "conversationId",
        "mapping", "chat", "chats", "chat_messages", "messagesTree", "utterances", "items",
        "replies", "role", "message_tree_id", "chosen", "rejected", "completion", "response",
        "subject", "user", "assistant", "record", "current_node", "question_id",
    }
)  # fmt: skip
"""Members that exports, datasets and chat products write, and prompt files never have."""
_HOME: Final = ("volens.json",)
_DATASET: Final = ("manifest.json", "manifest.leaves")
_COLON = r"[:\uff1a>]"
_LEAD = r"^[ \t*_#>\[(-]{0,12}"
_TRAIL = r"[ \t*_\])]{0,6}"
_PERSON = (
    r"user|human|customer|client|me|prompter|person|nutzer|benutzer|mensch|usuario"
    r"|\u30e6\u30fc\u30b6\u30fc|\u0645\u0633\u062a\u062e\u062f\u0645"
)
_MACHINE = r"assist[ae]nt|ai|bot|agent|model|gpt|chatgpt|claude|gemini|llm|asistente"
_LINES = re.IGNORECASE | re.MULTILINE
# every run is bounded, so that no text makes a search slow
_ASKED = re.compile(f"{_LEAD}(?:{_PERSON}){_TRAIL}{_COLON}", _LINES)
_SAID = re.compile(f"{_LEAD}(?:{_MACHINE}){_TRAIL}{_COLON}", _LINES)
_QUESTION = re.compile(r"^[ \t]{0,12}(?:q|question)[ \t]{0,3}[:.]", _LINES)
_REPLY = re.compile(r"^[ \t]{0,12}(?:a|answer)[ \t]{0,3}[:.]", _LINES)
_MARK = re.compile(
    r"<\|[a-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>|</?start_of_turn>|<end_of_turn>"
    r"|<\uff5c[^>]{1,40}\uff5c>"
    r"|\"(?:role|from)\"[ ]{0,3}:[ ]{0,3}\"(?:user|human|assistant|gpt)\""
    r"|###[ ]{0,3}(?:human|user|instruction|response|assistant)\b",
    re.IGNORECASE,
)
_STAMPED = re.compile(
    r"^[ \t]{0,12}[\[(]?(?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4}[,T ]{1,3})?\d{1,2}:\d{2}(?::\d{2})?"
    r"[ ]?(?:[ap]m)?[\])]?[ ]{0,3}[-\u2013]?[ ]{0,3}[^\s:][^:\n]{0,40}:",
    _LINES,
)
_SPOKEN = 2


def check_no_chat(texts: Sequence[tuple[str, str]], *, place: str) -> None:
    """Refuse texts that look as if somebody had said them in a chat.

    Args:
        texts: (id, text); the id is named in the refusal, the text never.
        place: where they stand.

    Raises:
        Denied: ``chat_in_text`` for the form of a transcript, ``person_in_text`` for personal data.
    """
    for name, text in texts:
        form = transcript_form(text)
        if form:
            hint = "a prompt is one request that nobody said in a chat"
            raise Denied("chat_in_text", f"{place}: {name} holds {form}", hint=hint)
    redactor = Redactor(STANDARD)
    redacted, counts = redactor.redact_many([text for _, text in texts])
    if not counts:
        return
    for (name, text), after in zip(texts, redacted, strict=True):
        if text != after:
            kinds = ", ".join(sorted(str(kind).lower() for kind in redactor.redact(text).counts))
            hint = "leave the text out, or write it anew without anybody's data"
            raise Denied(
                "person_in_text", f"{place}: {name} holds personal data ({kinds})", hint=hint
            )


def transcript_form(text: str) -> str:
    """Say in words which form of a transcript a text has; empty if none."""
    if _MARK.search(text):
        return "a mark that chat products put between turns"
    if (_ASKED.search(text) and _SAID.search(text)) or (
        _QUESTION.search(text) and _REPLY.search(text)
    ):
        return "turns of two speakers"
    if len(_STAMPED.findall(text)) >= _SPOKEN:
        return "lines of a chat with times and names"
    return ""


def check_place(path: Path) -> None:
    """Refuse a file that lies in a home or in a dataset that was built from chats.

    Raises:
        Denied: ``place_of_chats``.
    """
    for folder in path.resolve().parents:
        if all((folder / name).is_file() for name in _HOME):
            what = "a home"
        elif all((folder / name).is_file() for name in _DATASET):
            what = "a dataset of what people said"
        else:
            continue
        hint = "prompts are written apart from what is held about people"
        raise Denied("place_of_chats", f"{path.name} lies in {what}", hint=hint)
