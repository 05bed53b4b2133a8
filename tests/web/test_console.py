"""Every console page for every role: shown to whom it is for, not to be found for others."""

import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.support.doors import Doors, open_doors
from volens.access.model import Role
from volens.web.console import PAGES, console_routes
from volens.web.console_frame import StaffPage
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
    routed = {
        (next(iter((route.methods or set()) - {"HEAD"})), route.path)
        for route in console_routes()
        if isinstance(route, Route)
    }
    assert {(one.method, f"/staff{one.path}") for one in PAGES} == routed


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


@pytest.mark.parametrize("page", PAGES, ids=lambda one: f"{one.method} /staff{one.path}")
def test_others_than_staff_find_no_console(doors: Doors, app: Starlette, page: StaffPage) -> None:
    for whose, expected in (
        (doors.person, {404}),
        (doors.service, {404}),
        (None, {401} if page.act else {303}),
    ):
        client = doors.client(app, whose)
        answer = client.request(page.method, _example(page.path))
        assert answer.status_code in expected
        if whose is None and not page.act:
            assert answer.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one.act], ids=lambda one: f"POST /staff{one.path}"
)
def test_every_act_takes_a_form_of_its_own_session(
    doors: Doors, app: Starlette, page: StaffPage
) -> None:
    guest = doors.staff[min(page.roles)]
    client = doors.client(app, guest, stepped_up=True)
    foreign = doors.csrf(doors.client(app, doors.staff[Role.SUPPORT]))
    for data, headers in (
        ({}, {}),
        (foreign, {}),
        (doors.csrf(client), {"Sec-Fetch-Site": "cross-site"}),
        (doors.csrf(client), {"Origin": "https://evil.example"}),
    ):
        answer = client.post(_example(page.path), data=data, headers=headers)
        assert answer.status_code == 403
        assert "csrf_refused" in answer.text


@pytest.mark.parametrize("page", [one for one in PAGES if one.step_up], ids=lambda one: one.path)
def test_a_sensitive_act_takes_a_fresh_proof(doors: Doors, app: Starlette, page: StaffPage) -> None:
    client = doors.client(app, doors.staff[min(page.roles)])
    answer = client.post(_example(page.path), data=doors.csrf(client))
    assert answer.status_code == 403
    assert "step_up_needed" in answer.text


@pytest.mark.parametrize("role", list(Role))
def test_the_navigation_shows_ones_own_pages_only(doors: Doors, app: Starlette, role: Role) -> None:
    page = doors.client(app, doors.staff[role]).get("/staff").text
    for one in PAGES:
        if one.key:
            assert (f'href="/staff{one.path}"' in page) is (role in one.roles), one.path


@pytest.mark.parametrize("language", ["en", "de", "ja"])
@pytest.mark.parametrize("role", list(Role))
def test_every_word_on_a_page_comes_from_the_catalogue(
    doors: Doors, app: Starlette, role: Role, language: str
) -> None:
    client = doors.client(app, doors.staff[role])
    client.headers["Accept-Language"] = language
    spoken = language if language == "de" else "en"
    for one in PAGES:
        if one.act or role not in one.roles or "{" in one.path:
            continue
        answer = client.get(f"/staff{one.path}")
        missing = re.findall(r">[^<]*(?:console|shell)\.[a-z_.]+[^<]*<", answer.text)
        assert not missing, (one.path, missing)
        if answer.status_code == 200:
            assert f'<html lang="{spoken}"' in answer.text


@pytest.mark.parametrize("role", list(Role))
def test_pages_are_small_and_have_nothing_that_the_policy_of_the_browser_forbids(
    doors: Doors, app: Starlette, role: Role
) -> None:
    client = doors.client(app, doors.staff[role])
    for one in PAGES:
        if one.act or role not in one.roles or "{" in one.path:
            continue
        text = client.get(f"/staff{one.path}").text
        assert len(text.encode()) < 100_000, one.path
        assert " style=" not in text, one.path
        assert "<script" not in text, one.path
        assert not re.search(r"\son[a-z]+=", text), one.path


def test_no_role_sees_every_page() -> None:
    for role in Role:
        assert any(role not in one.roles for one in PAGES)
