"""Keeps impact cases, in two tables of the main database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)

from volens.core.errors import NotFound
from volens.core.ids import DatasetId, IdKind, ImpactId, RunId, format_id, parse_id
from volens.core.ports import Entropy
from volens.core.time import from_millis, to_millis
from volens.log.fields import Value
from volens.log.kinds import EntryKind, ImpactCause, ImpactState
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs
from volens.training.impact import FINAL, Case, Moved, Touch, Touched, case_parts
from volens.vault.owners import Owner

METADATA = MetaData()
LEAF_BYTES: Final = 32
IMPACT = Table(
    "impact",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("subject_no", Integer, index=True),
    Column("cause", String, nullable=False),
    Column("opened_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
)
TOUCH = Table(
    "impact_touch",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("impact_no", Integer, nullable=False, index=True),
    Column("family", LargeBinary, nullable=False, index=True),
    Column("dataset", LargeBinary, nullable=False),
    Column("copy", LargeBinary, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("shards", String, nullable=False),
    Column("state", String, nullable=False),
    Column("moved_ms", Integer, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("proven", Integer),
)
_FINAL = [state.value for state in FINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A case that is to be opened."""

    owner: Owner | None
    """None if the person was erased before."""
    cause: ImpactCause
    touches: tuple[tuple[Touched, Moved], ...]


class ImpactRegister:
    """Opens, moves and lists cases."""

    def __init__(self, engine: Engine, recorder: Recorder, entropy: Entropy) -> None:
        """Use the tables in `engine`."""
        self._engine = engine
        self._recorder = recorder
        self._entropy = entropy

    def open(self, cases: Sequence[NewCase], at: datetime) -> list[ImpactId]:
        """Open cases, each with where its models stand.

        1. ``impact.opened`` is in the log for each. 2. ``impact.moved`` for each of their models.
        3. They are kept. If it stops before 3, whoever looks again logs them again: entries without
        a case are the upper bound of what was found.
        """
        if not cases:
            return []
        ids = [ImpactId(format_id(IdKind.IMPACT, self._entropy.draw(16))) for _ in cases]
        sealed = [
            self._recorder.commit(*_parts(name, one)) for name, one in zip(ids, cases, strict=True)
        ]
        opened = self._recorder.record_all(
            [
                (EntryKind.IMPACT_OPENED, {"commitment": commitment, "cause": one.cause})
                for (_, commitment), one in zip(sealed, cases, strict=True)
            ]
        )
        moves = [
            (index, moved)
            for index, one in zip(opened, cases, strict=True)
            for _, moved in one.touches
        ]
        indexes = iter(self._log(moves))
        with self._engine.begin() as db:
            for name, one, index, (salt, _) in zip(ids, cases, opened, sealed, strict=True):
                row = {
                    "id": parse_id(IdKind.IMPACT, name),
                    "subject_no": None if one.owner is None else one.owner.number,
                    "cause": one.cause.value,
                    "opened_ms": to_millis(at),
                    "log_index": index,
                    "salt": b"" if one.owner is None else salt,
                }
                (number,) = db.execute(insert(IMPACT).values(row)).inserted_primary_key or (0,)
                rows = [
                    {"impact_no": number, **_columns(what), **_state(moved, next(indexes), at)}
                    for what, moved in one.touches
                ]
                db.execute(insert(TOUCH), rows)
        return ids

    def move(self, moves: Sequence[tuple[Case, Touch, Moved]], at: datetime) -> None:
        """Move what was touched to its next state: in the log, then here."""
        if not moves:
            return
        indexes = self._log([(case.log_index, moved) for case, _, moved in moves])
        with self._engine.begin() as db:
            for (_, touch, moved), index in zip(moves, indexes, strict=True):
                values = _state(moved, index, at)
                db.execute(update(TOUCH).where(TOUCH.c.no == touch.number).values(values))

    def known_leaves(self, family: RunId) -> set[bytes]:
        """Return the records of a family that cases are about, but for those allowed again."""
        found: set[bytes] = set()
        query = select(TOUCH.c.leaves).where(
            TOUCH.c.family == parse_id(IdKind.RUN, family),
            TOUCH.c.state != ImpactState.ALLOWED_AGAIN.value,
        )
        with self._engine.connect() as db:
            for (leaves,) in db.execute(query):
                found.update(_split(leaves))
        return found

    def all(self) -> list[Case]:
        """Return all cases, oldest first."""
        return self._load()

    def moving(self) -> list[Case]:
        """Return the cases of which something can still move, oldest first."""
        numbers = select(TOUCH.c.impact_no).where(TOUCH.c.state.not_in(_FINAL))
        return self._load(IMPACT.c.no.in_(numbers))

    def of_subject(self, subject_no: int) -> list[Case]:
        """Return a person's cases, oldest first."""
        return self._load(IMPACT.c.subject_no == subject_no)

    def find(self, case: str) -> Case:
        """Return one case.

        Raises:
            InvalidInput: if this is no id of a case.
            NotFound: ``impact_unknown``.
        """
        found = self._load(IMPACT.c.id == parse_id(IdKind.IMPACT, case))
        if not found:
            hint = "volens impact list names them"
            raise NotFound("impact_unknown", f"no impact case {case} here", hint=hint)
        return found[0]

    def forget(self, subjects: Iterable[int]) -> None:
        """Keep no longer whose cases they are; twice is no error."""
        with self._engine.begin() as db:
            for some in in_runs(list(subjects)):
                change = update(IMPACT).where(IMPACT.c.subject_no.in_(some))
                db.execute(change.values(subject_no=None, salt=b""))

    def _log(self, moves: Sequence[tuple[int, Moved]]) -> range:
        entries: list[tuple[EntryKind, dict[str, Value]]] = []
        for opened, moved in moves:
            told: dict[str, Value] = {"opened": opened, "state": moved.state}
            if moved.proven is not None:
                told["proven"] = moved.proven
            entries.append((EntryKind.IMPACT_MOVED, told))
        return self._recorder.record_all(entries)

    def _load(self, *where: ColumnElement[bool]) -> list[Case]:
        wanted = select(IMPACT).where(*where).order_by(IMPACT.c.no)
        touched = (
            select(TOUCH)
            .where(TOUCH.c.impact_no.in_(select(IMPACT.c.no).where(*where)))
            .order_by(TOUCH.c.no)
        )
        touches: dict[int, list[Touch]] = {}
        with self._engine.connect() as db:
            for row in db.execute(touched):
                touches.setdefault(row.impact_no, []).append(_touch(row))
            return [
                Case(
                    id=ImpactId(format_id(IdKind.IMPACT, row.id)),
                    subject_no=row.subject_no,
                    cause=ImpactCause(row.cause),
                    opened=from_millis(row.opened_ms),
                    log_index=row.log_index,
                    salt=row.salt,
                    touches=tuple(touches.get(row.no, ())),
                )
                for row in db.execute(wanted)
            ]


