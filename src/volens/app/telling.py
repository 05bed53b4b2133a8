"""What happened after a place in the log, as messages for the receivers of webhooks.

Nothing is stored here: each message is made from the ledgers when it is sent, and is the same bytes
each time as long as its person is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, tuple_

from volens.app.home import Home
from volens.app.webhooks import (
    TYPES,
    Due,
    Endpoint,
    Message,
    Place,
    keys_of,
    passed_over,
    webhooks,
)
from volens.consent.model import Act, decode_event
from volens.consent.store import EVENT
from volens.core.canonical import Json, canonical_json
from volens.core.ids import IdKind, SubjectId, format_id, parse_id
from volens.core.time import format_moment, from_millis
from volens.holds.erasure_tables import ERASURE, EVIDENCE
from volens.log.kinds import EntryKind
from volens.vault.subjects import Subject

_ACT_TYPE: Final[Mapping[Act, str]] = {
    Act.GRANT: "choice.granted",
    Act.WITHDRAW: "choice.withdrawn",
    Act.REVOKE: "choice.withdrawn",
    Act.OBJECT: "choice.objected",
    Act.LIFT_OBJECTION: "choice.objection_lifted",
}
_ERASURE_KINDS: Final = (
    EntryKind.ERASURE_REQUESTED,
    EntryKind.ERASURE_CANCELLED,
    EntryKind.ERASURE_KEYS_REMOVED,
    EntryKind.ERASURE_IRRECOVERABLE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    id: str
    type: str
    at: str
    subject: bytes | None
    data: Mapping[str, Json]
    place: Place


def due_webhooks(home: Home, *, most: int = 100) -> list[Due]:
    """Return what is to be told now: at most so many messages for each endpoint, in order.

    What other processes journaled is taken in first.
    """
    now = home.clock.now()
    open_ones = [one for one in webhooks(home) if not one.disabled and one.next <= now]
    if not open_ones:
        return []
    home.ledger.drain()
    home.erasures.drain()
    found = []
    for endpoint in open_ones:
        wanted = endpoint.types or TYPES
        happened = _after(home, endpoint.mark, most)
        told = [one for one in happened if one.type in wanted]
        if happened and not told:
            passed_over(home, endpoint, happened[-1].place)
        if told:
            messages = tuple(_messages(home, endpoint, told))
            keys = keys_of(home, endpoint)
            found.append(Due(endpoint=endpoint, messages=messages, keys=keys))
    return found


def _after(home: Home, mark: Place, most: int) -> list[_Happening]:
    """Return what happened next after a place in the log, in the log's order: not all of it."""
    parts = [list(_choices_after(home, mark, most)), list(_erasures_after(home, mark, most))]
    # what comes after the last one of a part that goes on may not be the next
    ends = [part[-1].place for part in parts if len(part) == most]
    found = sorted((one for part in parts for one in part), key=lambda one: one.place)
    return [one for one in found if not ends or one.place <= min(ends)]


def _choices_after(home: Home, mark: Place, most: int) -> Iterator[_Happening]:
    # Numbers may be used again once a person is erased, but later rows always have higher ones.
    backwards = select(EVENT.c.seq, EVENT.c.log_index).order_by(EVENT.c.seq.desc())
    first = None
    with home.main.connect() as db:
        rows = db.execute(backwards).yield_per(200)
        for number, index in rows:
            if (index, 0) <= mark:
                break
            first = number
        rows.close()
        if first is None:
            return
        query = select(EVENT.c.body, EVENT.c.log_index).where(EVENT.c.seq >= first)
        new = db.execute(query.order_by(EVENT.c.seq).limit(most)).all()
    for body, index in new:
        event = decode_event(body)
        scope: Json = {"kind": event.scope.kind.value, "target": event.scope.target}
        yield _Happening(
            id=event.id,
            type=_ACT_TYPE[event.act],
            at=format_moment(event.at),
            subject=parse_id(IdKind.SUBJECT, event.subject),
            data={
                "act": event.act.value,
                "event": event.id,
                "purpose": event.purpose.value,
                "scope": scope,
            },
            place=(index, 0),
        )


def _erasures_after(home: Home, mark: Place, most: int) -> Iterator[_Happening]:
    columns = (
        EVIDENCE.c.log_index,
        EVIDENCE.c.erasure_no,
        EVIDENCE.c.kind,
        *(ERASURE.c[name] for name in ("id", "subject", "scope", "cause")),
        *(ERASURE.c[f"{name}_ms"] for name in _MOMENT_OF.values()),
    )
    query = (
        select(*columns)
        .join(ERASURE, EVIDENCE.c.erasure_no == ERASURE.c.no)
        .where(
            tuple_(EVIDENCE.c.log_index, EVIDENCE.c.erasure_no) > mark,
            EVIDENCE.c.kind.in_([kind.value for kind in _ERASURE_KINDS]),
        )
        .order_by(EVIDENCE.c.log_index, EVIDENCE.c.erasure_no)
        .limit(most)
    )
    with home.main.connect() as db:
        rows = db.execute(query).all()
    for row in rows:
        name = format_id(IdKind.ERASURE, row.id)
        at = getattr(row, f"{_MOMENT_OF[EntryKind(row.kind)]}_ms")
        yield _Happening(
            id=f"{name}.{row.kind}",
            type=row.kind,
            at=format_moment(from_millis(row.requested_ms if at is None else at)),
            subject=row.subject,
            data={"cause": row.cause, "erasure": name, "scope": row.scope},
            place=(row.log_index, row.erasure_no),
        )


_MOMENT_OF: Final[Mapping[EntryKind, str]] = {
    EntryKind.ERASURE_REQUESTED: "requested",
    EntryKind.ERASURE_CANCELLED: "cancelled",
    EntryKind.ERASURE_KEYS_REMOVED: "keys_removed",
    EntryKind.ERASURE_IRRECOVERABLE: "irrecoverable",
}


def _messages(home: Home, endpoint: Endpoint, happened: Iterable[_Happening]) -> Iterator[Message]:
    told = list(happened)
    references = _references(home, told) if endpoint.named else {}
    for one in told:
        who: dict[str, Json] = {}
        if endpoint.named:
            who["reference"] = references.get(one.subject)
        else:
            known = one.subject is not None
            who["subject"] = format_id(IdKind.SUBJECT, one.subject or b"") if known else None
        body: dict[str, Json] = {
            "type": one.type,
            "timestamp": one.at,
            "data": {**one.data, **who},
        }
        yield Message(id=one.id, body=canonical_json(body), place=one.place)


def _references(home: Home, told: Iterable[_Happening]) -> dict[bytes | None, Json]:
    """Return the product's names of the people; None for who is not here any more."""
    raws = sorted({one.subject for one in told if one.subject is not None})
    ids = [SubjectId(format_id(IdKind.SUBJECT, raw)) for raw in raws]
    people: list[Subject] = sorted(home.subjects.several(ids), key=lambda one: one.number)
    names = home.gate.references(people)
    return {one.holder.raw: name for one, name in zip(people, names, strict=True)}
