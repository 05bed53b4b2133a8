"""Making a home: all of it, or nothing that a second try could not clear away."""

import shutil
import stat
from pathlib import Path

import pytest

from tests.support.homes import Place, place
from volens.app.creation import UNFINISHED
from volens.app.identity import (
    IDENTITY,
    LOOKUP_FILE,
    REGISTER_FILE,
    REGISTER_KEY_FILE,
    SEED_FILE,
    Identity,
)
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_home_has_its_secrets_outside_and_its_policy_inside(made: Place) -> None:
    names = set(snapshot(made.folder))
    assert {IDENTITY, "main.db", "keys/keys.db", "journal/choices", "log/checkpoint"} <= names
    assert any(name.startswith("policy/consent-first@") for name in names)
    assert UNFINISHED not in names
    identity = Identity.decode((made.folder / IDENTITY).read_bytes(), made.folder)
    custody = made.kek / identity.tenant
    kept = {path.name: path.read_bytes() for path in custody.iterdir()}
    secrets = {name: kept.pop(name) for name in (SEED_FILE, LOOKUP_FILE, REGISTER_KEY_FILE)}
    assert set(kept) == {REGISTER_FILE, "main.stamp", "keys.stamp"}
    for data in snapshot(made.folder).values():
        assert not any(secret in data for secret in secrets.values())
    for path in (custody, *custody.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_log_starts_with_the_home_its_notices_and_its_policy(here: Place) -> None:
    with here.open() as home:
        log = home.owned_log()
        kinds = [parse_entry(entry).kind for entry in log.entries(0, log.size)]
    assert kinds[0] is EntryKind.HOME_CREATED
    assert kinds[-1] is EntryKind.POLICY_ACTIVATED
    assert set(kinds[1:-1]) == {EntryKind.NOTICE_PUBLISHED}


def test_a_home_is_not_made_twice(here: Place) -> None:
    before = snapshot(here.folder)
    with pytest.raises(InvalidInput) as refused:
        here.create()
    assert refused.value.code == "home_exists"
    assert snapshot(here.folder) == before


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    here = place(tmp_path)
    here.folder.mkdir()
    (here.folder / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(InvalidInput) as refused:
        here.create()
    assert refused.value.code == "home_not_empty"
    assert snapshot(here.folder) == {"thesis.txt": b"years of work"}
    assert not here.kek.exists()


def test_a_home_that_lost_its_identity_file_is_never_cleared_away(here: Place) -> None:
    (here.folder / IDENTITY).unlink()
    before = snapshot(here.folder)
    with pytest.raises(InvalidInput) as refused:
        here.create()
    assert refused.value.code == "home_not_empty"
    assert snapshot(here.folder) == before


def test_what_a_cut_off_creation_left_is_cleared_and_made_anew(here: Place) -> None:
    (here.folder / IDENTITY).rename(here.folder / UNFINISHED)
    (here.folder / "main.db-journal").write_bytes(b"half")
    here.create(seed=5)
    with here.open() as home:
        assert home.subjects.count() == 0
    assert not (here.folder / UNFINISHED).exists()
    assert not (here.folder / "main.db-journal").exists()


def test_only_the_first_temporary_file_is_enough_of_a_mark(tmp_path: Path) -> None:
    here = place(tmp_path)
    here.folder.mkdir()
    (here.folder / f".{UNFINISHED}.new").write_bytes(b"{")
    here.create()
    with here.open(writing=False) as home:
        assert home.subjects.count() == 0


@pytest.mark.parametrize("pack", ["no-such-pack", "consent-first@1999", "/nowhere/at/all"])
def test_an_unknown_policy_makes_nothing(tmp_path: Path, pack: str) -> None:
    here = place(tmp_path)
    with pytest.raises(NotFound):
        here.create(pack=pack)
    assert list(tmp_path.iterdir()) == []


def test_a_pack_folder_that_does_not_load_makes_nothing(made: Place, tmp_path: Path) -> None:
    (kept,) = (made.folder / "policy").iterdir()
    broken = tmp_path / "pack"
    shutil.copytree(kept, broken)
    (broken / "policy.cedar").write_text("permit(principal, action, resource);", "utf-8")
    here = place(tmp_path / "new")
    with pytest.raises(VolensError) as refused:
        here.create(pack=str(broken))
    assert isinstance(refused.value, InvalidInput | Denied)
    assert not here.folder.exists()
    assert not here.kek.exists()
