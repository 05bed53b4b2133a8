"""A flagged turn is looked at by those who may, under a case, and what it says does nothing."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.support.console import ATTACKS, fill
from tests.support.doors import Doors, Guest, open_doors
from volens.access.model import Role
from volens.app.access import accounts_of, roles_of
from volens.app.home import Home
from volens.app.safety import safety_of
from volens.core.ids import ConversationId
from volens.core.purposes import Signal
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind
from volens.web.harmless import harmless
from volens.web.routes import web_routes

DANGER = {"danger": "others", "horizon": "hours", "sign": "stated_intent"}


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


def colleague(doors: Doors, role: Role) -> Guest:
    """Add one more member of staff."""

    def act(home: Home) -> Guest:
        account = accounts_of(home).add_staff("colleague")
        roles_of(home).give(account, role, until=home.clock.now() + timedelta(days=30))
        return Guest(accounts_of(home).by_id(account.id))

    return doors.run(act)


def entries(doors: Doors, kind: EntryKind) -> list[Mapping[str, object]]:
    def act(home: Home) -> list[Mapping[str, object]]:
        log = home.owned_log()
        found = [parse_entry(data) for data in log.entries(0, log.size)]
        return [one.fields for one in found if one.kind is kind]

    return doors.run(act)


def open_case(doors: Doors, client: TestClient, chat: str, exception: str, **record: str) -> str:
    answer = client.post(
        "/staff/cases",
        data={
            **doors.csrf(client),
            "class": exception,
            "conversation": chat,
            "turn": [str(n) for n in range(len(ATTACKS))],
            "reason": "classifier_flag",
            **record,
        },
    )
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


def test_the_queue_tells_what_was_flagged_and_never_whose_or_what(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY])
    page = client.get("/staff/queue").text
    assert chats["attacks"] in page
    assert chats["plain"] not in page
    assert doors.person.subject is not None
    assert doors.person.subject.id not in page
    assert "alert(1)" not in page
    assert client.get(f"/staff/cases/new?conversation={chats['plain']}").status_code == 404


def test_attacks_in_a_conversation_are_shown_and_do_nothing(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY], stepped_up=True)
    case = open_case(doors, client, chats["attacks"], "system_abuse", abuse="jailbreak")
    data = {**doors.csrf(client), "conversation": chats["attacks"]}
    answer = client.post(f"{case}/look", data=data)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    page = answer.text
    assert "<script" not in page
    assert "<img" not in page
    assert "<h1>Approved" not in page
    assert "{{ 7*7 }}" in page
    for hidden in "\u202e\u202c\u2066\u2069\u200b\u2060\ufeff\u00ad\x07\x1b\x01\u2028\U000e0041":
        assert hidden not in page
        assert f"U+{ord(hidden):04X}" in page
    assert "&amp;lt;b&amp;gt; already escaped &amp;amp;" in page
    assert page.count("<details") >= len(ATTACKS)
    assert "<details open" not in page


def test_a_look_is_logged_before_counts_down_without_a_script_and_ends_by_a_button(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY], stepped_up=True)
    case = open_case(doors, client, chats["attacks"], "system_abuse", abuse="fraud")
    before = len(entries(doors, EntryKind.ACCESS_INTENT))
    data = {**doors.csrf(client), "conversation": chats["attacks"]}
    page = client.post(f"{case}/look", data=data).text
    assert len(entries(doors, EntryKind.ACCESS_INTENT)) == before + 1
    done = len(entries(doors, EntryKind.ACCESS_DONE))
    refresh = re.search(r'http-equiv="refresh" content="(\d+);url=([^"]+)"', page)
    assert refresh is not None
    assert 0 < int(refresh[1]) <= 900
    assert client.get(refresh[2]).status_code == 200
    lease = re.search(r'name="lease" value="(\d+)"', page)
    assert lease is not None
    doors.where.clock.step(timedelta(seconds=42))
    answer = client.post(f"{case}/done", data={**doors.csrf(client), "lease": lease[1]})
    assert answer.status_code == 303
    assert len(entries(doors, EntryKind.ACCESS_DONE)) == done + 1
    last = entries(doors, EntryKind.ACCESS_DONE)[-1]
    assert last["duration_ms"] == 42_000
    assert "42 seconds" in client.get(case).text


def test_another_reviewer_finds_neither_the_case_nor_the_look(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    opener = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY], stepped_up=True)
    case = open_case(doors, opener, chats["attacks"], "system_abuse", abuse="fraud")
    for guest in (colleague(doors, Role.TRUST_AND_SAFETY), doors.staff[Role.LEGAL_COUNSEL]):
        other = doors.client(app, guest, stepped_up=True)
        data = {**doors.csrf(other), "conversation": chats["attacks"]}
        before = len(entries(doors, EntryKind.ACCESS_INTENT))
        assert other.post(f"{case}/look", data=data).status_code in {403, 404}
        assert len(entries(doors, EntryKind.ACCESS_INTENT)) == before


def test_a_case_for_two_opens_only_once_another_person_approved(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    opener = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY], stepped_up=True)
    second = doors.client(app, colleague(doors, Role.TRUST_AND_SAFETY), stepped_up=True)
    case = open_case(doors, opener, chats["attacks"], "illegal_content", law="DE:StGB-130")
    data = {**doors.csrf(opener), "conversation": chats["attacks"]}
    assert opener.post(f"{case}/look", data=data).status_code == 403
    assert opener.post(f"{case}/approve", data=doors.csrf(opener)).status_code == 403
    assert f"{case}/approve" not in opener.get(case).text
    assert f"{case}/approve" in second.get(case).text
    answer = second.post(f"{case}/approve", data=doors.csrf(second))
    assert answer.headers["location"] == f"{case}?note=approved"
    assert opener.post(f"{case}/look", data=data).status_code == 200


def test_a_second_person_may_refuse_and_nothing_opens(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    opener = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY], stepped_up=True)
    officer = doors.client(app, doors.staff[Role.PRIVACY_OFFICER], stepped_up=True)
    case = open_case(doors, opener, chats["attacks"], "illegal_content", law="DE:StGB-130")
    answer = officer.post(f"{case}/refuse", data=doors.csrf(officer))
    assert answer.status_code == 303
    data = {**doors.csrf(opener), "conversation": chats["attacks"]}
    assert opener.post(f"{case}/look", data=data).status_code == 403


def test_an_informal_request_opens_nothing_and_its_refusal_is_logged(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    counsel = doors.client(app, doors.staff[Role.LEGAL_COUNSEL], stepped_up=True)
    assert counsel.get("/staff/cases/new").status_code == 200
    order = {
        "class": "legal_order",
        "conversation": chats["plain"],
        "turn": "0-1",
        "reason": "authority_order",
        "form": "informal",
        "issuer": "DE:AG-Berlin",
        "jurisdiction": "DE",
        "docket": "12-Gs-34",
        "has_jurisdiction": "yes",
        "signed": "yes",
        "names_turns": "yes",
    }
    refused = counsel.post("/staff/cases", data={**doors.csrf(counsel), **order})
    assert refused.status_code == 403
    assert len(entries(doors, EntryKind.EXCEPTION_REFUSED)) == 1
    good = {**doors.csrf(counsel), **order, "form": "court_order"}
    assert counsel.post("/staff/cases", data=good).status_code == 303
    unsigned = {name: value for name, value in good.items() if name != "signed"}
    assert counsel.post("/staff/cases", data=unsigned).status_code == 403


def test_a_case_whose_time_is_over_shows_nothing_more(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    reviewer = doors.staff[Role.TRUST_AND_SAFETY]
    client = doors.client(app, reviewer, stepped_up=True)
    case = open_case(doors, client, chats["attacks"], "system_abuse", abuse="fraud", days="1")
    doors.where.clock.step(timedelta(days=2))
    doors.run(lambda home: safety_of(home).run(home.clock.now()))
    client = doors.client(app, reviewer, stepped_up=True)
    data = {**doors.csrf(client), "conversation": chats["attacks"]}
    assert client.post(f"{case}/look", data=data).status_code == 403


def test_opening_a_case_takes_a_fresh_proof_and_a_form_of_ours(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.TRUST_AND_SAFETY])
    data = {"class": "system_abuse", "conversation": chats["attacks"], "turn": "0"}
    assert "step_up_needed" in client.post("/staff/cases", data={**doors.csrf(client), **data}).text
    assert "csrf_refused" in client.post("/staff/cases", data=data).text
    assert not entries(doors, EntryKind.EXCEPTION_OPENED)


def test_a_rater_sees_what_was_granted_and_a_withdrawal_counts_at_once(
    doors: Doors, app: Starlette, chats: Mapping[str, ConversationId]
) -> None:
    client = doors.client(app, doors.staff[Role.RATER])
    assert chats["plain"] in client.get("/staff/rating").text
    data = {**doors.csrf(client), "conversation": chats["plain"]}
    assert "How do I bake bread?" in client.post("/staff/rating/look", data=data).text
    assert doors.person.subject is not None
    person = doors.person.subject

    def exclude(home: Home) -> None:
        home.vault.set_signal(home.vault.find(chats["plain"]), Signal.EXCLUDED, person.holder)

    doors.run(exclude)
    assert client.post("/staff/rating/look", data=data).status_code == 403


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)


@pytest.mark.parametrize("said", ATTACKS)
def test_no_text_makes_a_tag_of_its_own(said: str) -> None:
    parser = _Tags()
    parser.feed(str(harmless(said)))
    assert set(parser.tags) <= {"code"}


def test_words_of_other_scripts_and_emoji_stay_as_they_are() -> None:
    for said in ("نمی‌خواهم", "👩‍👩‍👧", "क्‍ष", "日本語\nnew line\ttab"):
        assert str(harmless(said)) == said
