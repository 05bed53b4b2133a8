"""The demo's way in: one button each, in a demo, and in no other home."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support.doors import Doors, open_doors
from volens.access.model import Role
from volens.door.doorway import Settings
from volens.server.application import application

_ACCOUNT = re.compile(r'name="account" value="(acc_[a-z2-7]{26})">(?:<bdi>)?([^<]+)<')
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with open_doors(tmp_path_factory.mktemp("demo"), settings=Settings(demo=True)) as opened:
        yield opened


def visitor(doors: Doors) -> TestClient:
    return doors.client(application(doors.doorway))


def listed(client: TestClient) -> tuple[dict[str, str], str]:
    """Return who can be come in as (name to account), and the form's token."""
    shown = client.get("/demo").text
    token = _CSRF.search(shown)
    assert token is not None
    return {name: account for account, name in _ACCOUNT.findall(shown)}, token[1]


def test_everybody_is_listed_by_name_or_role(doors: Doors) -> None:
    names, _ = listed(visitor(doors))
    assert {"ada", "bob", "Privacy officer", "Trust and safety"} <= set(names)
    assert len(names) == 2 + len(Role)


def test_a_button_leads_to_the_pages_of_who_was_chosen(doors: Doors) -> None:
    for name, to in (("ada", "/me"), ("Privacy officer", "/staff")):
        client = visitor(doors)
        names, token = listed(client)
        answer = client.post("/demo", data={"csrf": token, "account": names[name]})
        assert (answer.status_code, answer.headers["location"]) == (303, to)
        assert client.get(to).status_code == 200


def test_without_the_forms_token_nobody_comes_in(doors: Doors) -> None:
    client = visitor(doors)
    names, _ = listed(client)
    answer = client.post("/demo", data={"account": names["ada"]})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_nobody_comes_in_as_somebody_who_is_not_there(doors: Doors) -> None:
    client = visitor(doors)
    _, token = listed(client)
    answer = client.post("/demo", data={"csrf": token, "account": "acc_" + "a" * 26})
    assert answer.status_code == 404


def test_a_home_that_is_no_demo_has_no_such_page(tmp_path: Path) -> None:
    with open_doors(tmp_path) as opened:
        client = visitor(opened)
        assert client.get("/demo").status_code == 404
        account = opened.person.account.id
        token = opened.csrf(doors_cookie(client))
        assert client.post("/demo", data={**token, "account": account}).status_code == 404


def doors_cookie(client: TestClient) -> TestClient:
    """Return the client after a page that gave it the form's cookie."""
    client.get("/sign-in")
    return client
