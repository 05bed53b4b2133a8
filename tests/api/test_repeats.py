"""What was asked once under a key is done once."""

from datetime import timedelta

from fastapi import FastAPI

from tests.support.doors import Doors
from volens.access.tables import REPEAT
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import new_request
from volens.log.kinds import ErasureScope


def test_a_repeat_gets_the_same_answer_and_does_nothing(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    key = {"Idempotency-Key": "one"}
    first = client.post("/subjects", json={"reference": "new"}, headers=key)
    assert first.status_code == 201
    again = client.post("/subjects", json={"reference": "new"}, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    without = client.post("/subjects", json={"reference": "new"})
    assert (without.status_code, without.json()["code"]) == (409, "subject_exists")


def test_another_request_under_the_key_is_refused(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    key = {"Idempotency-Key": "one"}
    assert client.post("/subjects", json={"reference": "new"}, headers=key).status_code == 201
    other = client.post("/subjects", json={"reference": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_keys_of_two_programs_do_not_meet(doors: Doors, app: FastAPI) -> None:
    key = {"Idempotency-Key": "one"}
    one = doors.client(app, doors.service)
    other = doors.client(app, doors.program(*doors.service.token.scopes))
    assert one.post("/subjects", json={"reference": "a"}, headers=key).status_code == 201
    assert other.post("/subjects", json={"reference": "b"}, headers=key).status_code == 201


def test_an_error_is_not_kept(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    key = {"Idempotency-Key": "one"}
    assert client.post("/subjects", json={"reference": "ada"}, headers=key).status_code == 409
    assert client.post("/subjects", json={"reference": "new"}, headers=key).status_code == 201


def test_a_key_is_forgotten_after_a_day(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    key = {"Idempotency-Key": "one"}
    client.post("/subjects", json={"reference": "a"}, headers=key)
    doors.where.clock.step(timedelta(hours=24))
    assert client.post("/subjects", json={"reference": "b"}, headers=key).status_code == 201
    assert doors.run(_kept) == 1


def test_what_is_kept_goes_with_its_person(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    turns = [{"role": "user", "text": "hello"}]
    client.post(
        "/subjects/ada/conversations",
        json={"source_id": "x", "turns": turns},
        headers={"Idempotency-Key": "one"},
    )
    assert doors.run(_kept) == 1
    doors.run(_erase_ada)
    assert doors.run(_kept) == 0


def _kept(home: Home) -> int:
    with home.main.connect() as db:
        return len(db.execute(REPEAT.select()).all())


def _erase_ada(home: Home) -> None:
    person = home.subjects.find("ada")
    draw = home.entropy.draw(16)
    home.erasures.request(new_request(home, draw, ErasureScope.ACCOUNT, person, at_once=True))
    home.erasures.drain()
    eraser_of(home).run(home.clock.now() + timedelta(hours=1))