def _parts(name: ImpactId, case: NewCase) -> tuple[bytes, bytes, bytes]:
    subject = b"" if case.owner is None else case.owner.subject
    return case_parts(subject, name, [what for what, _ in case.touches])


def _columns(what: Touched) -> dict[str, object]:
    return {
        "family": parse_id(IdKind.RUN, what.family),
        "dataset": parse_id(IdKind.DATASET, what.dataset),
        "copy": what.copy,
        "leaves": b"".join(what.leaves),
        "shards": ",".join(map(str, what.shards)),
    }


def _state(moved: Moved, index: int, at: datetime) -> dict[str, object]:
    return {
        "state": moved.state.value,
        "moved_ms": to_millis(at),
        "log_index": index,
        "proven": moved.proven,
    }


def _touch(row: Row[tuple[object, ...]]) -> Touch:
    return Touch(
        number=row.no,
        family=RunId(format_id(IdKind.RUN, row.family)),
        dataset=DatasetId(format_id(IdKind.DATASET, row.dataset)),
        copy=row.copy,
        leaves=tuple(_split(row.leaves)),
        shards=tuple(int(one) for one in row.shards.split(",") if one),
        stands=Moved(state=ImpactState(row.state), proven=row.proven),
        moved=from_millis(row.moved_ms),
        log_index=row.log_index,
    )


def _split(leaves: bytes) -> list[bytes]:
    return [leaves[at : at + LEAF_BYTES] for at in range(0, len(leaves), LEAF_BYTES)]
