"""The privacy officer, the administrator, support, the auditor: each does their work."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.support.console import fill
from tests.support.doors import ORGANISATION, Doors, open_doors
from volens.access.model import Role
from volens.app.home import Home
from volens.app.rights import request_store
from volens.audit.report import verify_report
from volens.core.ids import ConversationId
from volens.gate.accesses import AccessLeaves, opened_parts
from volens.log.entries import commit, parse_entry
from volens.log.kinds import EntryKind
from volens.policy.packs import load_pack
from volens.rights.accesses import access_document, accesses_of, verify_access
from volens.web.routes import web_routes


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        yield found


@pytest.fixture
def chats(doors: Doors) -> Mapping[str, ConversationId]:
    return fill(doors)


@pytest.fixture
def app(doors: Doors) -> Starlette:
    made = Starlette(routes=web_routes())
    made.state.doorway = doors.doorway
    return made


def logged(doors: Doors, kind: EntryKind) -> list[Mapping[str, object]]:
    def act(home: Home) -> list[Mapping[str, object]]:
        log = home.owned_log()
        found = [parse_entry(data) for data in log.entries(0, log.size)]
        return [one.fields for one in found if one.kind is kind]

    return doors.run(act)


def test_support_finds_an_account_by_its_name_and_the_person_is_told(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.SUPPORT])
    answer = client.post("/staff/accounts", data={**doors.csrf(client), "reference": "ada"})
    assert answer.status_code == 303
    assert "ada" not in answer.headers["location"]
    page = client.get(answer.headers["location"]).text
    person = doors.person.subject
    assert person is not None
    assert person.id in page
    assert not any(chat in page for chat in chats.values())
    intent = logged(doors, EntryKind.ACCESS_INTENT)[-1]
    assert (intent["actor"], intent["action"], intent["count"]) == ("support", "show", 0)
    leaf = doors.run(lambda home: AccessLeaves(home.main).of_subject(person.number)[-1])
    assert leaf.opening == "account"
    assert intent["commitment"] == commit(leaf.salt, *opened_parts(person.holder.raw, "account"))
    assert logged(doors, EntryKind.ACCESS_DONE)[-1]["intent"] == leaf.log_index

    def proof(home: Home) -> Mapping[str, object]:
        log = home.owned_log()
        log.publish()
        (access,) = accesses_of(log, person.id, [leaf], {})
        return verify_access(access_document(access, log), log.verifier)

    told = doors.run(proof)
    assert (told["subject"], told["what"], told["actor"]) == (person.id, "account", "support")


def test_support_learns_nothing_of_somebody_who_is_not_here(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.SUPPORT])
    answer = client.post("/staff/accounts", data={**doors.csrf(client), "reference": "nobody"})
    assert answer.status_code == 404
    assert not logged(doors, EntryKind.ACCESS_INTENT)


@pytest.mark.usefixtures("chats")
def test_the_overview_has_every_number_of_its_pictures_in_a_table(
    doors: Doors, app: Starlette
) -> None:
    page = doors.client(app, doors.staff[Role.PRIVACY_OFFICER]).get("/staff/overview").text
    pictures = page.count('<svg class="chart"')
    assert pictures >= 4
    assert page.count('<details class="twin"') == pictures
    drawn = re.findall(r'<text class="n"[^>]*>([^<]+)</text>', page)
    tables = "".join(re.findall(r"<tbody>.*?</tbody>", page, re.DOTALL))
    assert drawn
    for number in drawn:
        count = number.split(" (")[0]
        assert f">{count}" in tables, number


@pytest.mark.usefixtures("chats")
def test_an_officer_answers_a_request(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.PRIVACY_OFFICER], stepped_up=True)
    listed = doors.run(lambda home: request_store(home).unanswered())
    access, other = sorted(listed, key=lambda one: one.kind.value)
    for request in (access, other):
        assert f"/staff/requests/{request.id}" in client.get("/staff/requests").text
    path = f"/staff/requests/{access.id}"
    form = {**doors.csrf(client), "by": "documents"}
    assert client.post(f"{path}/verify", data=form).headers["location"] == f"{path}?note=verified"
    form = {**doors.csrf(client), "reason": "complex"}
    assert client.post(f"{path}/extend", data=form).status_code == 303
    assert client.post(f"{path}/extend", data=form).status_code == 400
    path = f"/staff/requests/{other.id}"
    assert client.post(f"{path}/take-up", data=doors.csrf(client)).status_code == 303
    form = {**doors.csrf(client), "ending": "refused.done"}
    assert client.post(f"{path}/close", data=form).status_code == 400
    form = {**doors.csrf(client), "ending": "fulfilled.done"}
    assert client.post(f"{path}/close", data=form).status_code == 303
    assert doors.run(lambda home: request_store(home).find(other.id)).closing is not None


@pytest.mark.usefixtures("chats")
def test_an_officer_sees_the_effect_before_a_policy_comes_into_force(
    doors: Doors, app: Starlette
) -> None:
    client = doors.client(app, doors.staff[Role.PRIVACY_OFFICER], stepped_up=True)
    current = doors.run(lambda home: home.policy.ref)
    name = "consent-first@clarifications-2025-02"
    other = load_pack("consent-first", "clarifications-2025-02")
    assert other.hash != current.hash
    page = client.get("/staff/policy/compare", params={"to": name}).text
    assert other.hash in page
    form = {**doors.csrf(client), "to": name, "sha256": current.hash}
    assert client.post("/staff/policy/activate", data=form).status_code == 400
    assert doors.run(lambda home: home.policy.ref.hash) == current.hash
    form = {**doors.csrf(client), "to": name, "sha256": other.hash}
    assert client.post("/staff/policy/activate", data=form).status_code == 303
    assert doors.run(lambda home: home.policy.ref.hash) == other.hash
    assert doors.run(lambda home: home.gate.policy.ref.hash) == other.hash
    assert client.get("/staff/policy/compare?to=../../etc").status_code == 404


def test_an_officer_confirms_the_clock(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.PRIVACY_OFFICER], stepped_up=True)
    now = doors.where.clock.now()
    form = {**doors.csrf(client), "time": f"{now:%Y-%m-%dT%H:%M}"}
    assert client.post("/staff/clock", data=form).status_code == 400
    assert client.post("/staff/clock", data={**form, "sure": "yes"}).status_code == 303
    assert (
        client.post("/staff/clock", data={**form, "time": "now", "sure": "yes"}).status_code == 400
    )


@pytest.mark.usefixtures("chats")
def test_an_audit_can_be_downloaded_and_its_signature_holds(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.AUDITOR])
    assert client.get("/staff/audits/1").status_code == 200
    data = client.get("/staff/audits/1/audit.json").content
    verifier = doors.run(lambda home: home.signer.verifier)
    assert verify_report(data, verifier)["checks"]
    assert client.get("/staff/audits/2").status_code == 404
    assert client.get("/staff/audits/-1").status_code == 404


@pytest.mark.usefixtures("chats")
def test_documents_can_be_downloaded(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.PRIVACY_OFFICER])
    for name in ("processing", "impact", "transparency"):
        found = client.get(f"/staff/papers/download/{name}.json")
        assert json.loads(found.content)["sections"]
        assert client.get(f"/staff/papers/download/{name}.md").text.startswith("# ")
    assert client.get("/staff/papers/download/processing.exe").status_code == 404
    assert client.get("/staff/papers/transparency?span=month").status_code == 200
    assert client.get("/staff/papers/transparency?span=never").status_code == 400


def test_an_administrator_instructs_within_the_matrix_only(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.ORGANISATION_ADMIN], stepped_up=True)
    assert ORGANISATION in client.get("/staff/organisation").text
    form = {
        **doors.csrf(client),
        "purpose": ["batch_training", "human_feedback"],
        "days.deleted_chats": "25",
        "organisation": "another",
        "tier": "public",
    }
    assert client.post("/staff/organisation", data=form).status_code == 303
    instructed = doors.run(lambda home: home.subjects.instructions())
    assert instructed == {ORGANISATION: frozenset({"batch_training", "human_feedback"})}
    assert logged(doors, EntryKind.ORGANISATION_INSTRUCTED)
    for wrong in (
        {"purpose": ["sale"]},
        {"purpose": ["government_training"]},
        {"days.deleted_chats": "31"},
        {"days.deleted_chats": "1"},
        {"days.deleted_chats": "-5"},
    ):
        answer = client.post("/staff/organisation", data={**doors.csrf(client), **wrong})
        assert answer.status_code == 400
    assert doors.run(lambda home: home.subjects.instructions()) == instructed


@pytest.mark.usefixtures("chats")
def test_the_auditor_checks_the_log(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.AUDITOR])
    assert client.get("/staff/log?before=3").status_code == 200
    assert client.get("/staff/log?before=x").status_code == 404
    size = doors.run(lambda home: home.owned_log().size)
    page = client.get("/staff/log/verified").text
    assert f"All {size} entries were recomputed" in page


def test_every_table_of_the_policy_is_a_page(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.SUPPORT])
    paths = re.findall(r'href="(/staff/tables/[a-z]+)"', client.get("/staff/tables").text)
    assert len(paths) >= 8
    for path in paths:
        page = client.get(path)
        assert page.status_code == 200
        assert "<tbody><tr>" in page.text, path


def test_a_role_that_ends_closes_its_pages_at_once(doors: Doors, app: Starlette) -> None:
    client = doors.client(app, doors.staff[Role.ENGINEERING])
    assert client.get("/staff/system").status_code == 200
    doors.where.clock.step(timedelta(days=91))
    assert client.get("/staff/system").status_code == 303
