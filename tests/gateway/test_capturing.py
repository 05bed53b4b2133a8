"""Captures come after the chat, within bounds, and what is lost is counted."""

import asyncio
import json
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.world import WAIT_SECONDS, FakeUpstream, World, answer, pieces, serving
from tests.support.homes import Place, place
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.gateway.answers import events, read_answer
from volens.gateway.capturing import Captures, Served, conversation_of
from volens.gateway.counters import Counters, Outcome
from volens.vault.model import Role, TurnFlag

SPAWN = multiprocessing.get_context("spawn")
STREAM = "text/event-stream; charset=utf-8"


def served(text: str = "Hi", *, name: str = "ada", size: int = 100) -> Served:
    return Served(
        subject=name,
        conversation="c-" + text,
        asked={"messages": [{"role": "user", "content": text}]},
        answered=json.dumps(answer("Yes?")).encode(),
        media_type="application/json",
        cut_off=False,
        size_bytes=size,
    )


class TestQueue:
    def test_what_is_offered_is_kept_by_the_time_the_queue_is_drained(self, world: World) -> None:
        counters = Counters()

        async def story() -> None:
            captures = Captures(counters)
            for number in range(20):
                assert captures.offer(world.doorway, served(f"chat {number}"))
            await captures.drain()
            assert len(captures) == 0

        asyncio.run(story())
        assert counters.chats == {Outcome.CAPTURED: 20}
        assert len(world.chats()) == 20

    @pytest.mark.parametrize(("most", "most_bytes"), [(3, 10_000), (100, 300)])
    def test_what_goes_beyond_the_bounds_is_lost_and_counted(
        self, world: World, most: int, most_bytes: int
    ) -> None:
        counters = Counters()

        async def story() -> list[bool]:
            captures = Captures(counters, most=most, most_bytes=most_bytes)
            taken = [captures.offer(world.doorway, served(f"chat {n}")) for n in range(5)]
            await captures.drain()
            assert captures.offer(world.doorway, served("later"))
            await captures.drain()
            return taken

        assert asyncio.run(story()) == [True, True, True, False, False]
        assert counters.chats == {Outcome.CAPTURED: 4, Outcome.OVERFLOW: 2}
        assert counters.lost() == 2

    def test_what_the_home_cant_take_is_counted_and_the_next_goes_on(self, world: World) -> None:
        counters = Counters()
        bad = {"messages": [{"role": "user", "content": ""}]}
        nothing = Served(
            subject="ada",
            conversation="",
            asked=bad,
            answered=json.dumps(answer("")).encode(),
            media_type="application/json",
            cut_off=False,
            size_bytes=1,
        )

        async def story() -> None:
            captures = Captures(counters)
            captures.offer(world.doorway, nothing)
            captures.offer(world.doorway, served(name="stranger"))
            captures.offer(world.doorway, served())
            await captures.drain()

        asyncio.run(story())
        assert counters.chats == {
            Outcome.MALFORMED: 1,
            Outcome.UNKNOWN_PERSON: 1,
            Outcome.CAPTURED: 1,
        }

    def test_a_drain_that_takes_too_long_counts_what_is_lost(self, world: World) -> None:
        counters = Counters()

        async def story() -> None:
            captures = Captures(counters)
            captures.offer(world.doorway, served("one"))
            captures.offer(world.doorway, served("two"))
            await captures.drain(0)
            assert len(captures) == 0

        asyncio.run(story())
        assert counters.lost() == 2

    def test_every_outcome_is_a_sample_and_no_sample_names_anybody(self) -> None:
        counters = Counters()
        counters.chats[Outcome.CAPTURED] += 3
        counters.refused["prohibited"] += 1
        counters.upstream["2xx"] += 4
        samples = counters.samples()
        assert samples["volens_gateway_chats_total", "outcome", "captured"] == 3
        assert {value for name, _, value in samples if "chats" in name} == set(Outcome)
        assert samples["volens_gateway_refused_total", "reason", "prohibited"] == 1
        assert samples["volens_gateway_upstream_total", "end", "2xx"] == 4

    def test_nothing_shows_content_in_its_repr(self) -> None:
        assert "Hi" not in repr(served())
        assert "ada" not in repr(served())


