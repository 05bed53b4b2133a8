"""Both servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.servers import InMemory, Real, Server
from tests.support.doors import open_doors


@pytest.fixture(params=["fake", "real"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "fake":
        yield InMemory()
        return
    with open_doors(tmp_path) as doors:
        yield Real(doors)


@pytest.fixture
def fake() -> InMemory:
    return InMemory()
