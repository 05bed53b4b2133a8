"""Whatever goes wrong is a deny with a reason; nothing is a yes but a yes."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.client.servers import PURPOSE, InMemory
from volens.client.asking import Ports, Settings
from volens.client.client import Client
from volens.client.fake import Trouble
from volens.client.model import Conversation, Failure, Turn
from volens.core.errors import InvalidInput, Unavailable, VolensError

CHAT = Conversation(source_id="chat-1", turns=[Turn(role="user", text="the secret word")])
EXPECTED = {
    Trouble.DOWN: ("unreachable",),
    Trouble.SLOW: ("timed_out",),
    Trouble.FAILING: ("server_failed",),
    Trouble.REFUSING: ("refused", "credentials_refused"),
    Trouble.GARBLED: ("answer_invalid",),
    Trouble.UNSIGNED: ("answer_unsigned",),
    Trouble.FORGED: ("signature_invalid",),
    Trouble.CHANGED: ("answer_invalid",),
    Trouble.OLD: ("answer_stale",),
}


def _less(answers: list[Any]) -> object:
    return {"answers": answers[:1]}


def _turned(answers: list[Any]) -> object:
    return {"answers": answers[::-1]}


def _single(answers: list[Any]) -> object:
    return answers[0]


def test_every_trouble_is_tried() -> None:
    assert {*EXPECTED, Trouble.NONE} == set(Trouble)


@pytest.mark.parametrize("trouble", EXPECTED)
def test_every_trouble_is_a_deny_that_says_why(fake: InMemory, trouble: Trouble) -> None:
    fake.fake.person("ada", grants=[PURPOSE])
    fake.fake.trouble = trouble
    with fake.client() as client:
        checked = client.check(["ada", "bob"], PURPOSE)
        assert checked.permitted() == ()
        assert checked.of("ada").reasons == EXPECTED[trouble]
        assert checked.of("carl").permit is False
        each = client.check_each(["ada", "bob"], [PURPOSE, "sale"])
        assert list(each) == [PURPOSE, "sale"]
        assert [one.of("ada").reasons for one in each.values()] == [EXPECTED[trouble]] * 2
        with pytest.raises(VolensError):
            client.require("bob", PURPOSE)

    async def story() -> None:
        async with fake.async_client() as client:
            checked = await client.check(["bob", "ada"], PURPOSE)
            assert checked.of("ada").reasons == EXPECTED[trouble]
            each = await client.check_each(["ada"], [PURPOSE, "sale"])
            assert [one.of("ada").reasons for one in each.values()] == [EXPECTED[trouble]] * 2

    asyncio.run(story())


def test_an_answer_about_somebody_else_is_no_answer(fake: InMemory) -> None:
    fake.fake.person("eve", grants=[PURPOSE])

    def turned(request: httpx2.Request) -> httpx2.Response:
        body = request.content.replace(b"ada", b"eve")
        return fake.fake.handle(
            httpx2.Request(request.method, request.url, headers=request.headers, content=body)
        )

    client = Client(
        fake.fake.settings(),
        transport=httpx2.MockTransport(turned),
        ports=Ports(clock=fake.clock),
    )
    assert client.check(["ada"], PURPOSE).of("ada").reasons == ("answer_invalid",)


def test_a_redirect_is_not_followed(fake: InMemory) -> None:
    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        assert request.url.host == "127.0.0.1"
        return httpx2.Response(307, headers={"Location": "http://example.org/"})

    client = Client(fake.fake.settings(), transport=httpx2.MockTransport(elsewhere))
    assert client.check(["ada"], PURPOSE).failure is Failure.ANSWER_INVALID


def test_answers_are_used_again_only_as_long_as_was_said(fake: InMemory) -> None:
    fake.fake.person("ada", grants=[PURPOSE])
    with fake.client(max_age=timedelta(seconds=60)) as client:
        client.check(["ada", "bob"], PURPOSE)
        fake.clock.step(timedelta(seconds=60))
        checked = client.check(["ada"], PURPOSE)
        assert checked.reused
        assert checked.age == timedelta(seconds=60)
        fake.clock.step(timedelta(milliseconds=1))
        assert not client.check(["ada"], PURPOSE).reused
        assert len(fake.fake.requests) == 2


def test_only_purposes_that_are_not_known_are_asked_again(fake: InMemory) -> None:
    asked: list[list[str]] = []

    def seen(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content).get("purposes"))
        return fake.fake.handle(request)

    client = Client(
        fake.fake.settings(max_age=timedelta(seconds=60)),
        transport=httpx2.MockTransport(seen),
        ports=Ports(clock=fake.clock),
    )
    client.check_each(["ada"], [PURPOSE])
    found = client.check_each(["ada"], ["sale", PURPOSE])
    assert [(name, one.reused) for name, one in found.items()] == [("sale", False), (PURPOSE, True)]
    assert all(one.reused for one in client.check_each(["ada"], [PURPOSE, "sale"]).values())
    assert asked == [[PURPOSE], ["sale"]]


@pytest.mark.parametrize("turn", [_less, _turned, _single])
def test_answers_for_other_purposes_are_no_answers(
    fake: InMemory, turn: Callable[[list[Any]], Any]
) -> None:
    fake.fake.person("ada", grants=[PURPOSE, "human_feedback"])

    def other(request: httpx2.Request) -> httpx2.Response:
        found = fake.fake.handle(request).json()["answers"]
        return httpx2.Response(200, json=turn(found))

    client = Client(
        fake.fake.settings(),
        transport=httpx2.MockTransport(other),
        ports=Ports(clock=fake.clock),
    )
    found = client.check_each(["ada"], [PURPOSE, "human_feedback"])
    assert [one.of("ada").reasons for one in found.values()] == [("answer_invalid",)] * 2


@pytest.mark.parametrize(("at_most", "reason"), [(1, "grant_withdrawn"), (2, "withdrawn_here")])
def test_a_withdrawal_overtakes_one_purpose_of_several(
    fake: InMemory, at_most: int, reason: str
) -> None:
    asked: list[list[str]] = []
    fake.fake.person("ada", grants=[PURPOSE, "human_feedback"])

    def slow(request: httpx2.Request) -> httpx2.Response:
        reply = fake.fake.handle(request)
        if request.url.path.endswith(":check") and len(asked) < at_most:
            asked.append(json.loads(request.content)["purposes"])
            client.withdraw("ada", PURPOSE)
        return reply

    client = Client(
        fake.fake.settings(),
        transport=httpx2.MockTransport(slow),
        ports=Ports(clock=fake.clock),
    )
    found = client.check_each(["ada"], [PURPOSE, "human_feedback"])
    assert found[PURPOSE].of("ada").reasons == (reason,)
    assert found["human_feedback"].permitted() == ("ada",)
    assert asked == [[PURPOSE, "human_feedback"], [PURPOSE]][:at_most]


def test_by_default_nothing_is_used_again(fake: InMemory) -> None:
    with fake.client() as client:
        assert not any(client.check(["ada"], PURPOSE).reused for _ in range(3))
    assert len(fake.fake.requests) == 3


def test_an_answer_is_never_used_past_its_own_time(fake: InMemory) -> None:
    fake.fake.person("ada", grants=[PURPOSE])
    with fake.client(max_age=timedelta(hours=1)) as client:
        until = client.check(["ada"], PURPOSE).valid_until
        assert until is not None
        fake.clock.step(until - fake.clock.now())
        fake.fake.trouble = Trouble.DOWN
        assert client.check(["ada"], PURPOSE).failure is Failure.UNREACHABLE


def test_a_withdrawal_that_could_not_be_sent_denies_here_until_it_is(fake: InMemory) -> None:
    fake.fake.person("ada", grants=[PURPOSE])
    with fake.client(max_age=timedelta(hours=1)) as client:
        assert client.check(["ada"], PURPOSE).permitted() == ("ada",)
        fake.fake.trouble = Trouble.DOWN
        with pytest.raises(Unavailable):
            client.withdraw("ada", PURPOSE)
        fake.fake.trouble = Trouble.NONE
        assert client.check(["ada"], PURPOSE).of("ada").reasons == ("withdrawn_here",)
        client.withdraw("ada", PURPOSE)
        assert client.check(["ada"], PURPOSE).of("ada").reasons == ("grant_withdrawn",)


def test_an_answer_on_its_way_while_somebody_withdraws_is_asked_again(fake: InMemory) -> None:
    fake.fake.person("ada", grants=[PURPOSE])
    overtaken: list[str] = []

    def slow(request: httpx2.Request) -> httpx2.Response:
        reply = fake.fake.handle(request)
        if not overtaken and request.url.path.endswith(":check"):
            overtaken.append("once")
            client.withdraw("ada", PURPOSE)
        return reply

    client = Client(
        fake.fake.settings(max_age=timedelta(hours=1)),
        transport=httpx2.MockTransport(slow),
        ports=Ports(clock=fake.clock),
    )
    assert client.check(["ada"], PURPOSE).of("ada").reasons == ("grant_withdrawn",)


def test_only_what_can_be_repeated_is_repeated(fake: InMemory) -> None:
    notice, server = fake.notice(), fake.fake
    with fake.client(retries=2) as client:
        server.trouble = Trouble.FAILING
        client.check(["ada"], PURPOSE)
        assert len(server.requests) == 3
        for act in (
            lambda: client.grant("ada", PURPOSE, notice, etag='"x"'),
            lambda: client.embed_token("ada"),
        ):
            server.requests.clear()
            with pytest.raises(Unavailable):
                act()
            assert len(server.requests) == 1


def test_a_repeat_after_a_lost_reply_captures_once(fake: InMemory) -> None:
    lost: list[str] = []

    def lossy(request: httpx2.Request) -> httpx2.Response:
        reply = fake.fake.handle(request)
        if not lost:
            lost.append(request.headers["Idempotency-Key"])
            raise httpx2.ReadError("gone", request=request)
        assert request.headers["Idempotency-Key"] == lost[0]
        return reply

    client = Client(
        fake.fake.settings(), transport=httpx2.MockTransport(lossy), wait=lambda _: None
    )
    client.capture("ada", CHAT)
    assert client.close().kept == 1
    assert fake.fake.captured == [("ada", "chat-1")]


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits(fake: InMemory) -> None:
    async def story() -> None:
        client = fake.async_client(queue=2)
        taken = [client.capture("ada", CHAT) for _ in range(5)]
        assert taken == [True, True, False, False, False]
        counts = await client.close()
        assert (counts.kept, counts.dropped, counts.waiting) == (2, 3, 0)
        assert client.capture("ada", CHAT) is False
        assert client.captured().dropped == 4

    asyncio.run(story())


def test_what_the_server_refuses_and_what_never_arrives_is_counted_apart(fake: InMemory) -> None:
    client = fake.client()
    client.capture("nobody", CHAT)
    assert client.flush(timedelta(seconds=20))
    fake.fake.trouble = Trouble.DOWN
    client.capture("ada", CHAT)
    counts = client.close()
    assert (counts.refused, counts.failed, counts.kept) == (1, 1, 0)


def test_no_repr_shows_content_or_the_token(fake: InMemory) -> None:
    settings = fake.fake.settings()
    shown = f"{CHAT!r} {CHAT.turns[0]!r} {settings!r} {fake.client()!r}"
    assert "secret" not in shown
    assert settings.token not in shown


def test_a_closed_client_denies(fake: InMemory) -> None:
    client = fake.client()
    client.close()
    client.close()
    assert client.check(["ada"], PURPOSE).failure is Failure.CLIENT_CLOSED
    each = client.check_each(["ada"], [PURPOSE, "sale"])
    assert [one.failure for one in each.values()] == [Failure.CLIENT_CLOSED] * 2
    with pytest.raises(Unavailable):
        client.choices("ada")


@pytest.mark.parametrize(
    "subjects", [[], ["ada", "ada"], [""], "ada", [str(n) for n in range(1001)]]
)
def test_what_is_no_question_is_said_to_the_program(fake: InMemory, subjects: list[str]) -> None:
    with fake.client() as client, pytest.raises(InvalidInput):
        client.check(subjects, PURPOSE)


@pytest.mark.parametrize(
    "purposes", [[], [PURPOSE, PURPOSE], [f"p{n}" for n in range(17)], ["Sale"]]
)
def test_what_is_no_list_of_purposes_is_said_to_the_program(
    fake: InMemory, purposes: list[str]
) -> None:
    with fake.client() as client:
        for wrong in (purposes, PURPOSE):
            with pytest.raises(InvalidInput) as raised:
                client.check_each(["ada"], wrong)
            assert raised.value.code == "check_form"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_a_name_that_would_lead_elsewhere_is_refused(fake: InMemory, name: str) -> None:
    with fake.client() as client, pytest.raises(InvalidInput):
        client.choices(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://volens.example"},
        {"url": "ftp://volens.example"},
        {"url": "https://volens.example/v1"},
        {"token": "two\nlines"},
        {"verifier_key": "nothing"},
        {"max_age": timedelta(hours=2)},
        {"timeout": timedelta(0)},
        {"retries": 11},
        {"queue": 0},
    ],
)
def test_settings_that_would_weaken_it_are_refused(
    fake: InMemory, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        fake.fake.settings(**changes)
    assert isinstance(fake.fake.settings(url="https://volens.example"), Settings)


def test_a_flag_names_turns_and_known_words(fake: InMemory) -> None:
    with fake.client() as client:
        found = client.raise_flag(
            "cnv_x", [0, 2], category="violence", severity="high", classifier="toxicity-v3"
        )
        assert found == "flg_1"
        with pytest.raises(InvalidInput):
            client.raise_flag("cnv_x", [], category="other", severity="low", classifier="c")
        with pytest.raises(InvalidInput):
            client.raise_flag("cnv_x", [0], category="mood", severity="low", classifier="c")
    assert fake.fake.flags[0]["turns"] == [0, 2]
