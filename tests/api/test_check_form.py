"""What the OpenAPI document says of a check, and what the door takes: one and the same."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.doors import Doors
from volens.api.application import api_application
from volens.api.check_form import MOST_CHARACTERS, MOST_PURPOSES, MOST_SUBJECTS, read_question
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose
from volens.server.application import application

_PEOPLE = [f"p{number}" for number in range(MOST_SUBJECTS + 1)]
_GOOD: dict[str, Json] = {"purpose": "sale", "subjects": ["ada"]}


@pytest.fixture
def document(doors: Doors) -> dict[str, Any]:
    return api_application(doors.doorway, environment={}).openapi()


def _validator(document: Mapping[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})


def _is_read(body: Json) -> bool:
    try:
        read_question(json.dumps(body).encode())
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize(
    ("good", "body"),
    [
        (True, _GOOD),
        (True, {**_GOOD, "sign": True}),
        (True, {**_GOOD, "sign": False}),
        (True, {**_GOOD, "subjects": _PEOPLE[:-1]}),
        (True, {**_GOOD, "subjects": ["x" * MOST_CHARACTERS]}),
        (True, {**_GOOD, "subjects": ["\U0001f600" * MOST_CHARACTERS]}),
        *((True, {**_GOOD, "purpose": one.value}) for one in Purpose),
        (True, {"purposes": ["sale"], "subjects": ["ada"]}),
        (True, {"purposes": [*Purpose][:MOST_PURPOSES], "subjects": ["ada"], "sign": True}),
        (False, {"purposes": [*Purpose][: MOST_PURPOSES + 1], "subjects": ["ada"]}),
        (False, {"purposes": [], "subjects": ["ada"]}),
        (False, {"purposes": ["sale", "sale"], "subjects": ["ada"]}),
        (False, {"purposes": ["sale", "nonsense"], "subjects": ["ada"]}),
        (False, {"purposes": ["sale", 1], "subjects": ["ada"]}),
        (False, {"purposes": ["sale", ["sale"]], "subjects": ["ada"]}),
        (False, {"purposes": "sale", "subjects": ["ada"]}),
        (False, {"purposes": None, "subjects": ["ada"]}),
        (False, {**_GOOD, "purposes": ["sale"]}),
        (False, {**_GOOD, "purposes": None}),
        (False, {"purposes": ["sale"]}),
        (False, {**_GOOD, "subjects": _PEOPLE}),
        (False, {**_GOOD, "subjects": []}),
        (False, {**_GOOD, "subjects": ["x" * (MOST_CHARACTERS + 1)]}),
        (False, {**_GOOD, "subjects": [""]}),
        (False, {**_GOOD, "subjects": ["a", "a"]}),
        (False, {**_GOOD, "subjects": ["a", 1]}),
        (False, {**_GOOD, "subjects": "ada"}),
        (False, {**_GOOD, "subjects": {"ada": True}}),
        (False, {**_GOOD, "subjects": None}),
        (False, {**_GOOD, "sign": None}),
        (False, {**_GOOD, "sign": 1}),
        (False, {**_GOOD, "purpose": "SALE"}),
        (False, {**_GOOD, "purpose": ["sale"]}),
        (False, {**_GOOD, "purpose": None}),
        (False, {**_GOOD, "consent": True}),
        (False, {"purpose": "sale"}),
        (False, {"subjects": ["ada"]}),
        (False, {}),
        (False, []),
        (False, None),
    ],
)
def test_the_document_takes_what_the_door_takes(
    document: dict[str, Any], good: bool, body: Json
) -> None:
    assert _is_read(body) is good
    assert _validator(document, "CheckQuestion").is_valid(body) is good


_WORDS = st.one_of(
    st.sampled_from(["sale", "batch_training", "nonsense", "", "ada", "bob", True, None, 0]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
_VALUES = st.one_of(_WORDS, st.lists(_WORDS, max_size=20), st.booleans())
_BODIES = st.dictionaries(
    st.sampled_from(["purpose", "purposes", "subjects", "sign", "other"]), _VALUES, max_size=4
)


def test_the_document_and_the_door_agree_on_whatever_comes(document: dict[str, Any]) -> None:
    validator = _validator(document, "CheckQuestion")

    @given(
        _BODIES
        | _BODIES.map(lambda more: {**_GOOD, **more})
        | st.lists(_WORDS, max_size=3).map(lambda two: {"purposes": two, "subjects": ["ada"]})
    )
    def agree(body: dict[str, Json]) -> None:
        assert validator.is_valid(body) is _is_read(body), body

    agree()


@pytest.mark.parametrize("sign", [False, True])
def test_an_answer_is_what_the_document_says(
    doors: Doors, document: dict[str, Any], sign: bool
) -> None:
    client = doors.client(application(doors.doorway), doors.service)
    body = {"purpose": "keep_history", "subjects": ["ada", "nobody"], "sign": sign}
    answer = client.post("/v1/choices:check", json=body)
    assert answer.status_code == 200
    validator = _validator(document, "CheckAnswer")
    validator.validate(answer.json())
    assert ("signature" in answer.json()) is sign
    for member in set(answer.json()) - {"signature"}:
        less = {name: value for name, value in answer.json().items() if name != member}
        assert not validator.is_valid(less), member
    assert not validator.is_valid({**answer.json(), "more": 1})


def test_answers_for_several_purposes_are_what_the_document_says(
    doors: Doors, document: dict[str, Any]
) -> None:
    client = doors.client(application(doors.doorway), doors.service)
    body = {"purposes": ["keep_history", "sale"], "subjects": ["ada", "nobody"], "sign": True}
    answer = client.post("/v1/choices:check", json=body)
    validator = _validator(document, "CheckAnswers")
    validator.validate(answer.json())
    assert not validator.is_valid(answer.json()["answers"][0])
    assert not validator.is_valid({"answers": []})
    assert not validator.is_valid({**answer.json(), "more": 1})


def test_the_document_says_who_may_check(app: FastAPI) -> None:
    told = app.openapi()["paths"]["/choices:check"]["post"]
    assert (told["security"], told["x-scope"]) == ([{"token": []}], "choices:read")
