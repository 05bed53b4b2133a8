"""Every route that is served, pages and the gateway's too, asked by everybody who may not.

The routes of the REST door, mounted below ``/v1``, have a table of their own (tests/api).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from tests.support.doors import Doors, open_doors
from volens.access.model import Role, Scope
from volens.app.access import sessions_of, tokens_of
from volens.door.cookies import SESSION
from volens.door.limits import Limits
from volens.server.application import Application, application

OPEN, SIGNED_IN, PERSON, STAFF = "open", "signed-in", "person", "staff"
EXPECTED: dict[tuple[str, str], str] = {
    ("POST", "/v1/choices:check"): Scope.CHOICES_READ,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): Scope.METRICS,
    ("POST", "/v1/chat/completions"): Scope.CAPTURE,
    ("GET", "/v1/models"): Scope.CAPTURE,
    ("GET", "/v1/models/{model:path}"): Scope.CAPTURE,
    ("POST", "/v1/traces"): Scope.CAPTURE,
    ("GET", "/static/{name:path}"): OPEN,
    ("POST", "/language"): OPEN,
    ("GET", "/sign-in"): OPEN,
    ("POST", "/sign-in"): OPEN,
    ("GET", "/sign-in/code"): OPEN,
    ("POST", "/sign-in/code"): OPEN,
    ("GET", "/sign-in/set-up"): OPEN,
    ("POST", "/sign-in/set-up"): OPEN,
    ("POST", "/sign-in/passkey/options"): OPEN,
    ("POST", "/sign-in/passkey"): OPEN,
    ("POST", "/sign-out"): OPEN,
    ("GET", "/embed"): OPEN,
    ("GET", "/sign-in/confirm"): SIGNED_IN,
    ("POST", "/sign-in/confirm"): SIGNED_IN,
    ("POST", "/sign-in/return"): OPEN,
    ("GET", "/sign-in/security"): SIGNED_IN,
    ("POST", "/sign-in/security/passkey/options"): SIGNED_IN,
    ("POST", "/sign-in/security/password"): SIGNED_IN,
    ("POST", "/sign-in/security/app"): SIGNED_IN,
    ("POST", "/sign-in/security/app/confirm"): SIGNED_IN,
    ("POST", "/sign-in/security/app/remove"): SIGNED_IN,
    ("POST", "/sign-in/security/codes"): SIGNED_IN,
    ("POST", "/sign-in/security/passkey"): SIGNED_IN,
    ("POST", "/sign-in/security/passkey/remove"): SIGNED_IN,
    ("POST", "/sign-in/security/elsewhere"): SIGNED_IN,
    ("POST", "/sign-in/provider"): OPEN,
    ("GET", "/sign-in/provider/back"): OPEN,
    ("GET", "/"): OPEN,
    ("GET", "/me"): PERSON,
    ("POST", "/me/history"): PERSON,
    ("GET", "/me/choices"): PERSON,
    ("GET", "/me/choices/{purpose}"): PERSON,
    ("POST", "/me/choices/{purpose}"): PERSON,
    ("GET", "/me/receipts/{event}"): PERSON,
    ("GET", "/me/chats"): PERSON,
    ("GET", "/me/chats/{chat}"): PERSON,
    ("POST", "/me/chats/{chat}/use"): PERSON,
    ("POST", "/me/chats/{chat}/report"): PERSON,
    ("GET", "/me/seen"): PERSON,
    ("GET", "/me/seen/{index}"): PERSON,
    ("GET", "/me/datasets"): PERSON,
    ("POST", "/me/datasets/{dataset}/proof"): PERSON,
    ("GET", "/me/models/{case}/{name}"): PERSON,
    ("GET", "/me/delete"): PERSON,
    ("POST", "/me/delete"): PERSON,
    ("GET", "/me/erasures"): PERSON,
    ("GET", "/me/erasures/{reference}"): PERSON,
    ("GET", "/me/erasures/{reference}/receipt.{form}"): PERSON,
    ("POST", "/me/erasures/{reference}/mail"): PERSON,
    ("POST", "/me/erasures/{reference}/cancel"): PERSON,
    ("GET", "/me/export"): PERSON,
    ("POST", "/me/export"): PERSON,
    ("GET", "/me/export/file"): PERSON,
    ("GET", "/me/holds"): PERSON,
    ("POST", "/me/holds/{case}"): PERSON,
    ("GET", "/me/policy"): PERSON,
    ("GET", "/me/policy/versions"): PERSON,
    ("GET", "/me/policy/fields"): PERSON,
    ("GET", "/me/rights"): PERSON,
    ("POST", "/me/rights"): PERSON,
    ("POST", "/me/rights/{request}/withdraw"): PERSON,
    ("GET", "/me/timeline"): PERSON,
    ("GET", "/left"): OPEN,
    ("POST", "/left"): OPEN,
    ("GET", "/staff"): STAFF,
    ("GET", "/staff/accounts"): STAFF,
    ("POST", "/staff/accounts"): STAFF,
    ("GET", "/staff/accounts/{subject}"): STAFF,
    ("GET", "/staff/organisation"): STAFF,
    ("POST", "/staff/organisation"): STAFF,
    ("GET", "/staff/queue"): STAFF,
    ("GET", "/staff/cases"): STAFF,
    ("POST", "/staff/cases"): STAFF,
    ("GET", "/staff/cases/new"): STAFF,
    ("GET", "/staff/cases/{case}"): STAFF,
    ("POST", "/staff/cases/{case}/approve"): STAFF,
    ("POST", "/staff/cases/{case}/refuse"): STAFF,
    ("POST", "/staff/cases/{case}/close"): STAFF,
    ("POST", "/staff/cases/{case}/look"): STAFF,
    ("POST", "/staff/cases/{case}/done"): STAFF,
    ("GET", "/staff/cases/{case}/over"): STAFF,
    ("GET", "/staff/aggregates"): STAFF,
    ("GET", "/staff/rating"): STAFF,
    ("POST", "/staff/rating/look"): STAFF,
    ("POST", "/staff/rating/done"): STAFF,
    ("GET", "/staff/rating/over"): STAFF,
    ("GET", "/staff/overview"): STAFF,
    ("GET", "/staff/requests"): STAFF,
    ("GET", "/staff/requests/{request}"): STAFF,
    ("POST", "/staff/requests/{request}/verify"): STAFF,
    ("POST", "/staff/requests/{request}/take-up"): STAFF,
    ("POST", "/staff/requests/{request}/extend"): STAFF,
    ("POST", "/staff/requests/{request}/close"): STAFF,
    ("GET", "/staff/holds"): STAFF,
    ("POST", "/staff/holds/{hold}/review"): STAFF,
    ("GET", "/staff/policy"): STAFF,
    ("GET", "/staff/policy/compare"): STAFF,
    ("POST", "/staff/policy/activate"): STAFF,
    ("GET", "/staff/clock"): STAFF,
    ("POST", "/staff/clock"): STAFF,
    ("GET", "/staff/audits"): STAFF,
    ("GET", "/staff/audits/{number}"): STAFF,
    ("GET", "/staff/audits/{number}/audit.json"): STAFF,
    ("GET", "/staff/papers/processing"): STAFF,
    ("GET", "/staff/papers/impact"): STAFF,
    ("GET", "/staff/papers/transparency"): STAFF,
    ("GET", "/staff/papers/download/{file}"): STAFF,
    ("GET", "/staff/system"): STAFF,
    ("GET", "/staff/log"): STAFF,
    ("GET", "/staff/log/verified"): STAFF,
    ("GET", "/staff/datasets"): STAFF,
    ("GET", "/staff/tables"): STAFF,
    ("GET", "/staff/tables/{table}"): STAFF,
    ("GET", "/demo"): OPEN,
    ("POST", "/demo"): OPEN,
}
NO_LIMITS = Limits(a_second=1e6, burst=1e6, programs_a_second=1e6, programs_burst=1e6)
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
NAMES = {"purpose": "batch_training", "index": "1", "form": "json", "number": "1", "table": "plans"}


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path / "here") as found:
        yield found


@pytest.fixture
def app(doors: Doors) -> Application:
    return application(doors.doorway, limits=NO_LIMITS)


def _send(doors: Doors, client: TestClient, method: str, path: str) -> tuple[int, str]:
    """Ask for a route; return the status, and the code or where it leads."""
    at = re.sub(r"\{(\w+)(?::path)?\}", lambda found: NAMES.get(found[1], "unknown"), path)
    form = doors.csrf(client) if method == "POST" and SESSION in client.cookies else None
    answer = client.request(method, at, data=form, headers=SAME_SITE)
    if answer.headers.get("content-type", "") == "application/problem+json":
        return answer.status_code, answer.json()["code"]
    return answer.status_code, answer.headers.get("location", "").partition("?")[0]


def _is_refused(answer: tuple[int, str], method: str, who: str) -> bool:
    """Tell whether a route sent somebody away whom it doesn't know."""
    if isinstance(who, Scope):
        return answer in {(401, "sign_in_needed"), (401, "credentials_refused")}
    if method == "GET":
        return answer == (303, "/sign-in")
    return answer[0] == 401


