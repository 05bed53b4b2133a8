"""What can be read in two ways, is too much, or comes too slowly is refused, with a code."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.types import Message

from tests.api.asking import SAME_SITE, captured
from tests.support.doors import Doors
from volens.api import strict
from volens.api.asking import Door, open_to
from volens.api.strict import StrictRequest
from volens.core.errors import InvalidInput
from volens.server.application import application

_JSON = {"Content-Type": "application/json", **SAME_SITE}
_NOT_PUBLIC = ("/me", "/subjects", "/token", "/organisations", "/choices:check")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"on":true,"on":false}', 400, "duplicate_key"),
        (b'{"on":true', 400, "json_syntax"),
        (b'{"on":"\\ud800"}', 400, "json_surrogate"),
        (b'{"on":NaN}', 400, "json_number"),
        (b'{"on":' + b"[" * 13 + b"]" * 13 + b"}", 400, "json_depth"),
        (b'{"on":"' + b"\xff" + b'"}', 400, "json_encoding"),
        (b'{"on":"yes"}', 422, "body_form"),
        (b'{"on":1}', 422, "body_form"),
        (b"[]", 422, "body_form"),
        (b"", 422, "body_form"),
        (b'{"on":true,"pad":"' + b"a" * strict.MAX_BODY_BYTES + b'"}', 413, "too_large"),
    ],
)
def test_a_body_has_one_reading_and_a_limit(
    doors: Doors, app: FastAPI, body: bytes, status: int, code: str
) -> None:
    answer = doors.client(app, doors.person).put("/me/history", content=body, headers=_JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_without_a_length_has_the_same_limit(doors: Doors, app: FastAPI) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(6):
            yield b" " * (64 * 1024)

    answer = doors.client(app, doors.person).put("/me/history", content=pieces(), headers=_JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_slow_body_ends() -> None:
    """What the clock of the loop says when the time is over is a problem of its own."""

    async def never() -> Message:
        raise TimeoutError

    request = StrictRequest({"type": "http", "headers": []}, never)
    with pytest.raises(InvalidInput, match="longer than") as refused:
        asyncio.run(request.body())
    assert refused.value.code == "too_slow"


@pytest.mark.parametrize("path", ["/nothing", "/me/nothing", "/subjects/a/b/c"])
def test_a_route_that_is_not_there_is_a_problem_too(doors: Doors, app: FastAPI, path: str) -> None:
    answer = doors.client(app).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "route_unknown")


def test_a_method_that_is_not_there_is_a_problem_too(doors: Doors, app: FastAPI) -> None:
    answer = doors.client(app).delete("/policy")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_what_nobody_foresaw_says_nothing_of_itself(doors: Doors, app: FastAPI) -> None:
    @open_to(Door.EVERYBODY)
    async def broken() -> dict[str, str]:
        raise RuntimeError("somebody's words")

    app.router.get("/broken")(broken)
    client = doors.client(app)
    client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "words" not in answer.text


def test_a_wrong_value_is_not_said_back(doors: Doors, app: FastAPI) -> None:
    body = {"reference": "x" * 300}
    answer = doors.client(app, doors.service).post("/subjects", json=body)
    assert answer.status_code == 422
    assert "xxx" not in answer.text


def test_a_cursor_is_good_for_its_list_only(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    for name in ("ada", "bob"):
        for number in range(3):
            captured(program, name, f"{name}{number}")
    first = program.get("/subjects/ada/conversations", params={"limit": 2}).json()
    assert len(first["conversations"]) == 2
    rest = program.get(
        "/subjects/ada/conversations", params={"limit": 2, "cursor": first["next"]}
    ).json()
    assert len(rest["conversations"]) == 1
    assert rest["next"] is None
    cursor = first["next"]
    for wrong in (cursor[:-1], "B" + cursor[1:], "!", "\u00e9", ""):
        answer = program.get("/subjects/ada/conversations", params={"cursor": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_form"), wrong
    other = program.get("/subjects/bob/conversations", params={"cursor": cursor})
    assert other.json()["code"] == "cursor_form"


def test_names_that_look_alike_are_different_people(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    names = ["jos\u00e9", "jose\u0301", "\u0430da", "Ada", "ada\u200b"]
    made = {}
    for name in names:
        answer = program.post("/subjects", json={"reference": name})
        made[name] = (answer.status_code, answer.json().get("id"))
    assert made.pop("ada\u200b") == (400, None)  # not printable
    ids = {found for _, found in made.values()}
    assert len(ids) == 4
    for name, (_, found) in made.items():
        assert program.post("/subjects:find", json={"reference": name}).json()["id"] == found
    assert program.get("/subjects/ada").json()["id"] not in ids


def test_the_openapi_document_is_3_1_and_names_every_problem(app: FastAPI) -> None:
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    assert json.dumps(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert "application/problem+json" in answers["4XX"]["content"], (method, path)
            assert "application/json" not in answers["4XX"]["content"], (method, path)
            assert "422" not in answers, (method, path)
            secured = "security" in operation
            assert secured is path.startswith(_NOT_PUBLIC), path


def test_a_long_conversation_is_captured_by_the_server_as_a_whole(doors: Doors) -> None:
    program = doors.client(application(doors.doorway), doors.service)
    turns = [{"role": "user", "text": "long " * 50_000}] * 8
    at, body = "/v1/subjects/ada/conversations", {"source_id": "x", "turns": turns}
    assert len(json.dumps(body)) > 1024 * 1024
    made = program.post(at, json=body)
    assert (made.status_code, made.json()["added"]) == (201, 1), made.text
    elsewhere = program.post("/v1/subjects", json={"reference": "x" * 2 * 1024 * 1024})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (413, "too_large")
