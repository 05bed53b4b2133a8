"""Rotation on the right day, in the right order; an old copy of a home opens nothing after it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.support.homes import Parts, Place, add, place
from tests.support.ports import SeededEntropy, SteppedClock
from tests.support.stores import BUILDER, START, TRAINING, WatchedLog, act, talk
from volens.consent.model import Act
from volens.core.errors import NotFound, Unavailable
from volens.crypto.epochs import EpochState, KeyEpochs
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import KEY_PAGE, METADATA, Holder, KeyStore
from volens.holds.erasure import COOL_OFF, DESTRUCTION, PROMISE, ROTATION
from volens.lifecycle.epochs import KeyRotation
from volens.log.kinds import CaptureSource, EntryKind, KeyEvent
from volens.log.recorder import Recorder
from volens.storage.engine import create_tables, open_database
from volens.vault.model import unpack_payload

EU, US = "civilian-eu", "civilian-us"
SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)


class WatchedService:
    """A key service that writes down what it is asked, between the entries of the log."""

    def __init__(self, service: FileKeyService, log: WatchedLog) -> None:
        self._service = service
        self._log = log
        self.calls: list[tuple[str, int, list[str]]] = []
        self.away = False

    def _note(self, what: str, epoch: int) -> None:
        if self.away:
            raise Unavailable("key_service", "the key service can't be reached")
        events = [str(entry.fields["event"]) for entry in self._log.entries]
        self.calls.append((what, epoch, events))

    def create(self, scope: str, epoch: int) -> None:
        self._note("create", epoch)
        self._service.create(scope, epoch)

    def wrap(self, scope: str, epoch: int, secret: bytes, associated: bytes) -> bytes:
        return self._service.wrap(scope, epoch, secret, associated)

    def unwrap(self, scope: str, epoch: int, wrapped: bytes, associated: bytes) -> bytes:
        return self._service.unwrap(scope, epoch, wrapped, associated)

    def destroy(self, scope: str, epoch: int) -> None:
        self._note("destroy", epoch)
        self._service.destroy(scope, epoch)


class World:
    """A key store of two people with its rotation; the log is in memory."""

    def __init__(self, folder: Path) -> None:
        entropy = SeededEntropy(5)
        self.clock = SteppedClock(START)
        self.log = WatchedLog()
        self.engine = open_database(folder / "keys.db")
        create_tables(self.engine, METADATA)
        service = FileKeyService(folder / "keks", entropy=entropy)
        self.service = WatchedService(service, self.log)
        self.store = KeyStore(self.engine, self.service, entropy=entropy, clock=self.clock)
        epochs = KeyEpochs(self.engine, self.service, self.store, entropy=entropy)
        recorder = Recorder(self.log, clock=self.clock, entropy=entropy)
        self.rotation = KeyRotation(epochs, recorder, clock=self.clock)
        self.store.open_scope(EU)
        self.service.calls.clear()
        self.holders = [Holder(number=n, raw=bytes([n]) * 16) for n in (1, 2)]
        self.store.add_accounts(EU, self.holders)

    def events(self) -> list[tuple[int, KeyEvent]]:
        assert {entry.kind for entry in self.log.entries} <= {EntryKind.KEY_EPOCH}
        return [(e.fields["epoch"], e.fields["event"]) for e in self.log.entries]

    def states(self) -> list[EpochState]:
        return [one.epoch.state for one in self.rotation.status()]

    def at(self, moment: datetime) -> None:
        self.clock.moment = moment


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestOrder:
    def test_an_epoch_is_logged_before_its_key_is_made_and_as_over_before_it_is_retired(
        self, world: World
    ) -> None:
        done = world.rotation.rotate(EU)
        assert world.events() == [(2, KeyEvent.CREATED), (1, KeyEvent.ROTATED)]
        assert world.service.calls == [("create", 2, ["created"])]
        assert (done.ended, done.live, done.moved, done.resumed) == ((1,), 2, 2, False)
        assert world.states() == [EpochState.RETIRED, EpochState.LIVE]

    def test_nobody_says_destroyed_before_the_key_is_gone(self, world: World) -> None:
        world.rotation.rotate(EU)
        (gone,) = world.rotation.destroy_expired(at_once=True)
        assert (gone.scope, gone.epoch, gone.at) == (EU, 1, START)
        assert world.service.calls[-1] == ("destroy", 1, ["created", "rotated"])
        assert world.events()[-1] == (1, KeyEvent.DESTROYED)
        assert world.states() == [EpochState.DESTROYED, EpochState.LIVE]

    def test_if_the_key_service_is_away_nothing_is_said_or_stamped(self, world: World) -> None:
        world.service.away = True
        with pytest.raises(Unavailable):
            world.rotation.rotate(EU)
        assert world.states() == [EpochState.LIVE]
        world.service.away = False
        world.rotation.rotate(EU)
        world.service.away = True
        before = world.events()
        with pytest.raises(Unavailable):
            world.rotation.destroy_expired(at_once=True)
        assert world.events() == before
        assert world.states() == [EpochState.RETIRED, EpochState.LIVE]

    def test_if_the_log_is_full_no_epoch_begins_and_none_is_called_over(self, world: World) -> None:
        world.log.full = True
        with pytest.raises(Unavailable):
            world.rotation.rotate(EU)
        assert world.service.calls == []
        world.log.full = False
        world.rotation.rotate(EU)
        world.log.full = True
        with pytest.raises(Unavailable):
            world.rotation.destroy_expired(at_once=True)
        assert world.states() == [EpochState.RETIRED, EpochState.LIVE]
        world.log.full = False
        assert [one.epoch for one in world.rotation.destroy_expired(at_once=True)] == [1]

    def test_a_rotation_that_stopped_is_finished_before_another_begins(self, world: World) -> None:
        class Stop(Exception):
            pass

        def stop(moved: int) -> None:
            raise Stop(moved)

        with pytest.raises(Stop):
            world.rotation.rotate(EU, tell=stop)
        assert world.states() == [EpochState.ENDING, EpochState.LIVE]
        assert world.rotation.rotation_due(START) == [EU]
        assert world.rotation.rotation_due(START, []) == [EU]
        done = world.rotation.rotate(EU)
        assert (done.ended, done.live, done.resumed) == ((1,), 2, True)
        assert world.events() == [(2, KeyEvent.CREATED), (1, KeyEvent.ROTATED)]
        assert world.rotation.rotation_due(START) == []
        assert world.rotation.rotate(EU).live == 3

    def test_an_unknown_scope_is_not_rotated_and_not_logged(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.rotation.rotate(US)
        assert world.log.entries == []


class TestBorders:
    def test_an_epoch_is_due_a_week_after_it_was_made_and_not_a_millisecond_before(
        self, world: World
    ) -> None:
        assert world.rotation.rotation_due(START + ROTATION - MILLISECOND) == []
        assert world.rotation.rotation_due(START + ROTATION) == [EU]

    def test_an_epoch_under_which_nothing_was_removed_goes_on(self, world: World) -> None:
        later = START + 10 * ROTATION
        assert world.rotation.rotation_due(later, []) == []
        assert world.rotation.rotation_due(later, [START - MILLISECOND]) == []
        assert world.rotation.rotation_due(later, [START]) == [EU]
        assert world.rotation.rotation_due(later, [START - SECOND, later]) == [EU]

    def test_a_rotation_is_due_at_most_a_week_after_any_removal(self, world: World) -> None:
        for hours in (0, 1, 100, 167, 168, 1000):
            removed = START + timedelta(hours=hours)
            assert world.rotation.rotation_due(removed + ROTATION, [removed]) == [EU]

    def test_a_retired_epoch_is_destroyed_after_14_days_and_not_a_second_before(
        self, world: World
    ) -> None:
        world.rotation.rotate(EU)
        world.at(START + DESTRUCTION - SECOND)
        assert world.rotation.expired() == []
        assert world.rotation.destroy_expired() == []
        assert [one.number for one in world.rotation.expired(at_once=True)] == [1]
        world.at(START + DESTRUCTION)
        assert [one.epoch for one in world.rotation.destroy_expired()] == [1]
        assert world.rotation.destroy_expired(at_once=True) == []

    def test_late_begins_when_the_promise_is_over(self, world: World) -> None:
        def late(*removals: datetime) -> list[int]:
            return [one.epoch.number for one in world.rotation.status(removals) if one.late]

        world.at(START + ROTATION)
        assert late(START) == []
        world.at(START + ROTATION + MILLISECOND)
        assert late() == []
        assert late(START) == [1]
        world.rotation.rotate(EU)
        retired = world.clock.now()
        assert late(START) == []
        world.at(retired + DESTRUCTION)
        assert late() == []
        world.at(retired + DESTRUCTION + MILLISECOND)
        assert late() == [1]
        (first, _) = world.rotation.status()
        assert first.destroy_by == retired + DESTRUCTION

    def test_all_three_times_together_keep_the_promise(self, world: World) -> None:
        """A request at the worst moment, each step as late as it may be, and it holds."""
        assert COOL_OFF + ROTATION + DESTRUCTION <= PROMISE
        world.at(START + timedelta(days=100))
        world.rotation.rotate(EU)
        requested = world.clock.now()
        removed = requested + COOL_OFF
        world.at(removed)
        (scope,) = world.rotation.rotation_due(removed + ROTATION, [removed])
        world.at(removed + ROTATION)
        world.rotation.rotate(scope)
        world.at(removed + ROTATION + DESTRUCTION - SECOND)
        world.rotation.destroy_expired()
        border = world.rotation.irrecoverable_before(EU)
        assert border is not None
        assert removed > border
        world.at(removed + ROTATION + DESTRUCTION)
        world.rotation.destroy_expired()
        border = world.rotation.irrecoverable_before(EU)
        assert border is not None
        assert removed <= border
        assert world.clock.now() <= requested + PROMISE

    def test_over_all_scopes_the_earliest_moment_counts(self, world: World) -> None:
        world.at(START + ROTATION)
        world.store.open_scope(US)
        world.rotation.rotate(EU)
        world.rotation.destroy_expired(at_once=True)
        assert world.rotation.irrecoverable_before(EU) == START + ROTATION - MILLISECOND
        assert world.rotation.irrecoverable_before(US) == START + ROTATION - MILLISECOND
        world.at(START + 2 * ROTATION)
        world.rotation.rotate(EU)
        world.rotation.destroy_expired(at_once=True)
        assert world.rotation.irrecoverable_before(EU) == START + 2 * ROTATION - MILLISECOND
        assert world.rotation.irrecoverable_before() == START + ROTATION - MILLISECOND

    def test_without_any_key_nothing_is_claimed(self, tmp_path: Path) -> None:
        (tmp_path / "x").mkdir()
        world = World(tmp_path / "x")
        with world.engine.begin() as db:
            db.exec_driver_sql("DELETE FROM epoch_root")
        assert world.rotation.irrecoverable_before() is None


# --- the whole home ------------------------------------------------------------------------------


def texts(home: Parts) -> list[str]:
    selection = home.gate.select(TRAINING, BUILDER)
    return [
        turn.text
        for batch in home.gate.open(selection)
        for payload in batch.payloads
        for turn in unpack_payload(payload).turns[:1]
    ]


def lived_in(under: Path) -> Place:
    found = place(under)
    found.create()
    with Parts(found) as home:
        ada, bo = add(home, "ada", "bo")
        home.vault.capture({ada: [talk("ada a")], bo: [talk("bo a")]}, source=CaptureSource.IMPORT)
        home.ledger.record([act(1, ada, Act.GRANT), act(2, bo, Act.GRANT)])
    return found


def remove_keys(where: Place, name: str) -> None:
    """Do to the keys what an erasure of the account does."""
    with Parts(where) as home:
        number = home.subjects.find(name).number
    engine = open_database(where.folder / "keys" / "keys.db")
    with engine.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == number))
    engine.dispose()


def put_back(where: Place, to: Path, from_: Place) -> Place:
    """Put an old copy of a home beside the custody folder as it is now."""
    old = from_.copy(to)
    return Place(folder=old.folder, kek=where.kek, clock=where.clock)


def test_an_old_copy_of_the_whole_home_opens_nothing_once_its_epoch_is_destroyed(
    tmp_path: Path,
) -> None:
    (tmp_path / "now").mkdir()
    where = lived_in(tmp_path / "now")
    kept = where.copy(tmp_path / "kept")
    remove_keys(where, "ada")
    with Parts(where) as home:
        where.clock.step(ROTATION)
        home.rotation.rotate(EU)
        assert texts(home) == ["hello from bo a"]
    with Parts(put_back(where, tmp_path / "before", kept)) as old:
        assert texts(old) == ["hello from ada a", "hello from bo a"]  # why it is not done yet
    with Parts(where) as home:
        where.clock.step(DESTRUCTION)
        assert [one.epoch for one in home.rotation.destroy_expired()] == [1]
        assert texts(home) == ["hello from bo a"]
    late = put_back(where, tmp_path / "after", kept)
    with Parts(late) as old:
        with pytest.raises(Unavailable) as refused:
            texts(old)
        assert refused.value.code == "kek_missing"
        with pytest.raises(Unavailable):
            list(old.gate.references([old.subjects.find("ada")]))
