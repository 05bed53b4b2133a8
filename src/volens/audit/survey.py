"""The rows that several checks look at, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Engine

from volens.audit.evidence import Evidence
from volens.consent.model import ConsentEvent, decode_event
from volens.core.errors import VolensError
from volens.storage.engine import driver_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One recorded act, with its place in the table and in the log."""

    seq: int
    id: bytes
    subject: bytes
    purpose: str
    body: bytes
    log_index: int
    salt: bytes
    event: ConsentEvent | None
    """None if the body can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account row, as far as checks need it."""

    number: int
    raw: bytes
    region: str
    realm: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One conversation row, as far as checks need it."""

    number: int
    raw: bytes
    subject_no: int
    captured_ms: int
    signal: str
    sequence: int
    batch_no: int
    position: int
    block_no: int
    ended: bool
    """Access to it has ended; its erasure follows."""


class Survey:
    """One look at one home; a table is read when a check first asks for it."""

    def __init__(self, evidence: Evidence) -> None:
        """Look at `evidence`."""
        self.evidence = evidence

    @cached_property
    def choices(self) -> list[Choice]:
        """Every recorded act, in order."""
        query = """
        SELECT seq, id, subject, purpose, body, log_index, salt FROM consent_event ORDER BY seq
        """
        return [
            Choice(
                seq=row[0],
                id=row[1],
                subject=row[2],
                purpose=row[3],
                body=row[4],
                log_index=row[5],
                salt=row[6],
                event=_event(row[4]),
            )
            for row in rows(self.evidence.main, query)
        ]

    @cached_property
    def people(self) -> dict[int, Person]:
        """Every account, by number, ascending."""
        query = "SELECT no, id, region, realm, status FROM subject ORDER BY no"
        return {
            row[0]: Person(number=row[0], raw=row[1], region=row[2], realm=row[3], status=row[4])
            for row in rows(self.evidence.main, query)
        }

    @cached_property
    def chats(self) -> dict[int, Chat]:
        """Every conversation, by number, ascending."""
        query = """
        SELECT no, id, subject_no, captured_ms, signal, sequence, batch_no, position,
               block_no, ended_ms
        FROM conversation ORDER BY no
        """
        return {
            row[0]: Chat(
                number=row[0],
                raw=row[1],
                subject_no=row[2],
                captured_ms=row[3],
                signal=row[4],
                sequence=row[5],
                batch_no=row[6],
                position=row[7],
                block_no=row[8],
                ended=row[9] is not None,
            )
            for row in rows(self.evidence.main, query)
        }


def rows(engine: Engine, query: str) -> list[Any]:
    """Return every row of a read."""
    with engine.connect() as db:
        return driver_of(db).execute(query).fetchall()


def columns(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Return the columns of every table that really is in a database."""
    names = rows(engine, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    found = {}
    for (name,) in names:
        if not name.startswith("sqlite_"):
            told = rows(engine, f"PRAGMA table_info('{name}')")
            found[name] = tuple(row[1] for row in told)
    return found


def _event(body: bytes) -> ConsentEvent | None:
    try:
        return decode_event(body)
    except (VolensError, ValueError):
        return None
