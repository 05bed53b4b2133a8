"""What people report: their own control over a reply or a chat, for trust and safety to look at.

A report names what may be reviewed (R31). It says no more than the conversation, the turn and a
word of a closed list; it opens nothing, and it is never a consent to anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
)

from volens.core.errors import InvalidInput
from volens.core.ids import ConversationId, IdKind, format_id, parse_id
from volens.core.ports import Clock
from volens.core.time import from_millis, to_millis
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.storage.engine import find_among
from volens.vault.store import Held
from volens.vault.tables import CONVERSATION

METADATA = MetaData()
WHOLE = -1
"""The `turn` of a report about the whole chat."""
REPORT = Table(
    "report",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("subject_no", Integer, nullable=False, index=True),
    Column("conversation_no", Integer, nullable=False, index=True),
    Column("turn", Integer, nullable=False),
    Column("because", String, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    UniqueConstraint("conversation_no", "turn", "because"),
)


class ReportReason(StrEnum):
    """Why somebody reports; a closed list, so that nothing personal is written here."""

    ILLEGAL = "illegal"
    DANGER = "danger"
    SELF_HARM = "self_harm"
    VIOLENCE = "violence"
    HATE = "hate"
    SEXUAL = "sexual"
    CHILD_SAFETY = "child_safety"
    PRIVACY = "privacy"
    WRONG = "wrong"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report."""

    number: int
    conversation: ConversationId
    turn: int | None
    """Index of the reply; None for the whole chat."""
    because: ReportReason
    at: datetime
    log_index: int


class ReportStore:
    """Takes and lists reports."""

    def __init__(self, engine: Engine, recorder: Recorder, *, clock: Clock) -> None:
        """Use the table in `engine`; what can't be logged can't be reported."""
        self._engine = engine
        self._recorder = recorder
        self._clock = clock

    def file(self, held: Held, *, because: ReportReason, turn: int | None = None) -> Report:
        """Record a report; the same one again changes nothing.

        The log entry comes first: a stop before the row leaves an entry about a report that nobody
        sees, and a repeat makes it whole.

        Raises:
            InvalidInput: ``turn_unknown`` if the conversation has no such turn.
        """
        if turn is not None and not 0 <= turn < held.turns:
            hint = f"turns are numbered from 0 to {held.turns - 1}"
            raise InvalidInput("turn_unknown", f"{held.id} has no turn {turn}", hint=hint)
        place = WHOLE if turn is None else turn
        known = self._find(held, place, because)
        if known is not None:
            return known
        raw = parse_id(IdKind.CONVERSATION, held.id)
        parts = (raw, place.to_bytes(4, "big", signed=True), because.value.encode())
        salt, commitment = self._recorder.commit(*parts)
        index = self._recorder.record(EntryKind.CONTENT_REPORTED, {"commitment": commitment})
        row = {
            "subject_no": held.subject_no,
            "conversation_no": held.number,
            "turn": place,
            "because": because.value,
            "at_ms": to_millis(self._clock.now()),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(insert(REPORT).values(row))
        made = self._find(held, place, because)
        assert made is not None
        return made

    def count(self) -> int:
        """Return how many reports there are."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.count()).select_from(REPORT)).scalar() or 0)

    def listed(self, *, skip: int = 0, limit: int = 100) -> list[Report]:
        """Return reports, oldest first: what was reported, never by whom."""
        with self._engine.connect() as db:
            query = _JOINED.order_by(REPORT.c.no).offset(skip).limit(limit)
            return [_report(row) for row in db.execute(query)]

    def of_subject(self, subject_no: int) -> list[Report]:
        """Return what one person reported, oldest first."""
        with self._engine.connect() as db:
            query = _JOINED.where(REPORT.c.subject_no == subject_no).order_by(REPORT.c.no)
            return [_report(row) for row in db.execute(query)]

    def erase_subjects(self, numbers: Sequence[int]) -> int:
        """Delete people's reports, and with each the salt of its log entry; return how many."""
        return self._delete(REPORT.c.subject_no, numbers)

    def erase_conversations(self, numbers: Sequence[int]) -> int:
        """Delete the reports about these conversations, by row number; return how many."""
        return self._delete(REPORT.c.conversation_no, numbers)

    def _delete(self, column: Column[int], numbers: Sequence[int]) -> int:
        """Delete in one transaction what has one of `numbers` in a column; most name nothing."""
        deleted = 0
        with self._engine.begin() as db:
            for number in sorted(set(find_among(db, column, numbers))):
                deleted += db.execute(delete(REPORT).where(column == number)).rowcount
        return deleted

    def _find(self, held: Held, place: int, because: ReportReason) -> Report | None:
        query = _JOINED.where(
            REPORT.c.conversation_no == held.number,
            REPORT.c.turn == place,
            REPORT.c.because == because.value,
        )
        with self._engine.connect() as db:
            row = db.execute(query).first()
        return None if row is None else _report(row)


_JOINED = select(
    REPORT.c.no,
    CONVERSATION.c.id,
    REPORT.c.turn,
    REPORT.c.because,
    REPORT.c.at_ms,
    REPORT.c.log_index,
).join(CONVERSATION, CONVERSATION.c.no == REPORT.c.conversation_no)


def _report(row: Row[*tuple[Any, ...]]) -> Report:
    return Report(
        number=row.no,
        conversation=ConversationId(format_id(IdKind.CONVERSATION, row.id)),
        turn=None if row.turn == WHOLE else row.turn,
        because=ReportReason(row.because),
        at=from_millis(row.at_ms),
        log_index=row.log_index,
    )