def _closed() -> list[tuple[str, str, str]]:
    return [(method, path, who) for (method, path), who in EXPECTED.items() if who != OPEN]


def test_every_route_that_is_served_is_in_the_table_and_no_other(app: Application) -> None:
    served = [
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    assert sorted(served) == sorted(EXPECTED)
    others = [route for route in app.routes if not isinstance(route, Route)]
    assert [one.path for one in others if isinstance(one, Mount)] == ["/v1"]
    assert len(others) == 1


def test_the_table_opens_nothing_below_what_is_somebody_s() -> None:
    for (_, path), who in EXPECTED.items():
        assert (who == PERSON) is (path == "/me" or path.startswith("/me/")), path
        assert (who == STAFF) is (path == "/staff" or path.startswith("/staff/")), path
        assert isinstance(who, Scope) is (path.startswith("/v1/") or path == "/metrics"), path


def test_nobody_gets_past_what_is_open(doors: Doors, app: Application) -> None:
    client = doors.client(app)
    for method, path, who in _closed():
        assert _is_refused(_send(doors, client, method, path), method, who), path


def test_sessions_and_tokens_of_another_home_open_nothing_here(
    doors: Doors, app: Application, tmp_path: Path
) -> None:
    with open_doors(tmp_path / "other") as other:
        visitors = [(other.person, PERSON), *((one, STAFF) for one in other.staff.values())]
        for guest, theirs in visitors:
            session = doors.client(app)
            session.cookies.set(SESSION, other.session(guest, stepped_up=True), domain="127.0.0.1")
            asked = [one for one in _closed() if one[2] not in {PERSON, STAFF} - {theirs}]
            for method, path, who in asked:
                assert _is_refused(_send(doors, session, method, path), method, who), path
        foreign = doors.client(app)
        foreign.headers["Authorization"] = f"Bearer {other.program(*Scope).secret}"
        for method, path, who in _closed():
            status, _ = _send(doors, foreign, method, path)
            assert status in ({401} if isinstance(who, Scope) else {303, 401, 404}), path


def test_a_person_opens_no_page_of_staff_and_nothing_of_programs(
    doors: Doors, app: Application
) -> None:
    client = doors.client(app, doors.person, stepped_up=True)
    for method, path, who in _closed():
        answer = _send(doors, client, method, path)
        if who == STAFF:
            assert answer[0] == 404, (path, answer)
        elif isinstance(who, Scope):
            assert answer == (401, "sign_in_needed"), (path, answer)


@pytest.mark.parametrize("role", list(Role))
def test_staff_open_no_page_of_a_person_and_nothing_of_programs(
    doors: Doors, app: Application, role: Role
) -> None:
    client = doors.client(app, doors.staff[role], stepped_up=True)
    for method, path, who in _closed():
        answer = _send(doors, client, method, path)
        if who == PERSON:
            assert answer[0] == 404, (path, answer)
        elif isinstance(who, Scope):
            assert answer == (401, "sign_in_needed"), (path, answer)


def test_a_program_opens_no_page_and_only_what_its_scope_names(
    doors: Doors, app: Application
) -> None:
    clients = {scope: doors.client(app, doors.program(scope)) for scope in Scope}
    everything = doors.client(app, doors.service)
    for method, path, who in _closed():
        if who in {PERSON, STAFF}:
            assert _send(doors, everything, method, path)[0] == 404, path
        elif who == SIGNED_IN:
            assert _is_refused(_send(doors, everything, method, path), method, who), path
        else:
            for scope, client in clients.items():
                answer = _send(doors, client, method, path)
                assert (answer == (403, "scope_missing")) is (scope is not who), (path, scope)
                assert answer[0] != 401, (path, scope)


def test_a_revoked_token_and_an_ended_session_open_nothing(doors: Doors, app: Application) -> None:
    program = doors.client(app, doors.service)
    person = doors.client(app, doors.person, stepped_up=True)
    assert person.get("/me").status_code == 200
    doors.run(lambda home: tokens_of(home).revoke(doors.service.token.id))
    session = person.cookies[SESSION]
    doors.run(lambda home: sessions_of(home).end(session))
    for method, path, who in _closed():
        if isinstance(who, Scope):
            assert _send(doors, program, method, path) == (401, "credentials_refused"), path
        elif who in {PERSON, SIGNED_IN}:
            assert _is_refused(_send(doors, person, method, path), method, who), path
