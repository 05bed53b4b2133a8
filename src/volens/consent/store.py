"""The consent ledger in the main database, with the journal of negative choices in front of it.

A negative act (withdraw, revoke, object) is true once the journal holds it: any process may append,
also while another owns the home or the disk is full, and every reader lays the journal over the
tables. A grant is true only once it is in the log and in the database. Replays are idempotent by
event id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
)

from volens.consent.model import (
    NEGATIVE_ACTS,
    Act,
    ConsentEvent,
    PurposeState,
    decode_event,
    encode_event,
    fold,
)
from volens.core.canonical import canonical_json
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import ID_BYTES, EventId, IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import CONSENT_PURPOSES, PROHIBITED, Purpose
from volens.core.time import to_millis
from volens.log.fields import Value
from volens.log.kinds import EntryKind, GrantScope
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs
from volens.storage.journal import Journal

METADATA = MetaData()
EVENT = Table(
    "consent_event",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject", LargeBinary, nullable=False),
    Column("purpose", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Index("consent_event_of", "subject", "purpose"),
)
STATE = Table(  # what the events add up to, in a form that equal choices share
    "consent_state",
    METADATA,
    Column("purpose", String, primary_key=True),
    Column("subject", LargeBinary, primary_key=True),
    Column("grants", String, nullable=False),
    Column("objected", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
ENTRY_KIND = {
    Act.GRANT: EntryKind.CONSENT_GRANTED,
    Act.WITHDRAW: EntryKind.CONSENT_WITHDRAWN,
    Act.REVOKE: EntryKind.CONSENT_REVOKED,
    Act.OBJECT: EntryKind.CONSENT_OBJECTED,
    Act.LIFT_OBJECTION: EntryKind.CONSENT_OBJECTION_LIFTED,
}
_GRANTABLE = CONSENT_PURPOSES | {Purpose.AGGREGATED_RESEARCH, Purpose.PARTNER_AGGREGATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as the ledger keeps it, with its place in the log and the salt that opens it."""

    event: ConsentEvent
    log_index: int
    salt: bytes


