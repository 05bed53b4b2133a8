"""Afterwards: the person is told of an exception, and asked whether the material may be kept (R30).

The person is told once the case is over and no gag applies. What a case keeps - which turns it
named, what was found, the flags on those turns, a safety hold placed for it - is kept for a while
only if the person says so; an answer to erase, and no answer in time, erase it. Both answers are
one act each. Neither is a ground for training (R06), nor touches the person's own chats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, Row, delete, insert, select, update

from volens.access.exception_store import CaseStore, unknown_case
from volens.access.exception_tables import CASE
from volens.access.exceptions import Case
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.core.time import from_millis, to_millis
from volens.log.kinds import EntryKind, KeepAnswer
from volens.log.recorder import Recorder
from volens.safety.flags import FlagStore
from volens.safety.leases import LeaseStore
from volens.safety.model import Looked, Notice
from volens.safety.tables import NOTICE
from volens.storage.engine import find_among
from volens.vault.subjects import Subject, SubjectStore

ANSWER_WITHIN: Final = timedelta(days=30)
"""How long the person may take; no answer erases."""
KEEP_MOST: Final = timedelta(days=365)
"""How long a case's material is kept at most, from its opening, whatever the answer (R35)."""
_OBJECTION: Final = "legitimate_interest"

ReleaseHolds = Callable[[Case, datetime], None]
"""Ends the safety holds that were placed for a case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one run of the notices did."""

    told: int
    erased: int


