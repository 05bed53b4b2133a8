"""ShareGPT: `{"id", "conversations": [{"from", "value"}]}`, as a list or as lines."""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture.inline import split_answer
from volens.capture.model import Limits
from volens.capture.signals import read_signal
from volens.capture.threads import Context, Draft, Piece, chain, content_id, conversation
from volens.capture.values import elements, first_string, language, members, string
from volens.core.canonical import Json
from volens.vault.model import Role, TurnFlag

SOURCE = "sharegpt"
_NATURES = {
    "human": (Role.USER, TurnFlag.NONE),
    "user": (Role.USER, TurnFlag.NONE),
    "gpt": (Role.ASSISTANT, TurnFlag.NONE),
    "chatgpt": (Role.ASSISTANT, TurnFlag.NONE),
    "assistant": (Role.ASSISTANT, TurnFlag.NONE),
    "bard": (Role.ASSISTANT, TurnFlag.NONE),
    "bing": (Role.ASSISTANT, TurnFlag.NONE),
    "system": (Role.SYSTEM, TurnFlag.HIDDEN),
    "function_call": (Role.ASSISTANT, TurnFlag.REASONING),
}
_STRANGE = (Role.TOOL, TurnFlag.THIRD_PARTY)


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one conversation. Its id counts in its own file only, so the content joins it.

    Raises:
        InvalidInput: ``no_turns``, ``too_many_turns`` or ``turn_size``.
    """
    said = elements(record.get("conversations")) or elements(record.get("items"))
    turns = chain((piece for value in said for piece in _pieces(members(value))), limits)
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=content_id(turns, first_string(record, "id")[:100]),
            turns=turns,
            title=first_string(record, "title"),
            signal=read_signal(record),
            language=language(record.get("lang")) or language(record.get("language")),
        ),
        account=context.account,
    )


def _pieces(message: Mapping[str, Json]) -> list[Piece]:
    role, flags = _NATURES.get(string(message.get("from")).casefold(), _STRANGE)
    text = string(message.get("value"))
    if role is Role.ASSISTANT and not flags:
        return [Piece(role=who, text=part, flags=f) for who, part, f in split_answer(text)]
    return [Piece(role=role, text=text, flags=flags)]
