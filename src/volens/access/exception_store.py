"""The register of cases: asked, approved, refused, ended, told; logged first.

Each act is checked; its log entry becomes durable; the database commits. If it stops in between,
the log has an entry about an act that does not hold, and nothing opens under it. A case that can't
be logged opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, or_, select, update

from volens.access.exception_records import Validity
from volens.access.exception_rows import load, store_changed, store_new
from volens.access.exception_tables import CASE, CASE_ACT, CASE_TURNS
from volens.access.exceptions import Case, encode_case, expire_case
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import CaseId, ConversationId, IdKind, SubjectId, parse_id
from volens.core.purposes import Purpose
from volens.core.time import from_millis, to_millis
from volens.log.fields import Value
from volens.log.kinds import EntryKind, ExceptionClass, ExceptionEnd, RefusalGround
from volens.log.recorder import Recorder
from volens.storage.engine import find_among, in_runs


class CaseAct(StrEnum):
    """What was done to a case."""

    ASKED = "asked"
    APPROVED = "approved"
    ENDED = "ended"
    TOLD = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAct:
    """One act on a case, and where it stands in the log."""

    act: CaseAct
    at: datetime
    log_index: int


class CaseRegister:
    """Tells which cases there are and what they cover."""

    def __init__(self, engine: Engine) -> None:
        """Read the tables in `engine`."""
        self._engine = engine

    def find(self, case_id: str) -> Case:
        """Return the case with this id.

        Raises:
            InvalidInput: if `case_id` is not a case's id.
            NotFound: ``case_unknown``.
        """
        with self._engine.connect() as db:
            return find_row(db, case_id)[1]

    def all(self) -> list[Case]:
        """Return every case, oldest first."""
        return self._load()

    def of_subject(self, subject: SubjectId) -> list[Case]:
        """Return every case on a person's turns, oldest first; gagged ones too."""
        return self._load(CASE.c.subject == parse_id(IdKind.SUBJECT, subject))

    def numbered(self, numbers: Iterable[int]) -> dict[int, Case]:
        """Return cases by row number."""
        with self._engine.connect() as db:
            return load(db, CASE.c.no.in_(sorted(set(numbers))))

    def number_of(self, case_id: str) -> int:
        """Return the row number of a case.

        Raises:
            NotFound: ``case_unknown``.
        """
        with self._engine.connect() as db:
            return find_row(db, case_id)[0]

    def on(self, conversations: Sequence[ConversationId]) -> list[Case]:
        """Return the cases that name turns of one of the conversations, oldest first."""
        raws = [parse_id(IdKind.CONVERSATION, name) for name in conversations]
        found: dict[int, Case] = {}
        with self._engine.connect() as db:
            for some in in_runs(raws):
                named = select(CASE_TURNS.c.case_no).where(CASE_TURNS.c.conversation.in_(some))
                found.update(load(db, CASE.c.no.in_(named)))
        return [found[number] for number in sorted(found)]

    def covering(
        self,
        case_id: str,
        subject: SubjectId,
        conversation: ConversationId,
        turns: tuple[int, ...],
        purpose: Purpose,
        at: datetime,
    ) -> Case | None:
        """Return the case if it is open at `at` and covers exactly these turns of this person.

        A case that does not exist covers nothing, and says so in the same way.
        """
        try:
            case = self.find(case_id)
        except (NotFound, InvalidInput):
            return None
        fits = case.subject == subject and case.covers(conversation, turns, purpose, at)
        return case if fits else None

    def over(self, at: datetime) -> list[Case]:
        """Return the cases whose time is over at `at` and whose end is not in the log yet."""
        return self._load(CASE.c.ended.is_(None), CASE.c.closes_ms <= to_millis(at))

    def notice_due(self, at: datetime) -> list[Case]:
        """Return the cases whose persons have to be told at `at`, oldest first."""
        possible = self._load(
            CASE.c.told_ms.is_(None),
            CASE.c.opened_ms.is_not(None),
            or_(CASE.c.ended.is_not(None), CASE.c.closes_ms <= to_millis(at)),
        )
        return [case for case in possible if case.notice_due(at)]

    def acts(self, case_id: str) -> list[LoggedAct]:
        """Return what was done to a case, in order; nothing once something of it was erased."""
        with self._engine.connect() as db:
            number, _ = find_row(db, case_id)
            query = select(CASE_ACT).where(CASE_ACT.c.case_no == number).order_by(CASE_ACT.c.no)
            return [
                LoggedAct(act=CaseAct(row.act), at=from_millis(row.at_ms), log_index=row.log_index)
                for row in db.execute(query)
            ]

    def _load(self, *conditions: ColumnElement[bool]) -> list[Case]:
        with self._engine.connect() as db:
            return list(load(db, *conditions).values())


