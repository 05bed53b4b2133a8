"""The register keeps what was taken back, whoever writes and wherever it is cut off."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ports import SteppedClock
from volens.app.backup import LIFETIME
from volens.app.register import KEPT, Register, RegisteredJournal
from volens.core.errors import Unavailable, VerificationFailed
from volens.storage.system import SystemEntropy

KEY = bytes(range(32))
MILLISECOND = timedelta(milliseconds=1)


def register(folder: Path, clock: SteppedClock | None = None, key: bytes = KEY) -> Register:
    found = Register(
        folder / "taken-back", key=key, clock=clock or SteppedClock(), entropy=SystemEntropy()
    )
    found.create()
    return found


def bodies(found: Register, since: int = 0) -> list[bytes]:
    return [act.body for act in found.read(since)]


def test_what_was_added_is_read_in_order_from_any_place(tmp_path: Path) -> None:
    found = register(tmp_path)
    places = [found.place()]
    for number in range(5):
        found.add("choices", [b"%d" % number, b"x" * (100 * number + 1)])
        places.append(found.place())
    found.add_cancelled("era_x")
    every = bodies(found)
    assert len(every) == 11
    for number, place in enumerate(places):
        assert bodies(found, place) == every[2 * number :]
    last = found.read()[-1]
    assert (last.journal, last.body, last.cancelled) == ("", b"", "era_x")
    assert found.read()[0].journal == "choices"


def test_a_copy_of_the_file_says_nothing_without_its_key(tmp_path: Path) -> None:
    found = register(tmp_path)
    found.add("choices", [b"sub_somebody withdraws"])
    data = (tmp_path / "taken-back").read_bytes()
    assert b"somebody" not in data
    assert b"choices" not in data
    with pytest.raises(VerificationFailed):
        register(tmp_path, key=bytes(32)).read()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 400))
def test_an_append_cut_off_anywhere_loses_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    found = register(folder)
    found.add("choices", [b"one"])
    before = (folder / "taken-back").stat().st_size
    found.add("choices", [b"two" * 60])
    data = (folder / "taken-back").read_bytes()
    (folder / "taken-back").write_bytes(data[: before + cut])
    kept = bodies(found)
    assert kept in ([b"one"], [b"one", b"two" * 60])
    found.add("choices", [b"three"])
    assert bodies(found) == [*kept, b"three"]


def test_a_changed_or_moved_entry_is_found(tmp_path: Path) -> None:
    found = register(tmp_path)
    found.add("choices", [b"one", b"two"])
    path = tmp_path / "taken-back"
    data = path.read_bytes()
    half = (len(data) - 64) // 2
    first, second = data[64 : 64 + half], data[64 + half :]
    assert len(first) == len(second)
    path.write_bytes(data[:64] + second + first)
    with pytest.raises(VerificationFailed):
        found.read()


def test_an_older_copy_of_the_file_is_found(tmp_path: Path) -> None:
    found = register(tmp_path)
    kept = (tmp_path / "taken-back").read_bytes()
    found.add("choices", [b"one"])
    place = found.place()
    (tmp_path / "taken-back").write_bytes(kept)
    with pytest.raises(VerificationFailed) as refused:
        found.read(place)
    assert refused.value.code == "register_set_back"


def test_a_register_that_was_lost_does_not_pass_for_an_empty_one(tmp_path: Path) -> None:
    clock = SteppedClock()
    found = register(tmp_path, clock)
    found.add("choices", [b"one"] * 50)
    place = found.place()
    (tmp_path / "taken-back").unlink()
    clock.step(timedelta(milliseconds=20))
    renewed = register(tmp_path, clock)
    with pytest.raises(VerificationFailed) as refused:
        renewed.read(place)
    assert refused.value.code == "register_dropped"


def test_an_entry_is_kept_longer_than_any_backup_and_then_dropped(tmp_path: Path) -> None:
    assert KEPT > LIFETIME
    clock = SteppedClock()
    found = register(tmp_path, clock)
    early = found.place()
    found.add("choices", [b"first"])
    clock.step(timedelta(days=1))
    middle = found.place()
    found.add("choices", [b"second"])
    clock.step(KEPT - timedelta(days=1))
    assert found.drop_old() == 0
    clock.step(MILLISECOND)
    assert found.drop_old() == 1
    assert bodies(found, middle) == [b"second"]
    with pytest.raises(VerificationFailed) as refused:
        found.read(early)
    assert refused.value.code == "register_dropped"
    found.add("choices", [b"third"])
    assert bodies(found) == [b"second", b"third"]
    clock.step(10 * KEPT)
    assert found.drop_old() == 2
    assert bodies(found) == []
    found.add("choices", [b"fourth"])
    assert bodies(found) == [b"fourth"]


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    clock = SteppedClock()
    register(tmp_path, clock)

    def write(number: int) -> None:
        mine = register(tmp_path, clock)
        for one in range(20):
            mine.add("choices", [b"%d %d" % (number, one)])
            if one == 10:
                mine.drop_old()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = bodies(register(tmp_path, clock))
    assert sorted(found) == sorted(b"%d %d" % (n, one) for n in range(4) for one in range(20))


class TestJournal:
    def test_the_register_gets_each_entry_once_from_the_owner_himself(self, tmp_path: Path) -> None:
        found = register(tmp_path)
        journal = RegisteredJournal(tmp_path / "choices", found)
        journal.create()
        journal.append(b"one")
        assert bodies(found) == [b"one"]
        with journal.drain() as waiting:
            assert waiting == [b"one"]
        assert bodies(found) == [b"one"]
        assert journal.read() == []

    def test_nothing_leaves_the_journal_before_the_register_has_it(self, tmp_path: Path) -> None:
        found = register(tmp_path)
        path = tmp_path / "taken-back"
        journal = RegisteredJournal(tmp_path / "choices", found)
        journal.create()
        path.rename(tmp_path / "away")
        journal.append(b"one")
        assert journal.read() == [b"one"]
        with pytest.raises(Unavailable), journal.drain():
            raise AssertionError("the entries were given out")
        assert journal.read() == [b"one"]
        (tmp_path / "away").rename(path)
        with journal.drain() as waiting:
            assert waiting == [b"one"]
            assert bodies(found) == [b"one"]

    def test_what_could_not_be_taken_in_stays_in_both(self, tmp_path: Path) -> None:
        found = register(tmp_path)
        journal = RegisteredJournal(tmp_path / "choices", found)
        journal.create()
        journal.append(b"one")
        with pytest.raises(ZeroDivisionError), journal.drain():
            raise ZeroDivisionError
        assert journal.read() == [b"one"]
        assert bodies(found) == [b"one"]
