"""The register of holds, to be read: which there are, what they keep, who may know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from volens.core.errors import NotFound
from volens.core.ids import ConversationId, HoldId, IdKind, SubjectId, format_id, parse_id
from volens.core.time import from_millis, to_millis
from volens.holds.model import REVIEW_EVERY, Hold
from volens.holds.precedence import by_conversation
from volens.holds.rows import load, load_on
from volens.holds.tables import HOLD, HOLD_ACT
from volens.log.kinds import HoldEnd


class Act(StrEnum):
    """What was done to a hold."""

    PLACED = "placed"
    EXTENDED = "extended"
    REVIEWED = "reviewed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAct:
    """One act on a hold, with its place in the log and what opens its commitment."""

    act: Act
    at: datetime
    body: bytes
    """The hold after the act, as `encode_hold` writes it."""
    log_index: int
    salt: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What holds that are over no longer keep, until `HoldStore.settle` is told it was seen to."""

    holds: tuple[HoldId, ...]
    free: Mapping[ConversationId, SubjectId]
    """Nothing holds these any more: what waited for them can go on."""
    narrowed: Mapping[ConversationId, SubjectId]
    """Other holds still keep these, or turns of them: an erased one is carved down to those."""


class HoldRegister:
    """Tells which holds there are and what they keep."""

    def __init__(self, engine: Engine) -> None:
        """Read the tables in `engine`."""
        self._engine = engine

    def find(self, hold_id: str) -> Hold:
        """Return the hold with this id.

        Raises:
            InvalidInput: if `hold_id` is not a hold's id.
            NotFound: ``hold_unknown``.
        """
        with self._engine.connect() as db:
            return find_row(db, hold_id)[1]

    def acts(self, hold_id: str) -> list[HoldAct]:
        """Return what was done to a hold, in order; nothing once something of it was erased.

        Raises:
            NotFound: ``hold_unknown``.
        """
        with self._engine.connect() as db:
            return acts_of(db, find_row(db, hold_id)[0])

    def all(self) -> list[Hold]:
        """Return every hold, oldest first."""
        return self._load()

    def of_subject(self, subject: SubjectId) -> list[Hold]:
        """Return all holds on a person's conversations, ended ones too, oldest first."""
        return self._load(HOLD.c.subject == parse_id(IdKind.SUBJECT, subject))

    def visible_to_subject(self, subject: SubjectId, at: datetime) -> list[Hold]:
        """Return the holds that the person may know of at `at`: all but those under a gag."""
        return [hold for hold in self.of_subject(subject) if hold.told(at)]

    def active(self, at: datetime) -> list[Hold]:
        """Return the holds in force at `at`, oldest first."""
        return self._load(HOLD.c.ended.is_(None), HOLD.c.until_ms > to_millis(at))

    def expired(self, at: datetime) -> list[Hold]:
        """Return the holds that have ended by themselves by `at`, in the log already or not."""
        open_ended = or_(HOLD.c.ended.is_(None), HOLD.c.ended == HoldEnd.EXPIRED.value)
        return self._load(open_ended, HOLD.c.until_ms <= to_millis(at))

    def review_due(self, at: datetime, every: timedelta = REVIEW_EVERY) -> list[Hold]:
        """Return the safety holds that somebody should have looked at by `at`, oldest first."""
        return [hold for hold in self.active(at) if hold.review_due(at, every)]

    def next_end(self, at: datetime) -> datetime | None:
        """Return the next moment after `at` at which a hold ends by itself, or None."""
        least = select(func.min(HOLD.c.until_ms)).where(
            HOLD.c.ended.is_(None), HOLD.c.until_ms > to_millis(at)
        )
        with self._engine.connect() as db:
            millis = db.execute(least).scalar()
        return None if millis is None else from_millis(millis)

    def holding(self, conversation: ConversationId | bytes, at: datetime) -> Hold | None:
        """Return the hold that goes first on a conversation, named by id or raw id, or None."""
        if isinstance(conversation, bytes):
            conversation = ConversationId(format_id(IdKind.CONVERSATION, conversation))
        return self.holding_many([conversation], at).get(conversation)

    def holding_many(
        self, conversations: Iterable[ConversationId], at: datetime
    ) -> dict[ConversationId, Hold]:
        """Return, for each of the conversations that is held, the hold that goes first."""
        asked = set(conversations)
        raws = [parse_id(IdKind.CONVERSATION, name) for name in sorted(asked)]
        with self._engine.connect() as db:
            found = load_on(db, raws, HOLD.c.ended.is_(None))
        held = by_conversation(found.values(), at)
        return {name: hold for name, hold in held.items() if name in asked}

    def freed(self) -> Freed:
        """Return what ended holds no longer keep and nobody has seen to yet.

        It survives a stop: whoever erases asks again and finds the same. Only an end that is in the
        log frees anything. Whether the erasure of a conversation here was asked for, or is due, the
        caller knows.
        """
        with self._engine.connect() as db:
            over = load(db, HOLD.c.settled_ms.is_(None), HOLD.c.ended.is_not(None))
            owners = {name: hold.subject for hold in over.values() for name in hold.conversations}
            raws = [parse_id(IdKind.CONVERSATION, name) for name in owners]
            others = load_on(db, raws, HOLD.c.ended.is_(None))
        held = {name for hold in others.values() for name in hold.conversations}
        return Freed(
            holds=tuple(hold.id for hold in over.values()),
            free={name: owner for name, owner in owners.items() if name not in held},
            narrowed={name: owner for name, owner in owners.items() if name in held},
        )

    def _load(self, *conditions: ColumnElement[bool]) -> list[Hold]:
        with self._engine.connect() as db:
            return list(load(db, *conditions).values())


def find_row(db: Connection, hold_id: str) -> tuple[int, Hold]:
    """Return the row number and the hold of this id.

    Raises:
        InvalidInput: if `hold_id` is not a hold's id.
        NotFound: ``hold_unknown``.
    """
    for number, hold in load(db, HOLD.c.id == parse_id(IdKind.HOLD, hold_id)).items():
        return number, hold
    raise unknown(hold_id)


def unknown(hold_id: str) -> NotFound:
    """Return the error about a hold that is not here, or not the asker's to see: the same one."""
    hint = "volens hold list shows which there are"
    return NotFound("hold_unknown", f"no hold {hold_id} here", hint=hint)


def acts_of(db: Connection, number: int) -> list[HoldAct]:
    """Return what was done to the hold in row `number`, in order."""
    query = select(HOLD_ACT).where(HOLD_ACT.c.hold_no == number).order_by(HOLD_ACT.c.no)
    return [
        HoldAct(
            act=Act(row.act),
            at=from_millis(row.at_ms),
            body=row.body,
            log_index=row.log_index,
            salt=row.salt,
        )
        for row in db.execute(query)
    ]
