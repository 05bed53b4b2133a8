"""The gateway's routes, and the parts that they share while the process runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote

import httpx2
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from volens.access.model import Principal, Scope
from volens.core.errors import VolensError
from volens.core.purposes import Purpose
from volens.door.doorway import Doorway, doorway_of
from volens.door.problems import problem
from volens.door.who import service_of
from volens.gateway.capturing import Captures
from volens.gateway.chat import Relay, Watch
from volens.gateway.counters import Counters, Outcome
from volens.gateway.identifying import identifying
from volens.gateway.otlp import receive_spans
from volens.gateway.refusing import check_declared, refuse_recognised
from volens.gateway.requests import ChatRequest, read_body, read_chat
from volens.gateway.upstream import Upstream, headers_to, upstream_of

_LARGE = 64 * 1024
Authenticate = Callable[[Request], Awaitable[Principal]]


async def capturing_service(request: Request) -> Principal:
    """Return the program that asks, if its token is good for capturing chats.

    Raises:
        Denied: ``sign_in_needed`` or ``credentials_refused``, or what says that a scope is missing.
    """
    return await service_of(request, Scope.CAPTURE)


class Gateway:
    """What the routes share: connections upstream, the queue of captures, counters."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] = os.environ,
        authenticate: Authenticate = capturing_service,
        captures: Callable[[Counters], Captures] = Captures,
    ) -> None:
        """Read the upstream from `environment` when the first request comes."""
        self.counters = Counters()
        self.captures = captures(self.counters)
        self._environment = environment
        self._authenticate = authenticate
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def aclose(self) -> None:
        """Finish the captures that wait, then let go of the connections."""
        await self.captures.drain()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def chat(self, request: Request) -> ASGIApp:
        """Serve ``POST /v1/chat/completions``."""
        try:
            await self._authenticate(request)
            raw = await read_body(request)
            # a large one is read beside, so that other chats go on meanwhile
            read = partial(_read, raw, request.headers)
            asked, purpose = await asyncio.to_thread(read) if len(raw) > _LARGE else read()
            doorway = doorway_of(request)
            await self._refuse(doorway, asked, purpose)
            upstream = upstream_of(self._environment)
        except VolensError as error:
            return self._said(error)
        client = self._client_for(upstream)
        onward = client.build_request(
            "POST",
            f"{upstream.url}/chat/completions",
            headers=headers_to(upstream, request.headers),
            content=asked.raw,
        )
        watch = self._watch(doorway, asked)
        return Relay(client, onward, self.counters, self.captures, watch=watch)

    async def models(self, request: Request) -> ASGIApp:
        """Serve ``GET /v1/models`` and ``GET /v1/models/{model}``."""
        try:
            await self._authenticate(request)
            upstream = upstream_of(self._environment)
        except VolensError as error:
            return self._said(error)
        client = self._client_for(upstream)
        name = quote(request.path_params.get("model", ""), safe=":")
        onward = client.build_request(
            "GET",
            f"{upstream.url}/models" + (f"/{name}" if name else ""),
            headers=headers_to(upstream, request.headers),
        )
        return Relay(client, onward, self.counters, self.captures)

    async def traces(self, request: Request) -> Response:
        """Serve ``POST /v1/traces``."""
        try:
            await self._authenticate(request)
            return await receive_spans(request, doorway_of(request), self.counters)
        except VolensError as error:
            return self._said(error)

    async def _refuse(self, doorway: Doorway, asked: ChatRequest, purpose: Purpose | None) -> None:
        """Stop here what must not go upstream.

        Raises:
            Denied: and the refusal is in the log.
        """
        if asked.purpose:
            await doorway.run(lambda home: check_declared(home, asked.purpose, asked.subject))
        if purpose is not None:
            await doorway.run(lambda home: refuse_recognised(home, purpose))

    def _watch(self, doorway: Doorway, asked: ChatRequest) -> Watch | None:
        if asked.temporary or not asked.subject:
            why = Outcome.TEMPORARY if asked.temporary else Outcome.ANONYMOUS
            self.counters.chats[why] += 1
            return None
        return Watch(asked, doorway, self.captures, self.counters)

    def _client_for(self, upstream: Upstream) -> httpx2.AsyncClient:
        """Return the one client of this process, made in the loop that uses it."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = upstream.client(), loop
        return self._client

    def _said(self, error: VolensError) -> Response:
        self.counters.refused[error.code] += 1
        return problem(error)


def _read(raw: bytes, headers: Headers) -> tuple[ChatRequest, Purpose | None]:
    """Read a request, and for which prohibited use it seems to be, if for any."""
    asked = read_chat(raw, headers)
    return asked, identifying(asked.body)


def gateway_routes(gateway: Gateway | None = None) -> list[BaseRoute]:
    """Return the routes of the gateway; the application that serves them has a doorway."""
    shared = gateway or Gateway()
    return [
        Route("/v1/chat/completions", shared.chat, methods=["POST"]),
        Route("/v1/models", shared.models, methods=["GET"]),
        Route("/v1/models/{model:path}", shared.models, methods=["GET"]),
        Route("/v1/traces", shared.traces, methods=["POST"]),
    ]
