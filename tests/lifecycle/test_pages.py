"""Free space: what SQLite leaves behind when it moves rows between pages is written over."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table

from volens.lifecycle.pages import FreeSpace
from volens.storage.engine import create_tables, driver_of, open_database

METADATA = MetaData()
THING = Table(
    "thing",
    METADATA,
    Column("no", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("words", LargeBinary, nullable=False),
)


@pytest.mark.parametrize("seed", range(4))
def test_no_byte_of_a_deleted_row_is_left(tmp_path: Path, seed: int) -> None:
    ids = [hashlib.sha256(b"%d %d" % (seed, one)).digest()[:16] for one in range(1_500)]
    engine = open_database(tmp_path / "some.db")
    create_tables(engine, METADATA)
    with engine.begin() as db:
        driver_of(db).executemany(
            "INSERT INTO thing(id, words) VALUES (?, ?)", [(one, bytes(80)) for one in ids]
        )
    for first in range(0, 1_440, 30):
        gone = [(one,) for one in ids[first : first + 30]]
        with engine.begin() as db:
            driver_of(db).executemany("DELETE FROM thing WHERE id = ?", gone)
    FreeSpace(engine).clear()
    engine.dispose()
    data = (tmp_path / "some.db").read_bytes()
    assert not [one for one in ids[:1_440] if one in data]
    assert all(one in data for one in ids[1_440:])


def test_a_large_database_is_not_copied(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "some.db")
    create_tables(engine, METADATA)
    with engine.begin() as db:
        driver_of(db).execute("INSERT INTO thing(id, words) VALUES (x'01', zeroblob(100000))")
    with engine.begin() as db:
        driver_of(db).execute("DELETE FROM thing")
    before = (tmp_path / "some.db").stat().st_size
    FreeSpace(engine, most_bytes=1_000).clear()
    assert (tmp_path / "some.db").stat().st_size == before
    FreeSpace(engine).clear()
    assert (tmp_path / "some.db").stat().st_size < before
    engine.dispose()
