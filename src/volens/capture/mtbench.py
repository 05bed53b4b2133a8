"""MT-Bench questions: `{"question_id", "category", "turns": [prompt, ...]}`, prompts only."""

from __future__ import annotations

from collections.abc import Mapping

from volens.capture.model import Limits
from volens.capture.signals import read_signal
from volens.capture.threads import Context, Draft, Piece, chain, content_id, conversation
from volens.capture.values import elements, identifier, string
from volens.core.canonical import Json
from volens.vault.model import Role

SOURCE = "mt-bench"


def read_record(record: Mapping[str, Json], context: Context, limits: Limits) -> Draft:
    """Read one question.

    Raises:
        InvalidInput: ``source_id``, ``no_turns``, ``too_many_turns`` or ``turn_size``.
    """
    said = (Piece(role=Role.USER, text=string(turn)) for turn in elements(record.get("turns")))
    turns = chain(said, limits)
    return Draft(
        conversation=conversation(
            source=SOURCE,
            source_id=content_id(turns, identifier(record, "question_id")),
            turns=turns,
            title=string(record.get("category")),
            signal=read_signal(record),
        ),
        account=context.account,
    )
