"""Behind everything else that the server puts in front: limits, counters, headers."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.gateway.world import KEY, FakeUpstream, World, serving, wait_for
from volens.gateway.counters import Outcome
from volens.server.application import application

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def url(world: World, upstream: FakeUpstream) -> Iterator[str]:
    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        await whole.aclose()

    whole = application(world.doorway, gateway=world.gateway)
    outer = Starlette(routes=[Mount("/", app=whole)], lifespan=life)
    with serving(upstream.app()) as behind, serving(outer) as front:
        world.environment |= {"VOLENS_UPSTREAM_URL": f"{behind}/base", "VOLENS_UPSTREAM_KEY": KEY}
        yield front


def test_the_openai_client_streams_through_the_whole_server(world: World, url: str) -> None:
    with openai.OpenAI(api_key=world.token, base_url=f"{url}/v1", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Capital of France?"}],
            stream=True,
            extra_headers={"Volens-Subject": "ada", "Volens-Conversation": "c-1"},
        )
        assert "".join(one.choices[0].delta.content or "" for one in stream) == "Paris"
        assert [one.id for one in client.models.list()] == ["m"]
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                extra_headers={"Volens-Purpose": "voice_analysis"},
            )
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["code"] == "prohibited"
    assert world.settled(1) == {Outcome.CAPTURED: 1}
    with httpx2.Client(trust_env=False) as client:
        told = client.get(f"{url}/metrics").text
    assert 'volens_gateway_chats_total{outcome="captured"} 1.0' in told
    assert 'volens_gateway_refused_total{reason="prohibited"} 1.0' in told
    assert "ada" not in told


def test_leaving_ends_the_upstream_call_through_the_whole_server(
    world: World, url: str, upstream: FakeUpstream
) -> None:
    upstream.hang = True
    headers = {"authorization": f"Bearer {world.token}", "volens-subject": "ada"}
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with (
        httpx2.Client(trust_env=False, headers=headers) as client,
        client.stream("POST", f"{url}/v1/chat/completions", json=body) as got,
    ):
        first = next(got.iter_raw())
        assert json.loads(first.removeprefix(b"data: ").split(b"\n")[0])["choices"]
    wait_for(upstream.left.is_set)
    assert sum(world.settled(1).values()) == 1
