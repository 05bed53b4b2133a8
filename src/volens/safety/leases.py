"""Leases: how long something that was opened may stay on a screen, and how long it did (R42).

A look begins with an ``access.intent``; its lease ends by hand, with the next look at the same, or
by itself after at most 15 minutes, noted by the schedule or at the next touch. Its end is logged as
``access.done`` with the time it was viewed, which is never more than the lease. If the machine
stops in between, the intent stands as the upper bound, and the lease is ended at the next run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Engine, Row, delete, insert, select, update

from volens.access.exception_store import CaseRegister
from volens.access.exceptions import Case
from volens.core.errors import NotFound
from volens.core.ids import AccountId, ConversationId, IdKind, format_id, parse_id
from volens.core.time import from_millis, to_millis
from volens.gate.accesses import AccessLeaf, AccessLeaves
from volens.gate.gate import Gate
from volens.gate.viewing import Begun
from volens.log.kinds import AccessOutcome, Actor
from volens.policy.pack import Pack
from volens.policy.protections import longest_look
from volens.safety.model import Lease
from volens.safety.tables import LEASE
from volens.storage.engine import find_among
from volens.vault.store import Held

LONGEST: Final = timedelta(minutes=15)


def lease_of_plan(pack: Pack, plan: str) -> timedelta:
    """Return how long a look at somebody's turns may last; on a plan nobody knows, briefly."""
    return min(LONGEST, longest_look(pack, plan))


