"""People and staff come in by their own proofs, and by nothing else."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pyotp
import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from tests.support.doors import Doors, Guest, open_doors
from volens.access.model import Role, Scope
from volens.access.passwords import hash_password
from volens.access.throttle import FROM_NETWORK
from volens.app.access import accounts_of, codes_of, sessions_of, tokens_of
from volens.app.retention import new_request
from volens.door.cookies import DEVICE, SESSION
from volens.holds.erasure import COOL_OFF
from volens.log.kinds import ErasureScope
from volens.server.application import application
from volens.web.codes import picture_of

PASSWORD = "three quiet rivers"


@pytest.fixture(scope="module")
def hashed() -> str:
    from tests.support.ports import SeededEntropy  # noqa: PLC0415 - only here

    return hash_password(PASSWORD, entropy=SeededEntropy())


@pytest.fixture
def doors(tmp_path: Path, hashed: str) -> Iterator[Doors]:
    with open_doors(tmp_path) as found:
        for guest in (found.person, found.staff[Role.RATER]):
            account = guest.account
            found.run(lambda home, one=account: accounts_of(home).set_password(one, hashed))
        yield found


@pytest.fixture
def app(doors: Doors) -> ASGIApp:
    return application(doors.doorway)


def field(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def sign_in(client: TestClient, name: str, password: str = PASSWORD, **more: str) -> int:
    token = field(client.get("/sign-in").text)
    data = {"csrf": token, "name": name, "password": password, **more}
    return client.post("/sign-in", data=data).status_code


def set_up_app(doors: Doors, guest: Guest) -> pyotp.TOTP:
    def act(home):  # noqa: ANN001, ANN202 - a test's act
        codes = codes_of(home)
        secret, _ = codes.begin(guest.account, label="x")
        app = pyotp.TOTP(secret)
        assert codes.confirm(guest.account, app.at(home.clock.now()))
        return app

    app = doors.run(act)
    doors.where.clock.step(timedelta(seconds=60))
    return app


def code_now(doors: Doors, app: pyotp.TOTP) -> str:
    return app.at(doors.where.clock.now())


def test_a_person_signs_in_and_out_with_plain_forms(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app)
    token = field(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={"csrf": token, "name": " ADA ", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    cookie = answer.headers.get_list("set-cookie")
    assert any("HttpOnly" in one and "SameSite=lax" in one for one in cookie)
    page = client.get("/sign-in/security")
    assert page.status_code == 200
    out = client.post("/sign-out", data={"csrf": field(page.text)})
    assert out.status_code == 303
    assert out.headers["clear-site-data"] == '"cache", "storage"'
    assert client.get("/sign-in/security").status_code == 303
    assert doors.run(lambda home: sessions_of(home).count()) == 0


def test_a_wrong_password_and_a_wrong_name_get_the_same_answer(doors: Doors, app: ASGIApp) -> None:
    texts = []
    for name, password in (("ada", "not the one at all"), ("nobody", PASSWORD), ("", "")):
        client = doors.client(app)
        token = field(client.get("/sign-in").text)
        answer = client.post("/sign-in", data={"csrf": token, "name": name, "password": password})
        assert answer.status_code == 401
        assert SESSION not in client.cookies
        texts.append(re.sub(r'(value|nonce|v)="?[\w-]+"?', "", answer.text))
    assert len(set(texts)) == 1


def test_where_to_go_on_stays_on_this_site(doors: Doors, app: ASGIApp) -> None:
    for wanted, expected in (
        ("/me/chats", "/me/chats"),
        ("https://evil.example/", "/me"),
        ("//evil.example", "/me"),
        ("/\\evil.example", "/me"),
    ):
        client = doors.client(app)
        token = field(client.get("/sign-in").text)
        data = {"csrf": token, "name": "ada", "password": PASSWORD, "next": wanted}
        assert client.post("/sign-in", data=data).headers["location"] == expected


def test_a_session_that_somebody_planted_is_not_the_one_signed_in_with(
    doors: Doors, app: ASGIApp
) -> None:
    planted = doors.session(doors.other)
    client = doors.client(app)
    client.cookies.set(SESSION, planted)
    # the sign-in form is not shown to who is signed in; the attacker's page posts all the same
    answer = client.post(
        "/sign-in", data={**doors.csrf(client), "name": "ada", "password": PASSWORD}
    )
    assert answer.status_code == 303
    made = answer.cookies[SESSION]
    assert made != planted
    assert doors.run(lambda home: sessions_of(home).find(planted)) is None
    client.cookies.clear()
    client.cookies.set(SESSION, "chosen-by-an-attacker")
    assert sign_in(client, "ada") == 303
    assert doors.run(lambda home: sessions_of(home).find("chosen-by-an-attacker")) is None


def test_no_other_site_signs_a_browser_in(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app)
    data = {"name": "ada", "password": PASSWORD}
    assert client.post("/sign-in", data=data).status_code == 403
    foreign = field(doors.client(app).get("/sign-in").text)
    client.get("/sign-in")
    assert client.post("/sign-in", data={**data, "csrf": foreign}).status_code == 403
    own = field(client.get("/sign-in").text)
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert client.post("/sign-in", data={**data, "csrf": own}, headers=cross).status_code == 403


def test_who_set_up_an_app_needs_its_code(doors: Doors, app: ASGIApp) -> None:
    totp = set_up_app(doors, doors.person)
    client = doors.client(app)
    assert sign_in(client, "ada") == 303
    assert client.get("/sign-in/security").status_code == 303, "half a session is none"
    page = client.get("/sign-in/code")
    code = code_now(doors, totp)
    wrong = client.post("/sign-in/code", data={"csrf": field(page.text), "code": "000000"})
    assert wrong.status_code == 401
    right = client.post("/sign-in/code", data={"csrf": field(page.text), "code": code})
    assert (right.status_code, right.headers["location"]) == (303, "/me")
    assert client.get("/sign-in/security").status_code == 200


def test_a_code_counts_once(doors: Doors, app: ASGIApp) -> None:
    totp = set_up_app(doors, doors.person)
    code = code_now(doors, totp)
    first, second = doors.client(app), doors.client(app)
    for client, expected in ((first, 303), (second, 401)):
        assert sign_in(client, "ada") == 303
        token = field(client.get("/sign-in/code").text)
        answer = client.post("/sign-in/code", data={"csrf": token, "code": code})
        assert answer.status_code == expected
    doors.where.clock.step(timedelta(seconds=30))
    token = field(second.get("/sign-in/code").text)
    earlier = totp.at(doors.where.clock.now() - timedelta(seconds=30))
    replayed = second.post("/sign-in/code", data={"csrf": token, "code": earlier})
    assert replayed.status_code == 401


def test_a_recovery_code_counts_once(doors: Doors, app: ASGIApp) -> None:
    set_up_app(doors, doors.person)
    (code, *_) = doors.run(lambda home: codes_of(home).new_recovery_codes(doors.person.account))
    for expected in (303, 401):
        client = doors.client(app)
        sign_in(client, "ada")
        token = field(client.get("/sign-in/code").text)
        answer = client.post("/sign-in/code", data={"csrf": token, "code": code.upper()})
        assert answer.status_code == expected


def test_staff_set_up_a_second_factor_before_anything_else(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app)
    assert sign_in(client, "staff-rater") == 303
    assert client.get("/sign-in/code").headers["location"] == "/sign-in/set-up"
    page = client.get("/sign-in/set-up")
    secret = re.search(r"<code dir=\"ltr\">([A-Z2-7 ]+)</code>", page.text)
    assert secret is not None
    address = re.search(r'href="(otpauth://[^"]+)"', page.text)
    assert address is not None
    assert picture_of(unescape(address[1])) in page.text
    totp = pyotp.TOTP(secret[1].replace(" ", ""))
    assert client.get("/sign-in/security").status_code == 303
    data = {"csrf": field(page.text), "code": code_now(doors, totp)}
    done = client.post("/sign-in/set-up", data=data)
    assert done.status_code == 200
    assert len(re.findall(r"<li><code>", done.text)) == 10
    assert client.get("/sign-in/security").status_code == 200
    # the next time the set-up is closed, also to who knows the password
    doors.where.clock.step(timedelta(minutes=2))
    thief = doors.client(app)
    sign_in(thief, "staff-rater")
    assert thief.get("/sign-in/set-up").headers["location"] == "/sign-in/code"
    token = field(thief.get("/sign-in/code").text)
    data = {"csrf": token, "code": code_now(doors, totp)}
    assert thief.post("/sign-in/set-up", data=data).headers["location"] == "/sign-in/code"
    assert thief.get("/sign-in/security").status_code == 303


def test_guessing_is_slowed_down_and_does_not_lock_the_owner_out(
    doors: Doors, app: ASGIApp
) -> None:
    owner = doors.client(app)
    assert sign_in(owner, "ada") == 303
    owner.post("/sign-out", data=doors.csrf(owner))
    assert DEVICE in owner.cookies, "the browser is known after signing out, too"
    attacker = doors.client(app)
    answers = [sign_in(attacker, "ada", f"wrong password {n}") for n in range(FROM_NETWORK + 3)]
    assert answers == [401] * FROM_NETWORK + [429] * 3
    assert sign_in(attacker, "ada") == 429, "even with the right one"
    assert sign_in(owner, "ada") == 303, "the same network, a known browser"
    doors.where.clock.step(timedelta(minutes=15))
    assert sign_in(attacker, "ada") == 303


def test_a_known_browser_is_known_for_its_own_name_only(doors: Doors, app: ASGIApp) -> None:
    attacker = doors.client(app)
    assert sign_in(attacker, "ada") == 303
    device = attacker.cookies[DEVICE]
    answers = []
    for n in range(FROM_NETWORK + 1):
        client = doors.client(app)
        client.cookies.set(DEVICE, device)
        answers.append(sign_in(client, "staff-rater", f"wrong password {n}"))
    assert answers == [401] * FROM_NETWORK + [429]


def test_what_can_not_be_undone_takes_a_fresh_proof(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app, doors.person)
    data = {**doors.csrf(client), "password": PASSWORD * 2, "again": PASSWORD * 2}
    refused = client.post("/sign-in/security/password", data=data)
    assert refused.status_code == 403
    wrong = {**doors.csrf(client), "password": "not the one at all"}
    assert client.post("/sign-in/confirm", data=wrong).status_code == 401
    right = {**doors.csrf(client), "password": PASSWORD, "next": "/sign-in/security"}
    assert client.post("/sign-in/confirm", data=right).headers["location"] == "/sign-in/security"
    elsewhere = doors.session(doors.person)
    before = client.cookies[SESSION]
    assert client.post("/sign-in/security/password", data=data).status_code == 303
    assert client.cookies[SESSION] != before
    assert doors.run(lambda home: sessions_of(home).find(elsewhere)) is None
    assert sign_in(doors.client(app), "ada", PASSWORD * 2) == 303


def test_with_an_app_the_password_is_no_fresh_proof(doors: Doors, app: ASGIApp) -> None:
    totp = set_up_app(doors, doors.person)
    client = doors.client(app, doors.person)
    data = {**doors.csrf(client), "password": PASSWORD}
    assert client.post("/sign-in/confirm", data=data).status_code == 401
    data = {**doors.csrf(client), "code": code_now(doors, totp)}
    assert client.post("/sign-in/confirm", data=data).status_code == 303


@pytest.mark.parametrize(
    "password", ["short", "passwordpassword", "aaaaaaaaaaaaaaaa", "1234567890123"]
)
def test_a_bad_password_is_not_taken(doors: Doors, app: ASGIApp, password: str) -> None:
    client = doors.client(app, doors.person, stepped_up=True)
    data = {**doors.csrf(client), "password": password, "again": password}
    assert client.post("/sign-in/security/password", data=data).status_code == 400


def test_an_embed_token_opens_one_short_session_without_step_up(doors: Doors, app: ASGIApp) -> None:
    assert doors.person.subject is not None
    principal = doors.run(lambda home: tokens_of(home).find(doors.service.secret))
    assert principal is not None
    secret, _ = doors.run(
        lambda home: tokens_of(home).issue_embed(principal, doors.person.subject.id)
    )
    client = doors.client(app)
    answer = client.get("/embed", params={"token": secret})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    stolen = doors.client(app)
    assert stolen.get("/embed", params={"token": secret}).status_code == 401
    assert SESSION not in stolen.cookies
    token = client.cookies[SESSION]
    found = doors.run(lambda home: sessions_of(home).find(token))
    assert found is not None
    assert found.principal.subject == doors.person.subject.id
    assert client.get("/sign-in/confirm").status_code == 403
    confirm = {**doors.csrf(client), "password": PASSWORD}
    assert client.post("/sign-in/confirm", data=confirm).status_code == 403
    doors.where.clock.step(timedelta(minutes=15))
    assert doors.run(lambda home: sessions_of(home).find(token)) is None


def test_an_embed_token_signs_nobody_over(doors: Doors, app: ASGIApp) -> None:
    assert doors.person.subject is not None
    principal = doors.run(lambda home: tokens_of(home).find(doors.service.secret))
    assert principal is not None
    secret, _ = doors.run(
        lambda home: tokens_of(home).issue_embed(principal, doors.person.subject.id)
    )
    client = doors.client(app, doors.other)
    before = client.cookies[SESSION]
    assert client.get("/embed", params={"token": secret}).status_code == 403
    assert client.cookies[SESSION] == before


def test_an_embed_token_takes_its_scope(doors: Doors) -> None:
    assert doors.person.subject is not None
    program = doors.program(Scope.CAPTURE)

    def act(home):  # noqa: ANN001, ANN202 - a test's act
        principal = tokens_of(home).find(program.secret)
        assert principal is not None
        with pytest.raises(Exception, match="embed:issue"):
            tokens_of(home).issue_embed(principal, doors.person.subject.id)

    doors.run(act)


def test_a_request_to_erase_the_account_ends_its_sessions_at_once(
    doors: Doors, app: ASGIApp
) -> None:
    client = doors.client(app, doors.person)
    assert client.get("/sign-in/security").status_code == 200

    def act(home):  # noqa: ANN001, ANN202 - a test's act
        assert doors.person.subject is not None
        home.erasures.request(
            new_request(home, b"e" * 16, ErasureScope.ACCOUNT, doors.person.subject)
        )

    doors.run(act)
    assert client.get("/sign-in/security").status_code == 303
    for _ in range(2):
        back = doors.client(app)
        sign_in(back, "ada")
        assert SESSION not in back.cookies, "nobody is signed in any more"
        assert sign_in(doors.client(app), "ada", "not the one at all") == 401
        doors.run(lambda home: home.erasures.drain())
    doors.where.clock.step(COOL_OFF)
    assert sign_in(doors.client(app), "ada") == 401


@pytest.mark.parametrize("with_app", [False, True])
def test_a_deletion_is_taken_back_by_who_shows_who_they_are(
    doors: Doors, app: ASGIApp, *, with_app: bool
) -> None:
    totp = set_up_app(doors, doors.person) if with_app else None

    def act(home):  # noqa: ANN001, ANN202 - a test's act
        assert doors.person.subject is not None
        home.erasures.request(
            new_request(home, b"e" * 16, ErasureScope.ACCOUNT, doors.person.subject)
        )
        home.erasures.drain()

    doors.run(act)
    client = doors.client(app)
    token = field(client.get("/sign-in").text)
    data = {"csrf": token, "name": "ada", "password": PASSWORD}
    answer = client.post("/sign-in", data=data)
    if totp is not None:
        handle = re.search(r'name="handle" value="([^"]+)"', answer.text)
        assert handle is not None
        data = {"csrf": field(answer.text), "handle": handle[1], "code": code_now(doors, totp)}
        assert client.post("/sign-in/return", data={**data, "handle": "x"}).status_code == 401
        answer = client.post("/sign-in/return", data=data)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"])
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    assert client.post("/left", data=fields).status_code == 303
    assert sign_in(client, "ada") == 303
    assert SESSION in client.cookies


def test_a_session_ends_by_itself(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app, doors.person)
    for _ in range(24):
        doors.where.clock.step(timedelta(minutes=29))
        assert client.get("/sign-in/security").status_code == 200
    doors.where.clock.step(timedelta(minutes=29))
    assert client.get("/sign-in/security").status_code == 303, "after 12 hours"
    client = doors.client(app, doors.person)
    doors.where.clock.step(timedelta(minutes=30))
    assert client.get("/sign-in/security").status_code == 303, "after 30 idle minutes"
    staff = doors.client(app, doors.staff[Role.RATER])
    doors.where.clock.step(timedelta(minutes=15))
    assert staff.get("/sign-in/security").status_code == 303, "sooner for staff"


def test_an_app_is_set_up_by_its_owner_and_only_with_its_code(doors: Doors, app: ASGIApp) -> None:
    client = doors.client(app, doors.person, stepped_up=True)
    assert client.post("/sign-in/security/app", data=doors.csrf(client)).status_code == 303
    page = client.get("/sign-in/security").text
    secret = re.search(r"<code dir=\"ltr\">([A-Z2-7]+)</code>", page)
    assert secret is not None
    wrong = {**doors.csrf(client), "code": "000000"}
    assert client.post("/sign-in/security/app/confirm", data=wrong).status_code == 400
    right = {**doors.csrf(client), "code": code_now(doors, pyotp.TOTP(secret[1]))}
    assert client.post("/sign-in/security/app/confirm", data=right).status_code == 200
    assert secret[1] not in client.get("/sign-in/security").text
    assert client.post("/sign-in/security/app/remove", data=doors.csrf(client)).status_code == 303


def test_staff_keep_a_second_factor(doors: Doors, app: ASGIApp) -> None:
    set_up_app(doors, doors.staff[Role.RATER])
    client = doors.client(app, doors.staff[Role.RATER], stepped_up=True)
    answer = client.post("/sign-in/security/app/remove", data=doors.csrf(client))
    assert answer.status_code == 403


@pytest.mark.parametrize("language", ["en", "de", "es", "ja", "ar"])
def test_every_page_is_there_in_every_language(doors: Doors, app: ASGIApp, language: str) -> None:
    client = doors.client(app, doors.person, stepped_up=True)
    client.cookies.set("volens_language", language)
    for path in ("/sign-in/security", "/sign-in/confirm"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert f'lang="{language}"' in answer.text
