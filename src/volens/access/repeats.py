"""Answers that were given, kept for a day, so that a repeated request changes nothing twice.

Nothing of a request is kept but keyed digests. What is kept of its answer goes after a day, and
with the account that it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, delete, insert, select

from volens.core.time import to_millis

METADATA = MetaData()
REPEAT = Table(
    "repeat",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # keyed: who asks, and their key
    Column("subject_no", Integer, index=True),  # whom the answer is about; null: nobody here
    Column("request", LargeBinary, nullable=False),  # keyed digest of what was asked
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("ends_ms", Integer, nullable=False),
)
KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer that was given."""

    request: bytes
    status: int
    answer: bytes = field(repr=False)


class RepeatStore:
    """Keeps answers by digest."""

    def __init__(self, engine: Engine) -> None:
        """Use the table in `engine`."""
        self._engine = engine

    def find(self, digest: bytes, at: datetime) -> Given | None:
        """Return the answer that was given under a digest, unless its time is over."""
        query = select(REPEAT).where(REPEAT.c.digest == digest, REPEAT.c.ends_ms > to_millis(at))
        with self._engine.connect() as db:
            row = db.execute(query).first()
        if row is None:
            return None
        return Given(request=row.request, status=row.status, answer=row.answer)

    def keep(self, digest: bytes, given: Given, *, subject_no: int | None, at: datetime) -> None:
        """Keep an answer, and drop those whose time is over."""
        row = {
            "digest": digest,
            "subject_no": subject_no,
            "request": given.request,
            "status": given.status,
            "answer": given.answer,
            "ends_ms": to_millis(at + KEPT_FOR),
        }
        with self._engine.begin() as db:
            db.execute(delete(REPEAT).where(REPEAT.c.ends_ms <= to_millis(at)))
            db.execute(insert(REPEAT).prefix_with("OR REPLACE").values(row))

    def erase_subjects(self, numbers: list[int]) -> int:
        """Delete the answers about these people; return how many."""
        with self._engine.begin() as db:
            return db.execute(delete(REPEAT).where(REPEAT.c.subject_no.in_(numbers))).rowcount

    def count_of(self, numbers: list[int]) -> int:
        """Return how many answers about these people are kept."""
        query = select(REPEAT.c.digest).where(REPEAT.c.subject_no.in_(numbers))
        with self._engine.connect() as db:
            return len(db.execute(query).all())
