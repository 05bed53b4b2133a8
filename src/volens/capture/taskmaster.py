"""Taskmaster dialogues: `{"conversation_id", "utterances": [{"speaker", "text"}]}`.

Annotations (calls of a simulated interface) are not part of what was said and are not captured.
"""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture.model import Limits
from volens.capture.signals import read_signal
from volens.capture.threads import Context, Draft, Piece, chain, conversation
from volens.capture.values import elements, first_string, identifier, members, string
from volens.core.canonical import Json
from volens.vault.model import Role, TurnFlag

SOURCE = "taskmaster"
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "agent": Role.ASSISTANT}


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one dialogue.

    Raises:
        InvalidInput: ``source_id``, ``no_turns``, ``too_many_turns`` or ``turn_size``.
    """
    said = [members(value) for value in elements(record.get("utterances"))]
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=identifier(record, "conversation_id"),
            turns=chain((_piece(utterance) for utterance in said), limits),
            title=first_string(record, "vertical"),
            signal=read_signal(record),
        ),
        account=context.account,
    )


def _piece(utterance: Mapping[str, Json]) -> Piece:
    role = _ROLES.get(string(utterance.get("speaker")).casefold())
    if role is None:
        text = string(utterance.get("text"))
        return Piece(role=Role.TOOL, text=text, flags=TurnFlag.THIRD_PARTY)
    return Piece(role=role, text=string(utterance.get("text")))
