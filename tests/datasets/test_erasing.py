"""What erasing does to datasets: the home forgets rows, holders of plain copies get a list."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.support.homes import Parts, Place, add, place
from tests.support.stores import TRAINING, act, talk
from volens.consent.model import Act
from volens.core.errors import Unavailable
from volens.core.ids import ErasureId, IdKind, format_id, parse_id
from volens.datasets.erasing import GONE, REMOVED_FILE, DatasetTarget, Reached, removed_leaves
from volens.datasets.leaves import LeafTree
from volens.datasets.manifest import LEAVES_FILE, MANIFEST_FILE
from volens.datasets.model import Format
from volens.datasets.revising import ROWS_FILE
from volens.datasets.verify import verify_dataset
from volens.lifecycle.targets import Item
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import CaptureSource, EntryKind, ErasureScope
from volens.log.recorder import NoLog, Recorder
from volens.vault.subjects import Subject

CHATS = 6


class Built:
    """A home with two willing people, and one dataset of each form kind."""

    def __init__(self, where: Place, out: Path, home: Parts) -> None:
        self.where, self.home = where, home
        self.people = add(home, "ada", "bo")
        for number, one in enumerate(self.people):
            talks = [talk(f"{one.id} {at}") for at in range(CHATS)]
            home.vault.capture({one: talks}, source=CaptureSource.IMPORT)
            home.ledger.record([act(number + 1, one, Act.GRANT)])
        builder = home.builder(where)
        self.out = out / "plain"
        self.plain = builder.build(TRAINING, self.out, form=Format.OPENAI).dataset
        self.sealed = builder.build(TRAINING, out / "sealed").dataset
        self.kept = where.folder / "datasets"
        self.target = DatasetTarget(self.kept, home.recorder)

    def item(self, subject: Subject, count: int = CHATS) -> Item:
        held = list(self.home.vault.of_subject(subject))[:count]
        return Item(
            erasure=ErasureId(format_id(IdKind.ERASURE, bytes(16))),
            scope=ErasureScope.ACCOUNT,
            subject=subject.holder.raw,
            subject_number=subject.number,
            conversations=tuple(parse_id(IdKind.CONVERSATION, one.id) for one in held),
            numbers=tuple(one.number for one in held),
        )

    def rows(self, dataset: str) -> list[int]:
        data = (self.kept / dataset / ROWS_FILE).read_bytes()
        return [int(number) for number in np.frombuffer(data, dtype="<i8")]

    def revisions(self) -> list[Entry]:
        entries = [parse_entry(self.home.log.entry(at)) for at in range(self.home.log.size)]
        return [entry for entry in entries if entry.kind is EntryKind.DATASET_REVISED]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("erasing"))
    found.create()
    return found


@pytest.fixture
def built(empty: Place, tmp_path: Path) -> Iterator[Built]:
    where = empty.copy(tmp_path)
    with Parts(where) as home:
        yield Built(where, tmp_path, home)


def test_a_removal_list_names_the_leaves_of_the_erased_and_no_others(built: Built) -> None:
    ada, bo = built.people
    item = built.item(ada)
    folder = built.kept / built.plain
    leaves = (folder / LEAVES_FILE).read_bytes()
    expected = {
        leaves[at * 32 : at * 32 + 32]
        for at, number in enumerate(built.rows(built.plain))
        if number in item.numbers
    }
    assert len(expected) == CHATS
    built.target.erase([item])
    assert removed_leaves(folder) == expected
    data = (folder / REMOVED_FILE).read_bytes()
    assert data == b"".join(sorted(expected))
    (entry,) = built.revisions()
    assert entry.fields["removed"] == CHATS
    assert entry.fields["root"] == LeafTree(data).root()
    manifest = (folder / MANIFEST_FILE).read_bytes()
    assert entry.fields["manifest_hash"] == sha256(manifest).digest()
    assert set(built.rows(built.plain)) == {GONE, *built.item(bo).numbers}


def test_a_sealed_dataset_needs_no_list_and_forgets_the_rows_too(built: Built) -> None:
    ada, bo = built.people
    built.target.erase([built.item(ada)])
    assert not (built.kept / built.sealed / REMOVED_FILE).exists()
    assert set(built.rows(built.sealed)) == {GONE, *built.item(bo).numbers}


def test_removals_add_up(built: Built) -> None:
    ada, bo = built.people
    built.target.erase([built.item(ada, 1)])
    built.target.erase([built.item(bo, 2)])
    assert [entry.fields["removed"] for entry in built.revisions()] == [1, 3]
    assert len(removed_leaves(built.kept / built.plain)) == 3


def test_erasing_again_changes_and_says_nothing(built: Built) -> None:
    ada, _ = built.people
    built.target.erase([built.item(ada)])
    before = {path: path.read_bytes() for path in built.kept.rglob("*") if path.is_file()}
    built.target.erase([built.item(ada)])
    built.target.erase([])
    assert len(built.revisions()) == 1
    assert {path: path.read_bytes() for path in built.kept.rglob("*") if path.is_file()} == before


def test_the_probe_finds_what_was_not_erased(built: Built) -> None:
    ada, bo = built.people
    both = sorted([f"datasets {built.plain}", f"datasets {built.sealed}"])
    assert sorted(built.target.probe([built.item(ada)])) == both
    built.target.erase([built.item(ada)])
    assert built.target.probe([built.item(ada)]) == []
    assert sorted(built.target.probe([built.item(bo)])) == both


def test_rows_are_forgotten_only_once_the_list_is_in_the_log(built: Built) -> None:
    ada, _ = built.people
    unlogged = Recorder(NoLog(), clock=built.where.clock, entropy=built.home.vault._entropy)
    with pytest.raises(Unavailable):
        DatasetTarget(built.kept, unlogged).erase([built.item(ada)])
    assert GONE not in built.rows(built.plain)
    built.target.erase([built.item(ada)])
    assert len(removed_leaves(built.kept / built.plain)) == CHATS


def test_what_left_in_the_clear_is_told_apart(built: Built) -> None:
    ada, _ = built.people
    found = {one.dataset: one for one in built.target.reached(built.item(ada, 2).numbers)}
    assert found[built.plain] == Reached(
        dataset=built.plain, purpose=found[built.plain].purpose, records=2, in_the_clear=True
    )
    assert not found[built.sealed].in_the_clear
    assert built.target.reached([]) == []


def test_the_copies_that_left_verify_as_before(built: Built) -> None:
    ada, _ = built.people
    built.target.erase([built.item(ada)])
    assert verify_dataset(built.out, built.home.log.verifier).dataset == built.plain