class LeaseStore:
    """Keeps leases. Only the owner of the home may."""

    def __init__(
        self, engine: Engine, gate: Gate, cases: CaseRegister, leaves: AccessLeaves
    ) -> None:
        """Use the table in `engine`; ends go into the log through `gate`."""
        self._engine = engine
        self._gate = gate
        self._cases = cases
        self._leaves = leaves

    def begin(
        self,
        begun: Begun,
        held: Held,
        *,
        account: AccountId,
        actor: Actor,
        turns: Sequence[int],
        case_no: int | None,
        ends: datetime,
    ) -> int:
        """Keep the lease of a look that is in the log and has opened nothing yet."""
        row = {
            "case_no": case_no,
            "subject_no": held.subject_no,
            "conversation": parse_id(IdKind.CONVERSATION, held.id),
            "turns": " ".join(map(str, turns)),
            "account": parse_id(IdKind.ACCOUNT, account),
            "role": actor.value,
            "began_ms": to_millis(begun.at),
            "ends_ms": to_millis(ends),
            "log_index": begun.log_index,
            "salt": None if begun.told else begun.salt,
            "told": begun.told,
        }
        with self._engine.begin() as db:
            (number,) = db.execute(insert(LEASE).values(row)).inserted_primary_key or (0,)
        return int(number)

    def drop(self, log_index: int) -> None:
        """Forget the lease of a look that failed; its end is in the log already."""
        with self._engine.begin() as db:
            db.execute(delete(LEASE).where(LEASE.c.log_index == log_index))

    def end(self, number: int, account: AccountId, at: datetime) -> Lease:
        """End a lease of one's own; one that has ended stays as it is.

        Raises:
            NotFound: ``lease_unknown`` if there is none, or it is somebody else's.
        """
        found = self._load(LEASE.c.no == number)
        if not found or found[0].account != account:
            raise NotFound("lease_unknown", f"no lease {number} here")
        self._end(found, at)
        return self._load(LEASE.c.no == number)[0]

    def end_of(self, account: AccountId, at: datetime, *, on: Held | None = None) -> int:
        """End what somebody has open, all of it or on one conversation; return how many."""
        conditions = [
            LEASE.c.ended_ms.is_(None),
            LEASE.c.account == parse_id(IdKind.ACCOUNT, account),
        ]
        if on is not None:
            conditions.append(LEASE.c.conversation == parse_id(IdKind.CONVERSATION, on.id))
        return self._end(self._load(*conditions), at)

    def end_of_case(self, case_no: int, at: datetime) -> int:
        """End what is open under a case; return how many."""
        return self._end(self._load(LEASE.c.ended_ms.is_(None), LEASE.c.case_no == case_no), at)

    def end_due(self, at: datetime) -> int:
        """End what has run out by `at`; return how many."""
        over = self._load(LEASE.c.ended_ms.is_(None), LEASE.c.ends_ms <= to_millis(at))
        return self._end(over, at)

    def of_case(self, case_no: int) -> list[Lease]:
        """Return who looked under a case, oldest first."""
        return self._load(LEASE.c.case_no == case_no)

    def hand_over(self, case_no: int) -> None:
        """Give the person what opens the log's entries about looks that a gag kept from them."""
        condition = (LEASE.c.case_no == case_no) & LEASE.c.told.is_(False)
        with self._engine.connect() as db:
            rows = db.execute(select(LEASE).where(condition)).all()
        for row in rows:
            if row.conversation is not None and row.salt is not None:
                name = format_id(IdKind.CONVERSATION, row.conversation)
                leaf = AccessLeaf(log_index=row.log_index, salt=row.salt, opening=name)
                known = {one.log_index for one in self._leaves.of_subject(row.subject_no)}
                if leaf.log_index not in known:
                    self._leaves.keep(row.subject_no, leaf)
            with self._engine.begin() as db:
                mine = update(LEASE).where(LEASE.c.no == row.no)
                db.execute(mine.values(told=True, salt=None))

    def forget_turns(self, case_no: int) -> None:
        """Forget what was looked at under a case; when, how long and by which role, stays."""
        with self._engine.begin() as db:
            mine = update(LEASE).where(LEASE.c.case_no == case_no)
            db.execute(mine.values(conversation=None, turns="", salt=None))

    def erase_conversations(self, raws: Sequence[bytes]) -> None:
        """Forget which of these conversations (raw ids) was looked at; that somebody did, stays."""
        with self._engine.begin() as db:
            for raw in sorted(set(find_among(db, LEASE.c.conversation, raws))):
                mine = update(LEASE).where(LEASE.c.conversation == raw)
                db.execute(mine.values(conversation=None, turns="", salt=None))

    def erase_subjects(self, numbers: Sequence[int]) -> None:
        """Delete the leases on these people's turns."""
        with self._engine.begin() as db:
            for number in sorted(set(find_among(db, LEASE.c.subject_no, numbers))):
                db.execute(delete(LEASE).where(LEASE.c.subject_no == number))

    def _end(self, leases: Sequence[Lease], at: datetime) -> int:
        """Note the end, then log it: no access ends twice in the log.

        If it stops in between, the intent stands without an end: the upper bound.
        """
        running = [lease for lease in leases if lease.ended is None]
        for lease in running:
            ended = max(lease.began, min(at, lease.ends))
            with self._engine.begin() as db:
                mine = update(LEASE).where(LEASE.c.no == lease.number)
                db.execute(mine.values(ended_ms=to_millis(ended)))
            self._gate.end_access(
                lease.log_index, 1, lease.began, AccessOutcome.COMPLETED, ended=ended
            )
        return len(running)

    def _load(self, *conditions: ColumnElement[bool]) -> list[Lease]:
        with self._engine.connect() as db:
            rows = db.execute(select(LEASE).where(*conditions).order_by(LEASE.c.no)).all()
        numbers = [row.case_no for row in rows if row.case_no is not None]
        cases = self._cases.numbered(numbers) if numbers else {}
        return [_lease(row, cases) for row in rows]


def _lease(row: Row[tuple[object, ...]], cases: Mapping[int, Case]) -> Lease:
    case = None if row.case_no is None else cases.get(row.case_no)
    name = None
    if row.conversation is not None:
        name = ConversationId(format_id(IdKind.CONVERSATION, row.conversation))
    return Lease(
        number=row.no,
        account=AccountId(format_id(IdKind.ACCOUNT, row.account)),
        role=row.role,
        case=None if case is None else case.id,
        conversation=name,
        turns=tuple(map(int, row.turns.split())),
        began=from_millis(row.began_ms),
        ends=from_millis(row.ends_ms),
        ended=None if row.ended_ms is None else from_millis(row.ended_ms),
        log_index=row.log_index,
    )
