"""Every route of the door, asked by everybody who may not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.api.asking import SAME_SITE, captured
from tests.support.doors import Doors, open_doors
from volens.access.model import Role, Scope
from volens.api.strict import StrictRoute
from volens.app.access import tokens_of
from volens.app.home import Home
from volens.app.retention import new_request
from volens.log.kinds import ErasureScope

PUBLIC, PERSON, STEP_UP = "public", "person", "step-up"
EXPECTED: dict[tuple[str, str], str] = {
    ("GET", "/notices"): PUBLIC,
    ("GET", "/policy"): PUBLIC,
    ("GET", "/policy/plans/{plan}"): PUBLIC,
    ("GET", "/policy/diff"): PUBLIC,
    ("GET", "/terms"): PUBLIC,
    ("GET", "/inventory"): PUBLIC,
    ("GET", "/transparency"): PUBLIC,
    ("GET", "/me"): PERSON,
    ("GET", "/me/choices"): PERSON,
    ("GET", "/me/choices/{purpose}"): PERSON,
    ("PUT", "/me/choices/{purpose}"): PERSON,
    ("PUT", "/me/history"): PERSON,
    ("GET", "/me/conversations"): PERSON,
    ("GET", "/me/conversations/{conversation}"): PERSON,
    ("PUT", "/me/conversations/{conversation}/signal"): PERSON,
    ("DELETE", "/me/conversations/{conversation}"): PERSON,
    ("POST", "/me/erasures"): PERSON,
    ("GET", "/me/erasures"): PERSON,
    ("GET", "/me/erasures/{erasure}"): PERSON,
    ("POST", "/me/erasures/{erasure}/cancel"): PERSON,
    ("GET", "/me/erasures/{erasure}/receipt"): PERSON,
    ("POST", "/me/exports"): STEP_UP,
    ("GET", "/me/exports/{export}"): PERSON,
    ("GET", "/me/exports/{export}/file"): STEP_UP,
    ("POST", "/me/requests"): PERSON,
    ("GET", "/me/requests"): PERSON,
    ("GET", "/me/requests/{number}"): PERSON,
    ("POST", "/me/requests/{number}/withdraw"): PERSON,
    ("GET", "/me/accesses"): PERSON,
    ("GET", "/me/accesses/{index}/proof"): PERSON,
    ("GET", "/me/datasets"): PERSON,
    ("GET", "/me/datasets/{dataset}/proofs/{conversation}"): PERSON,
    ("GET", "/me/models"): PERSON,
    ("GET", "/me/impact"): PERSON,
    ("GET", "/me/impact/{case}/papers/{name}"): PERSON,
    ("GET", "/me/disclosures"): PERSON,
    ("GET", "/me/holds"): PERSON,
    ("GET", "/me/inventory"): PERSON,
    ("POST", "/subjects"): Scope.SUBJECTS_WRITE,
    ("POST", "/subjects:find"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/models"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/impact"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/choices"): Scope.CHOICES_READ,
    ("GET", "/subjects/{subject}/choices/{purpose}"): Scope.CHOICES_READ,
    ("PUT", "/subjects/{subject}/choices/{purpose}"): Scope.CHOICES_WRITE,
    ("PUT", "/subjects/{subject}/history"): Scope.CHOICES_WRITE,
    ("GET", "/subjects/{subject}/conversations"): Scope.SUBJECTS_READ,
    ("POST", "/subjects/{subject}/conversations"): Scope.CAPTURE,
    ("GET", "/subjects/{subject}/conversations/{conversation}"): Scope.SUBJECTS_READ,
    ("PUT", "/subjects/{subject}/conversations/{conversation}/signal"): Scope.CHOICES_WRITE,
    ("DELETE", "/subjects/{subject}/conversations/{conversation}"): Scope.REQUESTS,
    ("POST", "/subjects/{subject}/erasures"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/erasures"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/erasures/{erasure}"): Scope.REQUESTS,
    ("POST", "/subjects/{subject}/erasures/{erasure}/cancel"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/erasures/{erasure}/receipt"): Scope.REQUESTS,
    ("POST", "/subjects/{subject}/requests"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/requests"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/requests/{number}"): Scope.REQUESTS,
    ("POST", "/subjects/{subject}/requests/{number}/withdraw"): Scope.REQUESTS,
    ("GET", "/subjects/{subject}/accesses"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/datasets"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/disclosures"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/holds"): Scope.SUBJECTS_READ,
    ("GET", "/subjects/{subject}/inventory"): Scope.SUBJECTS_READ,
    ("POST", "/subjects/{subject}/embed-tokens"): Scope.EMBED,
    ("POST", "/subjects/{subject}/flags"): Scope.FLAGS,
    ("GET", "/organisations/{organisation}/instructions"): Scope.ORGANISATIONS,
    ("PUT", "/organisations/{organisation}/instructions"): Scope.ORGANISATIONS,
    ("GET", "/token"): "program",
    ("DELETE", "/token"): "program",
    ("POST", "/token/parts"): "program",
}
FRAMEWORK = {"/openapi.json"}
BODIES: dict[str, dict[str, Any]] = {
    "/choices/{purpose}": {"granted": False},
    "/history": {"on": False},
    "/signal": {"excluded": True},
    "/erasures": {"scope": "history"},
    "/exports": {},
    "/requests": {"kind": "access"},
    "/conversations": {"source_id": "s", "turns": [{"role": "user", "text": "t"}]},
    "/instructions": {"purposes": [], "keeping": {}},
    "/subjects": {"reference": "somebody"},
    "/subjects:find": {"reference": "ada"},
    "/flags": {
        "conversation": "cnv_aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "turns": [0],
        "category": "violence",
        "severity": "low",
        "classifier": "toxicity-v3",
    },
    "/token/parts": {"label": "part", "scopes": ["metrics:read"]},
}


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path not in FRAMEWORK
        for method in sorted(route.methods or ())
    ]


class _Asked:
    """A home with a person who has something, and the requests that ask for it."""

    def __init__(self, doors: Doors, app: FastAPI) -> None:
        self.doors, self.app = doors, app
        assert doors.person.subject is not None
        program = doors.client(app, doors.service)
        person = doors.client(app, doors.person, stepped_up=True)
        held = captured(program, "ada")
        gone = captured(program, "ada", "two")
        erasure = person.delete(f"/me/conversations/{gone}", headers=SAME_SITE).json()
        asked = person.post("/me/requests", json={"kind": "access"}, headers=SAME_SITE).json()
        self.names = {
            "subject": doors.person.subject.id,
            "conversation": held,
            "erasure": erasure["erasure"]["erasure"],
            "number": asked["id"],
            "purpose": "batch_training",
            "export": "unknown",
            "index": "1",
            "dataset": "dst_aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "case": "imp_aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "name": "imp_aaaaaaaaaaaaaaaaaaaaaaaaaa.json",
            "plan": "free",
            "organisation": "acme",
        }

    def send(self, client: TestClient, method: str, path: str) -> tuple[int, str]:
        body = next((body for end, body in BODIES.items() if path.endswith(end)), None)
        sent = None if method in {"GET", "DELETE"} else body
        params = {"before": "x", "after": "y"} if path.endswith("diff") else {}
        answer = client.request(
            method, path.format_map(self.names), json=sent, headers=SAME_SITE, params=params
        )
        if answer.headers["content-type"] != "application/problem+json":
            return answer.status_code, ""
        return answer.status_code, answer.json()["code"]


@pytest.fixture
def asked(doors: Doors, app: FastAPI) -> _Asked:
    return _Asked(doors, app)


@contextmanager
def _other_home(folder: Path) -> Iterator[Doors]:
    with open_doors(folder / "other") as found:
        yield found


def test_every_route_says_who_may_ask_and_the_table_knows_each(app: FastAPI) -> None:
    assert sorted(_routes(app)) == sorted(EXPECTED)
    described = app.openapi()["paths"]
    told = {(method.upper(), path) for path, found in described.items() for method in found}
    assert told == {*EXPECTED, ("POST", "/choices:check")}
    for method, path in EXPECTED:
        has_body = "requestBody" in described[path][method.lower()]
        assert has_body is (any(map(path.endswith, BODIES)) and method in {"POST", "PUT"}), path
    for route in app.routes:
        assert isinstance(route, StrictRoute) or getattr(route, "path", "") in FRAMEWORK


def test_nobody_gets_no_further_than_what_is_public(asked: _Asked) -> None:
    client = asked.doors.client(asked.app)
    for (method, path), who in EXPECTED.items():
        status, code = asked.send(client, method, path)
        if who == PUBLIC:
            assert status in {200, 404}, path
        else:
            assert (status, code) == (401, "sign_in_needed"), path


def test_sessions_and_tokens_of_another_home_are_none_here(asked: _Asked, tmp_path: Path) -> None:
    with _other_home(tmp_path) as other:
        foreign = asked.doors.client(asked.app)
        foreign.headers["Authorization"] = f"Bearer {other.program(*Scope).secret}"
        session = asked.doors.client(asked.app)
        made = other.client(asked.app, other.person, stepped_up=True)
        session.cookies = made.cookies
        for (method, path), who in EXPECTED.items():
            if who != PUBLIC:
                assert asked.send(foreign, method, path)[0] == 401, path
                assert asked.send(session, method, path)[0] == 401, path


def test_staff_are_not_people_and_not_programs(asked: _Asked) -> None:
    """Whatever their role, without a case or with one: these doors are not theirs."""
    for role in Role:
        client = asked.doors.client(asked.app, asked.doors.staff[role], stepped_up=True)
        for (method, path), who in EXPECTED.items():
            status, code = asked.send(client, method, path)
            if who == PUBLIC:
                assert status in {200, 404}, path
            elif who in {PERSON, STEP_UP}:
                assert (status, code) == (404, "not_here"), path
            else:
                assert (status, code) == (401, "sign_in_needed"), path


def test_staff_whose_time_is_over_are_nobody(asked: _Asked) -> None:
    clients = [asked.doors.client(asked.app, one) for one in asked.doors.staff.values()]
    asked.doors.where.clock.step(timedelta(days=91))
    for client in clients[:2]:
        for (method, path), who in EXPECTED.items():
            if who != PUBLIC:
                assert asked.send(client, method, path)[0] == 401, path


def test_somebody_whose_account_is_closed_is_nobody(asked: _Asked) -> None:
    doors = asked.doors
    client = doors.client(asked.app, doors.person, stepped_up=True)
    assert client.get("/me").status_code == 200
    doors.run(_close_ada)
    for (method, path), who in EXPECTED.items():
        if who != PUBLIC:
            assert asked.send(client, method, path)[0] == 401, path


def _close_ada(home: Home) -> None:
    asked = new_request(
        home, home.entropy.draw(16), ErasureScope.ACCOUNT, home.subjects.find("ada")
    )
    home.erasures.request(asked)


def test_another_person_gets_nothing_of_hers(asked: _Asked) -> None:
    """What has a name of its own is not found; what has none is the other person's own."""
    client = asked.doors.client(asked.app, asked.doors.other, stepped_up=True)
    hers = {"{conversation}", "{erasure}", "{number}", "{export}", "{index}", "{case}"}
    for (method, path), who in EXPECTED.items():
        if who not in {PERSON, STEP_UP}:
            continue
        status, _ = asked.send(client, method, path)
        if any(name in path for name in hers):
            assert status == 404, path
        else:
            assert status in {200, 201, 202}, path
    for path in ("/me/conversations", "/me/accesses", "/me/holds", "/me/disclosures"):
        assert asked.names["conversation"] not in client.get(path).text


