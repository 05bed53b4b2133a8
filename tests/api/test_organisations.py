"""What an organisation instructs, by its own program: its own only, as it was shown, and logged."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from tests.support.doors import Doors
from volens.access.model import Scope
from volens.access.tables import API_TOKEN
from volens.app.home import Home
from volens.app.organisations import Agreed, prepare, record
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, parse_id
from volens.log.entries import commit, parse_entry
from volens.log.kinds import EntryKind

HERS, OTHER = "/organisations/acme/instructions", "/organisations/globex/instructions"
WANTED: dict[str, Any] = {"purposes": ["batch_training"], "keeping": {"deleted_chats": 25}}


@pytest.fixture
def acme(doors: Doors, app: FastAPI) -> TestClient:
    return doors.client(app, doors.program(Scope.ORGANISATIONS, organisation="acme"))


@pytest.fixture
def globex(doors: Doors, app: FastAPI) -> TestClient:
    return doors.client(app, doors.program(Scope.ORGANISATIONS, organisation="globex"))


@pytest.fixture
def operator(doors: Doors, app: FastAPI) -> TestClient:
    return doors.client(app, doors.program(Scope.ORGANISATIONS))


def _put(client: TestClient, at: str = HERS, **changes: object) -> tuple[int, dict[str, Any]]:
    etag = client.get(at).headers.get("etag", '"none"')
    answer = client.put(at, json={**WANTED, **changes}, headers={"If-Match": etag})
    return answer.status_code, answer.json()


def _state(doors: Doors) -> dict[str, frozenset[str]]:
    return doors.run(lambda home: home.subjects.instructions())


def test_an_organisation_sees_and_changes_its_own(doors: Doors, acme: TestClient) -> None:
    first = acme.get(HERS)
    assert (first.status_code, first.json()["version"], first.json()["sha256"]) == (200, 0, None)
    assert first.headers["etag"] == first.json()["etag"]
    assert "batch_training" in first.json()["may"]
    assert "legal_order" not in first.json()["may"]
    status, told = _put(acme)
    assert (status, told["version"], told["organisation"]) == (200, 1, "acme")
    assert {name: told[name] for name in WANTED} == WANTED
    again = acme.get(HERS)
    assert again.json() == told
    assert again.headers["etag"] == told["etag"] != first.headers["etag"]
    versions = doors.run(lambda home: home.subjects.instruction_versions("acme"))
    assert [one.sha256 for one in versions] == [told["sha256"]]
    assert _state(doors) == {"acme": frozenset({"batch_training"})}


def test_a_change_is_logged(doors: Doors, acme: TestClient) -> None:
    before = doors.run(lambda home: home.owned_log().size)
    assert _put(acme)[0] == 200

    def kinds(home: Home) -> list[EntryKind]:
        log = home.owned_log()
        return [parse_entry(one).kind for one in log.entries(before, log.size)]

    assert doors.run(kinds) == [EntryKind.ORGANISATION_INSTRUCTED]


def test_of_another_organisation_a_token_gets_what_it_would_get_of_none(
    doors: Doors, acme: TestClient, globex: TestClient
) -> None:
    assert _put(globex, OTHER)[0] == 200
    before = _state(doors)
    etag = globex.get(OTHER).headers["etag"]
    for at in (OTHER, "/organisations/nobody/instructions"):
        for answer in (
            acme.get(at),
            acme.put(at, json=WANTED),
            acme.put(at, json=WANTED, headers={"If-Match": etag}),
            acme.put(at, json={"purposes": ["sale"], "keeping": {}}, headers={"If-Match": etag}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "organisation_unknown")
            assert "etag" not in answer.headers
    assert _state(doors) == before
    assert _put(acme)[0] == 200
    assert _state(doors) == {**before, "acme": frozenset({"batch_training"})}


def test_a_token_of_an_organisation_is_good_for_nothing_else(
    doors: Doors, acme: TestClient
) -> None:
    for path in ("/subjects/ada", "/subjects/ada/choices", "/subjects/ada/conversations"):
        assert acme.get(path).json()["code"] == "scope_missing"
    for scopes in ([*Scope], [Scope.SUBJECTS_READ], [Scope.ORGANISATIONS, Scope.CHOICES_READ]):
        with pytest.raises(InvalidInput) as raised:
            doors.program(*scopes, organisation="acme")
        assert raised.value.code == "token_form"
    with pytest.raises(InvalidInput):
        doors.program(Scope.ORGANISATIONS, organisation="A c m e")


def test_a_part_of_a_token_belongs_to_the_same_organisation(
    doors: Doors, app: FastAPI, acme: TestClient
) -> None:
    body = {"label": "part", "scopes": [Scope.ORGANISATIONS.value]}
    made = acme.post("/token/parts", json=body).json()
    assert made["told"]["organisation"] == "acme"
    part = doors.client(app)
    part.headers["Authorization"] = f"Bearer {made['token']}"
    assert part.get("/token").json()["organisation"] == "acme"
    assert part.get(OTHER).status_code == 404
    assert part.get(HERS).status_code == 200
    widened = {**body, "organisation": "globex"}
    assert acme.post("/token/parts", json=widened).json()["code"] == "body_form"


def test_whoever_runs_the_home_may_change_each(
    doors: Doors, operator: TestClient, acme: TestClient
) -> None:
    assert _put(operator)[0] == 200
    assert _put(operator, OTHER, purposes=[])[1]["version"] == 1
    assert acme.get(HERS).json()["version"] == 1
    assert doors.run(lambda home: home.subjects.keeping()).keys() == {"acme", "globex"}


def test_a_change_is_made_to_what_was_shown(doors: Doors, acme: TestClient) -> None:
    etag = acme.get(HERS).headers["etag"]
    without = acme.put(HERS, json=WANTED)
    assert (without.status_code, without.json()["code"]) == (428, "precondition_needed")
    assert acme.put(HERS, json=WANTED, headers={"If-Match": etag}).status_code == 200
    for old in (etag, "*", '"x"'):
        stale = acme.put(HERS, json={"purposes": [], "keeping": {}}, headers={"If-Match": old})
        assert (stale.status_code, stale.json()["code"]) == (412, "instructions_changed")
    assert _state(doors) == {"acme": frozenset({"batch_training"})}


def test_two_states_of_two_organisations_have_two_etags(
    acme: TestClient, globex: TestClient
) -> None:
    assert acme.get(HERS).headers["etag"] != globex.get(OTHER).headers["etag"]


def test_what_was_agreed_elsewhere_stays(doors: Doors, acme: TestClient) -> None:
    def agree(home: Home) -> None:
        named = {"legal_order", "human_feedback"}
        record(home, prepare(home, "acme", named, None, agreed=Agreed.REPLACE))

    doors.run(agree)
    status, told = _put(acme)
    assert (status, told["purposes"]) == (200, ["batch_training", "legal_order"])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"purposes": ["sale"]}, 400, "outside_matrix"),
        ({"purposes": ["government_training"]}, 400, "outside_matrix"),
        ({"purposes": ["legal_order"]}, 400, "outside_matrix"),
        ({"purposes": ["keep_history"]}, 400, "outside_matrix"),
        ({"purposes": ["nonsense"]}, 422, "body_form"),
        ({"purposes": "batch_training"}, 422, "body_form"),
        ({"keeping": {"deleted_chats": 31}}, 400, "retention_too_long"),
        ({"keeping": {"deleted_chats": 1}}, 400, "retention_too_short"),
        ({"keeping": {"deleted_chats": 0}}, 422, "body_form"),
        ({"keeping": {"deleted_chats": "25"}}, 422, "body_form"),
        ({"keeping": {"everything": 25}}, 422, "body_form"),
        ({"tier": "public"}, 422, "body_form"),
        ({"organisation": "globex"}, 422, "body_form"),
    ],
)
def test_what_can_t_be_instructed_changes_nothing(
    doors: Doors, acme: TestClient, change: dict[str, object], status: int, code: str
) -> None:
    found, told = _put(acme, **change)
    assert (found, told["code"]) == (status, code)
    assert _state(doors) == {}


def test_a_name_that_is_no_word_is_none(operator: TestClient) -> None:
    for name in ("A", "a%20b", "%C3%A9", "x" * 65):
        answer = operator.get(f"/organisations/{name}/instructions")
        assert answer.json()["code"] in {"word_form", "body_form"}, name


def test_the_organisation_of_a_token_is_in_what_the_log_commits_to(doors: Doors) -> None:
    made = doors.program(Scope.ORGANISATIONS, organisation="acme").token
    raw = parse_id(IdKind.TOKEN, made.id)

    def told(home: Home) -> tuple[bytes, object]:
        log = home.owned_log()
        with home.main.connect() as db:
            row = db.execute(select(API_TOKEN).where(API_TOKEN.c.id == raw)).one()
        entry = parse_entry(log.entry(row.log_index))
        assert entry.kind is EntryKind.TOKEN_ISSUED
        return row.salt, entry.fields["commitment"]

    salt, commitment = doors.run(told)
    assert commitment == commit(salt, raw, b"organisations:instruct acme")
    assert commitment != commit(salt, raw, b"organisations:instruct")
