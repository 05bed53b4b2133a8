"""The tables of erasures in the main database, and how rows are read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    and_,
    bindparam,
    insert,
    select,
    update,
)

from volens.core.canonical import canonical_json, read_canonical
from volens.core.errors import Unavailable
from volens.core.ids import (
    ID_BYTES,
    ConversationId,
    ErasureId,
    IdKind,
    SubjectId,
    format_id,
    parse_id,
)
from volens.core.time import format_moment, from_millis, parse_moment, to_millis
from volens.holds.erasure import OPEN, Erasure, ErasureState, StoreStep
from volens.holds.evidence import LoggedStep
from volens.log.kinds import EntryKind, ErasureCause, ErasureScope
from volens.log.merkle import HASH_BYTES
from volens.storage.engine import in_runs
from volens.vault.tables import CONVERSATION, SUBJECT

METADATA = MetaData()
ERASURE = Table(
    "erasure",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("scope", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("subject", LargeBinary),  # null once the account is gone
    Column("conversations", LargeBinary, nullable=False),  # 16 bytes each; empty once gone
    Column("subject_no", Integer),  # this and `numbers` only while it is being done
    Column("numbers", LargeBinary, nullable=False),  # of conversations: i64, little-endian
    Column("former", String),  # an account's status before, until the end of either way
    Column("state", String, nullable=False),
    Column("requested_ms", Integer, nullable=False),
    Column("cool_off_ends_ms", Integer, nullable=False),
    Column("promised_by_ms", Integer, nullable=False),
    Column("access_ended_ms", Integer, nullable=False),
    Column("keys_removed_ms", Integer),
    Column("irrecoverable_ms", Integer),
    Column("cancelled_ms", Integer),
    Column("held_until_ms", Integer),
    Column("freed_ms", Integer),  # when the last hold on it ended
    Column("steps", String, nullable=False),  # canonical JSON: [store, method, moment] each
    Index("erasure_of", "subject"),
    Index("erasure_in_state", "state", "cool_off_ends_ms"),
)
EVIDENCE = Table(
    "erasure_evidence",
    METADATA,
    Column("erasure_no", Integer, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("leaves", Integer, nullable=False),  # of the group's tree; 0: an entry of its own
    Column("place", Integer, nullable=False),
    Column("path", LargeBinary, nullable=False),
    Index("erasure_evidence_in_log", "log_index"),
    sqlite_with_rowid=False,
)

_MOVING = (EntryKind.ERASURE_REQUESTED.value, EntryKind.ERASURE_CANCELLED.value)
OPEN_STATES = tuple(state.value for state in sorted(OPEN))


def pack_ids(kind: IdKind, names: Iterable[str]) -> bytes:
    """Return ids as 16 bytes each, one after another."""
    return b"".join(parse_id(kind, name) for name in names)


def split_ids(data: bytes) -> tuple[bytes, ...]:
    """Return the raw ids that `pack_ids` joined."""
    return tuple(data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES))


def request_row(erasure: Erasure) -> dict[str, object]:
    """Return the row of a new request."""
    return {
        "id": parse_id(IdKind.ERASURE, erasure.id),
        "scope": erasure.scope.value,
        "cause": erasure.cause.value,
        "subject": parse_id(IdKind.SUBJECT, str(erasure.subject)),
        "conversations": pack_ids(IdKind.CONVERSATION, erasure.conversations),
        "numbers": b"",
        "former": "",
        "state": ErasureState.ACCESS_ENDED.value,
        "requested_ms": to_millis(erasure.requested),
        "cool_off_ends_ms": to_millis(erasure.cool_off_ends),
        "promised_by_ms": to_millis(erasure.promised_by),
        "access_ended_ms": to_millis(erasure.requested),
        "steps": "[]",
    }


def read_erasure(row: Row[tuple[object, ...]]) -> Erasure:
    """Return the erasure of a row.

    Raises:
        Unavailable: ``erasure_row`` if the row can't be read.
    """
    subject = row.subject
    try:
        return Erasure(
            id=ErasureId(format_id(IdKind.ERASURE, row.id)),
            scope=ErasureScope(row.scope),
            cause=ErasureCause(row.cause),
            subject=None if subject is None else SubjectId(format_id(IdKind.SUBJECT, subject)),
            conversations=_named(row),
            requested=from_millis(row.requested_ms),
            cool_off_ends=from_millis(row.cool_off_ends_ms),
            promised_by=from_millis(row.promised_by_ms),
            state=ErasureState(row.state),
            access_ended=from_millis(row.access_ended_ms),
            keys_removed=_moment(row.keys_removed_ms),
            irrecoverable=_moment(row.irrecoverable_ms),
            cancelled=_moment(row.cancelled_ms),
            held_until=_moment(row.held_until_ms),
            freed=_moment(row.freed_ms),
            steps=_read_steps(row.steps),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise Unavailable("erasure_row", f"erasure row {row.no} can't be read") from error


def write_steps(steps: Sequence[StoreStep]) -> str:
    """Return the text of a row's steps."""
    rows = [[step.store, step.method, format_moment(step.at)] for step in steps]
    return canonical_json(rows).decode("ascii")


