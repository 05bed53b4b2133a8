"""Erasing, killed at the system calls that change files: done wholly or taken up again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lifecycle.world import CANARY, World, world_of
from tests.support.homes import Place
from tests.support.tracing import Operation, can_trace, run_traced
from volens.core.errors import NotFound
from volens.core.ids import ErasureId, IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import SubjectStatus
from volens.holds.erasure import Erasure, ErasureState, new_erasure
from volens.holds.erasures import ErasureLedger
from volens.holds.evidence import verify_step
from volens.lifecycle.probe import probe
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind, ErasureScope
from volens.log.recorder import NoLog, Recorder
from volens.storage.engine import open_database
from volens.storage.journal import Journal
from volens.storage.system import SystemEntropy

Say = Callable[[str], None]
EVERY = 11
"""The default suite tries every so many calls; the slow one tries all, before and after."""
ASKED = ErasureId(format_id(IdKind.ERASURE, b"asked for before"))


@dataclass(frozen=True)
class Lived:
    """A home with Ada, who is to go, and Bo, who stays."""

    where: Place
    ada: SubjectId
    needles: dict[str, bytes]


@pytest.fixture(scope="session", autouse=True)
def _tracing() -> None:
    if not can_trace():
        pytest.skip("this system does not let a process trace its child (ptrace)")


@pytest.fixture(scope="module")
def lived(made_once: Place, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    where = made_once.copy(tmp_path_factory.mktemp("lived"))
    world = world_of(where)
    with world.home as home:
        ada = world.person("ada", willing=True)
        world.person("bo", willing=True)
        found = {"person": ada.holder.raw, "name": ada.id.encode(), "canary": CANARY.encode()}
        for held in home.vault.of_subject(ada):
            found[held.id] = parse_id(IdKind.CONVERSATION, held.id)
        home.datasets()  # what it imports is there before any fork
    return Lived(where, ada.id, found)


def asking(lived: Lived, raw: bytes = b"asked for before") -> Erasure:
    at = lived.where.clock.now()
    return new_erasure(raw, ErasureScope.ACCOUNT, lived.ada, at, cool_off=timedelta(0))


def elsewhere(where: Place) -> ErasureLedger:
    """The ledger as a process has it that owns nothing."""
    main = open_database(where.folder / "main.db", read_only=True)
    recorder = Recorder(NoLog(), clock=where.clock, entropy=SystemEntropy())
    return ErasureLedger(main, Journal(where.folder / "journal" / "erasures"), recorder)


def owned(where: Place, operation: Callable[[World, Say], None]) -> Callable[[], Operation]:
    """Trace an operation of the owner, from the opened home to its closing."""

    def in_child() -> Operation:
        world = world_of(where)

        def traced(say: Say) -> None:
            with world.home:
                operation(world, say)
            say("closed")

        return traced

    return in_child


def proven(world: World, name: ErasureId) -> list[EntryKind]:
    """Every piece of evidence opens an entry of the log; return of which kinds."""
    log = world.home.owned_log()
    steps = world.home.erasures.evidence(name).steps
    for step in steps:
        entry = parse_entry(log.entry(step.index))
        assert entry.kind is step.kind
        verify_step(step, name, entry.fields)
    return [step.kind for step in steps]


def untouched(world: World) -> None:
    """Bo has everything."""
    bo = world.home.subjects.find("bo")
    assert bo.status is SubjectStatus.ACTIVE
    assert len(world.chats(bo)) == 2
    assert world.home.ledger.history(bo.id)
    assert world.home.owned_log().check(deep=True)


def try_all(
    lived: Lived,
    under: Path,
    ready: Callable[[Lived], None],
    prepare: Callable[[Lived], Callable[[], Operation]],
    look: Callable[[Lived, tuple[str, ...]], None],
    every: int,
) -> int:
    """Kill at each `every`-th call, look, and finish; return how many tries there were."""
    count = iter(range(1_000_000))

    def fresh() -> Lived:
        made = Lived(lived.where.copy(under / str(next(count))), lived.ada, lived.needles)
        ready(made)
        return made

    whole = fresh()
    run = run_traced(prepare(whole))
    look(whole, run.said)
    tried = 0
    for at in range(every // 2, len(run.calls), every):
        for after in (False, True) if every == 1 else (bool(at % 2),):
            made = fresh()
            stopped = run_traced(prepare(made), stop_at=at, after=after)
            assert stopped.killed
            try:
                look(made, stopped.said)
            except BaseException as error:
                error.add_note(f"killed at call {at}, {run.calls[at]}, after={after}")
                raise
            tried += 1
    return tried


ONE_OR_ALL = pytest.mark.parametrize(
    "every", [EVERY, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"]
)


def nothing(lived: Lived) -> None:
    assert lived.where.folder.is_dir()


def journaled(lived: Lived) -> None:
    elsewhere(lived.where).request(asking(lived))


def drained(lived: Lived) -> None:
    journaled(lived)
    lived.where.open().close()


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_request_holds_once_it_was_acknowledged(lived: Lived, tmp_path: Path, every: int) -> None:
    def prepare(made: Lived) -> Callable[[], Operation]:
        def in_child() -> Operation:
            ledger = elsewhere(made.where)

            def traced(say: Say) -> None:
                say(ledger.request(asking(made)).id)

            return traced

        return in_child

    def look(made: Lived, said: tuple[str, ...]) -> None:
        raw = parse_id(IdKind.SUBJECT, made.ada)
        with made.where.open(writing=False) as reading:
            ended = reading.erasures.ended().accounts
        assert ended == {raw} or not said
        again = elsewhere(made.where).request(asking(made, b"asked once again"))
        assert (again.id == ASKED) == bool(ended)
        with world_of(made.where).home as home:
            assert [item.id for item in home.erasures.all()] == [again.id]

    assert try_all(lived, tmp_path, nothing, prepare, look, every)


@ONE_OR_ALL
def test_taking_in_a_request_is_done_wholly_or_again(
    lived: Lived, tmp_path: Path, every: int
) -> None:
    def prepare(made: Lived) -> Callable[[], Operation]:
        def in_child() -> Operation:
            def traced(say: Say) -> None:
                with made.where.open():
                    say("drained")

            return traced

        return in_child

    def look(made: Lived, said: tuple[str, ...]) -> None:
        assert len(said) <= 1
        raw = parse_id(IdKind.SUBJECT, made.ada)
        with made.where.open(writing=False) as reading:  # no owner has to come first
            assert reading.erasures.ended().accounts == {raw}
        world = world_of(made.where)
        with world.home as home:
            assert [item.id for item in home.erasures.all()] == [ASKED]
            assert home.erasures.pending() == []
            assert home.subjects.find("ada").status is SubjectStatus.CLOSED
            assert proven(world, ASKED) == [EntryKind.ERASURE_REQUESTED]
            untouched(world)

    assert try_all(lived, tmp_path, journaled, prepare, look, every)


@ONE_OR_ALL
def test_taking_back_is_done_wholly_or_again(lived: Lived, tmp_path: Path, every: int) -> None:
    def ready(made: Lived) -> None:
        at = made.where.clock.now()
        wanted = new_erasure(b"asked for before", ErasureScope.ACCOUNT, made.ada, at)
        elsewhere(made.where).request(wanted)
        made.where.open().close()

    def cancel(world: World, say: Say) -> None:
        say(world.home.erasures.cancel(ASKED, world.now).state)

    def look(made: Lived, said: tuple[str, ...]) -> None:
        world = world_of(made.where)
        with world.home as home:
            found = home.erasures.find(ASKED)
            taken = found.state is ErasureState.CANCELLED
            assert taken or not said
            status = home.subjects.find("ada").status
            assert status is (SubjectStatus.ACTIVE if taken else SubjectStatus.CLOSED)
            assert bool(home.erasures.ended().accounts) is not taken
            if not taken:
                home.erasures.cancel(ASKED, world.now)
            kinds = [EntryKind.ERASURE_REQUESTED, EntryKind.ERASURE_CANCELLED]
            assert proven(world, ASKED) == kinds
            assert home.subjects.find("ada").status is SubjectStatus.ACTIVE
            untouched(world)

    def prepare(made: Lived) -> Callable[[], Operation]:
        return owned(made.where, cancel)

    assert try_all(lived, tmp_path, ready, prepare, look, every)


@ONE_OR_ALL
def test_a_run_says_something_is_gone_only_if_it_is_and_finishes_what_it_began(
    lived: Lived, tmp_path: Path, every: int
) -> None:
    def run(world: World, say: Say) -> None:
        assert world.eraser.run(world.now).erased == 1
        say("erased")

    def look(made: Lived, said: tuple[str, ...]) -> None:
        places = [made.where.folder, made.where.kek]
        world = world_of(made.where)
        with world.home as home:
            found = home.erasures.find(ASKED)
            if found.state is ErasureState.KEYS_REMOVED:
                assert probe(places, made.needles) == []
            else:
                assert said == ()
                assert home.erasures.ended().accounts
                assert world.eraser.run(world.now).erased == 1
            assert probe(places, made.needles) == []
            found = home.erasures.find(ASKED)
            assert (found.state, found.subject) == (ErasureState.KEYS_REMOVED, None)
            assert [step.store for step in found.steps][1:4] == ["reports", "safety", "keys"]
            with pytest.raises(NotFound):
                home.subjects.find("ada")
            kinds = proven(world, ASKED)
            assert kinds[0] is EntryKind.ERASURE_REQUESTED
            assert kinds[-2:] == [EntryKind.ERASURE_STARTED, EntryKind.ERASURE_KEYS_REMOVED]
            untouched(world)
            assert world.eraser.run(world.now).due == 0

    def prepare(made: Lived) -> Callable[[], Operation]:
        return owned(made.where, run)

    assert try_all(lived, tmp_path, drained, prepare, look, every)
