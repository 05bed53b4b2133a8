"""Stamps: a database that is behind what is remembered of it is found; nothing else is."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from volens.core.errors import VerificationFailed
from volens.storage.engine import create_tables, open_database
from volens.storage.stamps import METADATA, Applied, Stamp


@dataclass
class Log:
    size: int = 0


@dataclass
class World:
    folder: Path
    engine: Engine
    stamp: Stamp
    log: Log

    def write(self, number: int) -> None:
        with self.engine.begin() as db:
            db.execute(text("INSERT INTO thing VALUES (:n)"), {"n": number})


@pytest.fixture
def world(tmp_path: Path) -> World:
    engine = open_database(tmp_path / "main.db")
    create_tables(engine, METADATA)
    with engine.begin() as db:
        db.execute(text("CREATE TABLE thing (n INTEGER PRIMARY KEY)"))
    stamp = Stamp("main.db", engine, tmp_path / "away" / "main.stamp")
    stamp.begin(Applied(number=1, log_size=3))
    log = Log(5)
    stamp.follow(log)
    return World(tmp_path, engine, stamp, log)


def reopened(world: World) -> Stamp:
    world.stamp.close()
    world.engine.dispose()
    engine = open_database(world.folder / "main.db")
    return Stamp("main.db", engine, world.folder / "away" / "main.stamp")


def test_every_commit_counts_and_is_remembered_when_it_is_there(world: World) -> None:
    for number in range(1, 6):
        world.log.size = 10 * number
        world.write(number)
        assert world.stamp.remembered() == Applied(number=1 + number, log_size=10 * number)
        assert world.stamp.applied() == world.stamp.remembered()


def test_reading_and_what_is_rolled_back_do_not_count(world: World) -> None:
    world.write(1)
    with world.engine.connect() as db:
        db.execute(text("SELECT * FROM thing")).all()
    for fail in (1, 1):
        with pytest.raises(Exception, match="UNIQUE"):
            world.write(fail)
    with world.engine.connect() as db:
        db.execute(text("INSERT INTO thing VALUES (9)"))
        db.rollback()
    assert world.stamp.remembered().number == world.stamp.applied().number == 2


@pytest.mark.parametrize("behind", [1, 2, 5])
def test_an_older_copy_is_refused_however_little_older(world: World, behind: int) -> None:
    for number in range(1, 7):
        if number == 7 - behind:
            shutil.copyfile(world.folder / "main.db", world.folder / "old")
        world.write(number)
    stamp = reopened(world)
    assert stamp.check().number == 7
    shutil.copyfile(world.folder / "old", world.folder / "main.db")
    with pytest.raises(VerificationFailed) as refused:
        stamp.check()
    assert refused.value.code == "database_rolled_back"
    assert f" {behind} transactions" in refused.value.message
    assert "restore" in refused.value.hint


def test_a_database_without_a_stamp_is_refused(world: World) -> None:
    world.write(1)
    with world.engine.begin() as db:
        db.execute(text("CREATE TABLE x (n)"))
    stamp = reopened(world)
    (world.folder / "main.db").unlink()
    open_database(world.folder / "main.db").connect().close()
    with pytest.raises(VerificationFailed):
        stamp.check()


def test_a_database_that_is_ahead_of_what_is_remembered_is_no_alarm(world: World) -> None:
    """A stop, or a power cut, between the commit and the acknowledgement."""
    path = world.folder / "away" / "main.stamp"
    kept = path.read_bytes()
    for number in range(1, 4):
        world.write(number)
    stamp = reopened(world)
    path.write_bytes(kept)
    assert stamp.check().number == 4
    path.unlink()
    assert stamp.check().number == 4
    stamp.follow(world.log)
    assert stamp.remembered().number == 4
    stamp.close()


def test_a_torn_slot_leaves_the_other_and_raises_no_alarm(world: World) -> None:
    world.write(1)
    world.write(2)
    path = world.folder / "away" / "main.stamp"
    data = path.read_bytes()
    assert len(data) == 64
    for at in range(64):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert world.stamp.remembered().number in {2, 3}
        assert world.stamp.check().number == 3
    path.write_bytes(data[:20])
    assert world.stamp.remembered().number in {0, 2, 3}