def test_a_person_is_no_program_and_a_program_no_person(asked: _Asked) -> None:
    doors = asked.doors
    person = doors.client(asked.app, doors.person, stepped_up=True)
    program = doors.client(asked.app, doors.service)
    for (method, path), who in EXPECTED.items():
        if who in {PERSON, STEP_UP}:
            assert asked.send(program, method, path) == (404, "not_here"), path
        elif who != PUBLIC:
            assert asked.send(person, method, path) == (401, "sign_in_needed"), path


def test_a_token_is_good_for_its_scopes_only(asked: _Asked) -> None:
    doors = asked.doors
    clients = {scope: doors.client(asked.app, doors.program(scope)) for scope in Scope}
    for (method, path), who in EXPECTED.items():
        if not isinstance(who, Scope):
            continue
        for scope, client in clients.items():
            status, code = asked.send(client, method, path)
            assert (code == "scope_missing") is (scope is not who), (path, scope)
            assert status != 401, path


def test_a_revoked_token_is_none(asked: _Asked) -> None:
    doors = asked.doors
    client = doors.client(asked.app, doors.service)
    doors.run(lambda home: tokens_of(home).revoke(doors.service.token.id))
    for (method, path), who in EXPECTED.items():
        if who not in {PUBLIC, PERSON, STEP_UP}:
            assert asked.send(client, method, path) == (401, "credentials_refused"), path


