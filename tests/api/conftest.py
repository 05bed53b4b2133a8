"""A home behind the REST door."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.support.doors import Doors, open_doors
from volens.api.application import api_application


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        yield found


@pytest.fixture
def app(doors: Doors) -> FastAPI:
    return api_application(doors.doorway, environment={})
