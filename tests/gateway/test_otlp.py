"""Spans of chats are captured as people's settings allow, in each form that exporters write."""

import asyncio
import gzip
import json

import httpx2
import pytest

from tests.gateway.world import World
from volens.app.history import set_history
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.gateway.counters import Outcome
from volens.gateway.spans import read_span, spans_of
from volens.vault.model import Role, TurnFlag

CANARY = "okapi-canary-3310"


def value(of: object) -> Json:
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, str):
        return {"stringValue": of}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(one) for one in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": pairs(of)}}
    return {"intValue": str(of)}


def pairs(of: dict[str, object]) -> list[Json]:
    return [{"key": name, "value": value(one)} for name, one in of.items()]


def export(
    *spans: dict[str, object], events: list[Json] | None = None, **shared: object
) -> dict[str, Json]:
    made: list[Json] = [
        {"traceId": "0" * 32, "name": "chat m", "attributes": pairs(one), "events": events or []}
        for one in spans
    ]
    resource: Json = {"attributes": pairs(shared)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": made}]}]}


def parts(role: str, *texts: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": one} for one in texts]}


def chat(text: str = "Capital of France?", **more: object) -> dict[str, object]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([parts("user", text)]),
        "gen_ai.output.messages": json.dumps([parts("assistant", "Paris")]),
        "user.id": "ada",
        **more,
    }


@pytest.fixture
def client(world: World) -> "Exporter":
    return Exporter(world)


class Exporter:
    """Sends spans as an exporter would, in-process."""

    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, body: object, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"authorization": f"Bearer {self.world.token}", "content-type": "application/json"}
        given |= {name.replace("_", "-"): one for name, one in headers.items()}

        async def post() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.world.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.post("/v1/traces", content=content, headers=given)

        return asyncio.run(post())


def turns(world: World) -> list[tuple[Role, str, TurnFlag]]:
    return [(one.role, one.text, one.flags) for got in world.chats() for one in got.turns]


SAID = [
    (Role.USER, "Capital of France?", TurnFlag.NONE),
    (Role.ASSISTANT, "Paris", TurnFlag.NONE),
]


class TestForms:
    def test_messages_as_json_text(self, world: World, client: Exporter) -> None:
        got = client.send(export(chat()))
        assert (got.status_code, got.json()) == (200, {})
        assert turns(world) == SAID
        assert world.counted() == {Outcome.CAPTURED: 1}

    def test_messages_as_structured_values_and_the_person_on_the_resource(
        self, world: World, client: Exporter
    ) -> None:
        span: dict[str, object] = {
            "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
            "gen_ai.input.messages": [parts("user", "Capital of France?")],
            "gen_ai.output.messages": [parts("assistant", "Paris")],
        }
        client.send(export(span, **{"enduser.id": "ada"}))
        assert turns(world) == [(Role.SYSTEM, "Be brief.", TurnFlag.HIDDEN), *SAID]

    def test_tools_reasoning_and_blobs(self, world: World, client: Exporter) -> None:
        answer = {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "thinking"},
                {"type": "tool_call", "id": "1", "name": "map"},
                {"type": "blob", "mime_type": "image/png", "content": CANARY},
            ],
        }
        tool = {"role": "tool", "parts": [{"type": "tool_call_response", "response": "a page"}]}
        messages = [parts("user", "Capital of France?"), answer, tool]
        client.send(export(chat(**{"gen_ai.input.messages": json.dumps(messages)})))
        found = turns(world)
        assert (Role.ASSISTANT, "thinking", TurnFlag.REASONING) in found
        assert (Role.TOOL, "a page", TurnFlag.THIRD_PARTY) in found
        assert CANARY not in repr(found)

    def test_events_of_older_conventions(self, world: World, client: Exporter) -> None:
        events: list[Json] = [
            {"name": "gen_ai.user.message", "attributes": pairs({"content": "Capital of France?"})},
            {"name": "exception", "attributes": pairs({"content": "no message"})},
            {
                "name": "gen_ai.choice",
                "attributes": pairs({"message": json.dumps({"content": "Paris"})}),
            },
        ]
        client.send(export({"user.id": "ada"}, events=events))
        assert turns(world) == SAID

    def test_numbered_attributes_of_still_older_ones(self, world: World, client: Exporter) -> None:
        span: dict[str, object] = {
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Capital of France?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Paris",
            "volens.subject": "ada",
            "user.id": "bo",
        }
        client.send(export(span))
        assert turns(world) == SAID

    def test_other_spans_are_passed_over(self, world: World, client: Exporter) -> None:
        got = client.send(export({"http.method": "GET", "user.id": "ada"}))
        assert got.json() == {}
        assert world.counted() == {}


