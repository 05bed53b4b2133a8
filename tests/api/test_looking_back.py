"""A person's copy, erasures, requests, and who has seen what: through the door, with proofs."""

import io
import time
import zipfile
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.api.asking import SAME_SITE, captured, grant, withdraw
from tests.support.doors import Doors
from tests.support.models import repaired, trained_on
from tests.support.stores import TRAINING
from volens.app.home import Home
from volens.app.impact import impact_register, look
from volens.datasets.model import Format
from volens.gate.facts import Use
from volens.lifecycle.receipt import verify_receipt
from volens.log.kinds import FlagCategory, FlagSeverity
from volens.rights.accesses import verify_access
from volens.training.certificate import verify_certificate


def _export(client: TestClient) -> dict[str, object]:
    started = client.post("/me/exports", json={}, headers=SAME_SITE)
    assert started.status_code == 202, started.text
    at = started.headers["location"].removeprefix("/v1")
    for _ in range(200):
        found: dict[str, object] = client.get(at).json()
        if found["state"] != "running":
            return found
        time.sleep(0.02)  # the copy is made in another thread
    raise AssertionError("the copy was never made")


def test_a_person_gets_a_copy_of_everything(doors: Doors, app: FastAPI) -> None:
    captured(doors.client(app, doors.service), "ada")
    with doors.client(app, doors.person, stepped_up=True) as client:
        found = _export(client)
        assert (found["state"], found["conversations"]) == ("ready", 1), found
        at = f"/me/exports/{found['export']}/file"
        for _ in range(2):  # a broken download may be begun again
            data = client.get(at).content
            assert "README.txt" in zipfile.ZipFile(io.BytesIO(data)).namelist()
        other = doors.client(app, doors.other, stepped_up=True)
        assert other.get(at).status_code == 404
        assert other.get(at.removesuffix("/file")).status_code == 404


def test_a_copy_in_words_nobody_has_fails_with_its_code(doors: Doors, app: FastAPI) -> None:
    with doors.client(app, doors.person, stepped_up=True) as client:
        started = client.post("/me/exports", json={"language": "tlh"}, headers=SAME_SITE)
        at = started.headers["location"].removeprefix("/v1")
        while client.get(at).json()["state"] == "running":
            time.sleep(0.02)
        assert client.get(at).json()["error"] == "language_unknown"
        file = client.get(f"{at}/file")
        assert (file.status_code, file.json()["code"]) == (409, "export_not_ready")


def test_an_erasure_holds_is_shown_and_taken_back(doors: Doors, app: FastAPI) -> None:
    held = captured(doors.client(app, doors.service), "ada")
    client = doors.client(app, doors.person)
    asked = client.delete(f"/me/conversations/{held}", headers=SAME_SITE)
    assert (asked.status_code, asked.json()["holds"], asked.json()["logged"]) == (202, True, True)
    assert client.get(f"/me/conversations/{held}").status_code == 404
    name = asked.json()["erasure"]["erasure"]
    receipt = client.get(f"/me/erasures/{name}/receipt")
    verifier = doors.run(lambda home: home.signer.verifier)
    assert verify_receipt(receipt.content, verifier).receipt.reference == name
    page = client.get(f"/me/erasures/{name}/receipt", params={"form": "html"})
    assert page.headers["content-disposition"].startswith("attachment")
    back = client.post(f"/me/erasures/{name}/cancel", headers=SAME_SITE)
    assert back.json()["state"] == "cancelled"
    assert client.get(f"/me/conversations/{held}").status_code == 200
    assert [one["state"] for one in client.get("/me/erasures").json()["erasures"]] == ["cancelled"]