class TestReading:
    def test_a_stream_says_the_same_as_an_answer_in_one(self) -> None:
        whole = read_answer(json.dumps(answer("Paris")).encode(), "application/json")
        stream = b"".join(b"data: %s\n\n" % json.dumps(p).encode() for p in pieces("Paris"))
        streamed = read_answer(stream + b"data: [DONE]\n\n", STREAM)
        assert whole is not None
        assert streamed is not None
        assert whole.message["content"] == streamed.message["content"] == "Paris"
        assert whole.complete
        assert streamed.complete

    def test_tool_calls_of_a_stream_are_put_together(self) -> None:
        deltas: list[Json] = [
            {"tool_calls": [{"index": 0, "function": {"name": "map", "arguments": ""}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
            {"tool_calls": [{"index": 1, "function": {"name": "sum", "arguments": "1"}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        ]
        stream = "".join(
            f"data: {json.dumps({'choices': [{'index': 0, 'delta': one}]})}\r\n\r\n"
            for one in deltas
        )
        found = read_answer(stream.encode(), STREAM)
        assert found is not None
        assert found.message["tool_calls"] == [
            {"function": {"name": "map", "arguments": '{"a":1}'}},
            {"function": {"name": "sum", "arguments": "1"}},
        ]
        assert not found.complete

    def test_of_several_choices_the_first_is_read(self) -> None:
        body = answer("first")
        body["choices"] = [{**body["choices"][0], "index": 1}, body["choices"][0]]
        body["choices"][0]["message"] = {"role": "assistant", "content": "second"}
        found = read_answer(json.dumps(body).encode(), "application/json")
        assert found is not None
        assert found.message["content"] == "first"

    def test_events_over_several_lines_and_with_other_fields(self) -> None:
        text = b": hello\r\nevent: x\r\ndata: a\r\ndata: b\r\n\r\nid: 3\n\ndata:c"
        assert list(events(text)) == ["a\nb", "c"]

    @given(st.binary(max_size=300), st.sampled_from(["application/json", STREAM]))
    def test_any_bytes_are_an_answer_or_none(self, data: bytes, media_type: str) -> None:
        for form in (data, b"data: " + data + b"\n\n"):
            found = read_answer(form, media_type)
            assert found is None or isinstance(found.message, dict)

    @pytest.mark.parametrize(
        "data", [b"", b"null", b"[]", b'{"choices":[]}', b'{"choices":[{"message":null}]}']
    )
    def test_what_is_no_answer_is_none(self, data: bytes) -> None:
        assert read_answer(data, "application/json") is None
        assert read_answer(b"data: " + data + b"\n\n", STREAM) is None or b"message" in data

    def test_reasoning_inside_an_answer_is_marked(self) -> None:
        one = served()
        text = "<think>hm</think>Yes"
        found = conversation_of(
            Served(
                subject="ada",
                conversation="",
                asked=one.asked,
                answered=json.dumps(answer(text)).encode(),
                media_type="application/json",
                cut_off=False,
                size_bytes=1,
            )
        )
        assert found is not None
        assert [(turn.role, turn.text, turn.flags) for turn in found.turns] == [
            (Role.USER, "Hi", TurnFlag.NONE),
            (Role.ASSISTANT, "hm", TurnFlag.REASONING),
            (Role.ASSISTANT, "Yes", TurnFlag.NONE),
        ]

    @pytest.mark.parametrize("messages", [[3], [{"role": "user", "content": {"a": 1}}]])
    def test_odd_messages_are_refused_or_read(self, messages: list[Json]) -> None:
        odd = Served(
            subject="ada",
            conversation="c",
            asked={"messages": messages},
            answered=b"{}",
            media_type="application/json",
            cut_off=False,
            size_bytes=1,
        )
        assert conversation_of(odd) is None


def serve_until_killed(under: Path, say: Connection) -> None:
    world = World(place(under))
    upstream = FakeUpstream()
    with serving(upstream.app()) as behind, serving(world.app) as front:
        world.environment["VOLENS_UPSTREAM_URL"] = f"{behind}/base"
        say.send((front, world.token))
        say.poll(WAIT_SECONDS)


@pytest.mark.slow
@pytest.mark.enable_socket
def test_a_killed_gateway_leaves_whole_chats_or_none(here: Place, tmp_path: Path) -> None:
    mine, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve_until_killed, args=(tmp_path, theirs))
    process.start()
    try:
        assert mine.poll(WAIT_SECONDS)
        url, token = mine.recv()
        headers = {"authorization": f"Bearer {token}", "volens-subject": "ada"}
        with httpx2.Client(trust_env=False, headers=headers) as client:
            for number in range(12):
                body = {"messages": [{"role": "user", "content": f"chat {number}"}]}
                assert client.post(f"{url}/v1/chat/completions", json=body).status_code == 200
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.join(WAIT_SECONDS)
    with here.open(wait_seconds=WAIT_SECONDS) as home:
        ada = home.subjects.find("ada")
        held = list(home.vault.of_subject(ada))
        assert len(held) <= 12
        assert all(one.turns == 2 for one in held)


def test_a_conversation_with_nothing_in_it_is_refused() -> None:
    empty = served("")
    blank = Served(
        subject="ada",
        conversation="c",
        asked=empty.asked,
        answered=json.dumps(answer(" ")).encode(),
        media_type="application/json",
        cut_off=False,
        size_bytes=1,
    )
    with pytest.raises(InvalidInput):
        conversation_of(blank)