class ConsentLedger:
    """Records choices and tells what they add up to."""

    def __init__(self, engine: Engine, journal: Journal, recorder: Recorder) -> None:
        """Use tables in `engine`; what the recorder can't log can't be recorded."""
        self._engine = engine
        self._journal = journal
        self._recorder = recorder

    def journal(self, event: ConsentEvent) -> None:
        """Make a negative act true, from any process, at once.

        Raises:
            InvalidInput: if the act is not negative.
        """
        if event.act not in NEGATIVE_ACTS:
            raise InvalidInput("journal_act", f"the journal takes no {event.act.value}")
        self._journal.append(encode_event(event))

    def record(self, events: Sequence[ConsentEvent]) -> list[Recorded]:
        """Record acts in order, as the owner of the home.

        Each run of negative acts, and each run of the others, goes through these steps:

        1. Negative acts are appended to the journal: from here on they hold.
        2. What the journal holds is applied, so that order is kept.
        3. One log entry for each act, durable as a group.
        4. The database commits; only now do grants hold.

        If it stops after 1, the next start applies the journal. If it stops after 3, the log has an
        entry about a grant that does not hold. Repeating the call leads to the same state.

        Raises:
            InvalidInput: ``event_conflict`` if an event id is taken by another event; nothing is
                recorded then.
            Denied: if the act is a grant for a purpose that no grant can permit.
            Unavailable: if log or database can't be written. Negative acts hold all the same, from
                step 1 on; the next start records them.
        """
        for event in events:
            _check_grantable(event)
        with self._engine.connect() as db:
            known = _known(db, events)
        _check_ids(events, known)
        recorded: list[Recorded] = []
        for negative, run in groupby(events, key=lambda event: event.act in NEGATIVE_ACTS):
            acts = list(run)
            for act in acts:
                if negative and act.id not in known:
                    self.journal(act)
            self.drain()
            recorded += self._apply(acts)
        return recorded

    def drain(self) -> int:
        """Apply what other processes journaled; return how many acts were new.

        A negative act under an id that another act has taken is not lost: it is recorded under an
        id made from its own bytes.
        """
        if not self._journal.read():
            return 0
        with self._journal.drain() as bodies:
            events = _negative(bodies)
            with self._engine.connect() as db:
                known = _known(db, [*events, *map(_renamed, events)])
            fresh: dict[EventId, ConsentEvent] = {}
            for event in events:
                taken = _of_id(event.id, known, fresh) or event
                own = event if _same(taken, event) else _renamed(event)
                if own.id not in known:
                    fresh[own.id] = own
            self._apply(list(fresh.values()))
        return len(fresh)

    def pending(self) -> list[ConsentEvent]:
        """Return the journaled acts, also those that a stop left there after they were applied."""
        return _negative(self._journal.read())

    def mark(self) -> int:
        """Return the place of the latest recorded act, for `taken_back`."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.max(EVENT.c.seq))).scalar() or 0)

    def taken_back(self, mark: int) -> list[ConsentEvent]:
        """Return the negative acts that were journaled or recorded since `mark`."""
        query = select(EVENT.c.body).where(EVENT.c.seq > mark).order_by(EVENT.c.seq)
        waiting = self.pending()
        with self._engine.connect() as db:
            waiting = _unapplied(waiting, _known(db, waiting))
            recorded = [decode_event(body) for body in db.execute(query).scalars()]
        return [event for event in [*recorded, *waiting] if event.act in NEGATIVE_ACTS]

    def stamp(self) -> tuple[int, int, int]:
        """Return a value that changes whenever somebody journals an act."""
        return self._journal.stamp()

    def states(self, subject: SubjectId) -> dict[Purpose, PurposeState]:
        """Return what a person's acts add up to, journal included."""
        waiting = [event for event in self.pending() if event.subject == subject]
        recorded = {item.event.id: item for item in self.history(subject)}
        events = [item.event for item in recorded.values()]
        return fold([*events, *_unapplied(waiting, recorded)])

    def history(self, subject: SubjectId) -> list[Recorded]:
        """Return a person's recorded acts in order."""
        raw = parse_id(IdKind.SUBJECT, subject)
        with self._engine.connect() as db:
            rows = db.execute(select(EVENT).where(EVENT.c.subject == raw).order_by(EVENT.c.seq))
            return [
                Recorded(event=decode_event(row.body), log_index=row.log_index, salt=row.salt)
                for row in rows
            ]

    def find(self, event_id: str) -> Recorded:
        """Return one recorded act.

        Raises:
            NotFound: if there is none of that id.
        """
        raw = parse_id(IdKind.EVENT, event_id)
        with self._engine.connect() as db:
            row = db.execute(select(EVENT).where(EVENT.c.id == raw)).first()
        if row is None:
            raise NotFound("event_unknown", f"no consent event {event_id} here")
        return Recorded(event=decode_event(row.body), log_index=row.log_index, salt=row.salt)

    def bulk_states(self, purpose: Purpose) -> dict[bytes, tuple[str, bool]]:
        """Return subject id (16 bytes) -> (grants, objected) for all who said anything.

        `grants` is canonical JSON, see `grants_text`; equal choices have equal texts, so callers
        decide once for each text. The journal is not laid over: use `pending`.
        """
        query = select(STATE.c.subject, STATE.c.grants, STATE.c.objected)
        with self._engine.connect() as db:
            rows = db.execute(query.where(STATE.c.purpose == purpose.value))
            return {subject: (grants, bool(objected)) for subject, grants, objected in rows}

    def _apply(self, events: Sequence[ConsentEvent]) -> list[Recorded]:
        if not events:
            return []
        with self._engine.connect() as db:
            known = _known(db, events)
        _check_ids(events, known)
        fresh = {event.id: event for event in events if event.id not in known}
        recorded = self._log(list(fresh.values()), self._recorder)
        with self._engine.begin() as db:
            _store(db, recorded)
        done = {**known, **{item.event.id: item for item in recorded}}
        return [done[event.id] for event in events]

    @staticmethod
    def _log(events: Sequence[ConsentEvent], recorder: Recorder) -> list[Recorded]:
        salts, entries = [], []
        for event in events:
            salt, commitment = recorder.commit(encode_event(event))
            fields: dict[str, Value] = {
                "commitment": commitment,
                "purpose": event.purpose,
                "scope": GrantScope(event.scope.kind.value),
            }
            if event.notice is not None:
                fields["notice_hash"] = bytes.fromhex(event.notice.sha256)
            salts.append(salt)
            entries.append((ENTRY_KIND[event.act], fields))
        indexes = recorder.record_all(entries)
        return [
            Recorded(event=event, log_index=index, salt=salt)
            for event, index, salt in zip(events, indexes, salts, strict=True)
        ]


def grants_text(state: PurposeState) -> str:
    """Write what a decision needs of a state: scope, target, status, notice hash, expiry."""
    rows = [
        [
            grant.scope.kind.value,
            grant.scope.target,
            grant.status.value,
            "" if grant.notice is None else grant.notice.sha256,
            None if grant.expires is None else to_millis(grant.expires),
        ]
        for grant in sorted(state.grants, key=lambda grant: (grant.scope.kind, grant.scope.target))
    ]
    return canonical_json(rows).decode("utf-8")


