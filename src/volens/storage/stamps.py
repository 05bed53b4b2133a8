"""Stamps: a number that grows with every commit of a database, remembered apart from it.

Every transaction that commits raises the number in the table `applied` of its own database. Once it
is committed, the number is written to a small file that lies elsewhere. So the file never names a
commit that the database does not have, whatever stops when, and a database that is behind its file
is an older copy put in place of the newer one.

    file = slot slot            the slot that is written is the one of the older number
    slot = number (u64) || log size (u64) || SHA-256(of these)[:16]        big-endian

The file is synced when the database is opened and closed, not at each commit: a power cut may take
the last numbers away, which hides a rollback to a point after them and never makes a false alarm.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, event, insert, select
from sqlalchemy.exc import OperationalError

from volens.core.errors import VerificationFailed
from volens.storage.files import write_private

METADATA = MetaData()
APPLIED = Table(
    "applied",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("number", Integer, nullable=False),
    Column("log_size", Integer, nullable=False),
)
_SLOT = struct.Struct(">QQ16s")
_BODY = struct.Struct(">QQ")
_RAISE = "UPDATE applied SET number = number + 1, log_size = ?"
_HINT = "put the newest copy back, or use volens restore, which re-applies what people took back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How far a database is."""

    number: int
    """How many transactions it has committed."""
    log_size: int
    """How many entries the log had at the last one."""


class Sized(Protocol):
    """A log that says how many entries it has."""

    @property
    def size(self) -> int:
        """The number of durable entries."""
        ...


class Stamp:
    """The stamp of one database."""

    def __init__(self, name: str, engine: Engine, path: Path) -> None:
        """Compare `engine`, called `name` in messages, with the file at `path`."""
        self._name = name
        self._engine = engine
        self._path = path
        self._descriptor: int | None = None
        self._committed = False

    def begin(self, applied: Applied) -> None:
        """Set number and file of a new or restored database; both durable when this returns."""
        with self._engine.begin() as db:
            db.execute(APPLIED.delete())
            row = {"id": 1, "number": applied.number, "log_size": applied.log_size}
            db.execute(insert(APPLIED).values(row))
        write_private(self._path, _file(applied))

    def remembered(self) -> Applied:
        """Return what the file says; zeros if there is none or it is unreadable."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        found = [_read(data[at : at + _SLOT.size]) for at in (0, _SLOT.size)]
        return max(found, key=lambda one: one.number)

    def applied(self) -> Applied:
        """Return what the database says; zeros if it has never been stamped."""
        try:
            with self._engine.connect() as db:
                row = db.execute(select(APPLIED)).first()
        except OperationalError:
            row = None
        if row is None:
            return Applied(number=0, log_size=0)
        return Applied(number=row.number, log_size=row.log_size)

    def check(self) -> Applied:
        """Return how far the database is.

        Raises:
            VerificationFailed: ``database_rolled_back`` if the file has seen a later commit.
        """
        remembered = self.remembered()  # first: the database may go on meanwhile, not back
        found = self.applied()
        if found.number < remembered.number or not found.number:
            behind = remembered.number - found.number
            message = f"{self._name} is an older copy: {behind:,} transactions are missing"
            raise VerificationFailed("database_rolled_back", message, hint=_HINT)
        return found

    def follow(self, log: Sized) -> None:
        """Raise the number with every commit from now on, as the one process that writes."""
        applied = self.check()
        write_private(self._path, _file(applied))
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)

        def on_commit(db: Connection) -> None:
            db.exec_driver_sql(_RAISE, (log.size,))
            self._committed = True

        def on_return(driver: sqlite3.Connection | None, record: object) -> None:
            del record
            if self._committed and driver is not None and not driver.in_transaction:
                self._committed = False
                self._acknowledge(driver)

        event.listen(self._engine, "commit", on_commit)
        event.listen(self._engine, "checkin", on_return)  # codespell:ignore checkin

    def close(self) -> None:
        """Make the last number durable."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = None

    def _acknowledge(self, driver: sqlite3.Connection) -> None:
        # Read back outside of any transaction: what a failed commit did not commit is not there.
        row = driver.execute("SELECT number, log_size FROM applied").fetchone()
        if row is not None and self._descriptor is not None:
            applied = Applied(number=row[0], log_size=row[1])
            os.pwrite(self._descriptor, _slot(applied), _SLOT.size * (applied.number % 2))


def _file(applied: Applied) -> bytes:
    slots = [bytes(_SLOT.size), bytes(_SLOT.size)]
    slots[applied.number % 2] = _slot(applied)
    return b"".join(slots)


def _slot(applied: Applied) -> bytes:
    body = _BODY.pack(applied.number, applied.log_size)
    return body + hashlib.sha256(body).digest()[:16]


def _read(data: bytes) -> Applied:
    if len(data) == _SLOT.size:
        number, log_size, _ = _SLOT.unpack(data)
        applied = Applied(number=number, log_size=log_size)
        if _slot(applied) == data:
            return applied
    return Applied(number=0, log_size=0)
