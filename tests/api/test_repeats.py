"""What was asked once under a key is done once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from tests.api.asking import SAME_SITE, captured, grant, notice
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


ALWAYS = {
    ("post", "/me/erasures"),
    ("post", "/subjects/{subject}/erasures"),
}
"""What only takes back: done each time."""
SECRET = {
    ("post", "/subjects/{subject}/embed-tokens"),
    ("post", "/token/parts"),
}
READS = {("post", "/subjects:find"), ("post", "/choices:check")}
KEY = {"Idempotency-Key": "one", **SAME_SITE}


def _takes_a_key(operation: dict[str, Any]) -> bool:
    names = [one["name"] for one in operation.get("parameters", ())]
    return "Idempotency-Key" in names


def test_every_change_takes_a_key_or_says_why_not(app: FastAPI) -> None:
    changes = {
        (method, path): _takes_a_key(operation)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if method in {"post", "put"}
    }
    assert len(changes) > 20
    assert {one for one, takes in changes.items() if not takes} == ALWAYS | SECRET | READS


class _Story:
    """A change under a key, and the same with another body, or at another place."""

    def __init__(self, doors: Doors, app: FastAPI) -> None:
        self.doors = doors
        self.person = doors.client(app, doors.person, stepped_up=True)
        self.program = doors.client(app, doors.service)

    def yes(self) -> tuple[Response, Response, Response]:
        at = "/me/choices/batch_training"
        etag = self.person.get(at).headers["etag"]
        body = {"granted": True, "notice": notice(self.person)}
        headers = {**KEY, "If-Match": etag}
        first = self.person.put(at, json=body, headers=headers)
        again = self.person.put(at, json=body, headers=headers)
        assert again.headers["etag"] == first.headers["etag"] != etag
        changed = {**body, "expires": "2030-01-01T00:00:00Z"}
        return first, again, self.person.put(at, json=changed, headers=headers)

    def yes_to_another_state(self) -> tuple[Response, Response, Response]:
        first, again, _ = self.yes()
        at, body = "/me/choices/batch_training", {"granted": True, "notice": notice(self.person)}
        headers = {**KEY, "If-Match": first.headers["etag"]}
        return first, again, self.person.put(at, json=body, headers=headers)

    def history_on(self) -> tuple[Response, Response, Response]:
        one, other = "/subjects/ada/history", "/subjects/bob/history"
        self.program.put(one, json={"on": False})
        return self._twice(self.program, "PUT", one, {"on": True}, other)

    def included(self) -> tuple[Response, Response, Response]:
        at = f"/me/conversations/{captured(self.program, 'ada')}/signal"
        other = f"/me/conversations/{captured(self.program, 'ada', 'two')}/signal"
        return self._twice(self.person, "PUT", at, {"excluded": False}, other)

    def erasure_cancelled(self) -> tuple[Response, Response, Response]:
        erasures = []
        for name in ("one", "two"):
            chat = captured(self.program, "ada", name)
            asked = self.person.delete(f"/me/conversations/{chat}", headers=SAME_SITE)
            erasures.append(f"/me/erasures/{asked.json()['erasure']['erasure']}/cancel")
        return self._twice(self.person, "POST", erasures[0], None, erasures[1])

    def export(self) -> tuple[Response, Response, Response]:
        other = {"language": "de"}
        found = self._twice(self.person, "POST", "/me/exports", {}, "/me/exports", other)
        assert found[0].headers["location"] == found[1].headers["location"]
        return found

    def request(self) -> tuple[Response, Response, Response]:
        other = {"kind": "portability"}
        return self._twice(
            self.program,
            "POST",
            "/subjects/ada/requests",
            {"kind": "access"},
            "/subjects/ada/requests",
            other,
        )

    def request_withdrawn(self) -> tuple[Response, Response, Response]:
        made = [
            self.program.post("/subjects/ada/requests", json={"kind": kind}).json()["id"]
            for kind in ("access", "portability")
        ]
        one, other = (f"/subjects/ada/requests/{number}/withdraw" for number in made)
        return self._twice(self.program, "POST", one, None, other)

    def instructions(self) -> tuple[Response, Response, Response]:
        at = "/organisations/acme/instructions"
        headers = {**KEY, "If-Match": self.program.get(at).headers["etag"]}
        body = {"purposes": ["batch_training"], "keeping": {}}
        first = self.program.put(at, json=body, headers=headers)
        again = self.program.put(at, json=body, headers=headers)
        assert again.headers["etag"] == first.headers["etag"]
        changed = {**body, "purposes": []}
        return first, again, self.program.put(at, json=changed, headers=headers)

    def _twice(
        self,
        client: TestClient,
        method: str,
        at: str,
        body: dict[str, Any] | None,
        elsewhere: str,
        changed: dict[str, Any] | None = None,
    ) -> tuple[Response, Response, Response]:
        first = client.request(method, at, json=body, headers=KEY)
        again = client.request(method, at, json=body, headers=KEY)
        changed = body if changed is None else changed
        return first, again, client.request(method, elsewhere, json=changed, headers=KEY)


@pytest.mark.parametrize(
    "story",
    [
        _Story.yes,
        _Story.yes_to_another_state,
        _Story.history_on,
        _Story.included,
        _Story.erasure_cancelled,
        _Story.export,
        _Story.request,
        _Story.request_withdrawn,
        _Story.instructions,
    ],
)
def test_each_change_is_done_once_and_no_other_under_its_key(
    doors: Doors, app: FastAPI, story: Callable[[_Story], tuple[Response, Response, Response]]
) -> None:
    first, again, other = story(_Story(doors, app))
    assert first.status_code in {200, 201, 202}, first.text
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_no_is_done_each_time_whatever_the_key(doors: Doors, app: FastAPI) -> None:
    """An answer of before must not stand in for taking back what was said since."""
    person, at = doors.client(app, doors.person), "/me/choices/batch_training"
    for _ in range(2):
        assert grant(person).status_code == 200
        no = person.put(at, json={"granted": False}, headers=KEY)
        assert (no.status_code, no.json()["status"]) == (200, "withdrawn")
        assert person.get(at).json()["status"] == "withdrawn"


def test_a_repeated_yes_does_not_bring_back_what_was_withdrawn_since(
    doors: Doors, app: FastAPI
) -> None:
    story = _Story(doors, app)
    at = "/me/choices/batch_training"
    etag = story.person.get(at).headers["etag"]
    body = {"granted": True, "notice": notice(story.person)}
    headers = {**KEY, "If-Match": etag}
    assert story.person.put(at, json=body, headers=headers).json()["status"] == "granted"
    story.person.put(at, json={"granted": False}, headers=KEY)
    assert story.person.put(at, json=body, headers=headers).status_code == 200
    assert story.person.get(at).json()["status"] == "withdrawn"


def test_history_off_and_a_chat_left_out_are_done_each_time(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    chat = f"/subjects/ada/conversations/{captured(program, 'ada')}"
    for _ in range(2):
        program.put("/subjects/ada/history", json={"on": True})
        program.put("/subjects/ada/history", json={"on": False}, headers=KEY)
        captures = {"source_id": "x", "turns": [{"role": "user", "text": "hello"}]}
        kept = program.post("/subjects/ada/conversations", json=captures).json()["kept"]
        assert not kept
        program.put(f"{chat}/signal", json={"excluded": False})
        program.put(f"{chat}/signal", json={"excluded": True}, headers=KEY)
        assert program.get(chat).json()["signal"] == "excluded"


def test_what_makes_a_secret_takes_no_key(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.service)
    part = {"label": "part", "scopes": ["metrics:read"]}
    for at, body in (("/subjects/ada/embed-tokens", None), ("/token/parts", part)):
        assert client.post(at, json=body).status_code == 201
        refused = client.post(at, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_refused")
    assert doors.run(_kept) == 0
