"""What exactly an erasure removes: which rows, as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, select

from volens.core.ids import ConversationId, ErasureId, IdKind, parse_id
from volens.core.time import from_millis
from volens.holds.access import add_up, blocked_by
from volens.holds.erasure import Erasure
from volens.holds.model import Hold
from volens.holds.precedence import kept_turns
from volens.holds.progress import Plan
from volens.storage.engine import in_runs
from volens.vault.tables import CONVERSATION, SUBJECT

_Found = Row[Any, Any, Any, Any]
"""Number, id, number of the person, moment of capture."""


class Planner:
    """Finds people and conversations by their ids."""

    def __init__(self, engine: Engine) -> None:
        """Read the vault's tables in `engine`."""
        self._engine = engine

    def plan(self, erasures: Sequence[Erasure]) -> dict[ErasureId, Plan]:
        """Return what each erasure removes; what is not theirs, or gone, is not in it."""
        blocked = {item.id: blocked_by(item) for item in erasures}
        with self._engine.connect() as db:
            numbers = _numbers(db, sorted({item.subject for item in blocked.values()}))
            by_person: dict[int, list[_Found]] = {}
            for row in _conversations(db, sorted(numbers.values())):
                by_person.setdefault(row.subject_no, []).append(row)
        plans = {}
        for name, item in blocked.items():
            number = numbers.get(item.subject)
            ended = add_up([item])
            rows = [
                row
                for row in by_person.get(-1 if number is None else number, ())
                if ended.covers(item.subject, row.id, from_millis(row.captured_ms))
            ]
            plans[name] = Plan(
                subject_number=number,
                conversations=tuple(row.id for row in rows),
                numbers=tuple(row.no for row in rows),
            )
        return plans

    def turn_counts(self, conversations: Sequence[bytes]) -> dict[bytes, int]:
        """Return how many turns each of these conversations has."""
        found: dict[bytes, int] = {}
        columns = (CONVERSATION.c.id, CONVERSATION.c.turns)
        with self._engine.connect() as db:
            for some in in_runs(conversations):
                query = select(*columns).where(CONVERSATION.c.id.in_(some))
                found.update((raw, count) for raw, count in db.execute(query))
        return found

    def still(self, erasure: Erasure, plan: Plan) -> Plan:
        """Return the plan of an erasure that was stopped, less rows that are somebody else's now.

        A number of a deleted row could have been given out again meanwhile.
        """
        subject = parse_id(IdKind.SUBJECT, str(erasure.subject))
        number = plan.subject_number
        with self._engine.connect() as db:
            people = _holders(db, SUBJECT.c.no, [] if number is None else [number])
            chats = _holders(db, CONVERSATION.c.no, plan.numbers)
        if number is not None and people.get(number, subject) != subject:
            number = None
        taken = {
            raw
            for raw, row in zip(plan.conversations, plan.numbers, strict=True)
            if chats.get(row, raw) != raw
        }
        kept = without(plan, frozenset(taken))
        return replace(kept, subject_number=number)


class Keeping:
    """What holds keep at one moment."""

    def __init__(self, holds: Iterable[Hold], at: datetime) -> None:
        """Take those in force at `at`."""
        self._at = at
        self._of: dict[str, list[Hold]] = {}
        for hold in holds:
            if hold.released is None and hold.placed <= at < hold.until:
                self._of.setdefault(hold.subject, []).append(hold)

    def names(self, erasure: Erasure) -> bool:
        """Say whether any hold is on the person; only then a plan has to be looked at."""
        return erasure.subject in self._of

    def kept(self, erasure: Erasure, plan: Plan) -> frozenset[bytes]:
        """Return which conversations of a plan are held."""
        return frozenset(plan.conversations) & self._named(erasure)

    def turns(
        self, erasure: Erasure, conversation: ConversationId, turn_count: int
    ) -> tuple[int, ...]:
        """Return the turns of a conversation that are held, by index."""
        holds = self._of.get(str(erasure.subject), ())
        return kept_turns(holds, conversation, self._at, turn_count)

    def until(self, erasure: Erasure, plan: Plan) -> datetime | None:
        """Return the end of the longest hold on a plan; None if that may not be told."""
        kept = self.kept(erasure, plan)
        on_it = [
            hold
            for hold in self._of.get(str(erasure.subject), ())
            if kept & {parse_id(IdKind.CONVERSATION, name) for name in hold.conversations}
        ]
        told = [
            hold.until for hold in on_it if hold.gag_until is None or hold.gag_until <= self._at
        ]
        return max(told, default=None)

    def _named(self, erasure: Erasure) -> frozenset[bytes]:
        return frozenset(
            parse_id(IdKind.CONVERSATION, name)
            for hold in self._of.get(str(erasure.subject), ())
            for name in hold.conversations
        )


def without(plan: Plan, kept: frozenset[bytes]) -> Plan:
    """Return a plan without what is kept."""
    pairs = [
        (raw, number)
        for raw, number in zip(plan.conversations, plan.numbers, strict=True)
        if raw not in kept
    ]
    return Plan(
        subject_number=plan.subject_number,
        conversations=tuple(raw for raw, _ in pairs),
        numbers=tuple(number for _, number in pairs),
    )


def _holders(db: Connection, column: Column[int], numbers: Sequence[int]) -> dict[int, bytes]:
    """Return whose the rows of these numbers are now."""
    found: dict[int, bytes] = {}
    for some in in_runs(numbers):
        query = select(column, column.table.c.id).where(column.in_(some))
        found.update((number, raw) for number, raw in db.execute(query))
    return found


def _numbers(db: Connection, people: Sequence[bytes]) -> Mapping[bytes, int]:
    found: dict[bytes, int] = {}
    for some in in_runs(people):
        query = select(SUBJECT.c.id, SUBJECT.c.no).where(SUBJECT.c.id.in_(some))
        found.update((raw, number) for raw, number in db.execute(query))
    return found


def _conversations(db: Connection, people: Sequence[int]) -> Iterable[_Found]:
    columns = (
        CONVERSATION.c.no,
        CONVERSATION.c.id,
        CONVERSATION.c.subject_no,
        CONVERSATION.c.captured_ms,
    )
    for some in in_runs(people):
        query = select(*columns).where(CONVERSATION.c.subject_no.in_(some))
        yield from db.execute(query.order_by(CONVERSATION.c.no))
