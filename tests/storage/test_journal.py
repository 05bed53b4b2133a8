"""What the journal acknowledged is there, whatever happened meanwhile."""

import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, Unavailable
from volens.storage.journal import MAX_BODY_BYTES, RESERVE_BYTES, Journal

BODIES = st.lists(st.binary(min_size=1, max_size=MAX_BODY_BYTES), max_size=12)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "journal")
    made.create()
    return made


@given(BODIES)
def test_what_is_appended_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal")
    journal.create()
    for body in bodies:
        journal.append(body)
    assert journal.read() == bodies


def test_a_frame_cut_at_any_byte_is_dropped_and_the_next_append_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.create()
    journal.append(b"one")
    kept = path.read_bytes()
    journal.append(b"two, which is cut off")
    written = path.read_bytes()
    start = next(at for at in range(len(kept)) if kept[at] != written[at])
    for cut in range(start, start + 12 + 21):
        path.write_bytes(written[:cut] + bytes(len(written) - cut))
        found = journal.read()
        assert found in ([b"one"], [b"one", b"two, which is cut off"])
        journal.append(b"three")
        assert journal.read() == [*found, b"three"]


def test_an_absent_journal_has_nothing_and_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.read() == []
    assert journal.stamp() == (0, 0, 0)
    with pytest.raises(Unavailable):
        journal.append(b"one")


def test_creating_it_again_keeps_what_is_there(journal: Journal) -> None:
    journal.append(b"one")
    journal.create()
    assert journal.read() == [b"one"]


@pytest.mark.parametrize("size", [0, MAX_BODY_BYTES + 1])
def test_a_body_of_a_wrong_size_is_refused(journal: Journal, size: int) -> None:
    with pytest.raises(InvalidInput):
        journal.append(bytes(size))


def test_it_grows_past_its_reserve(journal: Journal) -> None:
    many = [bytes([n % 255 + 1]) * MAX_BODY_BYTES for n in range(RESERVE_BYTES // 4096 + 20)]
    for body in many:
        journal.append(body)
    assert journal.read() == many


def test_the_reserve_is_on_the_disk_before_anybody_needs_it(
    journal: Journal, tmp_path: Path
) -> None:
    status = (tmp_path / "journal").stat()
    assert journal.read() == []
    assert status.st_blocks * 512 >= RESERVE_BYTES


def fail_in_the_middle(journal: Journal) -> None:
    with journal.drain() as bodies:
        assert bodies == [b"one"]
        raise KeyError


def test_draining_empties_it_only_if_the_block_ends_well(journal: Journal) -> None:
    journal.append(b"one")
    with pytest.raises(KeyError):
        fail_in_the_middle(journal)
    assert journal.read() == [b"one"]
    with journal.drain() as bodies:
        assert bodies == [b"one"]
    assert journal.read() == []


def test_the_stamp_changes_with_every_append_and_drain(journal: Journal) -> None:
    stamps = {journal.stamp()}
    journal.append(b"one")
    stamps.add(journal.stamp())
    with journal.drain():
        pass
    stamps.add(journal.stamp())
    assert len(stamps) == 3


def _append_many(path: Path, name: int) -> None:
    journal = Journal(path)
    for number in range(40):
        journal.append(b"%d:%d" % (name, number))


def test_processes_that_append_while_another_drains_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.create()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(path, name)) for name in range(3)]
    for writer in writers:
        writer.start()
    drained: list[bytes] = []
    while any(writer.is_alive() for writer in writers):
        with journal.drain() as bodies:
            drained += bodies
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with journal.drain() as bodies:
        drained += bodies
    for name in range(3):
        mine = [body for body in drained if body.startswith(b"%d:" % name)]
        assert mine == [b"%d:%d" % (name, number) for number in range(40)]


def test_the_stamp_differs_after_an_append_that_file_times_do_not_show(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "choices")
    journal.create()
    before = (tmp_path / "choices").stat()
    stamps = [journal.stamp()]
    for _ in range(3):
        journal.append(b"the same body")
        os.utime(tmp_path / "choices", ns=(before.st_atime_ns, before.st_mtime_ns))
        stamps.append(journal.stamp())
    assert len(set(stamps)) == len(stamps)


def test_appends_of_several_instances_follow_one_another_across_drains(tmp_path: Path) -> None:
    """Each instance remembers where it added last; the others and the drains go on meanwhile."""
    instances = [Journal(tmp_path / "journal") for _ in range(3)]
    instances[0].create()
    for drained in range(3):
        wanted = [
            b"%d:%d" % (drained, number) * (number % 900 + 1)
            for number in range(drained, 40 * (drained + 1))
        ]
        for number, body in enumerate(wanted):
            instances[number * number % 3].append(body)
        with instances[drained].drain() as bodies:
            assert bodies == wanted


def test_an_older_file_in_its_place_is_appended_to_at_its_own_end(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.create()
    journal.append(b"one")
    older = path.read_bytes()
    for number in range(10):
        journal.append(b"later %d" % number)
    path.write_bytes(older)
    journal.append(b"two")
    assert journal.read() == [b"one", b"two"]
