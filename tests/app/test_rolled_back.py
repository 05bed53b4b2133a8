"""An older copy of a part of a home is found at opening; a stop is not taken for one."""

import shutil
from pathlib import Path

import pytest

from tests.support.homes import Place, add
from tests.support.stores import act, talk
from volens.consent.model import Act
from volens.core.errors import VerificationFailed
from volens.log.kinds import CaptureSource

PARTS = ["main.db", "keys/keys.db"]


@pytest.fixture
def lived_in(here: Place) -> Place:
    with here.open() as home:
        (ada,) = add(home, "ada")
        home.vault.capture({ada: [talk("ada a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT)])
    return here


def go_on(where: Place) -> None:
    with where.open() as home:
        ada = home.subjects.find("ada")
        home.vault.capture({ada: [talk("ada b")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(2, ada, Act.WITHDRAW)])


@pytest.mark.parametrize("part", PARTS)
def test_an_older_copy_of_one_database_is_refused_and_the_newer_one_is_welcome(
    lived_in: Place, tmp_path: Path, part: str
) -> None:
    path = lived_in.folder / part
    shutil.copyfile(path, tmp_path / "old")
    go_on(lived_in)
    path.replace(tmp_path / "new")
    shutil.copyfile(tmp_path / "old", path)
    for writing in (True, False, True):
        with pytest.raises(VerificationFailed) as refused:
            lived_in.open(writing=writing)
        assert refused.value.code == "database_rolled_back"
        assert part in refused.value.message
    (tmp_path / "new").replace(path)
    for writing in (True, False):
        with lived_in.open(writing=writing) as home:
            assert home.subjects.count() == 1


def test_an_older_copy_of_the_whole_home_is_refused(lived_in: Place, tmp_path: Path) -> None:
    shutil.copytree(lived_in.folder, tmp_path / "old")
    go_on(lived_in)
    shutil.rmtree(lived_in.folder)
    (tmp_path / "old").rename(lived_in.folder)
    with pytest.raises(VerificationFailed) as refused:
        lived_in.open()
    assert refused.value.code == "database_rolled_back"


def test_a_log_that_is_behind_the_databases_is_refused(lived_in: Place, tmp_path: Path) -> None:
    shutil.copytree(lived_in.folder / "log", tmp_path / "old")
    go_on(lived_in)
    shutil.rmtree(lived_in.folder / "log")
    (tmp_path / "old").rename(lived_in.folder / "log")
    with pytest.raises(VerificationFailed) as refused:
        lived_in.open()
    assert refused.value.code == "log_rolled_back"


def test_entries_that_a_stop_left_without_their_act_are_no_alarm(lived_in: Place) -> None:
    for _ in range(2):
        with lived_in.open() as home:
            kept = (lived_in.folder / "main.db").read_bytes()
            home.ledger._log([act(7, home.subjects.find("ada"), Act.WITHDRAW)], home.recorder)
            assert (lived_in.folder / "main.db").read_bytes() == kept
    with lived_in.open() as home:
        assert home.owned_log().check(deep=True)


def test_reading_while_somebody_writes_is_no_alarm(lived_in: Place) -> None:
    with lived_in.open() as owner:
        for number in range(5):
            add(owner, f"person {number}")
            with lived_in.open(writing=False) as reader:
                assert reader.subjects.count() == 2 + number
