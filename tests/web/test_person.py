"""A person's pages, driven in process: every page answers, every act is a form and then 303."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.doors import Doors, open_doors
from tests.support.models import repaired, trained_on
from tests.support.stores import TRAINING, act
from volens.app.home import Home
from volens.app.impact import impact_register, look
from volens.app.runs import runs_of
from volens.consent.model import NOTHING_SAID, Act
from volens.core.purposes import ConsentStatus, Purpose, Signal
from volens.door.headers import SecurityHeaders
from volens.log.kinds import CaptureSource
from volens.storage.system import SystemEntropy
from volens.vault.model import Conversation, Role, Turn
from volens.vault.store import Held
from volens.web.person import person_routes
from volens.web.routes import web_routes
from volens.web.words import LANGUAGES

PAGES = [
    "/me",
    "/me/choices",
    "/me/choices/batch_training",
    "/me/chats",
    "/me/seen",
    "/me/datasets",
    "/me/timeline",
    "/me/erasures",
    "/me/delete?what=history",
    "/me/export",
    "/me/holds",
    "/me/rights",
    "/me/policy",
    "/me/policy/versions",
    "/me/policy/fields",
]
MARK = '<script>alert("x")</script>'


def chat(number: int, *, title: str = "") -> Conversation:
    return Conversation(
        source="test",
        source_id=f"c{number}",
        title=title or f"Chat {number}",
        turns=(
            Turn(role=Role.USER, text=f"{MARK} mail me at ada@example.org, number {number}"),
            Turn(role=Role.ASSISTANT, text="I will not.", parent=0),
        ),
    )


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with open_doors(tmp_path) as opened:
        person, other = opened.person.subject, opened.other.subject
        assert person is not None
        assert other is not None
        opened.run(
            lambda home: home.vault.capture(
                {person: [chat(n) for n in range(30)], other: [chat(99, title="Of somebody else")]},
                source=CaptureSource.DEMO,
            )
        )
        yield opened


@pytest.fixture
def client(doors: Doors) -> TestClient:
    return person_client(doors)


def person_client(doors: Doors, *, stepped_up: bool = False) -> TestClient:
    return doors.client(pages(doors), doors.person, stepped_up=stepped_up)


def pages(doors: Doors) -> SecurityHeaders:
    inner = Starlette(routes=web_routes())
    inner.state.doorway = doors.doorway
    return SecurityHeaders(inner, secure=False, entropy=SystemEntropy())


def chats_of(doors: Doors) -> list[Held]:
    subject = doors.person.subject
    assert subject is not None
    return doors.run(lambda home: list(home.vault.of_subject(subject)))


def status_of(doors: Doors, purpose: Purpose) -> ConsentStatus:
    subject = doors.person.subject
    assert subject is not None

    def act(home: Home) -> ConsentStatus:
        state = home.ledger.states(subject.id).get(purpose, NOTHING_SAID)
        return state.status_at(home.clock.now())

    return doors.run(act)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_every_language(client: TestClient, path: str, language: str) -> None:
    answer = client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text[:400]
    assert f'<html lang="{language}"' in answer.text
    assert len(answer.content) < 100_000
    assert MARK not in answer.text
    assert re.search(r"<h1>.+</h1>", answer.text)
    bare = re.findall(r">\s*((?:[a-z_]+\.)+[a-z_]+)\s*<", answer.text)
    assert not bare, f"keys without words: {bare}"


def test_the_models_that_learned_are_shown_and_what_became_of_them(
    doors: Doors, client: TestClient, tmp_path: Path
) -> None:
    person = doors.person.subject
    assert person is not None
    doors.run(lambda home: home.ledger.record([act(1, person, Act.GRANT)]))
    built = doors.run(lambda home: home.datasets().build(TRAINING, tmp_path / "set"))
    assert "none trained on your chats" in client.get("/me/datasets").text
    kept = doors.run(lambda home: trained_on(home, built))
    doors.run(lambda home: runs_of(home).give(kept, b"m" * 32, b"a" * 32, home.clock.now()))
    told = client.get("/me/datasets").text
    assert kept.family in told
    assert "your yes stands" in told
    assert "1 copy of it left" in told
    doors.run(lambda home: home.ledger.record([act(2, person, Act.WITHDRAW)]))
    told = client.get("/me/choices/batch_training?done=withdraw").text
    assert "given out no more" in told
    doors.run(look)
    (case,) = doors.run(lambda home: impact_register(home).all())
    told = client.get("/me/datasets").text
    assert case.id in told
    assert "download" not in told.partition(case.id)[2].partition("</section>")[0]
    doors.run(lambda home: repaired(home, kept, set(case.touches[0].leaves)))
    doors.run(look)
    told = client.get("/me/datasets").text
    assert "as if it had never seen them" in told
    links = re.findall(r'href="(/me/models/[^"]+)"', told)
    assert len(links) == 2
    for link in links:
        assert client.get(link).status_code == 200
        other = doors.client(pages(doors), doors.other)
        assert other.get(link).status_code == 404
    for language in sorted(LANGUAGES):
        told = client.get("/me/datasets", headers={"Accept-Language": language}).text
        assert not re.findall(r">\s*((?:[a-z_]+\.)+[a-z_]+)\s*<", told)


@pytest.mark.parametrize(
    ("plan", "said", "not_said"),
    [
        ("free", "Standard queue", "Priority queue"),
        ("pro", "Priority queue; the same rights and deadlines", "Standard queue"),
    ],
)
def test_the_rules_show_what_the_person_s_own_plan_promises(
    doors: Doors, client: TestClient, plan: str, said: str, not_said: str
) -> None:
    person = doors.person.subject
    assert person is not None
    doors.run(lambda home: home.subjects.change(person, {"plan": plan}))
    text = client.get("/me/policy").text
    assert said in text
    assert not_said not in text
    assert "Your rights are the same on every plan" in text
    assert "deletion_queue" not in text
    label = {"free": "Free", "pro": "Pro"}[plan]
    assert text.count('<tr class="mine" aria-current="true">') == 1
    assert f'aria-current="true"><th scope="row"><span>{label}</span>' in text


def test_a_plan_that_the_rules_do_not_know_promises_nothing(
    doors: Doors, client: TestClient
) -> None:
    person = doors.person.subject
    assert person is not None
    doors.run(lambda home: home.subjects.change(person, {"plan": "nonsense"}))
    answer = client.get("/me/policy")
    assert answer.status_code == 200
    assert "Your rights are the same on every plan" not in answer.text


def test_nobody_sees_a_page_without_signing_in(doors: Doors) -> None:
    inner = Starlette(routes=person_routes())
    inner.state.doorway = doors.doorway
    client = doors.client(inner)
    for path in PAGES:
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=")


def test_an_act_without_the_token_of_the_session_does_nothing(
    doors: Doors, client: TestClient
) -> None:
    answer = client.post("/me/choices/batch_training", data={"answer": "withdraw"})
    assert answer.status_code == 403
    answer = client.post("/me/history", data={"history": "off"})
    assert answer.status_code == 403
    assert status_of(doors, Purpose.KEEP_HISTORY) is ConsentStatus.NOT_GRANTED


def test_a_yes_is_given_on_the_notice_and_taken_back_in_one_step(
    doors: Doors, client: TestClient
) -> None:
    page = client.get("/me/choices/batch_training").text
    assert "[EMAIL]" in page
    assert "ada@example.org" not in page
    (notice,) = re.findall(r'name="notice" value="([0-9a-f]{64})"', page)
    form = {**doors.csrf(client), "answer": "yes", "notice": notice}
    answer = client.post("/me/choices/batch_training", data=form)
    assert answer.status_code == 303
    assert status_of(doors, Purpose.BATCH_TRAINING) is ConsentStatus.GRANTED
    after = client.get(answer.headers["location"]).text
    assert "Keep my yes" in after
    (receipt,) = re.findall(r'href="(/me/receipts/evt_[^"]+)"', after)
    assert client.get(receipt).json()["event"]["purpose"] == "batch_training"
    form = {**doors.csrf(client), "answer": "withdraw"}
    assert client.post("/me/choices/batch_training", data=form).status_code == 303
    assert status_of(doors, Purpose.BATCH_TRAINING) is ConsentStatus.WITHDRAWN


def test_a_yes_to_another_text_than_the_one_shown_is_refused(
    doors: Doors, client: TestClient
) -> None:
    form = {**doors.csrf(client), "answer": "yes", "notice": "0" * 64}
    assert client.post("/me/choices/batch_training", data=form).status_code == 409
    assert status_of(doors, Purpose.BATCH_TRAINING) is ConsentStatus.NOT_GRANTED


@pytest.mark.parametrize("purpose", ["sale", "face_recognition", "partner_training", "nonsense"])
def test_what_nobody_is_asked_for_can_not_be_said_yes_to(
    doors: Doors, client: TestClient, purpose: str
) -> None:
    form = {**doors.csrf(client), "answer": "yes", "notice": "0" * 64}
    answer = client.post(f"/me/choices/{purpose}", data=form)
    assert answer.status_code in {403, 404}


def test_chats_come_by_page_newest_first_in_one_logged_access(
    doors: Doors, client: TestClient
) -> None:
    before = doors.run(lambda home: home.owned_log().size)
    first = client.get("/me/chats").text
    assert doors.run(lambda home: home.owned_log().size) == before + 2
    assert "Chat 29" in first
    assert "Chat 4<" not in first
    (older,) = re.findall(r'href="(/me/chats\?before=\d+)"', first)
    second = client.get(older).text
    assert "Chat 4<" in second
    assert "Chat 29" not in second
    assert "Of somebody else" not in first + second


def test_a_chat_of_somebody_else_is_as_none(doors: Doors, client: TestClient) -> None:
    other = doors.other.subject
    assert other is not None
    (theirs,) = doors.run(lambda home: list(home.vault.of_subject(other)))
    csrf = doors.csrf(client)
    assert client.get(f"/me/chats/{theirs.id}").status_code == 404
    assert client.get("/me/chats/nonsense").status_code == 404
    for word, form in (("use", {"use": "out"}), ("report", {"because": "wrong"})):
        answer = client.post(f"/me/chats/{theirs.id}/{word}", data={**csrf, **form})
        assert answer.status_code == 404
    form = {**csrf, "what": "conversation", "chat": theirs.id, "answer": "delete"}
    assert client.post("/me/delete", data=form).status_code == 404


def test_a_chat_is_left_out_and_taken_in_again(doors: Doors, client: TestClient) -> None:
    held = chats_of(doors)[0]
    for word, signal in (("out", Signal.EXCLUDED), ("in", Signal.NONE)):
        form = {**doors.csrf(client), "use": word}
        assert client.post(f"/me/chats/{held.id}/use", data=form).status_code == 303
        assert chats_of(doors)[0].signal is signal


def test_a_chat_is_shown_harmlessly_and_can_be_reported(doors: Doors, client: TestClient) -> None:
    held = chats_of(doors)[0]
    page = client.get(f"/me/chats/{held.id}").text
    assert "&lt;script&gt;alert" in page
    assert MARK not in page
    form = {**doors.csrf(client), "because": "wrong", "turn": "1"}
    assert client.post(f"/me/chats/{held.id}/report", data=form).status_code == 303
    assert "Reported on" in client.get(f"/me/chats/{held.id}").text


def test_a_chat_is_deleted_seen_and_brought_back(doors: Doors, client: TestClient) -> None:
    held = chats_of(doors)[0]
    assert client.get(f"/me/delete?what=conversation&chat={held.id}").status_code == 200
    form = {**doors.csrf(client), "what": "conversation", "chat": held.id, "answer": "delete"}
    there = client.post("/me/delete", data=form).headers["location"]
    assert client.get(f"/me/chats/{held.id}").status_code == 404
    page = client.get(there).text
    assert "Take it back" in page
    path = there.partition("?")[0]
    assert client.get(f"{path}/receipt.html").status_code == 200
    assert client.post(f"{path}/cancel", data=doors.csrf(client)).status_code == 303
    assert client.get(f"/me/chats/{held.id}").status_code == 200


def test_keeping_everything_deletes_nothing(doors: Doors, client: TestClient) -> None:
    form = {**doors.csrf(client), "what": "history", "answer": "keep"}
    client.post("/me/delete", data=form)
    assert len(chats_of(doors)) == 30


def test_the_account_goes_only_after_a_fresh_proof_and_signs_out_at_once(doors: Doors) -> None:
    client = person_client(doors)
    answer = client.get("/me/delete?what=account")
    assert answer.headers["location"].startswith("/sign-in/confirm?next=")
    form = {**doors.csrf(client), "what": "account", "answer": "delete"}
    assert client.post("/me/delete", data=form).status_code == 403
    client = person_client(doors, stepped_up=True)
    assert client.get("/me/delete?what=account").status_code == 200
    form = {**doors.csrf(client), "what": "account", "answer": "delete"}
    there = client.post("/me/delete", data=form).headers["location"]
    assert client.get("/me").status_code == 303
    page = client.get(there)
    assert page.status_code == 200
    reference, key = re.findall(r'name="(?:reference|key)" value="([^"]+)"', page.text)
    assert client.get(f"/left?reference={reference}&key={'0' * 64}").status_code == 404
    form = {**doors.csrf(client), "reference": reference, "key": key}
    assert client.post("/left", data=form).status_code == 303
    fresh = person_client(doors)
    assert fresh.get("/me").status_code == 200


def test_the_history_switch_is_a_choice_in_the_ledger(doors: Doors, client: TestClient) -> None:
    assert client.post("/me/history", data={**doors.csrf(client), "history": "off"}).status_code
    assert "History is off" in client.get("/me?done=history-off").text
    form = {**doors.csrf(client), "history": "perhaps"}
    assert client.post("/me/history", data=form).status_code == 400


def test_a_signal_of_the_browser_is_heard_once(client: TestClient) -> None:
    page = client.get("/me", headers={"Sec-GPC": "1"}).text
    assert "We heard it" in page
    client.get("/me", headers={"Sec-GPC": "1"})
    assert client.get("/me/rights").text.count("Do not sell or share</th>") == 1


def test_every_access_can_be_proven(client: TestClient) -> None:
    client.get("/me/chats")
    page = client.get("/me/seen").text
    proofs = re.findall(r'href="(/me/seen/\d+)"', page)
    assert proofs
    assert client.get(proofs[0]).json()["version"] == "volens-access/v1"
    assert client.get("/me/seen/0").status_code == 404


def test_a_right_is_asked_for_and_taken_back(doors: Doors, client: TestClient) -> None:
    form = {**doors.csrf(client), "kind": "access"}
    assert client.post("/me/rights", data=form).status_code == 303
    page = client.get("/me/rights").text
    (path,) = re.findall(r'action="(/me/rights/req_[^"]+/withdraw)"', page)
    assert client.post(path, data=doors.csrf(client)).status_code == 303
    form = {**doors.csrf(client), "kind": "erasure"}
    assert client.post("/me/rights", data=form).status_code == 400


def test_the_copy_takes_a_fresh_proof(doors: Doors) -> None:
    client = person_client(doors)
    answer = client.post("/me/export", data=doors.csrf(client))
    assert answer.headers["location"].startswith("/sign-in/confirm")
    assert client.get("/me/export/file").status_code == 303


def test_the_copy_is_made_and_handed_over(doors: Doors) -> None:
    with person_client(doors, stepped_up=True) as client:
        client.post("/me/export", data=doors.csrf(client))
        for _ in range(200):
            if client.get("/me/export").text.count("/me/export/file"):
                break
        answer = client.get("/me/export/file")
        assert answer.status_code == 200
        assert answer.content[:2] == b"PK"
