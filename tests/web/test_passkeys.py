"""A passkey signs in whose it is, here, once for each question, and nobody else."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from tests.support.doors import BASE_URL, Doors, Guest, open_doors
from tests.support.passkey import Authenticator
from volens.access.model import Role
from volens.app.access import accounts_of, passkeys_of, sessions_of
from volens.door.cookies import SESSION
from volens.server.application import application


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        yield found


@pytest.fixture
def app(doors: Doors) -> ASGIApp:
    return application(doors.doorway)


def add_passkey(doors: Doors, client: TestClient, device: Authenticator) -> int:
    token = doors.csrf(client)
    asked = client.post("/sign-in/security/passkey/options", data=token).json()
    data = {**token, "handle": asked["handle"], "answer": device.make(asked["options"])}
    return client.post("/sign-in/security/passkey", data=data).status_code


def asked_of(doors: Doors, client: TestClient) -> dict[str, str]:
    client.get("/sign-in")
    found: dict[str, str] = client.post("/sign-in/passkey/options", data=doors.csrf(client)).json()
    return found


def use(doors: Doors, client: TestClient, device: Authenticator) -> int:
    asked = asked_of(doors, client)
    data = {
        **doors.csrf(client),
        "handle": asked["handle"],
        "answer": device.sign(asked["options"]),
    }
    return client.post("/sign-in/passkey", data=data).status_code


def with_passkey(doors: Doors, app: ASGIApp, whose: Guest) -> Authenticator:
    device = Authenticator(origin=BASE_URL)
    assert add_passkey(doors, doors.client(app, whose, stepped_up=True), device) == 303
    return device


def test_a_passkey_is_both_factors(doors: Doors, app: ASGIApp) -> None:
    for whose in (doors.person, doors.staff[Role.RATER]):
        device = Authenticator(origin=BASE_URL, credential=whose.account.id[:20].encode())
        assert add_passkey(doors, doors.client(app, whose, stepped_up=True), device) == 303
        client = doors.client(app)
        assert use(doors, client, device) == 303
        found = doors.run(lambda home, one=client: sessions_of(home).find(one.cookies[SESSION]))
        assert found is not None
        assert found.principal.account == whose.account.id
        assert found.principal.stepped_up(doors.where.clock.now())


def test_adding_one_takes_a_fresh_proof(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app, doors.person)
    answer = client.post("/sign-in/security/passkey/options", data=doors.csrf(client))
    assert answer.json()["code"] == "step_up_needed"


def test_an_answer_counts_once_and_within_minutes(doors: Doors, app: ASGIApp) -> None:
    device = with_passkey(doors, app, doors.person)
    client = doors.client(app)
    asked = asked_of(doors, client)
    data = {"handle": asked["handle"], "answer": device.sign(asked["options"])}
    assert client.post("/sign-in/passkey", data={**doors.csrf(client), **data}).status_code == 303
    other = doors.client(app)
    other.get("/sign-in")
    assert other.post("/sign-in/passkey", data={**doors.csrf(other), **data}).status_code == 401
    late = asked_of(doors, other)
    doors.where.clock.step(timedelta(minutes=5))
    data = {"handle": late["handle"], "answer": device.sign(late["options"])}
    assert other.post("/sign-in/passkey", data={**doors.csrf(other), **data}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"verified": False},
        {"count": -1},
        {"credential": b"another one here"},
        {"handle": b"somebody else !!"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_does_not_fit_is_refused(
    doors: Doors, app: ASGIApp, change: dict[str, object]
) -> None:
    device = with_passkey(doors, app, doors.person)
    assert use(doors, doors.client(app), device) == 303
    if "count" in change:
        device.count = 0  # a copy of the passkey, older than what was seen
    else:
        vars(device).update(change)
    client = doors.client(app)
    assert use(doors, client, device) == 401
    assert SESSION not in client.cookies


def test_another_s_key_does_not_sign_in(doors: Doors, app: ASGIApp) -> None:
    with_passkey(doors, app, doors.person)
    forged = Authenticator(origin=BASE_URL)
    assert use(doors, doors.client(app), forged) == 401


def test_nobody_takes_over_a_passkey_by_registering_its_id(doors: Doors, app: ASGIApp) -> None:
    with_passkey(doors, app, doors.person)
    thief = doors.client(app, doors.other, stepped_up=True)
    assert add_passkey(doors, thief, Authenticator(origin=BASE_URL)) == 401


def test_a_fresh_proof_is_one_s_own_passkey(doors: Doors, app: ASGIApp) -> None:
    device = with_passkey(doors, app, doors.person)
    other = Authenticator(origin=BASE_URL, credential=b"of-somebody-else")
    assert add_passkey(doors, doors.client(app, doors.other, stepped_up=True), other) == 303
    client = doors.client(app, doors.person)
    for one, expected in ((other, 401), (device, 303)):
        asked = client.post("/sign-in/passkey/options", data=doors.csrf(client)).json()
        data = {"handle": asked["handle"], "answer": one.sign(asked["options"])}
        answer = client.post("/sign-in/confirm", data={**doors.csrf(client), **data})
        assert answer.status_code == expected


def test_an_ended_account_has_no_passkeys(doors: Doors, app: ASGIApp) -> None:
    device = with_passkey(doors, app, doors.person)
    doors.run(lambda home: accounts_of(home).end(doors.person.account))
    assert use(doors, doors.client(app), device) == 401
    assert doors.run(lambda home: passkeys_of(home).of(doors.person.account)) == []


def test_one_is_removed_by_its_owner_only(doors: Doors, app: ASGIApp) -> None:
    device = with_passkey(doors, app, doors.person)
    data = {"credential": device.credential.hex()}
    thief = doors.client(app, doors.other, stepped_up=True)
    path = "/sign-in/security/passkey/remove"
    thief.post(path, data={**doors.csrf(thief), **data})
    assert use(doors, doors.client(app), device) == 303
    owner = doors.client(app, doors.person, stepped_up=True)
    assert owner.post(path, data={**doors.csrf(owner), **data}).status_code == 303
    assert use(doors, doors.client(app), device) == 401
    assert owner.post(path, data={**doors.csrf(owner), "credential": "xyz"}).status_code == 400


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", "x" * 40000, '{"id": 3}'])
def test_nonsense_is_refused(doors: Doors, app: ASGIApp, answer: str) -> None:
    client = doors.client(app)
    asked = asked_of(doors, client)
    data = {**doors.csrf(client), "handle": asked["handle"], "answer": answer}
    assert client.post("/sign-in/passkey", data=data).status_code == 401