def evidence_row(number: int, step: LoggedStep) -> dict[str, object]:
    """Return the row of one piece of evidence."""
    return {
        "erasure_no": number,
        "log_index": step.index,
        "kind": step.kind.value,
        "salt": step.salt,
        "leaves": step.count,
        "place": step.place,
        "path": b"".join(step.path),
    }


def read_step(row: Row[tuple[object, ...]]) -> LoggedStep:
    """Return the piece of evidence of a row."""
    path = row.path
    return LoggedStep(
        kind=EntryKind(row.kind),
        index=row.log_index,
        salt=row.salt,
        count=row.leaves,
        place=row.place,
        path=tuple(path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES)),
    )


def change_rows(
    db: Connection,
    values: Mapping[ErasureId, Mapping[str, object]],
    evidence: Mapping[ErasureId, LoggedStep],
) -> None:
    """Change rows, all in the same columns, and add evidence."""
    if not values:
        return
    columns = next(iter(values.values()))
    statement = (
        update(ERASURE)
        .where(ERASURE.c.id == bindparam("which"))
        .values({name: bindparam(f"to_{name}") for name in columns})
    )
    rows = [
        {
            "which": parse_id(IdKind.ERASURE, name),
            **{f"to_{column}": value for column, value in changed.items()},
        }
        for name, changed in values.items()
    ]
    db.execute(statement, rows)
    add_evidence(db, evidence)


def add_evidence(db: Connection, evidence: Mapping[ErasureId, LoggedStep]) -> None:
    """Keep what opens log entries about erasures that have a row."""
    if not evidence:
        return
    by_raw = {parse_id(IdKind.ERASURE, name): step for name, step in evidence.items()}
    rows = []
    for some in in_runs(list(by_raw)):
        query = select(ERASURE.c.id, ERASURE.c.no).where(ERASURE.c.id.in_(some))
        rows += [evidence_row(number, by_raw[raw]) for raw, number in db.execute(query)]
    db.execute(insert(EVIDENCE), rows)


def captured_between(db: Connection, first: Erasure, second: Erasure) -> bool:
    """Say whether anything of their person was captured between two requests."""
    query = (
        select(CONVERSATION.c.no)
        .join(SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no)
        .where(
            SUBJECT.c.id == parse_id(IdKind.SUBJECT, str(first.subject)),
            CONVERSATION.c.captured_ms > to_millis(first.requested),
            CONVERSATION.c.captured_ms <= to_millis(second.requested),
        )
    )
    return db.execute(query.limit(1)).first() is not None


def moved_since(db: Connection, index: int) -> list[SubjectId | None]:
    """Return whose requests were taken in or taken back after a log entry; None: are gone."""
    query = (
        select(ERASURE.c.subject)
        .distinct()
        .join(EVIDENCE, EVIDENCE.c.erasure_no == ERASURE.c.no)
        .where(EVIDENCE.c.log_index > index, EVIDENCE.c.kind.in_(_MOVING))
    )
    return [
        None if raw is None else SubjectId(format_id(IdKind.SUBJECT, raw))
        for (raw,) in db.execute(query)
    ]


def forget_gone(db: Connection, erasures: Sequence[bytes]) -> None:
    """Drop whose erasures were those of accounts that are gone, these and earlier ones."""
    gone: set[bytes] = set()
    for some in in_runs(erasures):
        query = select(ERASURE.c.subject, ERASURE.c.scope, SUBJECT.c.no).join_from(
            ERASURE, SUBJECT, SUBJECT.c.id == ERASURE.c.subject, isouter=True
        )
        for subject, scope, number in db.execute(query.where(ERASURE.c.id.in_(some))):
            if subject is not None and (scope == ErasureScope.ACCOUNT.value or number is None):
                gone.add(subject)
    for some in in_runs(sorted(gone)):
        values = {"subject": None, "conversations": b"", "former": None}
        finished = and_(ERASURE.c.subject.in_(some), ERASURE.c.state.not_in(OPEN_STATES))
        db.execute(update(ERASURE).where(finished).values(values))


def _named(row: Row[tuple[object, ...]]) -> tuple[ConversationId, ...]:
    """Return the conversations named in the request; those of a wider scope are internal."""
    if row.scope != ErasureScope.CONVERSATION.value:
        return ()
    raws = split_ids(row.conversations)
    return tuple(ConversationId(format_id(IdKind.CONVERSATION, raw)) for raw in raws)


def _read_steps(text: str) -> tuple[StoreStep, ...]:
    if text == "[]":
        return ()
    rows = read_canonical(text.encode("ascii"))
    if not isinstance(rows, list):
        raise TypeError("steps is not a list")
    return tuple(
        StoreStep(store=store, method=method, at=parse_moment(at)) for store, method, at in rows
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
