"""The ledger of erasures, with a journal of requests in front of it.

A request is true once the journal holds it: from then on access has ended. Any process may append,
also while another owns the home or the disk is full, and every reader lays the journal over the
tables. Replays are idempotent by id. What widens again (taking a request back) is true only once it
is in the log and in the table, as every grant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, Engine, and_, insert, select, update

from volens.core.errors import Denied, NotFound, Unavailable
from volens.core.ids import ErasureId, IdKind, SubjectId, parse_id
from volens.core.time import from_millis, to_millis
from volens.holds.access import Access, Blocked, Ended, NoAccess, add_up, blocked_by
from volens.holds.erasure import (
    Erasure,
    ErasureState,
    decode_request,
    encode_request,
    is_another,
    renamed,
)
from volens.holds.erasure_tables import (
    ERASURE,
    EVIDENCE,
    OPEN_STATES,
    add_evidence,
    captured_between,
    change_rows,
    moved_since,
    read_erasure,
    read_step,
    request_row,
    split_ids,
)
from volens.holds.evidence import Evidence, log_each
from volens.log.fields import Value
from volens.log.kinds import EntryKind, ErasureScope
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs
from volens.storage.journal import Journal
from volens.storage.revocation import UNHEARD

_decoded = lru_cache(maxsize=1024)(decode_request)  # readers look at the journal at each question
_Known = Mapping[ErasureId, Erasure]
_Standing = dict[SubjectId | None, list[Erasure]]
"""Open requests, by whose they are."""


class ErasureLedger:
    """Takes requests and tells how far each erasure has come. It erases nothing itself."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        recorder: Recorder,
        *,
        access: Access | None = None,
        cancelled: Callable[[ErasureId], None] | None = None,
    ) -> None:
        """Use tables in `engine`; what the recorder can't log can't be recorded.

        `access` is told when a request is taken in or taken back, `cancelled` of one that is taken
        back, before it counts.
        """
        self._cancelled = cancelled
        self._engine = engine
        self._journal = journal
        self._recorder = recorder
        self._access = access or NoAccess()
        self._looked_back = False

    def journal(self, erasure: Erasure) -> None:
        """End access, from any process, at once; which request then stands `request` tells.

        Raises:
            InvalidInput: ``erasure_form``.
            Unavailable: ``journal_full``, ``journal_missing``.
        """
        self._journal.append(encode_request(erasure))

    def request(self, erasure: Erasure) -> Erasure:
        """Make a request true, from any process, at once; return the one that now stands.

        That is another one if the same thing was asked for before, is not done yet, and nothing
        more or sooner would come of a second. Access has ended after the append; only then it is
        looked up which one stands, so that two processes that ask at the same time are told the
        same reference number.

        Raises:
            InvalidInput: ``erasure_form``.
            Unavailable: ``journal_full``, ``journal_missing``.
        """
        try:
            self.journal(erasure)
        except Unavailable as error:
            before = self._standing(erasure)  # a full journal refuses nothing that holds already
            if before is None or error.code == UNHEARD:
                raise
            return before
        return self._standing(erasure) or erasure

    def drain(self) -> int:
        """Take in what was journaled, as the owner of the home; return how many were new.

        1. One log entry for each new request, durable as a group.
        2. Rows, with their evidence, in one transaction.
        3. `Access` is told.
        4. The journal is emptied.

        If it stops after 1, the next call logs again, under other salts, what never came to be in
        the table. If it stops after 2 or 3, the next call finds the ids known and tells again. A
        request under an id that another has taken is not lost: it gets an id made from its bytes.
        """
        if not self._looked_back:
            self._resume_cancelled()  # what another process left when it was stopped
            self._looked_back = True
        if not self._journal.read():
            return 0
        with self._journal.drain() as bodies:
            asked = list(map(_decoded, bodies))
            known = self._of_ids([item.id for item in asked])
            fresh = {item.id: item for item in self._take_in(asked, known)}
            there = [item for item in known.values() if item.is_open and item.id not in fresh]
            self._access.end([*there, *fresh.values()])
        return len(fresh)

    def record(self, erasures: Sequence[Erasure]) -> list[Erasure]:
        """Take in many at once, as the owner of the home; return which one stands for each.

        For schedules: what they ask for holds once it is in the log and the table, as one group.
        What a person asks for goes through `request`, which needs neither.

        Raises:
            InvalidInput: ``erasure_form``; nothing is recorded then.
        """
        for item in erasures:
            encode_request(item)
        self.drain()
        self._access.end(self._take_in(erasures, self._of_ids([item.id for item in erasures])))
        known = self._open_of(erasures)
        return [self._needless(item, known) or item for item in erasures]

    def _take_in(self, asked: Sequence[Erasure], known: _Known) -> list[Erasure]:
        """Log and store what is new in `asked`; return that."""
        fresh = self._fresh(asked, known)
        self._store(fresh)
        return fresh

    def _fresh(self, asked: Sequence[Erasure], known: Mapping[ErasureId, Erasure]) -> list[Erasure]:
        """Return what is new in `asked`, less what others of it or before it make needless."""
        standing = self._open_of(asked)
        fresh: dict[ErasureId, Erasure] = {}
        for item in asked:
            taken = known.get(item.id) or fresh.get(item.id)
            own = renamed(item) if taken and is_another(taken, item) else item
            if own.id in known or own.id in fresh or self._needless(own, standing):
                continue
            fresh[own.id] = own
            standing.setdefault(own.subject, []).append(own)
        return list(fresh.values())

    def _waiting(self) -> list[Erasure]:
        """Return what the next `drain` will take in as new."""
        asked = list(map(_decoded, self._journal.read()))
        return self._fresh(asked, self._of_ids([item.id for item in asked]))

    def pending(self) -> list[Erasure]:
        """Return the journaled requests that are not in the table yet."""
        asked = list(map(_decoded, self._journal.read()))
        known = self._of_ids([item.id for item in asked])
        return [item for item in asked if item.id not in known or is_another(known[item.id], item)]

    def stamp(self) -> tuple[int, int, int]:
        """Return a value that changes whenever somebody journals a request."""
        return self._journal.stamp()

    def find(self, erasure_id: str) -> Erasure:
        """Return one erasure, journal included.

        Raises:
            InvalidInput: if this is no erasure id.
            NotFound: ``erasure_unknown``.
        """
        parse_id(IdKind.ERASURE, erasure_id)
        found = list(self._of_ids([ErasureId(erasure_id)]).values())
        found += [item for item in self.pending() if item.id == erasure_id]
        if not found:
            raise NotFound("erasure_unknown", f"no erasure {erasure_id} here")
        return found[0]

    def of_subject(self, subject: SubjectId) -> list[Erasure]:
        """Return a person's erasures, oldest first, journal included."""
        waiting = [item for item in self._waiting() if item.subject == subject]
        return self._select(ERASURE.c.subject == parse_id(IdKind.SUBJECT, subject)) + waiting

    def all(self) -> list[Erasure]:
        """Return every erasure, oldest first, journal included."""
        waiting = self._waiting()
        return self._select() + waiting

    def due(self, at: datetime) -> list[Erasure]:
        """Return what has to be done: the cool-off is over and no hold is known."""
        return self._select(
            and_(
                ERASURE.c.state == ErasureState.ACCESS_ENDED.value,
                ERASURE.c.cool_off_ends_ms <= to_millis(at),
            )
        )

    def held(self) -> list[Erasure]:
        """Return what a hold keeps from going on."""
        return self._select(ERASURE.c.state == ErasureState.HELD.value)

    def waiting_for_epoch(self) -> list[Erasure]:
        """Return those whose keys are removed and whose epoch is not destroyed."""
        return self._select(ERASURE.c.state == ErasureState.KEYS_REMOVED.value)

    def ended(self) -> Ended:
        """Return whose access has ended, journal included, only what is not removed yet."""
        blocked = [blocked_by(item) for item in self.pending()]
        query = select(
            ERASURE.c.scope, ERASURE.c.subject, ERASURE.c.conversations, ERASURE.c.requested_ms
        ).where(ERASURE.c.state.in_(OPEN_STATES))
        with self._engine.connect() as db:
            for scope, subject, packed, millis in db.execute(query):
                blocked.append(
                    Blocked(
                        scope=ErasureScope(scope),
                        subject=subject,
                        conversations=split_ids(packed),
                        requested=from_millis(millis),
                    )
                )
        return add_up(blocked)

    def moved_since(self, index: int) -> list[SubjectId | None]:
        """Return whose requests were taken in or taken back after this log entry; None: are gone.

        All others have the same conversations as then, but for those that were captured since.
        """
        with self._engine.connect() as db:
            return moved_since(db, index)

    def cancel(self, erasure_id: str, at: datetime) -> Erasure:
        """Take a request back within its cool-off, as the owner; logged before it counts.

        1. The entry ``erasure.cancelled`` is durable.
        2. The row says so, with its evidence.
        3. `Access` gives back what no other request covers.

        If it stops after 1, the request stands and can be taken back again. If it stops after 2,
        the next `drain` does the rest.

        Raises:
            NotFound: ``erasure_unknown``.
            Denied: ``cool_off_over`` from the moment on at which it ends; ``erasure_cancelled``.
            Unavailable: ``journal_not_emptied`` if the disk is so full that what was asked for
                meanwhile could come back.
        """
        self.drain()
        if self._journal.read():
            raise Unavailable(
                "journal_not_emptied",
                "the journal of erasures can't be emptied",
                hint="see that the disk has space",
            )
        erasure = self.find(erasure_id)
        if erasure.state is ErasureState.CANCELLED:
            raise Denied("erasure_cancelled", f"{erasure_id} was taken back before")
        if not erasure.is_open or at >= erasure.cool_off_ends:
            raise Denied(
                "cool_off_over",
                f"{erasure_id} can't be taken back any more",
                hint="it could until the end of its cool-off",
            )
        step = log_each(self._recorder, EntryKind.ERASURE_CANCELLED, {erasure.id: {}})
        if self._cancelled is not None:
            self._cancelled(erasure.id)
        values = {
            "state": ErasureState.CANCELLED.value,
            "cancelled_ms": to_millis(at),
            "held_until_ms": None,
        }
        with self._engine.begin() as db:
            change_rows(db, {erasure.id: values}, step)
        self._looked_back = False
        self.drain()
        return self.find(erasure.id)

    def evidence(self, erasure_id: str) -> Evidence:
        """Return what the log says of one erasure, and what opens it; a journaled one has none.

        Raises:
            NotFound: ``erasure_unknown``.
        """
        found = self.find(erasure_id)
        query = (
            select(EVIDENCE)
            .join(ERASURE, EVIDENCE.c.erasure_no == ERASURE.c.no)
            .where(ERASURE.c.id == parse_id(IdKind.ERASURE, found.id))
            .order_by(EVIDENCE.c.log_index)
        )
        with self._engine.connect() as db:
            steps = tuple(read_step(row) for row in db.execute(query))
        return Evidence(erasure=found.id, steps=steps)

    def _select(self, *conditions: ColumnElement[bool]) -> list[Erasure]:
        query = select(ERASURE).where(*conditions).order_by(ERASURE.c.no)
        with self._engine.connect() as db:
            return [read_erasure(row) for row in db.execute(query)]

    def _of_ids(self, names: Sequence[ErasureId]) -> dict[ErasureId, Erasure]:
        raws = [parse_id(IdKind.ERASURE, name) for name in names]
        found = (self._select(ERASURE.c.id.in_(some)) for some in in_runs(raws))
        return {item.id: item for some in found for item in some}

    def _standing(self, wanted: Erasure) -> Erasure | None:
        """Return the first open request, journal included, that makes `wanted` needless."""
        raw = parse_id(IdKind.SUBJECT, str(wanted.subject))
        known = {item.id: item for item in self._select(ERASURE.c.subject == raw)}
        waiting = [
            item
            for item in map(_decoded, self._journal.read())
            if item.subject == wanted.subject and item.id not in known
        ]
        standing = [item for item in known.values() if item.is_open]
        return self._needless(wanted, {wanted.subject: [*standing, *waiting]})

    def _open_of(self, wanted: Iterable[Erasure]) -> _Standing:
        """Return the open erasures in the table of the same people, oldest first."""
        standing: _Standing = {}
        people = sorted({parse_id(IdKind.SUBJECT, str(item.subject)) for item in wanted})
        for some in in_runs(people):
            conditions = (ERASURE.c.subject.in_(some), ERASURE.c.state.in_(OPEN_STATES))
            for item in self._select(*conditions):
                standing.setdefault(item.subject, []).append(item)
        return standing

    def _needless(self, wanted: Erasure, standing: _Standing) -> Erasure | None:
        for other in standing.get(wanted.subject, ()):
            if other.id == wanted.id or self._covers(other, wanted):
                return other
        return None

    def _covers(self, first: Erasure, second: Erasure) -> bool:
        """Say whether all that `second` asks for comes of `first`, and as soon."""
        if (first.scope, first.subject) != (second.scope, second.subject):
            return False
        if first.cool_off_ends > second.cool_off_ends:
            return False
        if first.scope is ErasureScope.CONVERSATION:
            return set(second.conversations) <= set(first.conversations)
        if first.scope is ErasureScope.ACCOUNT:
            return True
        with self._engine.connect() as db:
            return not captured_between(db, first, second)

    def _store(self, fresh: Sequence[Erasure]) -> None:
        if not fresh:
            return
        fields: dict[ErasureId, dict[str, Value]] = {
            item.id: {"scope": item.scope, "cause": item.cause, "due": item.promised_by}
            for item in fresh
        }
        evidence = log_each(self._recorder, EntryKind.ERASURE_REQUESTED, fields)
        closing = [item for item in fresh if item.scope is ErasureScope.ACCOUNT]
        former = self._access.former(
            [parse_id(IdKind.SUBJECT, str(item.subject)) for item in closing]
        )
        rows = []
        for item in fresh:
            row = request_row(item)
            if item.scope is ErasureScope.ACCOUNT:
                row["former"] = former.get(parse_id(IdKind.SUBJECT, str(item.subject)), "")
            rows.append(row)
        with self._engine.begin() as db:
            db.execute(insert(ERASURE), rows)
            add_evidence(db, evidence)

    def _resume_cancelled(self) -> None:
        """Give access back to what requests were about that were taken back."""
        query = select(ERASURE).where(
            ERASURE.c.state == ErasureState.CANCELLED.value, ERASURE.c.former.is_not(None)
        )
        with self._engine.connect() as db:
            rows = db.execute(query).all()
        for row in rows:
            self._access.resume(read_erasure(row), row.former, self.ended())
            values = {"conversations": b"", "former": None}
            with self._engine.begin() as db:
                db.execute(update(ERASURE).where(ERASURE.c.no == row.no).values(values))
