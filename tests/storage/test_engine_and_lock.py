"""Databases are opened one way; one process owns a home."""

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, delete, insert, select
from sqlalchemy.exc import OperationalError

from volens.core.errors import Unavailable
from volens.storage.engine import create_tables, open_database
from volens.storage.files import read_private, write_durable, write_private
from volens.storage.lock import HomeLock

METADATA = MetaData()
THING = Table(
    "thing", METADATA, Column("no", Integer, primary_key=True), Column("data", LargeBinary)
)


def test_the_settings_are_those_the_promises_rest_on(tmp_path: Path) -> None:
    with open_database(tmp_path / "a.db").connect() as db:
        read = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "temp_store")
        }
    assert read == {"journal_mode": "delete", "synchronous": 3, "secure_delete": 1, "temp_store": 2}


def test_deleted_bytes_are_gone_from_every_file(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    create_tables(engine, METADATA)
    canary = b"canary-" * 700
    with engine.begin() as db:
        db.execute(insert(THING), [{"no": n, "data": canary} for n in range(20)])
    with engine.begin() as db:
        db.execute(delete(THING))
    for file in tmp_path.iterdir():
        assert b"canary-" not in file.read_bytes()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    create_tables(open_database(path), METADATA)
    reader = open_database(path, read_only=True)
    with reader.connect() as db:
        assert db.execute(select(THING)).all() == []
    with pytest.raises(OperationalError), reader.begin() as db:
        db.execute(insert(THING).values(no=1))


def test_a_reader_does_not_make_a_database(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_database(tmp_path / "none.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_special_characters_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=memory#%41.db"
    create_tables(open_database(path), METADATA)
    assert path.exists()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM thing").fetchone() == (0,)


def _try_lock(path: Path, answers: "multiprocessing.Queue[str]") -> None:
    try:
        HomeLock(path).acquire()
        answers.put("taken")
    except Unavailable as error:
        answers.put(error.code)


def test_a_second_process_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    with HomeLock(tmp_path / "lock") as lock:
        lock.acquire()
        assert lock.held
        other = context.Process(target=_try_lock, args=(tmp_path / "lock", answers))
        other.start()
        assert answers.get(timeout=20) == "home_in_use"
        other.join()
    assert not lock.held
    other = context.Process(target=_try_lock, args=(tmp_path / "lock", answers))
    other.start()
    assert answers.get(timeout=20) == "taken"
    other.join()


def test_a_file_is_replaced_whole_and_left_overs_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_durable(path, b"one")
    (tmp_path / ".a.new").write_bytes(b"half")
    write_durable(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a"
    write_private(path, b"secret")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert read_private(path) == b"secret"
    assert read_private(tmp_path / "none") is None
