"""Who asks is what was proven, and nothing that the request merely says."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.doors import Doors, open_doors
from volens.access.model import Role, Scope
from volens.app.access import accounts_of, roles_of, tokens_of
from volens.core.errors import VolensError
from volens.door.csrf import check_csrf, csrf_token, keep_form_cookie
from volens.door.problems import problem
from volens.door.who import service_of, staff_of, stepped_up, subject_of, who


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        yield found


async def _who(request: Request) -> Response:
    found = await who(request)
    return JSONResponse({"kind": found.kind, "roles": sorted(found.roles)})


async def _me(request: Request) -> Response:
    return JSONResponse({"subject": (await subject_of(request)).subject})


async def _rate(request: Request) -> Response:
    await staff_of(request, Role.RATER)
    return JSONResponse({})


async def _flag(request: Request) -> Response:
    await service_of(request, Scope.FLAGS)
    return JSONResponse({})


async def _dear(request: Request) -> Response:
    await stepped_up(request)
    return JSONResponse({})


async def _form(request: Request) -> Response:
    if request.method == "GET":
        return keep_form_cookie(request, JSONResponse({"csrf": csrf_token(request)}))
    await check_csrf(request, await request.form())
    return JSONResponse({})


async def _fail(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, VolensError)
    return problem(error)


@pytest.fixture
def app(doors: Doors) -> Starlette:
    routes = [
        Route("/who", _who),
        Route("/me", _me),
        Route("/rate", _rate),
        Route("/flag", _flag),
        Route("/dear", _dear),
        Route("/form", _form, methods=["GET", "POST"]),
    ]
    made = Starlette(routes=routes, exception_handlers={VolensError: _fail})
    made.state.doorway = doors.doorway
    return made


def test_each_is_who_they_are(doors: Doors, app: Starlette) -> None:
    assert doors.client(app).get("/who").json()["kind"] == "anonymous"
    assert doors.client(app, doors.person).get("/who").json()["kind"] == "subject"
    assert doors.client(app, doors.service).get("/who").json()["kind"] == "service"
    for role, guest in doors.staff.items():
        found = doors.client(app, guest).get("/who").json()
        assert found == {"kind": "staff", "roles": [role.value]}


def test_a_person_is_asked_for_by_session_only(doors: Doors, app: Starlette) -> None:
    assert doors.person.subject is not None
    answer = doors.client(app, doors.person).get("/me")
    assert answer.json() == {"subject": doors.person.subject.id}
    assert doors.client(app).get("/me").status_code == 401
    assert doors.client(app, doors.staff[Role.SUPPORT]).get("/me").status_code == 404
    assert doors.client(app, doors.service).get("/me").status_code == 404


def test_a_role_and_a_scope_are_asked_for(doors: Doors, app: Starlette) -> None:
    assert doors.client(app, doors.staff[Role.RATER]).get("/rate").status_code == 200
    assert doors.client(app, doors.staff[Role.SUPPORT]).get("/rate").status_code == 403
    assert doors.client(app, doors.person).get("/rate").status_code == 404
    assert doors.client(app, doors.program(Scope.FLAGS)).get("/flag").status_code == 200
    assert doors.client(app, doors.program(Scope.METRICS)).get("/flag").status_code == 403
    assert doors.client(app, doors.person).get("/flag").status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer vol_wrong", "Bearer ", "Basic dTpw", "vol_x", "Bearer " + "x" * 5000]
)
def test_a_wrong_token_is_refused_and_not_taken_for_nobody(
    doors: Doors, app: Starlette, header: str
) -> None:
    answer = doors.client(app).get("/who", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] == "credentials_refused"


def test_a_revoked_token_ends_at_once(doors: Doors, app: Starlette) -> None:
    program = doors.program(Scope.FLAGS)
    client = doors.client(app, program)
    assert client.get("/flag").status_code == 200
    doors.run(lambda home: tokens_of(home).revoke(program.token.id))
    assert client.get("/flag").status_code == 401


def test_an_account_that_ends_ends_its_sessions_at_once(doors: Doors, app: Starlette) -> None:
    first, second = doors.client(app, doors.person), doors.client(app, doors.person)
    assert first.get("/me").status_code == second.get("/me").status_code == 200
    doors.run(lambda home: accounts_of(home).end(doors.person.account))
    assert first.get("/me").status_code == second.get("/me").status_code == 401


def test_a_role_that_ends_ends_the_session_at_once(doors: Doors, app: Starlette) -> None:
    rater = doors.staff[Role.RATER]
    client = doors.client(app, rater)
    assert client.get("/rate").status_code == 200
    doors.run(lambda home: roles_of(home).end(rater.account, Role.RATER))
    assert client.get("/rate").status_code == 401


def test_a_role_that_runs_out_is_gone_without_anybody_doing_anything(
    doors: Doors, app: Starlette
) -> None:
    doors.where.clock.step(timedelta(days=90))
    client = doors.client(app, doors.staff[Role.RATER])
    assert client.get("/rate").status_code == 401


def test_a_step_up_is_asked_for_and_runs_out(doors: Doors, app: Starlette) -> None:
    assert doors.client(app, doors.person).get("/dear").json()["code"] == "step_up_needed"
    client = doors.client(app, doors.person, stepped_up=True)
    assert client.get("/dear").status_code == 200
    doors.where.clock.step(timedelta(minutes=10))
    assert client.get("/dear").json()["code"] == "step_up_needed"


def test_a_form_takes_the_token_of_its_own_session(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.person)
    token = client.get("/form").json()
    assert token == doors.csrf(client)
    assert client.post("/form", data=token).status_code == 200
    assert client.post("/form", data={}).json()["code"] == "csrf_refused"
    foreign = doors.csrf(doors.client(app, doors.other))
    assert client.post("/form", data=foreign).json()["code"] == "csrf_refused"


def test_a_form_from_another_site_is_refused(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.person)
    token = doors.csrf(client)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        assert client.post("/form", data=token, headers=headers).status_code == 403
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8400"}):
        assert client.post("/form", data=token, headers=headers).status_code == 200


def test_a_form_before_sign_in_has_a_cookie_of_its_own(doors: Doors, app: Starlette) -> None:
    client = doors.client(app)
    token = client.get("/form").json()
    assert client.post("/form", data=token).status_code == 200
    assert doors.client(app).post("/form", data=token).status_code == 403
