"""One home, made once; each test works on a copy with a person, their chats, and staff."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.safety.world import World
from tests.support.homes import Place, place


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("made"))
    found.create()
    return found


@pytest.fixture
def world(made: Place, tmp_path: Path) -> Iterator[World]:
    where = made.copy(tmp_path)
    with where.open() as home:
        yield World(where, home)
