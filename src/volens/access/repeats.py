"""Answers that were given, kept for a day, so that a repeated request changes nothing twice.

Nothing of a request is kept but keyed digests. What is kept of its answer goes after a day, and
with the account that it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, delete, insert, select

from volens.access.tables import REPEAT
from volens.core.time import to_millis

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

    def keep(self, digest: bytes, given: Given, *, subject: bytes | None, at: datetime) -> None:
        """Keep an answer, and drop those whose time is over."""
        row = {
            "digest": digest,
            "subject": subject,
            "request": given.request,
            "status": given.status,
            "answer": given.answer,
            "ends_ms": to_millis(at + KEPT_FOR),
        }
        with self._engine.begin() as db:
            db.execute(delete(REPEAT).where(REPEAT.c.ends_ms <= to_millis(at)))
            db.execute(insert(REPEAT).prefix_with("OR REPLACE").values(row))
