"""Rights requests in the main database. Every opening and closing is in the log before it is here.

The log entry carries the kind, the deadline or the outcome, and a salted commitment to request and
person; its salt lies in the person's leaf list and goes with it. After an account is erased the
request stays as a number without a person: kind, dates and outcome, for the reports that a
controller owes (11 CCR 7101-7102).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    insert,
    select,
    update,
)

from volens.core.errors import NotFound
from volens.core.ids import ErasureId, IdKind, RequestId, SubjectId, format_id, parse_id
from volens.core.regions import Region
from volens.core.time import from_millis, to_millis
from volens.log.fields import Value
from volens.log.kinds import EntryKind, ErasureScope, RequestKind, RequestOutcome
from volens.log.recorder import Recorder
from volens.rights.requests import (
    About,
    Channel,
    Closing,
    Extension,
    ExtensionReason,
    FromAgent,
    Reason,
    RequestState,
    RightsRequest,
    VerifiedBy,
)
from volens.storage.engine import in_runs
from volens.vault.subjects import Subject
from volens.vault.tables import LEAF, SUBJECT

METADATA = MetaData()
REQUEST = Table(
    "rights_request",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject_no", Integer),  # null: the account is gone, or nobody here was meant
    Column("kind", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("state", String, nullable=False),
    Column("region", String, nullable=False),
    Column("about", String, nullable=False),
    Column("scope", String),
    Column("opened_ms", Integer, nullable=False),
    Column("due_ms", Integer, nullable=False),
    Column("verified_ms", Integer),
    Column("verified_by", String),
    Column("started_ms", Integer),
    Column("told_ms", Integer),
    Column("extension_reason", String),
    Column("first_due_ms", Integer),
    Column("closed_ms", Integer),
    Column("outcome", String),
    Column("reason", String),
    Column("erasure", LargeBinary),
    Column("agent", String),
    Column("agent_number", String),
    Column("agent_callback", String),
    Index("rights_request_of", "subject_no"),
    Index("rights_request_state", "state"),
)


class RequestStore:
    """Keeps rights requests; decides nothing about them."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """Use tables in `engine`, beside those of the vault."""
        self._engine = engine
        self._recorder = recorder

    def add(self, request: RightsRequest, subject: Subject | None) -> None:
        """Record a new request of a person, or of nobody here.

        1. One log entry, `request.opened`.
        2. The row and the person's leaf, together.

        If it stops after 1, the log has an entry about a request that nobody was told of.
        """
        salt, commitment = self._recorder.commit(*_parts(request, subject))
        fields: dict[str, Value] = {
            "commitment": commitment,
            "request": request.kind,
            "due": request.due,
        }
        index = self._recorder.record(EntryKind.REQUEST_OPENED, fields)
        row = {
            "id": parse_id(IdKind.REQUEST, request.id),
            "subject_no": None if subject is None else subject.number,
            "kind": request.kind.value,
            "channel": request.channel.value,
            "region": request.region.value,
            "about": request.about.value,
            "scope": request.scope,
            "opened_ms": to_millis(request.opened),
            "agent": request.agent and request.agent.agent,
            "agent_number": request.agent and request.agent.number,
            "agent_callback": request.agent and request.agent.callback,
            **_changing(request),
        }
        with self._engine.begin() as db:
            db.execute(insert(REQUEST).values(row))
            _add_leaf(db, request, subject, index=index, salt=salt)

    def change(self, request: RightsRequest) -> None:
        """Store how far a request has come, short of its closing."""
        with self._engine.begin() as db:
            _update(db, request)

    def close(self, request: RightsRequest, subject: Subject | None) -> None:
        """Store a request that was closed: one log entry, `request.closed`, then the row.

        If it stops in between, the request is still open and is closed again.
        """
        assert request.closing is not None
        salt, commitment = self._recorder.commit(*_parts(request, subject))
        fields: dict[str, Value] = {
            "commitment": commitment,
            "request": request.kind,
            "outcome": request.closing.outcome,
        }
        index = self._recorder.record(EntryKind.REQUEST_CLOSED, fields)
        with self._engine.begin() as db:
            _update(db, request)
            _add_leaf(db, request, subject, index=index, salt=salt)

    def find(self, name: str, *, of: Subject | None = None) -> RightsRequest:
        """Return the request of this id.

        Args:
            name: ``req_...``.
            of: the person who asks to see it; None for whoever runs the home.

        Raises:
            InvalidInput: if `name` is not a request id.
            NotFound: ``request_unknown``, also for the request of somebody else.
        """
        query = _QUERY.where(REQUEST.c.id == parse_id(IdKind.REQUEST, name))
        if of is not None:
            query = query.where(REQUEST.c.subject_no == of.number)
        found = self._all(query)
        if not found:
            hint = "volens rights list shows which there are"
            raise NotFound("request_unknown", f"no rights request {name} here", hint=hint)
        return found[0]

    def of_subject(self, subject: Subject) -> list[RightsRequest]:
        """Return a person's requests, oldest first."""
        return self._all(_QUERY.where(REQUEST.c.subject_no == subject.number))

    def unanswered(self) -> list[RightsRequest]:
        """Return every request that is not closed, oldest first."""
        return self._all(_QUERY.where(REQUEST.c.state != RequestState.CLOSED.value))

    def all(self) -> list[RightsRequest]:
        """Return every request, oldest first."""
        return self._all(_QUERY)

    def erase_subjects(self, numbers: Sequence[int]) -> None:
        """Cut the tie between requests and people, all in one transaction; idempotent.

        What stays says that somebody asked for something, when, and how it ended. The salts of the
        log entries lie in the people's leaf lists, which are erased with their rows.
        """
        if not self.name_subjects(numbers):
            return
        values = {"subject_no": None, "agent_number": "", "agent_callback": ""}
        with self._engine.begin() as db:
            for some in in_runs(numbers):
                where = REQUEST.c.subject_no.in_(some)
                db.execute(update(REQUEST).where(where).values(values))

    def name_subjects(self, numbers: Sequence[int]) -> bool:
        """Say whether any request is tied to one of these people; false after `erase_subjects`."""
        with self._engine.connect() as db:
            for some in in_runs(numbers):
                query = select(REQUEST.c.no).where(REQUEST.c.subject_no.in_(some)).limit(1)
                if db.execute(query).first() is not None:
                    return True
        return False

    def _all(self, query: Select[tuple[object, ...]]) -> list[RightsRequest]:
        with self._engine.connect() as db:
            return [_request(row) for row in db.execute(query.order_by(REQUEST.c.no))]


