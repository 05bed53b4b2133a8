"""Another provider's word counts only if every part of it fits."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from tests.support.doors import Doors, open_doors
from tests.support.openid import Claims, FakeProvider, provider
from volens.access.model import PrincipalKind
from volens.app.access import accounts_of, sessions_of
from volens.core.errors import InvalidInput
from volens.door.cookies import PROVIDER, SESSION
from volens.door.doorway import Settings
from volens.door.provider import Provider, provider_from
from volens.server.application import application

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def other() -> Iterator[FakeProvider]:
    with provider() as made:
        yield made


@pytest.fixture
def doors(tmp_path: Path, other: FakeProvider) -> Iterator[Doors]:
    settings = Settings(
        provider=Provider(
            issuer=other.address,
            client_id=other.client_id,
            client_secret=other.client_secret,
            claim="reference",
        )
    )
    with open_doors(tmp_path, settings=settings) as found:
        other.now = lambda: int(found.where.clock.now().timestamp())
        yield found


@pytest.fixture
def client(doors: Doors) -> TestClient:
    return doors.client(application(doors.doorway))


def go(client: TestClient, **fields: str) -> str:
    """Press the button; return where the provider sends the browser back to."""
    page = client.get("/sign-in/confirm" if fields else "/sign-in")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    there = client.post("/sign-in/provider", data={"csrf": token[1], **fields})
    assert there.status_code == 303, there.text
    return httpx2.get(there.headers["location"]).headers["location"]


def test_a_person_comes_in_by_the_provider_s_word(doors: Doors, client: TestClient) -> None:
    answer = client.get(
        go(
            client,
        )
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    found = doors.run(lambda home: sessions_of(home).find(client.cookies[SESSION]))
    assert found is not None
    assert doors.person.subject is not None
    assert found.principal.kind is PrincipalKind.SUBJECT
    assert found.principal.subject == doors.person.subject.id
    assert found.principal.stepped_up_until is None, "nobody knows how old the proof is"
    assert client.get("/sign-in/security").status_code == 200


def test_the_second_time_it_is_the_same_account(doors: Doors, client: TestClient) -> None:
    client.get(go(client))
    first = doors.run(lambda home: len(accounts_of(home).people()))
    client.cookies.clear()
    client.get(go(client))
    assert doors.run(lambda home: len(accounts_of(home).people())) == first


@pytest.mark.parametrize(
    "lie",
    [
        lambda claims: claims.update(iss="https://another.example"),
        lambda claims: claims.update(aud="another-client"),
        lambda claims: claims.update(aud=["another-client", "volens"], azp="another-client"),
        lambda claims: claims.update(nonce="another-nonce"),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.update(exp=claims["iat"] - 120),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.pop("reference"),
        lambda claims: claims.update(reference=["ada"]),
    ],
)
def test_a_word_that_does_not_fit_is_refused(
    client: TestClient, other: FakeProvider, lie: Callable[[Claims], None]
) -> None:
    other.lie = lie
    assert client.get(go(client)).status_code == 401
    assert SESSION not in client.cookies


def test_another_key_or_none_is_refused(client: TestClient, other: FakeProvider) -> None:
    other.signing_key = ECKey.generate_key("P-256", {"kid": "one"})
    assert client.get(go(client)).status_code == 401
    other.signing_key, other.unsigned = None, True
    assert client.get(go(client)).status_code == 401


def test_nobody_is_made_up(doors: Doors, client: TestClient, other: FakeProvider) -> None:
    assert doors.person.subject is not None
    for reference in ("nobody", str(doors.person.subject.id)):
        other.reference = reference
        answer = client.get(go(client))
        assert answer.status_code == 403
        assert "account_missing" in answer.text


def test_a_name_that_comes_to_mean_somebody_else_is_refused(
    client: TestClient, other: FakeProvider
) -> None:
    client.get(go(client))
    client.cookies.clear()
    other.reference = "bob"
    assert client.get(go(client)).status_code == 401


def test_an_answer_counts_once_and_in_the_browser_that_asked(
    doors: Doors, client: TestClient
) -> None:
    stolen = go(client)
    thief = doors.client(application(doors.doorway))
    assert thief.get(stolen).status_code == 401
    assert client.get(stolen).status_code == 401, "it was taken, and is gone"
    mine = go(client)
    assert client.get(mine).status_code == 303
    assert client.get(mine).status_code == 401
    planted = doors.client(application(doors.doorway))
    go(planted)
    theirs = go(thief)
    assert planted.get(theirs).status_code == 401, "the attacker's own answer"
    assert PROVIDER in planted.cookies


def test_an_answer_comes_within_minutes(doors: Doors, client: TestClient) -> None:
    late = go(client)
    doors.where.clock.step(timedelta(minutes=5))
    assert client.get(late).status_code == 401


def test_another_provider_s_answer_is_refused(client: TestClient, other: FakeProvider) -> None:
    mixed = f"{go(client)}&iss=https%3A%2F%2Fanother.example"
    assert client.get(mixed).status_code == 401
    good = f"{go(client)}&iss={other.address}"
    assert client.get(good).status_code == 303


def test_a_provider_that_calls_itself_otherwise_is_not_asked(
    client: TestClient, other: FakeProvider
) -> None:
    other.said_issuer = "https://another.example"
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    answer = client.post("/sign-in/provider", data={"csrf": token[1]})
    assert answer.status_code == 503


def test_a_fresh_proof_is_asked_of_the_provider_and_looked_at(
    doors: Doors, client: TestClient, other: FakeProvider
) -> None:
    client.get(go(client))
    answer = client.get(go(client, again="1", next="/me/export"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/me/export")
    assert (other.asked[-1]["prompt"], other.asked[-1]["max_age"]) == ("login", "0")
    found = doors.run(lambda home: sessions_of(home).find(client.cookies[SESSION]))
    assert found is not None
    assert found.principal.stepped_up(doors.where.clock.now())
    other.lie = lambda claims: claims.update(auth_time=claims["iat"] - 3600)
    assert client.get(go(client, again="1")).status_code == 401


def test_an_ended_account_stays_out(doors: Doors, client: TestClient) -> None:
    client.get(go(client))

    def act(home):  # noqa: ANN001, ANN202 - a test's act
        accounts = accounts_of(home)
        accounts.end(accounts.people()[-1])

    doors.run(act)
    assert client.get("/sign-in/security").status_code == 303
    assert client.get(go(client)).status_code == 401


def test_the_environment_says_which_provider() -> None:
    assert provider_from({}) is None
    whole = {"VOLENS_OIDC_ISSUER": "https://id.example", "VOLENS_OIDC_CLIENT_ID": "volens"}
    found = provider_from(whole)
    assert found is not None
    assert (found.issuer, found.claim, found.scopes) == ("https://id.example", "sub", "openid")
    for change in (
        {"VOLENS_OIDC_ISSUER": "http://id.example"},
        {"VOLENS_OIDC_ISSUER": ""},
        {"VOLENS_OIDC_CLIENT": "typo"},
        {"VOLENS_OIDC_SCOPES": "email"},
    ):
        with pytest.raises(InvalidInput, match=r"provider|VOLENS"):
            provider_from({**whole, **change})
