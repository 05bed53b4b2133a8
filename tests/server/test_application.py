"""Probes, counters and what no route serves; nothing in any of them is about a person."""

import asyncio
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from tests.server.conftest import Served
from volens.core.errors import Unavailable
from volens.door.doorway import Doorway, Settings
from volens.door.metrics import Metrics
from volens.server.application import _Contained, application
from volens.server.schedule import failed
from volens.server.status import Status


@pytest.fixture
def status(served: Served) -> Status:
    found = Status(Metrics(), thread=served.thread)
    found.follow(served.jobs, served.runner)
    return found


@pytest.fixture
def client(served: Served, status: Status) -> Iterator[TestClient]:
    doorway = Doorway(thread=served.thread, settings=Settings())
    app = application(doorway, status=status)
    with TestClient(app, client=("127.0.0.1", 5000), raise_server_exceptions=False) as found:
        yield found


def test_it_is_alive_and_ready_when_nothing_is_wrong(served: Served, client: TestClient) -> None:
    served.now()
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "alarms": []})


def test_it_is_alive_but_not_ready_while_somebody_has_to_look(
    served: Served, client: TestClient
) -> None:
    served.now()
    line = served.runner._lines["drain"]
    line.progress = failed(line.progress, served.where.clock.now(), "storage")
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["alarms"]) == (503, ["drain_failed:storage"])


def test_before_its_jobs_are_known_it_is_not_ready(served: Served) -> None:
    doorway = Doorway(thread=served.thread, settings=Settings())
    answer = TestClient(application(doorway)).get("/readyz")
    assert (answer.status_code, answer.json()["alarms"]) == (503, ["starting"])


def test_counters_name_routes_by_template_and_never_what_was_asked_for(
    served: Served, client: TestClient
) -> None:
    served.now()
    client.get("/somebody/sub_plyxt4xmzu43hjpkv6svdx6aky?name=ada")
    client.get("/v1/ada-lovelace")
    client.request("ADA", "/healthz")
    text = client.get("/metrics").text
    assert 'volens_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'volens_job_last_done_timestamp_seconds{job="retention"}' in text
    for trace in ("ada-lovelace", "=ada", "ADA", "sub_", "127.0.0.1", "testclient"):
        assert trace not in text


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.1", {}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
    ],
)
def test_counters_are_for_this_machine_only_unless_a_token_says_otherwise(
    served: Served, status: Status, address: str, headers: dict[str, str]
) -> None:
    doorway = Doorway(thread=served.thread, settings=Settings())
    asking = TestClient(application(doorway, status=status), client=(address, 5000))
    answer = asking.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed")


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/nothing-here", "text/html", "text/html"),
        ("/nothing-here", "*/*", "application/problem+json"),
        ("/v1/nothing-here", "text/html", "application/problem+json"),
    ],
)
def test_what_is_not_there_is_said_in_the_way_of_the_door(
    client: TestClient, path: str, accept: str, kind: str
) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(kind)
    assert "script-src 'nonce-" in answer.headers["content-security-policy"]


def test_another_method_is_refused_and_told_which_are_served(client: TestClient) -> None:
    answer = client.post("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_a_mistake_of_a_route_is_told_by_its_place_and_never_by_its_words() -> None:
    said: list[str] = []
    sent: list[dict[str, object]] = []

    async def wrong(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise ValueError("Grandmother's passport")

    async def send(message: Message) -> None:
        sent.append(dict(message))

    async def receive() -> Message:
        raise AssertionError

    asyncio.run(_Contained(wrong, said.append)({"type": "http", "path": "/"}, receive, send))
    [told] = said
    assert re.fullmatch(r"mistake: ValueError in \w+\.py:\d+", told)
    assert sent[0]["status"] == 500
    assert "Grandmother" not in f"{said}{sent}"


def test_alarms_are_said_when_they_begin_and_when_they_are_over(served: Served) -> None:
    said: list[str] = []
    status = Status(Metrics(), thread=served.thread, say=said.append)
    status.follow(served.jobs, served.runner)
    line = served.runner._lines["drain"]
    before = line.progress
    line.progress = failed(before, served.where.clock.now(), "storage")
    status.say_changes()
    status.say_changes()
    line.progress = before
    status.say_changes()
    assert said == ["alarm: drain_failed:storage", "over: drain_failed:storage"]


def test_a_log_that_takes_nothing_any_more_is_noticed(served: Served) -> None:
    log = served.home.owned_log()
    log.append([b"entry"])
    log._failed = True
    with pytest.raises(Unavailable):
        asyncio.run(served.jobs.publish())
    assert served.jobs.log_failed
    log._failed = False
