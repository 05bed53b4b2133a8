"""A yes names what was shown; a no needs nothing but saying it."""

from datetime import timedelta

from fastapi import FastAPI

from tests.api.asking import PURPOSE, SAME_SITE, grant, notice
from tests.support.doors import Doors
from volens.app.home import Home
from volens.gate.facts import Use


def _permit(doors: Doors) -> bool:
    assert doors.person.subject is not None
    subject = doors.person.subject

    def act(home: Home) -> bool:
        return home.gate.decide(home.subjects.find(subject.id), Use(purpose=PURPOSE)).permit

    return doors.run(act)


def test_every_choice_starts_off(doors: Doors, app: FastAPI) -> None:
    answer = doors.client(app, doors.person).get("/me/choices")
    assert answer.status_code == 200
    found = answer.json()["choices"]
    assert {one["status"] for one in found} == {"not_granted"}
    assert PURPOSE in {one["purpose"] for one in found if one["asked"]}


def test_a_yes_holds_and_a_no_ends_it(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    given = grant(client)
    assert given.status_code == 200, given.text
    assert given.json()["status"] == "granted"
    assert _permit(doors)
    no = client.put(f"/me/choices/{PURPOSE}", json={"granted": False}, headers=SAME_SITE)
    assert (no.status_code, no.json()["holds"], no.json()["logged"]) == (200, True, True)
    assert not _permit(doors)


def test_a_yes_without_the_state_it_was_shown_with_is_refused(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    body = {"granted": True, "notice": notice(client)}
    at = f"/me/choices/{PURPOSE}"
    missing = client.put(at, json=body, headers=SAME_SITE)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_needed")
    old = client.get(at).headers["etag"]
    assert grant(client).status_code == 200
    stale = client.put(at, json=body, headers={**SAME_SITE, "If-Match": old})
    assert (stale.status_code, stale.json()["code"]) == (412, "choice_changed")


def test_an_etag_is_never_the_same_again(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    at = f"/me/choices/{PURPOSE}"
    seen = {client.get(at).headers["etag"]}
    for granted in (True, False, True):
        doors.where.clock.step(timedelta(seconds=1))
        if granted:
            assert grant(client).status_code == 200
        else:
            client.put(at, json={"granted": False}, headers=SAME_SITE)
        seen.add(client.get(at).headers["etag"])
    assert len(seen) == 4


def test_a_yes_to_another_text_is_refused(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    etag = client.get(f"/me/choices/{PURPOSE}").headers["etag"]
    other = {**notice(client), "sha256": "0" * 64}
    answer = client.put(
        f"/me/choices/{PURPOSE}",
        json={"granted": True, "notice": other},
        headers={"If-Match": etag, **SAME_SITE},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "notice_changed")


def test_nobody_can_say_yes_to_what_is_prohibited(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    at = "/me/choices/face_recognition"
    etag = client.get(at).headers["etag"]
    body = {"granted": True, "notice": notice(client)}
    answer = client.put(at, json=body, headers={"If-Match": etag, **SAME_SITE})
    assert (answer.status_code, answer.json()["code"]) == (403, "prohibited")


def test_a_withdrawal_is_acknowledged_while_the_database_refuses(
    doors: Doors, app: FastAPI
) -> None:
    client = doors.client(app, doors.person)
    assert grant(client).status_code == 200
    doors.run(_refuse_events)
    no = client.put(f"/me/choices/{PURPOSE}", json={"granted": False}, headers=SAME_SITE)
    assert (no.status_code, no.json()["holds"], no.json()["logged"]) == (200, True, False)
    assert not _permit(doors)


def _refuse_events(home: Home) -> None:
    with home.main.begin() as db:
        db.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON consent_event "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )


def test_history_goes_off_and_on(doors: Doors, app: FastAPI) -> None:
    client = doors.client(app, doors.person)
    program = doors.client(app, doors.service)
    assert doors.person.subject is not None
    at = f"/subjects/{doors.person.subject.id}/conversations"
    body = {"source_id": "x", "turns": [{"role": "user", "text": "hello"}]}
    off = client.put("/me/history", json={"on": False}, headers=SAME_SITE)
    assert off.json() == {"on": False, "holds": True, "logged": True}
    assert program.post(at, json=body).json()["kept"] is False
    assert client.get("/me/conversations").json()["conversations"] == []
    assert client.put("/me/history", json={"on": True}, headers=SAME_SITE).json()["on"]
    assert program.post(at, json=body).json()["kept"] is True
    assert len(client.get("/me/conversations").json()["conversations"]) == 1


def test_a_program_records_what_its_person_said(doors: Doors, app: FastAPI) -> None:
    assert doors.person.subject is not None
    program = doors.client(app, doors.service)
    assert grant(program, f"/subjects/{doors.person.subject.id}").status_code == 200
    assert grant(program, "/subjects/ada").status_code == 200  # by the product's own name
    assert _permit(doors)


def test_a_choice_may_name_something_in_any_script(doors: Doors, app: FastAPI) -> None:
    """What nobody can write down would lie in the journal for ever, before everybody's choices."""
    client = doors.client(app, doors.person)
    scope = {"kind": "partner", "target": "\U0001d57f\u30c7\u30fc\u30bf \u00e9"}
    body = {"granted": False, "scope": scope}
    no = client.put(f"/me/choices/{PURPOSE}", json=body, headers=SAME_SITE)
    assert (no.status_code, no.json()["logged"]) == (200, True)
    found = client.get(f"/me/choices/{PURPOSE}").json()["grants"]
    assert [one["target"] for one in found] == [scope["target"]]
    assert doors.run(lambda home: home.ledger.pending()) == []
    decided = doors.run(
        lambda home: home.gate.decide(home.subjects.find("ada"), Use(purpose=PURPOSE)).reasons
    )
    assert [reason.value for reason in decided] == ["grant_withdrawn"]
    assert doors.run(lambda home: home.gate.preview(Use(purpose=PURPOSE)))[0] == 0
