"""``volens backup`` and ``volens restore``, as somebody at a terminal has them."""

import shutil
from pathlib import Path

import pytest

from tests.cli.driving import Shell

TRAINING = "batch_training"


@pytest.fixture
def lived_in(shell: Shell) -> Shell:
    shell.add("ada")
    shell.chats("ada", 2)
    shell.ok("consent", "grant", "ada", TRAINING, "--yes")
    return shell


def lost(shell: Shell) -> None:
    shutil.rmtree(shell.folder)


def test_a_lost_home_comes_back_without_the_yes_that_was_taken_back(
    lived_in: Shell, tmp_path: Path
) -> None:
    made = lived_in.json("backup", "--out", tmp_path / "b")
    assert made["files"] > 10
    assert made["made"] < made["restorable_until"]
    assert lived_in.json("ask", "ada", TRAINING)["permit"]
    lived_in.ok("consent", "withdraw", "ada", TRAINING)
    lost(lived_in)
    told = lived_in.json("restore", tmp_path / "b", "--dry-run")
    assert (told["dry_run"], told["withdrawn"], told["erased"]) == (True, 1, 0)
    assert not lived_in.folder.exists()
    done = lived_in.json("restore", tmp_path / "b")
    assert (done["withdrawn"], done["log"]) == (1, "backup")
    assert not lived_in.json("ask", "ada", TRAINING, code=3)["permit"]
    found = lived_in.json("doctor")
    assert found["broken"] == 0, found


def test_it_reads_well_in_80_columns(lived_in: Shell, tmp_path: Path) -> None:
    said = lived_in.ok("backup", "--out", Path("b"))
    assert "keys are not in it" in said.out
    shutil.copytree(lived_in.folder / "log", tmp_path / "log")
    lost(lived_in)
    again = lived_in.ok("restore", "b", "--log", tmp_path / "log")
    assert "0 withdrawals" in again.out
    for one in (said, lived_in.ok("backup", "--help"), lived_in.ok("restore", "--help")):
        assert max(map(len, one.lines())) <= 80, one.out


def test_a_dry_run_writes_nothing(lived_in: Shell, tmp_path: Path) -> None:
    before = lived_in.bytes()
    assert lived_in.json("backup", "--out", tmp_path / "b", "--dry-run")["size_bytes"] > 0
    assert not (tmp_path / "b").exists()
    assert lived_in.bytes() == before


def test_a_home_in_the_way_is_left_alone(lived_in: Shell, tmp_path: Path) -> None:
    lived_in.ok("backup", "--out", tmp_path / "b")
    before = lived_in.bytes()
    assert lived_in.json("restore", tmp_path / "b", code=2)["error"]["code"] == "home_exists"
    assert lived_in.bytes() == before


def test_a_changed_backup_ends_with_4_and_a_missing_one_with_2(
    lived_in: Shell, tmp_path: Path
) -> None:
    lived_in.ok("backup", "--out", tmp_path / "b")
    (tmp_path / "b" / "main" / "main.db").write_bytes(b"")
    lost(lived_in)
    assert lived_in.json("restore", tmp_path / "b", code=4)["error"]["code"] == "backup_changed"
    assert lived_in.json("restore", tmp_path / "c", code=2)["error"]["code"] == "no_backup"
    assert not lived_in.folder.exists()


def test_an_old_database_in_the_newer_home_ends_with_4_and_says_what_to_do(
    lived_in: Shell, tmp_path: Path
) -> None:
    shutil.copyfile(lived_in.folder / "main.db", tmp_path / "old.db")
    lived_in.ok("consent", "withdraw", "ada", TRAINING)
    shutil.copyfile(tmp_path / "old.db", lived_in.folder / "main.db")
    said = lived_in.run("ask", "ada", TRAINING)
    assert said.code == 4
    assert "older copy" in said.err
    assert "volens restore" in said.err