class TestKeeping:
    def test_with_history_off_nothing_is_stored_and_the_exporter_is_not_told(
        self, world: World, client: Exporter
    ) -> None:
        world.on(lambda home: set_history(home, home.subjects.find("ada"), on=False))
        got = client.send(export(chat(CANARY, **{"gen_ai.conversation.id": CANARY})))
        assert (got.status_code, got.json()) == (200, {})
        assert world.counted() == {Outcome.HISTORY_OFF: 1}
        assert world.on(lambda home: home.vault.count()) == 0
        assert world.bytes_holding(CANARY) == []

    @pytest.mark.parametrize("said", [True, "yes", 1, "perhaps"])
    def test_a_temporary_chat_is_not_stored_nor_one_that_may_be(
        self, world: World, client: Exporter, said: object
    ) -> None:
        client.send(export(chat(**{"volens.temporary": said})))
        assert world.counted() == {Outcome.TEMPORARY: 1}
        client.send(export(chat(**{"volens.temporary": False})))
        assert world.counted() == {Outcome.TEMPORARY: 1, Outcome.CAPTURED: 1}

    def test_nobody_and_strangers(self, world: World, client: Exporter) -> None:
        client.send(export(chat(**{"user.id": ""}), chat(**{"user.id": "stranger"})))
        assert world.counted() == {Outcome.ANONYMOUS: 1, Outcome.UNKNOWN_PERSON: 1}

    def test_spans_of_one_chat_are_one_chat_and_a_repeat_changes_nothing(
        self, world: World, client: Exporter
    ) -> None:
        one = chat(**{"gen_ai.conversation.id": "c-1"})
        longer = [parts("user", "Capital of France?"), parts("assistant", "Paris")]
        longer.append(parts("user", "Sure?"))
        two = chat(**{"gen_ai.conversation.id": "c-1", "gen_ai.input.messages": json.dumps(longer)})
        client.send(export(one, two))
        client.send(export(two))
        assert world.counted() == {Outcome.CAPTURED: 2, Outcome.KNOWN: 1}
        assert [text for _, text, _ in turns(world)] == [
            "Capital of France?", "Paris", "Sure?", "Paris"
        ]  # fmt: skip


class TestRefusing:
    def test_protobuf_is_refused_with_the_way_out(self, client: Exporter) -> None:
        got = client.send(b"\x0a\x00", content_type="application/x-protobuf")
        assert (got.status_code, got.json()["code"]) == (415, "media_type")
        assert "http/json" in got.json()["hint"]

    def test_packed_bodies_are_read_and_bombs_are_not(self, world: World, client: Exporter) -> None:
        packed = gzip.compress(json.dumps(export(chat())).encode())
        assert client.send(packed, content_encoding="gzip").status_code == 200
        assert world.counted() == {Outcome.CAPTURED: 1}
        bomb = gzip.compress(b" " * (40 * 1024 * 1024))
        assert client.send(bomb, content_encoding="gzip").status_code == 413
        assert client.send(packed[:-9], content_encoding="gzip").status_code == 422
        assert client.send(b"no", content_encoding="gzip").status_code == 422
        assert client.send(packed, content_encoding="br").status_code == 415

    @pytest.mark.parametrize(
        ("raw", "status"),
        [(b"", 400), (b"[]", 422), (b'{"resourceSpans":3}', 422), (b'{"a":1,"a":2}', 400)],
    )
    def test_bad_bodies(self, client: Exporter, raw: bytes, status: int) -> None:
        assert client.send(raw).status_code == status

    def test_a_span_that_cant_be_read_costs_itself_only(
        self, world: World, client: Exporter
    ) -> None:
        bad = chat(**{"gen_ai.input.messages": "{no json " + CANARY})
        got = client.send(export(bad, chat()))
        assert got.status_code == 200
        assert got.json()["partialSuccess"]["rejectedSpans"] == "1"
        assert CANARY not in got.text
        assert world.counted() == {Outcome.MALFORMED: 1, Outcome.CAPTURED: 1}

    def test_a_span_for_a_prohibited_use_is_rejected_and_stands_in_the_log(
        self, world: World, client: Exporter
    ) -> None:
        got = client.send(export(chat(**{"volens.purpose": "sale"})))
        assert got.json()["partialSuccess"]["rejectedSpans"] == "1"
        assert world.kinds()[-1] == "use.refused"
        assert world.on(lambda home: home.vault.count()) == 0


def test_deep_values_and_odd_spans_are_refused_or_passed_over() -> None:
    deep: Json = {"stringValue": "x"}
    for _ in range(80):
        deep = {"arrayValue": {"values": [deep]}}
    with pytest.raises(InvalidInput):
        read_span({}, {"attributes": [{"key": "gen_ai.input.messages", "value": deep}]})
    for odd in ({}, {"attributes": 3}, {"events": [3, {"name": 4}]}, {"attributes": [{}]}):
        assert read_span({}, odd) is None
    assert list(spans_of({})) == []
