"""The register of holds, to be written: placed, extended, reviewed, ended; logged first.

Each act goes through the same steps: it is checked; its log entry becomes durable; the database
commits. If it stops in between, the log has an entry about an act that does not hold, and the same
call again leads to the same state. A hold that can't be logged keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, insert, select, update

from volens.core.canonical import Json, read_canonical
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import ConversationId, IdKind, SubjectId, parse_id
from volens.core.time import to_millis
from volens.holds.model import Hold, check_new, encode_hold, end_hold, extend_hold, review_hold
from volens.holds.placing import check_scope, counted
from volens.holds.register import Act, Freed, HoldRegister, find_row
from volens.holds.rows import load, load_on, store_changed, store_new
from volens.holds.tables import HOLD, HOLD_ACT, HOLD_SCOPE
from volens.log.fields import Value
from volens.log.kinds import EntryKind, HoldEnd
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A hold as it is after an act, the row it has already, and what the log says of it."""

    hold: Hold
    act: Act
    kind: EntryKind
    fields: Mapping[str, Value]
    number: int | None = None


class HoldStore(HoldRegister):
    """Places and ends holds. Only the owner of the home may write."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """Use tables in `engine`, beside the vault's; what can't be recorded does not hold."""
        super().__init__(engine)
        self._recorder = recorder

    def prepare(self, hold: Hold, at: datetime) -> Hold:
        """Return `hold` as it would be placed, or as it was; place nothing.

        Raises:
            InvalidInput: ``hold_conflict`` if its id is taken by another hold; ``hold_owner`` if a
                conversation is somebody else's; ``hold_turns`` if it has no such turn;
                ``hold_too_long``, counted from earlier safety holds on the same turns; and as
                `check_new`.
            NotFound: ``conversation_unknown``.
        """
        try:
            placed = self.find(hold.id)
        except NotFound:
            check_new(hold, at)
            with self._engine.connect() as db:
                check_scope(db, hold)
                return counted(db, hold)
        bodies = [_as_asked(one.body) for one in self.acts(hold.id) if one.act is Act.PLACED]
        if bodies != [_as_asked(encode_hold(hold))]:
            hint = "give each hold an id of its own"
            raise InvalidInput("hold_conflict", f"{hold.id} is another hold", hint=hint)
        return placed

    def place(self, hold: Hold, at: datetime) -> Hold:
        """Place a hold and return it as it is now; the same hold again changes nothing.

        Raises:
            InvalidInput: as `prepare`.
            NotFound: as `prepare`.
            Unavailable: if log or database can't be written; nothing is held then.
        """
        prepared = self.prepare(hold, at)
        with suppress(NotFound):
            return self.find(prepared.id)
        change = _Change(
            hold=prepared,
            act=Act.PLACED,
            kind=EntryKind.HOLD_PLACED,
            fields={"class": prepared.hold_class, **_ends(prepared)},
        )
        self._record([change], at)
        return prepared

    def extend(
        self,
        hold_id: str,
        at: datetime,
        *,
        until: datetime | None = None,
        gag_until: datetime | None = None,
    ) -> Hold:
        """Set a later end, another end of the gag, or both; the same again changes nothing.

        Raises:
            NotFound: ``hold_unknown``.
            InvalidInput: as `extend_hold`.
        """

        def longer(hold: Hold) -> Hold:
            return extend_hold(hold, at, until=until, gag_until=gag_until)

        return self._change(hold_id, at, Act.EXTENDED, longer)

    def review(self, hold_id: str, reviewer: str, at: datetime) -> Hold:
        """Record that `reviewer` found a hold still needed.

        Raises:
            NotFound: ``hold_unknown``.
            InvalidInput: ``hold_over`` or ``hold_word``.
        """

        def reviewed(hold: Hold) -> Hold:
            return review_hold(hold, at, reviewer)

        return self._change(hold_id, at, Act.REVIEWED, reviewed)

    def release(self, hold_id: str, at: datetime) -> Hold:
        """End a hold before its time; one that has ended stays as it is.

        What it kept is told by `freed`, until `settle` says that it was seen to.

        Raises:
            NotFound: ``hold_unknown``.
        """
        with self._engine.connect() as db:
            number, hold = find_row(db, hold_id)
        self._end({number: hold}, at)
        return self.find(hold_id)

    def expire(self, at: datetime) -> Freed:
        """Log the end of every hold whose time is over; return what ended holds no longer keep.

        Args:
            at: a time that is trusted as far as destruction is: what is freed here is erased.

        Raises:
            Unavailable: if the log can't be written; nothing is freed then.
        """
        with self._engine.connect() as db:
            over = load(db, HOLD.c.ended.is_(None), HOLD.c.until_ms <= to_millis(at))
        self._end(over, at)
        return self.freed()

    def settle(self, freed: Freed, at: datetime) -> None:
        """Take note that everything in `freed` was seen to: erased, carved, or due to nobody."""
        raws = [parse_id(IdKind.HOLD, name) for name in freed.holds]
        with self._engine.begin() as db:
            for some in in_runs(raws):
                ended = HOLD.c.id.in_(some) & HOLD.c.ended.is_not(None)
                db.execute(update(HOLD).where(ended).values(settled_ms=to_millis(at)))

    def erase_conversations(self, conversations: Iterable[ConversationId]) -> None:
        """Erase which holds kept these conversations, once they are erased; idempotent.

        What opens the log entries of a hold names all its conversations, so it goes with the first
        of them: the entries then link to nobody.

        Raises:
            Denied: ``held`` if a hold on one of them has not ended in the log; nothing is erased.
        """
        raws = [parse_id(IdKind.CONVERSATION, name) for name in conversations]
        with self._engine.begin() as db:
            found = load_on(db, raws)
            _check_ended(found.values())
            for some in in_runs(raws):
                db.execute(delete(HOLD_SCOPE).where(HOLD_SCOPE.c.conversation.in_(some)))
            for number in found:
                db.execute(delete(HOLD_ACT).where(HOLD_ACT.c.hold_no == number))
                left = select(HOLD_SCOPE.c.hold_no).where(HOLD_SCOPE.c.hold_no == number)
                db.execute(delete(HOLD).where(HOLD.c.no == number, ~left.exists()))

    def erase_subject(self, subject: SubjectId) -> None:
        """Erase everything about holds on a person's conversations; idempotent.

        Raises:
            Denied: ``held`` if one of them has not ended in the log; nothing is erased then.
        """
        with self._engine.begin() as db:
            found = load(db, HOLD.c.subject == parse_id(IdKind.SUBJECT, subject))
            _check_ended(found.values())
            for number in found:
                db.execute(delete(HOLD_ACT).where(HOLD_ACT.c.hold_no == number))
                db.execute(delete(HOLD_SCOPE).where(HOLD_SCOPE.c.hold_no == number))
                db.execute(delete(HOLD).where(HOLD.c.no == number))

    def _change(self, hold_id: str, at: datetime, act: Act, change: Callable[[Hold], Hold]) -> Hold:
        with self._engine.connect() as db:
            number, hold = find_row(db, hold_id)
        changed = change(hold)
        if changed != hold:
            kind, fields = EntryKind.HOLD_CHANGED, _ends(changed)
            self._record(
                [_Change(number=number, hold=changed, act=act, kind=kind, fields=fields)], at
            )
        return changed

    def _end(self, holds: Mapping[int, Hold], at: datetime) -> None:
        changes = []
        for number, hold in holds.items():
            if hold.end is None:
                ended = end_hold(hold, at)
                change = _Change(
                    number=number,
                    hold=ended,
                    act=Act.ENDED,
                    kind=EntryKind.HOLD_RELEASED,
                    fields={"end": ended.end or HoldEnd.EXPIRED},
                )
                changes.append(change)
        self._record(changes, at)

    def _record(self, changes: Sequence[_Change], at: datetime) -> None:
        if not changes:
            return
        bodies = [encode_hold(change.hold) for change in changes]
        made = [self._recorder.commit(body) for body in bodies]
        indexes = self._recorder.record_all(
            [
                (change.kind, {"commitment": commitment, **change.fields})
                for change, (_, commitment) in zip(changes, made, strict=True)
            ]
        )
        rows = []
        with self._engine.begin() as db:
            for change, body, (salt, _), index in zip(changes, bodies, made, indexes, strict=True):
                number = change.number
                if number is None:
                    number = store_new(db, change.hold)
                else:
                    store_changed(db, number, change.hold)
                row = {"hold_no": number, "act": change.act.value, "at_ms": to_millis(at)}
                rows.append({**row, "body": body, "log_index": index, "salt": salt})
            db.execute(insert(HOLD_ACT), rows)


def _as_asked(body: bytes) -> Mapping[str, Json]:
    """Return a hold without what its placing filled in."""
    document = read_canonical(body)
    return {**document, "counted_from": None} if isinstance(document, dict) else {}


def _ends(hold: Hold) -> dict[str, Value]:
    gag: dict[str, Value] = {} if hold.gag_until is None else {"gag_until": hold.gag_until}
    return {"until": hold.until, **gag}


def _check_ended(holds: Iterable[Hold]) -> None:
    for hold in holds:
        if hold.end is None:
            hint = "a hold goes before any erasure"
            raise Denied("held", f"{hold.id} has not ended", hint=hint)