class NoticeDesk:
    """Tells, asks, and acts on answers."""

    def __init__(
        self,
        engine: Engine,
        cases: CaseStore,
        leases: LeaseStore,
        flags: FlagStore,
        subjects: SubjectStore,
        recorder: Recorder,
        *,
        release: ReleaseHolds,
    ) -> None:
        """Use the table in `engine`; what can't be logged is not told."""
        self._engine = engine
        self._cases = cases
        self._leases = leases
        self._flags = flags
        self._subjects = subjects
        self._recorder = recorder
        self._release = release

    def run(self, at: datetime, *, trusted: datetime | None) -> Told:
        """Tell whoever has to be told at `at`; erase what by `trusted` may not be kept any longer.

        With a clock that can't be trusted (None) nothing is erased; the next run does it.

        Each person is told in this order: the log has it; the case says so; what opens the log's
        entries about looks is theirs; the notice is there. What a stop leaves out, the next run
        does.
        """
        told = 0
        for case in self._cases.notice_due(at):
            self._cases.tell(case, at)
            told += 1
        self._finish_telling()
        return Told(told=told, erased=0 if trusted is None else self._erase_due(trusted))

    def of_subject(self, subject: Subject) -> list[Notice]:
        """Return what a person was told, oldest first; nothing of a case that is not told yet."""
        query = select(NOTICE).where(NOTICE.c.subject_no == subject.number)
        with self._engine.connect() as db:
            rows = db.execute(query.order_by(NOTICE.c.told_ms, NOTICE.c.case_no)).all()
        cases = self._cases.numbered(row.case_no for row in rows)
        return [self._notice(row, cases[row.case_no]) for row in rows if row.case_no in cases]

    def answer(self, subject: Subject, case_id: str, answer: KeepAnswer, at: datetime) -> Notice:
        """Take a person's answer; logged first. To erase erases at once.

        A yes to keeping can be taken back as long as anything is kept; what is erased is gone.

        Raises:
            NotFound: ``case_unknown`` if they were told of no such case.
            InvalidInput: ``answer_form`` for ``silence``; ``answer_late`` if it is erased already.
        """
        parse_id(IdKind.CASE, case_id)
        mine = [one for one in self.of_subject(subject) if one.case == case_id]
        notice = mine[0] if mine else None
        if notice is None:
            raise unknown_case(case_id)
        if answer is KeepAnswer.SILENCE:
            raise InvalidInput("answer_form", "an answer is keep or erase")
        if notice.erased is not None:
            if answer is KeepAnswer.ERASE:
                return notice
            raise InvalidInput("answer_late", "it is erased already; nothing is left to keep")
        case = self._cases.find(case_id)
        number = self._cases.number_of(case_id)
        if notice.answer is not answer:
            self._keep_answer(case, number, answer, at)
        if answer is KeepAnswer.ERASE:
            self._erase(case, number, at)
        return next(one for one in self.of_subject(subject) if one.case == case.id)

    def erase_subjects(self, numbers: list[int]) -> None:
        """Delete what these people were told."""
        with self._engine.begin() as db:
            for number in sorted(set(find_among(db, NOTICE.c.subject_no, numbers))):
                db.execute(delete(NOTICE).where(NOTICE.c.subject_no == number))

    def _finish_telling(self) -> None:
        """Make the notice of each case that says it was told and has none; it comes last."""
        query = select(CASE.c.no).where(
            CASE.c.told_ms.is_not(None), CASE.c.no.not_in(select(NOTICE.c.case_no))
        )
        with self._engine.connect() as db:
            numbers = db.execute(query).scalars().all()
        for number, case in self._cases.numbered(numbers).items():
            self._leases.hand_over(number)
            told = case.told or case.over_at
            row = {
                "case_no": number,
                "subject_no": self._subjects.find(case.subject).number,
                "told_ms": to_millis(told),
                "answer_by_ms": to_millis(told + ANSWER_WITHIN),
            }
            with self._engine.begin() as db:
                db.execute(insert(NOTICE).values(row))

    def _erase_due(self, at: datetime) -> int:
        with self._engine.connect() as db:
            rows = db.execute(select(NOTICE).where(NOTICE.c.erased_ms.is_(None))).all()
        cases = self._cases.numbered(row.case_no for row in rows)
        erased = 0
        for row in rows:
            case = cases[row.case_no]
            if row.answer is None and to_millis(at) >= row.answer_by_ms:
                self._keep_answer(case, row.case_no, KeepAnswer.SILENCE, at)
            elif row.answer in {None, KeepAnswer.KEEP.value} and not _too_old(case, row, at):
                continue
            self._erase(case, row.case_no, at)
            erased += 1
        return erased

    def _keep_answer(self, case: Case, number: int, answer: KeepAnswer, at: datetime) -> None:
        raw = parse_id(IdKind.CASE, case.id)
        salt, commitment = self._recorder.commit(raw, answer.value.encode())
        index = self._recorder.record(
            EntryKind.EXCEPTION_ANSWERED, {"commitment": commitment, "answer": answer}
        )
        row = {
            "answer": answer.value,
            "answered_ms": to_millis(at),
            "log_index": index,
            "salt": salt,
        }
        with self._engine.begin() as db:
            db.execute(update(NOTICE).where(NOTICE.c.case_no == number).values(row))

    def _erase(self, case: Case, number: int, at: datetime) -> None:
        """Holds first, for they name what the case named; each step may be repeated."""
        self._release(case, at)
        for name, turns in case.turns.items():
            self._flags.erase_turns(name, turns)
        self._cases.erase_material(case)
        self._leases.forget_turns(number)
        with self._engine.begin() as db:
            mine = update(NOTICE).where(NOTICE.c.case_no == number)
            db.execute(mine.values(erased_ms=to_millis(at)))

    def _notice(self, row: Row[tuple[object, ...]], case: Case) -> Notice:
        looked = tuple(
            Looked(
                conversation=lease.conversation,
                turns=lease.turns,
                role=lease.role,
                at=lease.began,
                lasted=lease.lasted,
            )
            for lease in self._leases.of_case(row.case_no)
        )
        return Notice(
            case=case.id,
            exception=case.exception,
            legal_basis=case.legal_basis,
            may_object=case.legal_basis == _OBJECTION,
            opened=case.opened or case.asked,
            over=case.over_at,
            told=from_millis(row.told_ms),
            looked=looked,
            answer_by=from_millis(row.answer_by_ms),
            answer=None if row.answer is None else KeepAnswer(row.answer),
            answered=None if row.answered_ms is None else from_millis(row.answered_ms),
            erased=None if row.erased_ms is None else from_millis(row.erased_ms),
        )


def _too_old(case: Case, row: Row[tuple[object, ...]], at: datetime) -> bool:
    """Say whether even a yes keeps it no longer; the person has had the time to answer."""
    longest = (case.opened or case.asked) + KEEP_MOST
    return at >= longest and to_millis(at) >= row.answer_by_ms
