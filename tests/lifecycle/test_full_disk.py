"""The disk is full: asking for erasure still works and holds; a run resumes when there is room."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lifecycle.world import CANARY, world_of
from tests.support.disks import NoDisk, SmallDisk, run_on_small_disk
from tests.support.homes import Place
from volens.core.errors import Unavailable
from volens.core.ids import ErasureId, SubjectId
from volens.holds.erasure import ErasureState, new_erasure
from volens.lifecycle.probe import probe
from volens.log.kinds import EntryKind, ErasureScope

DISK_BYTES = 4 * 1024 * 1024
OnDisk = Callable[[Callable[[SmallDisk], None]], None]


@pytest.fixture
def on_disk(tmp_path: Path) -> OnDisk:
    folder = tmp_path / "disk"
    folder.mkdir()

    def run(story: Callable[[SmallDisk], None]) -> None:
        try:
            run_on_small_disk(folder, story, size_bytes=DISK_BYTES)
        except NoDisk as error:
            pytest.skip(f"this system lets nobody mount a small disk: {error}")

    return run


def ask_often(here: Place, people: list[SubjectId]) -> set[ErasureId]:
    """Ask 300 times for the same six things; return the reference numbers given."""
    given: set[ErasureId] = set()
    with here.open(writing=False) as home:
        for number in range(300):
            scope = ErasureScope.ACCOUNT if number % 2 else ErasureScope.HISTORY
            wanted = new_erasure(
                number.to_bytes(16, "big"),
                scope,
                people[number % 3],
                here.clock.now(),
                cool_off=timedelta(0),
            )
            given.add(home.erasures.request(wanted).id)
        assert len(home.erasures.ended().accounts) == 3
    return given


def test_requests_are_accepted_on_a_full_disk_and_done_when_there_is_room(
    where: Place, on_disk: OnDisk
) -> None:
    world = world_of(where)
    with world.home:
        people = [world.person(f"person-{number}", 1) for number in range(3)]

    def story(disk: SmallDisk) -> None:
        here = where.copy(disk.folder)
        disk.fill()
        given = ask_often(here, [one.id for one in people])
        assert len(given) == 6
        with pytest.raises(Unavailable):
            here.open()  # the log has no room
        with here.open(writing=False) as home:
            assert len(home.erasures.ended().accounts) == 3
        disk.free()
        done = world_of(here)
        with done.home as home:
            assert done.eraser.run(done.now).erased == 6
            assert {home.erasures.find(one).state for one in given} == {ErasureState.KEYS_REMOVED}
            for one in given:  # the log may hold a try that found no room for the row
                kinds = [step.kind for step in home.erasures.evidence(one).steps]
                assert kinds.count(EntryKind.ERASURE_REQUESTED) == 1
            needles = {one.id: one.holder.raw for one in people} | {"canary": CANARY.encode()}
            assert probe([here.folder, here.kek], needles) == []
            assert home.owned_log().check(deep=True)

    on_disk(story)


@pytest.mark.parametrize("blocks", [0, 3, 9, 20, 40])
def test_a_run_on_a_full_disk_says_nothing_is_gone_and_the_next_finishes(
    where: Place, on_disk: OnDisk, blocks: int
) -> None:
    def story(disk: SmallDisk) -> None:
        here = where.copy(disk.folder)
        world = world_of(here)
        with suppress(Unavailable), world.home as home:  # closing has no room either
            ada = world.person("ada", 1, willing=True)
            asked = world.request(ErasureScope.ACCOUNT, ada, cool_off=timedelta(0))
            home.erasures.drain()
            disk.fill(leave_blocks=blocks)
            with suppress(Unavailable):
                world.eraser.run(world.now)
            if home.erasures.find(asked.id).state is not ErasureState.KEYS_REMOVED:
                assert home.erasures.ended().accounts == {ada.holder.raw}
        disk.free()
        world = world_of(here)
        with world.home as home:
            world.eraser.run(world.now)
            assert home.erasures.find(asked.id).state is ErasureState.KEYS_REMOVED
            assert probe([here.folder, here.kek], {"ada": ada.holder.raw}) == []
            assert home.owned_log().check(deep=True)

    on_disk(story)
