"""What is too large, too slow, too much at once or too often is refused, and nothing else is."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from tests.support.ports import SeededEntropy
from volens.api.conversations import MOST_BYTES
from volens.door.limits import Buckets, Limiter, Limits, network_of

KEY = bytes(32)
SMALL = Limits(body_bytes=10, body_bytes_of={"/large": 100}, at_once=2, a_second=1.0, burst=3.0)


class Ticking:
    """A clock that only goes on, when told."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Route:
    """An application that reads the body, or waits, or doesn't care."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.goes_on.wait()
        try:
            self.bodies.append(await Request(scope, receive).body())
        except Exception:  # noqa: BLE001 - as routes may
            raise AssertionError("a limit looks like an error of the route") from None
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def parts(*bodies: bytes) -> Callable[[], Awaitable[Message]]:
    left = [
        {"type": "http.request", "body": body, "more_body": at < len(bodies)}
        for at, body in enumerate(bodies, start=1)
    ]

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def ask(
    app: Limiter,
    path: str = "/",
    *,
    receive: Receive | None = None,
    client: str = "192.0.2.1",
    length: int | None = None,
) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope: Scope = {
        "type": "http",
        "path": path,
        "method": "POST",
        "headers": headers,
        "client": (client, 5000),
    }
    await app(scope, receive or parts(b""), send)
    body = b"".join(one.get("body", b"") for one in sent)
    told = json.loads(body) if body.startswith(b"{") else {}
    return sent[0]["status"], told, dict(sent[0]["headers"])


def limiter(route: Route, limits: Limits = SMALL, ticking: Ticking | None = None) -> Limiter:
    return Limiter(route, limits, entropy=SeededEntropy(), ticking=ticking or Ticking())


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    async def story() -> None:
        route = Route()
        app = limiter(route)
        assert (await ask(app, receive=parts(b"12345", b"67890")))[0] == 200
        status, told, headers = await ask(app, receive=parts(b"12345", b"678901"))
        assert (status, told["code"]) == (413, "too_large")
        assert headers[b"connection"] == b"close"
        assert route.bodies == [b"1234567890"]

    asyncio.run(story())


def test_a_length_that_is_announced_is_refused_before_anything_is_read() -> None:
    async def story() -> None:
        async def never() -> Message:
            raise AssertionError("it was read")

        status, told, _ = await ask(limiter(Route()), receive=never, length=11)
        assert (status, told["code"]) == (413, "too_large")

    asyncio.run(story())


def test_a_path_may_take_more_than_others() -> None:
    async def story() -> None:
        app = limiter(Route())
        assert (await ask(app, "/large/one", receive=parts(bytes(100))))[0] == 200
        assert (await ask(app, "/large/one", receive=parts(bytes(101))))[0] == 413

    asyncio.run(story())


def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    async def story() -> None:
        slow = Limits(pause_seconds=0.01)

        async def stuck() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        status, told, _ = await ask(limiter(Route(), slow), receive=stuck)
        assert (status, told["code"]) == (408, "too_slow")

    asyncio.run(story())


def test_a_body_that_trickles_is_given_up_at_its_end() -> None:
    async def story() -> None:
        slow = Limits(pause_seconds=10.0, body_seconds=0.05)

        async def drop() -> Message:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x", "more_body": True}

        status, told, _ = await ask(limiter(Route(), slow), receive=drop)
        assert (status, told["code"]) == (408, "too_slow")

    asyncio.run(story())


def test_more_at_once_than_can_be_worked_on_are_told_to_come_again() -> None:
    async def story() -> None:
        route = Route()
        app = limiter(route)
        route.goes_on.clear()
        first = [asyncio.ensure_future(ask(app)) for _ in range(2)]
        await asyncio.sleep(0)
        status, told, headers = await ask(app)
        assert (status, told["code"], headers[b"retry-after"]) == (503, "busy", b"1")
        route.goes_on.set()
        assert [status for status, _, _ in await asyncio.gather(*first)] == [200, 200]

    asyncio.run(story())


def test_who_asks_too_often_waits_and_others_do_not() -> None:
    async def story() -> None:
        ticking = Ticking()
        app = limiter(Route(), ticking=ticking)
        assert [(await ask(app))[0] for _ in range(4)] == [200, 200, 200, 429]
        assert (await ask(app, client="192.0.2.2"))[0] == 200
        ticking.at = 1.0
        assert [(await ask(app))[0] for _ in range(2)] == [200, 429]

    asyncio.run(story())


def test_programs_that_ask_for_many_people_have_a_limit_of_their_own() -> None:
    async def story() -> None:
        some = Limits(a_second=1.0, burst=1.0, programs_a_second=1.0, programs_burst=3.0)
        app = limiter(Route(), some)
        asked = [(await ask(app, "/v1/choices:check"))[0] for _ in range(4)]
        assert asked == [200, 200, 200, 429]
        assert [(await ask(app))[0] for _ in range(2)] == [200, 429]

    asyncio.run(story())


def test_probes_are_answered_whoever_asks_too_often() -> None:
    async def story() -> None:
        app = limiter(Route())
        assert {(await ask(app, "/healthz"))[0] for _ in range(10)} == {200}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_a_client_is_a_network(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_no_address_is_kept() -> None:
    buckets = Buckets(a_second=1.0, burst=1.0, key=KEY)
    buckets.take("192.0.2.1", 0.0)
    kept = list(buckets._found)
    assert all(network_of("192.0.2.1") not in name for name in kept)
    assert len(kept) == 1


def test_with_very_many_networks_the_oldest_are_forgotten() -> None:
    buckets = Buckets(a_second=1.0, burst=1.0, key=KEY, most=10)
    for number in range(100):
        assert buckets.take(f"192.0.2.{number}", 0.0) == 0.0
    assert len(buckets._found) == 10


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=60))
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    buckets = Buckets(a_second=2.0, burst=5.0, key=KEY)
    at, taken = 0.0, 0
    for pause in pauses:
        at += pause
        taken += buckets.take("192.0.2.1", at) == 0.0
    assert taken <= 5 + 2 * at + 1e-6


def test_a_captured_conversation_may_be_larger_than_other_bodies() -> None:
    """As large as the route of captures takes, and nothing beside it."""
    limits = Limits()
    for path in ("/v1/subjects/ada/conversations", "/v1/subjects/a%20b/conversations"):
        assert limits.body_of(path) == MOST_BYTES
    for path in (
        "/v1/subjects/ada/choices",
        "/v1/subjects/ada/conversations/cnv_x",
        "/conversations",
        "/sign-in",
    ):
        assert limits.body_of(path) == limits.body_bytes
    assert limits.body_of("/v1/chat/completions") > MOST_BYTES
