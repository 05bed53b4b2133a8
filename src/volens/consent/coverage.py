"""How many people say what, by purpose and by the notice they were shown: counts, nobody's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, select

from volens.consent.store import STATE
from volens.core.canonical import read_strict
from volens.core.purposes import ConsentStatus, Purpose
from volens.core.time import to_millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What people's choices add up to at one moment."""

    yes: Mapping[Purpose, int]
    """People with a yes in force, to anything of the purpose."""
    ended: Mapping[Purpose, int]
    """People whose yes was withdrawn or ran out, and who have no other."""
    objected: Mapping[Purpose, int]
    by_notice: Mapping[str, int]
    """SHA-256 of a notice -> people with a yes in force that was said to it."""


def coverage(engine: Engine, at: datetime) -> Coverage:
    """Count what people's recorded choices add up to at `at`; the journal is not laid over.

    Equal choices have equal texts, so they are counted by the database and read once each.
    """
    query = select(STATE.c.purpose, STATE.c.grants, STATE.c.objected, func.count()).group_by(
        STATE.c.purpose, STATE.c.grants, STATE.c.objected
    )
    yes, ended, objected = Counter[Purpose](), Counter[Purpose](), Counter[Purpose]()
    notices = Counter[str]()
    now = to_millis(at)
    with engine.connect() as db:
        rows = db.execute(query).all()
    for word, grants, no, count in rows:
        purpose = Purpose(word)
        read = [(_status(row, now), str(row[3])) for row in _grants(grants)]
        statuses = {status for status, _ in read}
        if ConsentStatus.GRANTED in statuses:
            yes[purpose] += count
        elif statuses:
            ended[purpose] += count
        if no:
            objected[purpose] += count
        for status, notice in set(read):
            if status is ConsentStatus.GRANTED:
                notices[notice] += count
    return Coverage(yes=yes, ended=ended, objected=objected, by_notice=notices)


def _grants(text: str) -> list[list[object]]:
    read = read_strict(text.encode("ascii"))
    assert isinstance(read, list)
    return [row for row in read if isinstance(row, list)]


def _status(row: list[object], now: int) -> ConsentStatus:
    status, expires = ConsentStatus(str(row[2])), row[4]
    if status is ConsentStatus.GRANTED and isinstance(expires, int) and now >= expires:
        return ConsentStatus.EXPIRED
    return status