_QUERY: Select[tuple[object, ...]] = select(REQUEST, SUBJECT.c.id.label("subject")).outerjoin(
    SUBJECT, SUBJECT.c.no == REQUEST.c.subject_no
)


def _parts(request: RightsRequest, subject: Subject | None) -> tuple[bytes, ...]:
    raw = parse_id(IdKind.REQUEST, request.id)
    return (raw,) if subject is None else (raw, subject.holder.raw)


def _add_leaf(
    db: Connection, request: RightsRequest, subject: Subject | None, *, index: int, salt: bytes
) -> None:
    if subject is None:
        return  # without a person there is nobody to prove it to: the salt is dropped
    leaf = {"subject_no": subject.number, "log_index": index, "salt": salt, "opening": request.id}
    db.execute(insert(LEAF).values(leaf))


def _update(db: Connection, request: RightsRequest) -> None:
    where = REQUEST.c.id == parse_id(IdKind.REQUEST, request.id)
    db.execute(update(REQUEST).where(where).values(_changing(request)))


def _changing(request: RightsRequest) -> dict[str, object]:
    extension, closing = request.extension, request.closing
    return {
        "state": request.state.value,
        "due_ms": to_millis(request.due),
        "verified_ms": _millis(request.verified),
        "verified_by": request.verified_by,
        "started_ms": _millis(request.started),
        "told_ms": extension and to_millis(extension.told),
        "extension_reason": extension and extension.reason.value,
        "first_due_ms": extension and to_millis(extension.first_due),
        "closed_ms": closing and to_millis(closing.at),
        "outcome": closing and closing.outcome.value,
        "reason": closing and closing.reason.value,
        "erasure": request.erasure and parse_id(IdKind.ERASURE, request.erasure),
    }


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)


def _request(row: Row[tuple[object, ...]]) -> RightsRequest:
    extension = closing = agent = None
    if row.told_ms is not None:
        extension = Extension(
            told=from_millis(row.told_ms),
            reason=ExtensionReason(row.extension_reason),
            first_due=from_millis(row.first_due_ms),
        )
    if row.closed_ms is not None:
        closing = Closing(
            at=from_millis(row.closed_ms),
            outcome=RequestOutcome(row.outcome),
            reason=Reason(row.reason),
        )
    if row.agent is not None:
        agent = FromAgent(
            agent=row.agent, number=row.agent_number or "", callback=row.agent_callback or ""
        )
    return RightsRequest(
        id=RequestId(format_id(IdKind.REQUEST, row.id)),
        kind=RequestKind(row.kind),
        subject=row.subject and SubjectId(format_id(IdKind.SUBJECT, row.subject)),
        channel=Channel(row.channel),
        opened=from_millis(row.opened_ms),
        due=from_millis(row.due_ms),
        region=Region(row.region),
        state=RequestState(row.state),
        about=About(row.about),
        scope=row.scope and ErasureScope(row.scope),
        verified=_moment(row.verified_ms),
        verified_by=row.verified_by and VerifiedBy(row.verified_by),
        started=_moment(row.started_ms),
        extension=extension,
        closing=closing,
        erasure=row.erasure and ErasureId(format_id(IdKind.ERASURE, row.erasure)),
        agent=agent,
    )
