"""A home for each test, copied from one that is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.world import World, world_of
from tests.support.homes import Place, place


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("lifecycle"))
    found.create()
    return found


@pytest.fixture
def where(made_once: Place, tmp_path: Path) -> Place:
    return made_once.copy(tmp_path)


@pytest.fixture
def world(where: Place) -> Iterator[World]:
    made = world_of(where)
    with made.home:
        yield made
