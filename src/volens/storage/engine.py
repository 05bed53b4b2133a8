"""SQLite databases, opened one way: durable, with deleted bytes overwritten, checked at the start.

A rollback journal with ``synchronous=EXTRA`` is the default: SQLite's WAL-reset bug (fixed in
3.51.3) can corrupt a database, and a WAL file keeps deleted bytes until it is reset. With 3.51.3 or
later nothing changes until somebody measures a need. ``secure_delete=ON`` overwrites deleted
content with zeros (https://sqlite.org/pragma.html#pragma_secure_delete).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import NullPool, StaticPool

from volens.core.errors import Unavailable

_PRAGMAS = {
    "journal_mode": ("DELETE", "delete"),
    "synchronous": ("EXTRA", 3),
    "secure_delete": ("ON", 1),
    "foreign_keys": ("ON", 1),
    "trusted_schema": ("OFF", 0),
    "temp_store": ("MEMORY", 2),
    "cell_size_check": ("ON", 1),
}
_BUSY_SECONDS = 10.0
_Value = TypeVar("_Value")
_MOST_VALUES = 900  # SQLite's least limit is 999 variables
_TROUBLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}
_UNSETTLED = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY}
"""What a reader is told of a journal that only a writer can play back."""


def open_database(path: Path, *, read_only: bool = False) -> Engine:
    """Open the database at `path` with the settings asserted on every connection.

    Args:
        path: the file; made if absent, unless `read_only`.
        read_only: open it so that no statement can write.

    Raises:
        Unavailable: ``database_missing``, or ``database_settings`` if the linked SQLite does not
            take a setting that the promises rest on (on the first connection).
    """
    if read_only and not path.exists():
        raise Unavailable("database_missing", f"there is no database at {path}")
    mode = "ro" if read_only else "rwc"
    uri = f"file:{_escape(path)}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        _set_up(connection, read_only=read_only)
        return connection

    pool = NullPool if read_only else StaticPool
    engine = create_engine("sqlite://", creator=connect, poolclass=pool, hide_parameters=True)
    event.listen(engine, "begin", _begin_deferred if read_only else _begin_immediate)
    event.listen(engine, "handle_error", _name_trouble)
    return engine


def create_tables(engine: Engine, metadata: MetaData) -> None:
    """Make the tables that do not exist yet."""
    metadata.create_all(engine)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, for reads of many rows.

    Raises:
        Unavailable: ``database_closed``.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise Unavailable("database_closed", "the database connection is closed")
    return driver


def execute_many(
    connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]
) -> None:
    """Run `statement` once for each of `rows`, as the driver takes it, with trouble named.

    Raises:
        Unavailable: ``database_trouble``.
    """
    some = list(rows)
    if some:
        connection.exec_driver_sql(statement, some)


def in_runs(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Yield `values` in runs that one statement can name."""
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]


def find_among(
    connection: Connection, column: Column[Any], values: Sequence[object]
) -> Iterator[Any]:
    """Yield that value for each row that has one of `values` in the column.

    For long lists: the driver takes them as they are.

    Raises:
        Unavailable: ``database_trouble``.
    """
    start = f"SELECT {column.name} FROM {column.table.name} WHERE {column.name} IN "  # noqa: S608 - names of ours
    for some in in_runs(values):
        marks = ",".join("?" * len(some))
        for (value,) in connection.exec_driver_sql(f"{start}({marks})", tuple(some)):
            yield value


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    for name, (wanted, reads_back) in _PRAGMAS.items():
        if read_only and name == "journal_mode":
            continue  # set in the file by the writer; a reader can't change it
        connection.execute(f"PRAGMA {name}={wanted}").fetchall()
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        if found != reads_back:
            connection.close()
            raise Unavailable(
                "database_settings",
                f"SQLite {sqlite3.sqlite_version} does not take {name}={wanted} (says {found!r})",
                hint="use a Python whose sqlite3 is built with its default options",
            )


def _name_trouble(context: ExceptionContext) -> None:
    """Say in the house's words what no statement is to blame for: a full disk, a lock, a stop.

    Raises:
        Unavailable: ``database_trouble`` in place of the driver's error.
    """
    error = context.original_exception
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _TROUBLE or code in _UNSETTLED:
        hint = "see that the disk has space; if a process was stopped, open the home for writing"
        raise Unavailable(
            "database_trouble", f"the database can't be used: {error}", hint=hint
        ) from error


def _escape(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
