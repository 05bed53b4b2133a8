"""What erasing is measured against: rows deleted with overwriting, files written anew.

All hold the same chats: number, person, payload. Each contender prepares an act that is timed and
then tells which chats are left.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from volens.storage.engine import driver_of, execute_many, open_database

Act = Callable[[], object]
Chat = tuple[int, int, bytes]
"""Number, number of the person, payload."""
SCHEMA = pa.schema(
    [
        pa.field("chat", pa.int64(), nullable=False),
        pa.field("person", pa.int64(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)
_BATCH_ROWS = 10_000


class Contender(Protocol):
    """One way to forget, in a folder of its own."""

    @property
    def times(self) -> dict[int, int]:
        """Return how many groups of each size are erased in a round, if not all."""
        ...

    def accounts(self, numbers: Sequence[int]) -> Act:
        """Return what erases these people with all their chats, durably."""
        ...

    def chats(self, numbers: Sequence[int]) -> Act:
        """Return what erases these chats, durably."""
        ...

    def left(self) -> set[int]:
        """Return the numbers of the chats that are left."""
        ...


class Rows:
    """A plain table, one row for each chat, with the product's settings of SQLite."""

    times: dict[int, int] = {}  # noqa: RUF012 - read only

    def __init__(self, folder: Path) -> None:
        """Open what `fill_rows` made."""
        self._engine = open_database(folder / "rows.db")

    def accounts(self, numbers: Sequence[int]) -> Act:
        """See `Contender.accounts`."""
        return lambda: self._delete("DELETE FROM chat WHERE person = ?", numbers)

    def chats(self, numbers: Sequence[int]) -> Act:
        """See `Contender.chats`."""
        return lambda: self._delete("DELETE FROM chat WHERE no = ?", numbers)

    def left(self) -> set[int]:
        """See `Contender.left`."""
        with self._engine.connect() as db:
            found = {number for (number,) in driver_of(db).execute("SELECT no FROM chat")}
        self._engine.dispose()
        return found

    def _delete(self, statement: str, numbers: Sequence[int]) -> None:
        with self._engine.begin() as db:
            execute_many(db, statement, [(number,) for number in numbers])


@contextmanager
def fill_rows(folder: Path) -> Iterator[Callable[[Sequence[Chat]], None]]:
    """Make the table; what is yielded adds chats."""
    folder.mkdir()
    engine = open_database(folder / "rows.db")
    with engine.begin() as db:
        db.exec_driver_sql("CREATE TABLE chat (no INTEGER PRIMARY KEY, person INTEGER, body BLOB)")
        db.exec_driver_sql("CREATE INDEX chat_of ON chat (person)")

    def add(chats: Sequence[Chat]) -> None:
        with engine.begin() as db:
            execute_many(db, "INSERT INTO chat VALUES (?, ?, ?)", chats)

    yield add
    engine.dispose()


class ParquetFile:
    """One Parquet file, written anew without what goes, synced and put in its place."""

    times = {1: 1, 100: 1}  # noqa: RUF012 - read only

    def __init__(self, folder: Path) -> None:
        """Use what `fill_parquet` made."""
        self._path = folder / "chats.parquet"

    def accounts(self, numbers: Sequence[int]) -> Act:
        """See `Contender.accounts`."""
        return lambda: self._without("person", numbers)

    def chats(self, numbers: Sequence[int]) -> Act:
        """See `Contender.chats`."""
        return lambda: self._without("chat", numbers)

    def left(self) -> set[int]:
        """See `Contender.left`."""
        return set(pq.read_table(self._path, columns=["chat"])["chat"].to_pylist())

    def _without(self, column: str, numbers: Sequence[int]) -> None:
        going = pa.array(np.array(numbers, dtype=np.int64))
        new = self._path.with_suffix(".new")
        with pq.ParquetFile(self._path) as source, _writer(new) as writer:
            for batch in source.iter_batches(batch_size=_BATCH_ROWS):
                stays = pc.invert(pc.is_in(batch.column(column), value_set=going))
                writer.write_batch(batch.filter(stays))
        descriptor = os.open(new, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        new.replace(self._path)


@contextmanager
def fill_parquet(folder: Path) -> Iterator[Callable[[Sequence[Chat]], None]]:
    """Make the file; what is yielded adds chats."""
    folder.mkdir()
    with _writer(folder / "chats.parquet") as writer:
        yield lambda chats: writer.write_table(table_of(chats))


class Delta:
    """A table of delta-rs: delete, then remove the files that nothing needs any more.

    It isn't synced: what it takes to be durable is not counted, in its favour.
    """

    times = {1: 1, 100: 1}  # noqa: RUF012 - read only

    def __init__(self, folder: Path) -> None:
        """Open what `fill_delta` made."""
        self._table = importlib.import_module("deltalake").DeltaTable(str(folder / "table"))

    def accounts(self, numbers: Sequence[int]) -> Act:
        """See `Contender.accounts`."""
        return lambda: self._delete("person", numbers)

    def chats(self, numbers: Sequence[int]) -> Act:
        """See `Contender.chats`."""
        return lambda: self._delete("chat", numbers)

    def left(self) -> set[int]:
        """See `Contender.left`."""
        files = [pq.read_table(path, columns=["chat"]) for path in self._files()]
        return {number for file in files for number in file["chat"].to_pylist()}

    def _files(self) -> list[Path]:
        return sorted(Path(self._table.table_uri.removeprefix("file://")).glob("*.parquet"))

    def _delete(self, column: str, numbers: Sequence[int]) -> None:
        self._table.delete(f"{column} IN ({', '.join(map(str, numbers))})")
        self._table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


@contextmanager
def fill_delta(folder: Path) -> Iterator[Callable[[Sequence[Chat]], None]]:
    """Make the table in some files; what is yielded adds chats."""
    deltalake: Any = importlib.import_module("deltalake")
    folder.mkdir()
    waiting: list[pa.Table] = []

    def write() -> None:
        if waiting:
            deltalake.write_deltalake(
                str(folder / "table"), pa.concat_tables(waiting), mode="append"
            )
            waiting.clear()

    def add(chats: Sequence[Chat]) -> None:
        waiting.append(table_of(chats))
        if sum(table.num_rows for table in waiting) >= 5 * _BATCH_ROWS:
            write()

    yield add
    write()


def table_of(chats: Sequence[Chat]) -> pa.Table:
    """Return chats as an Arrow table."""
    numbers, people, payloads = zip(*chats, strict=True)
    return pa.table(
        [
            pa.array(numbers, pa.int64()),
            pa.array(people, pa.int64()),
            pa.array(payloads, pa.binary()),
        ],
        schema=SCHEMA,
    )


def copy_of(folder: Path, to: Path) -> Path:
    """Copy a contender's folder, and wait until the disk has it."""
    shutil.copytree(folder, to)
    os.sync()
    return to


def _writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, SCHEMA, compression="zstd")
