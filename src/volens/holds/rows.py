"""Holds to and from rows: how a hold lies in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from volens.core.ids import ConversationId, HoldId, IdKind, SubjectId, format_id, parse_id
from volens.core.time import from_millis, to_millis
from volens.holds.model import Hold
from volens.holds.tables import HOLD, HOLD_SCOPE
from volens.log.kinds import HoldClass, HoldEnd
from volens.storage.engine import in_runs


def load(db: Connection, *conditions: ColumnElement[bool]) -> dict[int, Hold]:
    """Return the holds for which all `conditions` are true, by row number, oldest first."""
    scopes: dict[int, dict[ConversationId, tuple[int, ...]]] = {}
    named = select(HOLD_SCOPE).join(HOLD, HOLD.c.no == HOLD_SCOPE.c.hold_no).where(*conditions)
    for row in db.execute(named):
        name = ConversationId(format_id(IdKind.CONVERSATION, row.conversation))
        scopes.setdefault(row.hold_no, {})[name] = tuple(map(int, row.turns.split()))
    rows = db.execute(select(HOLD).where(*conditions).order_by(HOLD.c.no))
    return {row.no: _hold(row, scopes[row.no]) for row in rows}


def load_on(
    db: Connection, raws: Sequence[bytes], *conditions: ColumnElement[bool]
) -> dict[int, Hold]:
    """Return those of the holds that name one of these conversations (raw ids), oldest first."""
    found: dict[int, Hold] = {}
    for some in in_runs(raws):
        named = select(HOLD_SCOPE.c.hold_no).where(HOLD_SCOPE.c.conversation.in_(some))
        found.update(load(db, HOLD.c.no.in_(named), *conditions))
    return dict(sorted(found.items()))


def store_new(db: Connection, hold: Hold) -> int:
    """Write a new hold; return its row number."""
    values = {
        "id": parse_id(IdKind.HOLD, hold.id),
        "subject": parse_id(IdKind.SUBJECT, hold.subject),
        "hold_class": hold.hold_class.value,
        "authority": hold.authority,
        "placed_ms": to_millis(hold.placed),
        "counted_from_ms": _millis(hold.counted_from),
        **_changing(hold),
    }
    (number,) = db.execute(insert(HOLD).values(values)).inserted_primary_key or (0,)
    scope = [
        {
            "conversation": parse_id(IdKind.CONVERSATION, name),
            "hold_no": number,
            "turns": " ".join(map(str, turns)),
        }
        for name, turns in hold.conversations.items()
    ]
    db.execute(insert(HOLD_SCOPE), scope)
    return int(number)


def store_changed(db: Connection, number: int, hold: Hold) -> None:
    """Write what can change of a hold."""
    db.execute(update(HOLD).where(HOLD.c.no == number).values(_changing(hold)))


def _changing(hold: Hold) -> dict[str, object]:
    return {
        "reviewer": hold.reviewer,
        "until_ms": to_millis(hold.until),
        "gag_until_ms": _millis(hold.gag_until),
        "reviewed_ms": _millis(hold.reviewed),
        "released_ms": _millis(hold.released),
        "ended": None if hold.end is None else hold.end.value,
    }


def _hold(row: Row[tuple[object, ...]], scope: dict[ConversationId, tuple[int, ...]]) -> Hold:
    return Hold(
        id=HoldId(format_id(IdKind.HOLD, row.id)),
        hold_class=HoldClass(row.hold_class),
        subject=SubjectId(format_id(IdKind.SUBJECT, row.subject)),
        conversations=scope,
        authority=row.authority,
        reviewer=row.reviewer,
        placed=from_millis(row.placed_ms),
        until=from_millis(row.until_ms),
        gag_until=_moment(row.gag_until_ms),
        counted_from=_moment(row.counted_from_ms),
        reviewed=_moment(row.reviewed_ms),
        released=_moment(row.released_ms),
        end=None if row.ended is None else HoldEnd(row.ended),
    )


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