class CaseStore(CaseRegister):
    """Writes cases. Only the owner of the home may."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """Use tables in `engine`; what can't be recorded does not open."""
        super().__init__(engine)
        self._recorder = recorder

    def add(self, case: Case) -> Case:
        """Keep a case that `ask_case` returned: open, or waiting for a second person."""
        fields: dict[str, Value] = {"closes": case.closes, "waiting": case.opened is None}
        if case.gag is not None:
            fields["gag_until"] = case.gag.until
        return self._record(None, case, CaseAct.ASKED, EntryKind.EXCEPTION_OPENED, fields)

    def refuse_request(self, exception: ExceptionClass, ground: RefusalGround) -> None:
        """Log that a request for an exception opened nothing; nothing else of it is kept."""
        fields: dict[str, Value] = {"class": exception, "ground": ground}
        self._recorder.record(EntryKind.EXCEPTION_REFUSED, fields)

    def approve(self, case: Case) -> Case:
        """Keep a case as `approve_case` returned it."""
        fields: dict[str, Value] = {"closes": case.closes}
        number = self.number_of(case.id)
        return self._record(number, case, CaseAct.APPROVED, EntryKind.EXCEPTION_APPROVED, fields)

    def end(self, case: Case) -> Case:
        """Keep a case as `close_case`, `refuse_case` or `expire_case` returned it."""
        fields: dict[str, Value] = {"end": case.end or ExceptionEnd.EXPIRED}
        number = self.number_of(case.id)
        return self._record(number, case, CaseAct.ENDED, EntryKind.EXCEPTION_CLOSED, fields)

    def close_all(self, at: datetime) -> int:
        """Close every case that is not over, as a restored home does: some may have ended since.

        Whoever still needs one opens it anew. Returns how many were closed.
        """
        found = self._load(CASE.c.ended.is_(None))
        for case in found:
            over = expire_case(case, at)
            closed = replace(case, ended=max(at, case.asked), end=ExceptionEnd.CLOSED)
            self.end(over if over.end is not None else closed)
        return len(found)

    def tell(self, case: Case, at: datetime) -> tuple[int, bytes]:
        """Log that the person was told of a case; return log index and salt.

        How many whole days it took, from the end of the case, stands in the entry.
        """
        told = replace(case, told=at)
        days = max(timedelta(0), at - case.over_at) // timedelta(days=1)
        fields: dict[str, Value] = {"days": days}
        number = self.number_of(case.id)
        body = encode_case(told)
        salt, commitment = self._recorder.commit(body)
        index = self._recorder.record(
            EntryKind.EXCEPTION_NOTIFIED,
            {"commitment": commitment, "class": case.exception, **fields},
        )
        self._keep(number, told, CaseAct.TOLD, at, body, index, salt)
        return index, salt

    def erase_material(self, case: Case) -> None:
        """Forget what a case named and found; idempotent.

        What stays says that there was one, of which class, when, and who was on it; and for an
        order of an authority also which order.
        """
        number = self.number_of(case.id)
        with self._engine.begin() as db:
            db.execute(delete(CASE_ACT).where(CASE_ACT.c.case_no == number))
            db.execute(delete(CASE_TURNS).where(CASE_TURNS.c.case_no == number))
            if not isinstance(case.record, Validity):
                db.execute(update(CASE).where(CASE.c.no == number).values(record=None))

    def erase_conversations(self, raws: Sequence[bytes]) -> None:
        """Forget that cases named these conversations (raw ids); idempotent.

        What opens the log entries of a case names all its conversations, so it goes with the first.
        """
        with self._engine.begin() as db:
            known = sorted(set(find_among(db, CASE_TURNS.c.conversation, raws)))
            for raw in known:
                named = select(CASE_TURNS.c.case_no).where(CASE_TURNS.c.conversation == raw)
                db.execute(delete(CASE_ACT).where(CASE_ACT.c.case_no.in_(named)))
                db.execute(delete(CASE_TURNS).where(CASE_TURNS.c.conversation == raw))

    def erase_subjects(self, raws: Sequence[bytes]) -> None:
        """Erase every case on these people's turns (raw ids); idempotent."""
        with self._engine.begin() as db:
            for raw in sorted(set(find_among(db, CASE.c.subject, raws))):
                numbers = select(CASE.c.no).where(CASE.c.subject == raw)
                db.execute(delete(CASE_ACT).where(CASE_ACT.c.case_no.in_(numbers)))
                db.execute(delete(CASE_TURNS).where(CASE_TURNS.c.case_no.in_(numbers)))
                db.execute(delete(CASE).where(CASE.c.subject == raw))

    def left_of(self, subjects: Sequence[bytes], conversations: Sequence[bytes]) -> list[str]:
        """Return the tables that still know one of these people or conversations (raw ids)."""
        with self._engine.connect() as db:
            found = []
            if any(True for _ in find_among(db, CASE.c.subject, subjects)):
                found.append("main.db exception_case")
            if any(True for _ in find_among(db, CASE_TURNS.c.conversation, conversations)):
                found.append("main.db exception_turns")
            return found

    def _record(
        self,
        number: int | None,
        case: Case,
        act: CaseAct,
        kind: EntryKind,
        fields: Mapping[str, Value],
    ) -> Case:
        body = encode_case(case)
        salt, commitment = self._recorder.commit(body)
        index = self._recorder.record(
            kind, {"commitment": commitment, "class": case.exception, **fields}
        )
        at = case.ended or case.opened or case.asked
        self._keep(number, case, act, at, body, index, salt)
        return case

    def _keep(
        self,
        number: int | None,
        case: Case,
        act: CaseAct,
        at: datetime,
        body: bytes,
        index: int,
        salt: bytes,
    ) -> None:
        with self._engine.begin() as db:
            if number is None:
                number = store_new(db, case)
            else:
                store_changed(db, number, case)
            row = {"case_no": number, "act": act.value, "at_ms": to_millis(at)}
            db.execute(
                insert(CASE_ACT).values({**row, "body": body, "log_index": index, "salt": salt})
            )


def find_row(db: Connection, case_id: str) -> tuple[int, Case]:
    """Return the row number and the case of this id.

    Raises:
        InvalidInput: if `case_id` is not a case's id.
        NotFound: ``case_unknown``.
    """
    for number, case in load(db, CASE.c.id == parse_id(IdKind.CASE, case_id)).items():
        return number, case
    raise unknown_case(case_id)


def unknown_case(case_id: str) -> NotFound:
    """Return the error about a case that is not here, or not the asker's to see: the same one."""
    hint = "volens case list shows which there are"
    return NotFound("case_unknown", f"no case {CaseId(case_id)} here", hint=hint)
