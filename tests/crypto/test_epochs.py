"""Epochs: pages move and still open; a destroyed epoch takes every old copy with it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from tests.support.ports import SeededEntropy, SteppedClock
from volens.core.errors import Denied, NotFound, Unavailable, VerificationFailed
from volens.crypto.epochs import EpochState, KeyEpochs
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import EPOCH_ROOT, KEY_PAGE, METADATA, Holder, KeyStore
from volens.crypto.pages import ROWS_PER_PAGE
from volens.storage.engine import create_tables, open_database

EU, US = "civilian-eu", "civilian-us"
START = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
PEOPLE = [Holder(number=n, raw=bytes([n]) * 16) for n in range(1, 8)]


class Keys:
    """A key store with its epochs, in a temporary folder."""

    def __init__(self, folder: Path, keks: Path) -> None:
        entropy = SeededEntropy(len(str(folder)))
        self.clock = SteppedClock(START)
        self.engine = open_database(folder / "keys.db")
        create_tables(self.engine, METADATA)
        self.service = FileKeyService(keks, entropy=entropy)
        self.store = KeyStore(self.engine, self.service, entropy=entropy, clock=self.clock)
        self.epochs = KeyEpochs(self.engine, self.service, self.store, entropy=entropy)

    def rotate(self, scope: str = EU) -> None:
        self.epochs.create(scope, self.epochs.live(scope) + 1, self.clock.now())
        list(self.epochs.move(scope, batch=3))
        self.epochs.retire(scope, self.clock.now())

    def destroy(self, epoch: int, scope: str = EU) -> None:
        self.epochs.destroy(scope, epoch)
        self.epochs.note_destroyed(scope, epoch, self.clock.now())

    def states(self, scope: str = EU) -> list[EpochState]:
        return [one.state for one in self.epochs.status() if one.scope == scope]

    def all_keys(self) -> list[object]:
        return [self.store.account(holder) for holder in PEOPLE]

    def placed(self) -> set[tuple[str, int]]:
        with self.engine.connect() as db:
            rows = db.execute(select(KEY_PAGE.c.scope, KEY_PAGE.c.epoch))
            return {(row.scope, row.epoch) for row in rows}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    (tmp_path / "home").mkdir()
    made = Keys(tmp_path / "home", tmp_path / "keks")
    made.store.open_scope(EU)
    made.store.add_accounts(EU, PEOPLE)
    many = [n.to_bytes(16, "big") for n in range(2 * ROWS_PER_PAGE + 5)]
    made.store.add_salts({PEOPLE[0]: many, PEOPLE[1]: many[:3]})
    return made


def old_copy(keys: Keys, tmp_path: Path, name: str = "old") -> Keys:
    """Copy the database as it is now; the key service stays the one there is."""
    assert keys.engine is not None
    shutil.copytree(tmp_path / "home", tmp_path / name)
    return Keys(tmp_path / name, tmp_path / "keks")


def test_after_a_rotation_everything_opens_as_before_under_the_new_epoch(keys: Keys) -> None:
    before = keys.all_keys()
    keys.clock.step(timedelta(days=7))
    keys.rotate()
    assert keys.all_keys() == before
    assert keys.placed() == {(EU, 2)}
    assert keys.states() == [EpochState.RETIRED, EpochState.LIVE]
    first, second = keys.epochs.status()
    assert (first.pages, second.pages) == (0, 9)
    assert (first.created, first.retired, first.destroyed) == (
        START,
        START + timedelta(days=7),
        None,
    )
    assert (second.created, second.retired) == (START + timedelta(days=7), None)


def test_pages_still_open_while_some_are_moved_and_new_ones_go_under_the_live_epoch(
    keys: Keys,
) -> None:
    before = keys.all_keys()
    keys.epochs.create(EU, 2, keys.clock.now())
    moving = keys.epochs.move(EU, batch=2)
    assert next(moving) == 2
    assert keys.placed() == {(EU, 1), (EU, 2)}
    assert keys.states() == [EpochState.ENDING, EpochState.LIVE]
    assert keys.all_keys() == before
    late = Holder(number=99, raw=b"z" * 16)
    keys.store.add_accounts(EU, [late])
    keys.store.add_salts({PEOPLE[0]: [b"n" * 16], PEOPLE[6]: [b"n" * 16]})
    with pytest.raises(Denied) as refused:
        keys.epochs.retire(EU, keys.clock.now())
    assert refused.value.code == "epoch_in_use"
    assert keys.states() == [EpochState.ENDING, EpochState.LIVE]
    list(moving)
    assert keys.epochs.retire(EU, keys.clock.now()) == [1]
    assert keys.placed() == {(EU, 2)}
    assert b"n" * 16 in keys.store.account(PEOPLE[0]).salts
    assert b"n" * 16 in keys.store.account(PEOPLE[6]).salts
    assert len(keys.store.account(PEOPLE[0]).salts) == 2 * ROWS_PER_PAGE + 6
    assert keys.store.account(late).salts == {}


def test_moving_again_moves_nothing(keys: Keys) -> None:
    keys.rotate()
    assert list(keys.epochs.move(EU)) == []


def test_a_rotation_leaves_other_scopes_alone(keys: Keys) -> None:
    keys.store.open_scope(US)
    other = Holder(number=50, raw=b"u" * 16)
    keys.store.add_accounts(US, [other])
    keys.rotate()
    assert keys.placed() == {(EU, 2), (US, 1)}
    assert keys.states(US) == [EpochState.LIVE]
    assert keys.epochs.scopes() == [EU, US]


def test_an_old_copy_opens_until_its_epoch_is_destroyed_and_nothing_after(
    keys: Keys, tmp_path: Path
) -> None:
    erased = PEOPLE[1]
    before = keys.all_keys()
    with keys.engine.begin() as db:
        old = old_copy(keys, tmp_path)
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == erased.number))
    keys.rotate()
    # Until then it does: this is why an erasure is not done before.
    assert old.all_keys() == before
    keys.destroy(1)
    fresh = old_copy(keys, tmp_path, "new")
    late = Keys(tmp_path / "old", tmp_path / "keks")
    for holder in PEOPLE:
        with pytest.raises(Unavailable) as refused:
            late.store.account(holder)
        assert refused.value.code == "kek_missing"
        if holder is not erased:
            assert fresh.store.account(holder) == keys.store.account(holder)
    with keys.engine.connect() as db:
        wrapped = dict(db.execute(select(EPOCH_ROOT.c.epoch, EPOCH_ROOT.c.wrapped)).all())
    assert wrapped[1] == b""
    assert wrapped[2] != b""
    assert not list((tmp_path / "keks").glob("*.000001.kek"))


def test_what_is_destroyed_is_forgotten_in_memory_too(keys: Keys, tmp_path: Path) -> None:
    keys.all_keys()  # the root of epoch 1 is known
    old = old_copy(keys, tmp_path)
    keys.rotate()
    keys.destroy(1)
    with old.engine.connect() as db:
        rows = db.execute(select(KEY_PAGE)).all()
    with keys.engine.begin() as db:  # somebody puts an old page back
        row = rows[-1]
        put = update(KEY_PAGE).where(KEY_PAGE.c.subject_no == row.subject_no)
        db.execute(put.values(epoch=1, sealed=row.sealed))
    with pytest.raises(Unavailable) as refused:
        keys.store.account(PEOPLE[-1])
    assert refused.value.code == "key_missing"


def test_no_epoch_is_destroyed_that_is_live_ending_or_unknown(keys: Keys, tmp_path: Path) -> None:
    for epoch, error, code in ((1, Denied, "epoch_live"), (2, NotFound, "epoch_unknown")):
        with pytest.raises(error) as refused:
            keys.epochs.destroy(EU, epoch)
        assert refused.value.code == code
    keys.epochs.create(EU, 2, keys.clock.now())
    with pytest.raises(Denied):
        keys.epochs.destroy(EU, 1)
    list(keys.epochs.move(EU))
    keys.epochs.retire(EU, keys.clock.now())
    with keys.engine.begin() as db:
        page = db.execute(select(KEY_PAGE).limit(1)).one()
        put = update(KEY_PAGE).where(KEY_PAGE.c.subject_no == page.subject_no)
        db.execute(put.values(epoch=1))
    with pytest.raises(Denied) as in_use:
        keys.epochs.destroy(EU, 1)
    assert in_use.value.code == "epoch_in_use"
    assert len(list((tmp_path / "keks").glob("*.kek"))) == 2


def test_destroying_twice_is_no_error(keys: Keys) -> None:
    keys.rotate()
    keys.destroy(1)
    keys.destroy(1)
    assert keys.states() == [EpochState.DESTROYED, EpochState.LIVE]


def test_only_the_next_epoch_can_be_made(keys: Keys) -> None:
    for epoch in (0, 1, 3):
        with pytest.raises(Unavailable) as refused:
            keys.epochs.create(EU, epoch, keys.clock.now())
        assert refused.value.code == "epoch_taken"
    with pytest.raises(NotFound):
        keys.epochs.create("civilian-cn", 1, keys.clock.now())
    assert keys.states() == [EpochState.LIVE]


def test_no_step_is_stamped_earlier_than_the_one_before(keys: Keys) -> None:
    keys.clock.step(timedelta(days=1))
    keys.rotate()
    early = keys.clock.now() - MILLISECOND
    for step in (
        lambda: keys.epochs.create(EU, 3, early),
        lambda: keys.epochs.retire(EU, early),
        lambda: keys.epochs.note_destroyed(EU, 1, early),
    ):
        with pytest.raises(Unavailable) as refused:
            step()
        assert refused.value.code == "clock_behind"


def test_a_changed_page_stops_the_rotation_and_the_rest_stays_readable(keys: Keys) -> None:
    with keys.engine.begin() as db:
        query = select(KEY_PAGE.c.sealed).where(KEY_PAGE.c.subject_no == 5)
        sealed = db.execute(query).scalar_one()
        put = update(KEY_PAGE).where(KEY_PAGE.c.subject_no == 5)
        db.execute(put.values(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])))
    keys.epochs.create(EU, 2, keys.clock.now())
    with pytest.raises(VerificationFailed):
        list(keys.epochs.move(EU, batch=1))
    for holder in PEOPLE[:4] + PEOPLE[5:]:
        assert keys.store.account(holder)
    with pytest.raises(Denied):
        keys.epochs.retire(EU, keys.clock.now())


def test_a_page_of_another_person_does_not_become_theirs_by_moving(keys: Keys) -> None:
    with keys.engine.begin() as db:
        query = select(KEY_PAGE.c.sealed).where(KEY_PAGE.c.subject_no == 3)
        sealed = db.execute(query).scalar_one()
        db.execute(update(KEY_PAGE).where(KEY_PAGE.c.subject_no == 4).values(sealed=sealed))
    keys.rotate()
    with pytest.raises(VerificationFailed):
        keys.store.account(PEOPLE[3])


class TestIrrecoverable:
    def test_it_is_all_before_the_oldest_epoch_was_made_whose_key_is_left(self, keys: Keys) -> None:
        week = timedelta(days=7)
        assert keys.epochs.irrecoverable_before(EU) == START - MILLISECOND
        for _ in range(2):
            keys.clock.step(week)
            keys.rotate()
        assert keys.epochs.irrecoverable_before(EU) == START - MILLISECOND
        keys.destroy(2)  # the first can still be opened
        assert keys.epochs.irrecoverable_before(EU) == START - MILLISECOND
        keys.destroy(1)
        assert keys.epochs.irrecoverable_before(EU) == START + 2 * week - MILLISECOND

    def test_a_key_removed_in_the_very_moment_of_the_next_epoch_is_not_covered(
        self, keys: Keys, tmp_path: Path
    ) -> None:
        keys.clock.step(timedelta(days=7))
        keys.rotate()
        old = old_copy(keys, tmp_path)  # made before the removal, under epoch 2
        removed = keys.clock.now()
        keys.destroy(1)
        border = keys.epochs.irrecoverable_before(EU)
        assert border is not None
        assert not removed <= border
        assert removed - MILLISECOND <= border
        assert old.store.account(PEOPLE[1])

    def test_without_a_clock_nothing_is_claimed(self, keys: Keys) -> None:
        store = KeyStore(keys.engine, keys.service, entropy=SeededEntropy(3))
        store.open_scope(US)
        assert keys.epochs.irrecoverable_before(US) is None
        keys.rotate(US)
        assert keys.epochs.irrecoverable_before(US) is None
        keys.destroy(1, US)
        assert keys.epochs.irrecoverable_before(US) == START - MILLISECOND
