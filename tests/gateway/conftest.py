"""One home, made once; each test works on a copy, behind the gateway's own application."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.world import World
from tests.support.homes import Place, place


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("made"))
    found.create()
    return found


@pytest.fixture
def here(made: Place, tmp_path: Path) -> Place:
    return made.copy(tmp_path)


@pytest.fixture
def world(here: Place) -> Iterator[World]:
    world = World(here)
    try:
        yield world
    finally:
        world.close()
