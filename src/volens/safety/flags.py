"""Flags of safety classifiers: the port by which something may come to be reviewed (R31).

A flag says which turns of which conversation, a category, how bad, and which classifier; never what
was said. It opens nothing, and it is a ground for no training.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, Engine, Row, delete, func, insert, select

from volens.core.errors import InvalidInput
from volens.core.ids import ConversationId, FlagId, IdKind, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.time import from_millis, to_millis
from volens.log.kinds import EntryKind, FlagCategory, FlagSeverity
from volens.log.recorder import Recorder
from volens.safety.model import Flag
from volens.safety.tables import FLAG
from volens.storage.engine import find_among
from volens.vault.store import Held
from volens.vault.tables import CONVERSATION

MAX_TURNS = 200
_CLASSIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class FlagStore:
    """Takes and lists flags."""

    def __init__(
        self, engine: Engine, recorder: Recorder, *, clock: Clock, entropy: Entropy
    ) -> None:
        """Use the table in `engine`; what can't be logged is not flagged."""
        self._engine = engine
        self._recorder = recorder
        self._clock = clock
        self._entropy = entropy

    def raise_flag(
        self,
        held: Held,
        *,
        turns: Sequence[int],
        category: FlagCategory,
        severity: FlagSeverity,
        classifier: str,
    ) -> Flag:
        """Record a flag; the same one again changes nothing. The log entry comes first.

        Args:
            held: the conversation.
            turns: which of its turns, by index from 0; at least one, at most 200.
            category: what the classifier saw.
            severity: how bad it looks; a repeat does not change it.
            classifier: its name and version, such as ``toxicity-v3``.

        Raises:
            InvalidInput: ``turn_unknown``, ``flag_turns`` or ``flag_classifier``.
        """
        check_turns(held, turns)
        if not _CLASSIFIER.fullmatch(classifier):
            hint = "a-z, 0-9 and . _ -, at most 64; never a person's name"
            raise InvalidInput("flag_classifier", "not a classifier's name", hint=hint)
        named = tuple(sorted(set(turns)))
        known = self._load(
            FLAG.c.conversation_no == held.number,
            FLAG.c.turns == _text(named),
            FLAG.c.category == category.value,
            FLAG.c.classifier == classifier,
        )
        if known:
            return known[0]
        raw = self._entropy.draw(16)
        parts = (
            parse_id(IdKind.CONVERSATION, held.id),
            _text(named).encode(),
            category.value.encode(),
            classifier.encode(),
        )
        salt, commitment = self._recorder.commit(*parts)
        index = self._recorder.record(
            EntryKind.FLAG_RAISED,
            {"commitment": commitment, "category": category, "severity": severity},
        )
        row = {
            "id": raw,
            "subject_no": held.subject_no,
            "conversation_no": held.number,
            "turns": _text(named),
            "category": category.value,
            "severity": severity.value,
            "classifier": classifier,
            "raised_ms": to_millis(self._clock.now()),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(insert(FLAG).values(row))
        return self._load(FLAG.c.id == raw)[0]

    def count(self) -> int:
        """Return how many flags there are."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.count()).select_from(FLAG)).scalar() or 0)

    def listed(self, *, skip: int = 0, limit: int = 100) -> list[Flag]:
        """Return flags, oldest first; never whose."""
        query = _JOINED.order_by(FLAG.c.no).offset(skip).limit(limit)
        with self._engine.connect() as db:
            return [_flag(row) for row in db.execute(query)]

    def of_conversation(self, number: int) -> list[Flag]:
        """Return the flags on a conversation, by row number, oldest first."""
        return self._load(FLAG.c.conversation_no == number)

    def of_subject(self, number: int) -> list[Flag]:
        """Return the flags on a person's conversations, by row number of the person."""
        return self._load(FLAG.c.subject_no == number)

    def erase_turns(self, conversation: ConversationId, turns: Sequence[int]) -> None:
        """Delete the flags of a conversation that name none but these turns; idempotent."""
        on = self._load(CONVERSATION.c.id == parse_id(IdKind.CONVERSATION, conversation))
        gone = [flag.id for flag in on if set(flag.turns) <= set(turns)]
        with self._engine.begin() as db:
            for name in gone:
                db.execute(delete(FLAG).where(FLAG.c.id == parse_id(IdKind.FLAG, name)))

    def erase_subjects(self, numbers: Sequence[int]) -> None:
        """Delete the flags on people's conversations."""
        self._delete(FLAG.c.subject_no, numbers)

    def erase_conversations(self, numbers: Sequence[int]) -> None:
        """Delete the flags on these conversations, by row number."""
        self._delete(FLAG.c.conversation_no, numbers)

    def _delete(self, column: Column[int], numbers: Sequence[int]) -> None:
        with self._engine.begin() as db:
            for number in sorted(set(find_among(db, column, numbers))):
                db.execute(delete(FLAG).where(column == number))

    def _load(self, *conditions: ColumnElement[bool]) -> list[Flag]:
        with self._engine.connect() as db:
            query = _JOINED.where(*conditions).order_by(FLAG.c.no)
            return [_flag(row) for row in db.execute(query)]


_JOINED = select(FLAG, CONVERSATION.c.id.label("conversation")).join(
    CONVERSATION, CONVERSATION.c.no == FLAG.c.conversation_no
)


def check_turns(held: Held, turns: Sequence[int]) -> None:
    """Pass if the conversation has each of `turns`, and there is one at least.

    Raises:
        InvalidInput: ``turn_unknown`` or ``flag_turns``.
    """
    if not 0 < len(set(turns)) <= MAX_TURNS:
        raise InvalidInput("flag_turns", f"name from 1 to {MAX_TURNS} turns")
    for turn in turns:
        if not 0 <= turn < held.turns:
            hint = f"turns are numbered from 0 to {held.turns - 1}"
            raise InvalidInput("turn_unknown", f"{held.id} has no turn {turn}", hint=hint)


def _text(turns: Sequence[int]) -> str:
    return " ".join(map(str, turns))


def _flag(row: Row[tuple[object, ...]]) -> Flag:
    return Flag(
        id=FlagId(format_id(IdKind.FLAG, row.id)),
        conversation=ConversationId(format_id(IdKind.CONVERSATION, row.conversation)),
        turns=tuple(map(int, row.turns.split())),
        category=FlagCategory(row.category),
        severity=FlagSeverity(row.severity),
        classifier=row.classifier,
        raised=from_millis(row.raised_ms),
        log_index=row.log_index,
    )
