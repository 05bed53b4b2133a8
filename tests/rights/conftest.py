"""One home, made once for the tests of rights; each test works on a copy."""

from pathlib import Path

import pytest

from tests.support.homes import Place, place


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = place(tmp_path_factory.mktemp("made"))
    found.create()
    return found


@pytest.fixture
def here(made: Place, tmp_path: Path) -> Place:
    return made.copy(tmp_path)