def test_what_weighs_most_takes_a_second_proof(asked: _Asked) -> None:
    doors = asked.doors
    client = doors.client(asked.app, doors.person)
    for (method, path), who in EXPECTED.items():
        if who == STEP_UP or (method, path) == ("POST", "/me/erasures"):
            assert asked.send(client, method, path) == (403, "step_up_needed"), path


def test_another_site_can_change_nothing_with_a_cookie(asked: _Asked) -> None:
    doors = asked.doors
    client = doors.client(asked.app, doors.person, stepped_up=True)
    for (method, path), who in EXPECTED.items():
        if method == "GET" or who not in {PERSON, STEP_UP}:
            continue
        at = path.format_map(asked.names)
        for headers in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "http://127.0.0.1:8400", "Sec-Fetch-Site": "cross-site"},
        ):
            answer = client.request(method, at, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused"), path
        form = client.request(method, at, data={"granted": "false"}, headers=SAME_SITE)
        if method != "DELETE" and not path.endswith(("cancel", "withdraw")):
            assert (form.status_code, form.json()["code"]) == (415, "media_type"), path
    own = client.put("/me/history", json={"on": True}, headers={"Origin": "http://127.0.0.1:8400"})
    assert own.status_code == 200


@pytest.mark.parametrize(
    "member", ["consent", "role", "roles", "tenant", "plan", "region", "tier", "subject", "scopes_"]
)
def test_no_body_sets_what_is_not_its_own(asked: _Asked, member: str) -> None:
    doors = asked.doors
    person = doors.client(asked.app, doors.person, stepped_up=True)
    program = doors.client(asked.app, doors.service)
    tried = 0
    for (method, path), who in EXPECTED.items():
        body = next((body for end, body in BODIES.items() if path.endswith(end)), None)
        if body is None or method not in {"POST", "PUT"}:
            continue
        client = person if who in {PERSON, STEP_UP} else program
        at = path.format_map(asked.names)
        answer = client.request(method, at, json={**body, member: "all"}, headers=SAME_SITE)
        assert (answer.status_code, answer.json()["code"]) == (422, "body_form"), path
        assert member in answer.json()["detail"], path
        tried += 1
    assert tried >= 14