def test_a_request_is_opened_shown_and_taken_back(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    made = client.post("/me/requests", json={"kind": "objection"}, headers=SAME_SITE)
    assert (made.status_code, made.json()["holds"]) == (201, True), made.text
    access = client.post("/me/requests", json={"kind": "access"}, headers=SAME_SITE).json()
    assert access["state"] == "verified"
    gone = client.post(f"/me/requests/{access['id']}/withdraw", headers=SAME_SITE).json()
    assert gone["outcome"] == "withdrawn"
    assert len(client.get("/me/requests").json()["requests"]) == 2


def test_a_program_s_request_waits_until_it_is_shown_who_asks(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    made = program.post("/subjects/ada/requests", json={"kind": "access"})
    assert (made.status_code, made.json()["state"]) == (201, "open")


def test_a_browser_s_signal_is_recorded_once(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    for _ in range(3):
        assert client.get("/me", headers={"Sec-GPC": "1"}).status_code == 200
    found = client.get("/me/requests").json()["requests"]
    assert [(one["kind"], one["channel"]) for one in found] == [("do_not_sell", "signal")]


def test_who_has_seen_my_data_is_told_with_a_proof(doors: Doors, app: FastAPI) -> None:
    captured(doors.client(app, doors.service), "ada")
    with doors.client(app, doors.person, stepped_up=True) as client:
        _export(client)
        found = client.get("/me/accesses").json()["accesses"]
        assert [(one["actor"], one["action"]) for one in found] == [("subject", "export")]
        proof = client.get(f"/me/accesses/{found[0]['log_index']}/proof")
    verifier = doors.run(lambda home: home.signer.verifier)
    shown = verify_access(proof.content, verifier)
    assert shown["action"] == "export"


def test_what_used_my_data_is_told_with_a_proof(doors: Doors, app: FastAPI, tmp_path: Path) -> None:
    program = doors.client(app, doors.service)
    mine, theirs = captured(program, "ada"), captured(program, "bob")
    client = doors.client(app, doors.person)
    assert grant(client).status_code == 200

    def build(home: Home) -> str:
        use = Use(purpose="batch_training", dataset="first")
        made = home.datasets().build(use, tmp_path / "first", form=Format.TRL)
        return str(made.manifest.dataset)

    dataset = doors.run(build)
    (used,) = client.get("/me/datasets").json()["datasets"]
    assert (used["dataset"], used["conversations"]) == (dataset, [mine])
    proof = client.get(f"/me/datasets/{dataset}/proofs/{mine}")
    assert proof.json()["kind"] == "member"
    assert client.get(f"/me/datasets/{dataset}/proofs/{theirs}").status_code == 404
    assert client.get(f"/me/datasets/..%2F..%2Fetc/proofs/{mine}").status_code == 404
    (told,) = client.get("/me/disclosures").json()["disclosures"]
    assert told["about"] == dataset


def test_which_models_learned_is_told_with_a_certificate_that_one_forgot(
    doors: Doors, app: FastAPI, tmp_path: Path
) -> None:
    program = doors.client(app, doors.service)
    for name in ("ada", "bob"):
        captured(program, name)
    client, other = doors.client(app, doors.person), doors.client(app, doors.other)
    assert grant(client).status_code == grant(other).status_code == 200
    assert client.get("/me/models").json() == {"models": []}
    built = doors.run(lambda home: home.datasets().build(TRAINING, tmp_path / "first"))
    kept = doors.run(lambda home: trained_on(home, built))
    (told,) = client.get("/me/models").json()["models"]
    assert (told["family"], told["standing"], told["records"]) == (kept.family, "in_use", 1)
    assert client.get("/me/impact").json() == {"cases": []}

    assert withdraw(client).status_code == 200
    doors.run(look)
    (case,) = client.get("/me/impact").json()["cases"]
    (touch,) = case["touched"]
    assert (case["cause"], touch["state"], case["papers"]) == ("withdrawal", "blocked", [])
    assert other.get("/me/impact").json() == {"cases": []}
    (leaves,) = doors.run(
        lambda home: [one.leaves for made in impact_register(home).all() for one in made.touches]
    )
    after = doors.run(lambda home: repaired(home, kept, set(leaves)))
    doors.run(look)
    (case,) = client.get("/me/impact").json()["cases"]
    assert case["touched"][0]["state"] == "retrained"
    assert case["touched"][0]["proven"] == after.proven
    name = next(one for one in case["papers"] if one.startswith("imp_"))
    at = f"/me/impact/{case['case']}/papers/{name}"
    verifier = doors.run(lambda home: home.signer.verifier)
    shown = verify_certificate(client.get(at).content, verifier)
    assert (shown.case, shown.records) == (case["case"], 1)
    assert other.get(at).status_code == 404
    assert client.get(f"/me/impact/{case['case']}/papers/..%2F..%2Fvolens.json").status_code == 404


def test_a_program_hands_a_short_token_to_a_browser(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    made = program.post("/subjects/ada/embed-tokens")
    assert made.status_code == 201
    assert made.json()["token"].startswith("emb_")


def test_a_token_s_part_is_never_good_for_more(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    part = program.post("/token/parts", json={"label": "part", "scopes": ["choices:read"]})
    assert part.status_code == 201, part.text
    client = doors.client(app)
    client.headers["Authorization"] = f"Bearer {part.json()['token']}"
    assert client.get("/token").json()["scopes"] == ["choices:read"]
    more = client.post("/token/parts", json={"label": "more", "scopes": ["subjects:read"]})
    assert (more.status_code, more.json()["code"]) == (403, "scope_missing")
    assert client.delete("/token").status_code == 200
    assert client.get("/token").status_code == 401


def test_what_is_public_is_there(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app)
    policy = client.get("/policy").json()
    version = policy["in_force"]["version"]
    same = client.get("/policy/diff", params={"before": version, "after": version})
    assert same.status_code == 200
    assert policy["never"]
    assert client.get("/policy/plans/free").json()["text"]
    assert client.get("/policy/plans/none").status_code == 404
    assert client.get("/terms").json()["terms"]
    assert client.get("/inventory").json()["sections"]
    assert client.get("/transparency").json()["sections"]


def test_a_program_raises_a_flag_once(doors: Doors, app: FastAPI) -> None:
    program = doors.client(app, doors.service)
    held = captured(program, "ada")
    body = {
        "conversation": held,
        "turns": [0],
        "category": next(iter(FlagCategory)).value,
        "severity": next(iter(FlagSeverity)).value,
        "classifier": "toxicity-v3",
    }
    first = program.post("/subjects/ada/flags", json=body)
    assert first.status_code == 201, first.text
    assert program.post("/subjects/ada/flags", json=body).json() == first.json()
    theirs = program.post("/subjects/bob/flags", json=body)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "conversation_unknown")
