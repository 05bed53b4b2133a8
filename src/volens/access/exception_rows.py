"""Cases to and from rows: how an exception lies in the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from volens.access.exception_records import read_record, record_document
from volens.access.exception_tables import CASE, CASE_TURNS
from volens.access.exceptions import Case, CaseReason, Gag
from volens.core.canonical import canonical_json, read_canonical
from volens.core.ids import (
    AccountId,
    CaseId,
    ConversationId,
    IdKind,
    SubjectId,
    format_id,
    parse_id,
)
from volens.core.time import from_millis, to_millis
from volens.log.kinds import ExceptionClass, ExceptionEnd


def load(db: Connection, *conditions: ColumnElement[bool]) -> dict[int, Case]:
    """Return the cases for which all `conditions` are true, by row number, oldest first."""
    turns: dict[int, dict[ConversationId, tuple[int, ...]]] = {}
    named = select(CASE_TURNS).join(CASE, CASE.c.no == CASE_TURNS.c.case_no).where(*conditions)
    for row in db.execute(named):
        name = ConversationId(format_id(IdKind.CONVERSATION, row.conversation))
        turns.setdefault(row.case_no, {})[name] = tuple(map(int, row.turns.split()))
    rows = db.execute(select(CASE).where(*conditions).order_by(CASE.c.no))
    return {row.no: _case(row, turns.get(row.no, {})) for row in rows}


def store_new(db: Connection, case: Case) -> int:
    """Write a new case; return its row number."""
    values = {
        "id": parse_id(IdKind.CASE, case.id),
        "subject": parse_id(IdKind.SUBJECT, case.subject),
        "exception": case.exception.value,
        "reason": case.reason.value,
        "record": None if case.record is None else _record(case),
        "legal_basis": case.legal_basis,
        "two_persons": case.two_persons,
        "policy": case.policy,
        "opener": parse_id(IdKind.ACCOUNT, case.opener),
        "asked_ms": to_millis(case.asked),
        "most_ms": case.most // timedelta(milliseconds=1),
        "gag_until_ms": None if case.gag is None else to_millis(case.gag.until),
        "gag_authority": None if case.gag is None else case.gag.authority,
        **_changing(case),
    }
    (number,) = db.execute(insert(CASE).values(values)).inserted_primary_key or (0,)
    scope = [
        {
            "conversation": parse_id(IdKind.CONVERSATION, name),
            "case_no": number,
            "turns": " ".join(map(str, turns)),
        }
        for name, turns in case.turns.items()
    ]
    db.execute(insert(CASE_TURNS), scope)
    return int(number)


def store_changed(db: Connection, number: int, case: Case) -> None:
    """Write what can change of a case."""
    db.execute(update(CASE).where(CASE.c.no == number).values(_changing(case)))


def _record(case: Case) -> str:
    assert case.record is not None
    return canonical_json(record_document(case.record)).decode("ascii")


def _changing(case: Case) -> dict[str, object]:
    return {
        "approver": _raw(case.approver),
        "ended_by": _raw(case.ended_by),
        "closes_ms": to_millis(case.closes),
        "opened_ms": _millis(case.opened),
        "ended_ms": _millis(case.ended),
        "ended": None if case.end is None else case.end.value,
        "told_ms": _millis(case.told),
    }


def _case(row: Row[tuple[object, ...]], turns: dict[ConversationId, tuple[int, ...]]) -> Case:
    gag = None
    if row.gag_until_ms is not None:
        gag = Gag(until=from_millis(row.gag_until_ms), authority=row.gag_authority)
    record = None if row.record is None else read_record(read_canonical(row.record.encode("ascii")))
    return Case(
        id=CaseId(format_id(IdKind.CASE, row.id)),
        exception=ExceptionClass(row.exception),
        subject=SubjectId(format_id(IdKind.SUBJECT, row.subject)),
        turns=turns,
        reason=CaseReason(row.reason),
        record=record,
        legal_basis=row.legal_basis,
        two_persons=row.two_persons,
        policy=row.policy,
        opener=AccountId(format_id(IdKind.ACCOUNT, row.opener)),
        approver=_account(row.approver),
        ended_by=_account(row.ended_by),
        asked=from_millis(row.asked_ms),
        closes=from_millis(row.closes_ms),
        most=timedelta(milliseconds=row.most_ms),
        gag=gag,
        opened=_moment(row.opened_ms),
        ended=_moment(row.ended_ms),
        end=None if row.ended is None else ExceptionEnd(row.ended),
        told=_moment(row.told_ms),
    )


def _raw(account: AccountId | None) -> bytes | None:
    return None if account is None else parse_id(IdKind.ACCOUNT, account)


def _account(raw: bytes | None) -> AccountId | None:
    return None if raw is None else AccountId(format_id(IdKind.ACCOUNT, raw))


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