def _store(db: Connection, recorded: Sequence[Recorded]) -> None:
    if not recorded:
        return
    rows = [
        {
            "id": parse_id(IdKind.EVENT, item.event.id),
            "subject": parse_id(IdKind.SUBJECT, item.event.subject),
            "purpose": item.event.purpose.value,
            "body": encode_event(item.event),
            "log_index": item.log_index,
            "salt": item.salt,
        }
        for item in recorded
    ]
    db.execute(insert(EVENT), rows)
    states = [
        {
            "purpose": purpose.value,
            "subject": parse_id(IdKind.SUBJECT, subject),
            "grants": grants_text(state),
            "objected": state.objected,
        }
        for (subject, purpose), state in _states_of(db, recorded).items()
    ]
    db.execute(insert(STATE).prefix_with("OR REPLACE"), states)


def _states_of(
    db: Connection, recorded: Sequence[Recorded]
) -> dict[tuple[SubjectId, Purpose], PurposeState]:
    """Fold all events, old and new, of each person and purpose that `recorded` speaks of."""
    touched = {(item.event.subject, item.event.purpose) for item in recorded}
    acts: dict[tuple[SubjectId, Purpose], list[ConsentEvent]] = {one: [] for one in sorted(touched)}
    raws = [parse_id(IdKind.SUBJECT, subject) for subject in sorted({who for who, _ in touched})]
    for some in in_runs(raws):
        query = select(EVENT.c.body).where(EVENT.c.subject.in_(some)).order_by(EVENT.c.seq)
        for body in db.execute(query).scalars():
            event = decode_event(body)
            if (event.subject, event.purpose) in acts:
                acts[event.subject, event.purpose].append(event)
    return {one: fold(events)[one[1]] for one, events in acts.items()}


def _known(db: Connection, events: Sequence[ConsentEvent]) -> dict[EventId, Recorded]:
    known: dict[EventId, Recorded] = {}
    for some in in_runs([parse_id(IdKind.EVENT, event.id) for event in events]):
        for row in db.execute(select(EVENT).where(EVENT.c.id.in_(some))):
            found = decode_event(row.body)
            known[found.id] = Recorded(event=found, log_index=row.log_index, salt=row.salt)
    return known


def _check_ids(events: Iterable[ConsentEvent], known: Mapping[EventId, Recorded]) -> None:
    seen: dict[EventId, ConsentEvent] = {}
    for event in events:
        other = _of_id(event.id, known, seen)
        if other is not None and not _same(other, event):
            raise InvalidInput(
                "event_conflict",
                f"the event id {event.id} is taken by another act",
                hint="give each act an id of its own",
            )
        seen[event.id] = event


def _of_id(
    wanted: EventId,
    known: Mapping[EventId, Recorded],
    others: Mapping[EventId, ConsentEvent],
) -> ConsentEvent | None:
    return known[wanted].event if wanted in known else others.get(wanted)


def _negative(bodies: Iterable[bytes]) -> list[ConsentEvent]:
    """Read journaled acts; one that gives anything does not belong there and counts for nothing."""
    events = [decode_event(body) for body in bodies]
    return [event for event in events if event.act in NEGATIVE_ACTS]


def _renamed(event: ConsentEvent) -> ConsentEvent:
    digest = hashlib.sha256(b"volens/event/v1\x00" + encode_event(event)).digest()
    return replace(event, id=EventId(format_id(IdKind.EVENT, digest[:ID_BYTES])))


def _unapplied(
    waiting: Iterable[ConsentEvent], known: Mapping[EventId, Recorded]
) -> list[ConsentEvent]:
    found = [(event, _of_id(event.id, known, {})) for event in waiting]
    return [event for event, other in found if other is None or not _same(other, event)]


def _same(one: ConsentEvent, other: ConsentEvent) -> bool:
    return encode_event(one) == encode_event(other)  # moments are kept to the millisecond


def _check_grantable(event: ConsentEvent) -> None:
    if event.act is Act.GRANT and event.purpose in PROHIBITED:
        raise Denied(
            "prohibited",
            f"{event.purpose.value} is prohibited: nobody can grant it",
            hint="see volens policy explain",
        )
    # Aggregates in the private tier rest on a grant too; nothing else does, whatever it names.
    if event.act is Act.GRANT and event.purpose not in _GRANTABLE:
        raise Denied(
            "not_by_consent",
            f"{event.purpose.value} does not rest on consent: there is nothing to grant",
            hint="see volens policy explain",
        )
