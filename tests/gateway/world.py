"""A product, an upstream and the gateway between them, on real sockets of this machine."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.support.homes import Place, add
from volens.access.model import Scope
from volens.app.access import tokens_of
from volens.app.home import Home
from volens.app.thread import HomeThread
from volens.door.doorway import Doorway, Settings
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.gateway.routes import Gateway, gateway_routes
from volens.log.kinds import AccessAction, AccessReason, Actor
from volens.vault.model import Payload

WAIT_SECONDS = 20.0
KEY = "upstream-key-1"
_Result = TypeVar("_Result")


def answer(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def pieces(text: str) -> list[dict[str, Any]]:
    shown = [{"role": "assistant", "content": ""}, *({"content": word} for word in text)]
    deltas = [({"delta": one, "finish_reason": None}) for one in shown]
    deltas.append({"delta": {}, "finish_reason": "stop"})
    return [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, **one}],
        }
        for one in deltas
    ]


@dataclass
class FakeUpstream:
    """Answers as it is told to, and remembers what it was asked."""

    reply: str = "Paris"
    status: int = 200
    hang: bool = False
    silent: bool = False
    break_off_after: int = -1
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    def app(self) -> ASGIApp:
        return Starlette(
            routes=[
                Route("/base/chat/completions", self._chat, methods=["POST"]),
                Route("/base/models", self._models),
                Route("/base/models/{name:path}", self._models),
            ]
        )

    async def _chat(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append((dict(request.headers), body))
        headers = {
            "x-request-id": "up-1",
            "openai-version": "2020",
            "set-cookie": "a=b",
            "connection": "keep-alive, openai-secret",
            "openai-secret": "hop",
        }
        if self.status != 200:
            error = {"error": {"message": "too many", "type": "rate", "code": "rate"}}
            return JSONResponse(error, self.status, {**headers, "retry-after": "7"})
        if self.silent:
            return StreamingResponse(self._silence(), media_type="text/event-stream")
        if self.hang:
            return StreamingResponse(self._endless(), media_type="text/event-stream")
        if json.loads(body).get("stream"):
            return StreamingResponse(self._told(), media_type="text/event-stream", headers=headers)
        return JSONResponse(answer(self.reply), headers=headers)

    async def _told(self) -> AsyncIterator[str]:
        for number, one in enumerate(pieces(self.reply)):
            if number == self.break_off_after:
                raise ConnectionAbortedError
            yield f"data: {json.dumps(one)}\n\n"
        yield "data: [DONE]\n\n"

    async def _endless(self) -> AsyncIterator[str]:
        try:
            for one in pieces(self.reply)[:-1]:
                yield f"data: {json.dumps(one)}\n\n"
            await asyncio.sleep(WAIT_SECONDS)
        finally:
            self.left.set()

    async def _silence(self) -> AsyncIterator[str]:
        await asyncio.sleep(WAIT_SECONDS / 20)
        yield ""

    async def _models(self, request: Request) -> Response:
        self.requests.append((dict(request.headers), b""))
        name = request.path_params.get("name")
        model = {"id": name or "m", "object": "model", "created": 1, "owned_by": "us"}
        return JSONResponse(model if name else {"object": "list", "data": [model]})


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port of this machine."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, lifespan="auto", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


class World:
    """A home behind a gateway, with a token for a product."""

    def __init__(self, here: Place) -> None:
        self.here = here
        self.thread = HomeThread(here.open)
        self.doorway = Doorway(thread=self.thread, settings=Settings())
        self.environment: dict[str, str] = {}
        self.gateway = Gateway(environment=self.environment)
        self.app = Starlette(routes=gateway_routes(self.gateway), lifespan=self._lifespan)
        self.app.state.doorway = self.doorway
        self.token = self.on(lambda home: tokens_of(home).issue("product", [Scope.CAPTURE])[0])
        self.on(lambda home: add(home, "ada", "bo"))

    def on(self, act: Callable[[Home], _Result]) -> _Result:
        return self.thread.run_here(act)

    def counted(self) -> dict[str, int]:
        return {word: count for word, count in self.gateway.counters.chats.items() if count}

    def settled(self, chats: int) -> dict[str, int]:
        """Wait until so many chats have come to their end; return how."""
        wait_for(lambda: sum(self.counted().values()) >= chats)
        return self.counted()

    def chats(self, name: str = "ada") -> list[Payload]:
        """Open what is held of a person."""

        def act(home: Home) -> list[Payload]:
            person = home.subjects.find(name)
            asker = Asker(
                actor=Actor.SUBJECT, action=AccessAction.SHOW, reason=AccessReason.SUBJECT_REQUEST
            )
            use = Use(purpose="keep_history")
            held = list(home.vault.of_subject(person))
            return [home.gate.show(one, person, use, asker) for one in held]

        return self.on(act)

    def kinds(self) -> list[str]:
        """Return the kinds of all entries of the log."""

        def act(home: Home) -> list[str]:
            log = home.owned_log()
            return [json.loads(log.entry(index))["kind"] for index in range(log.size)]

        return self.on(act)

    def bytes_holding(self, canary: str) -> list[str]:
        """Return the files of home and custody in which a text stands, in any plain form."""
        forms = [canary.encode(form) for form in ("utf-8", "utf-16-le", "utf-16-be")]
        return [
            str(path)
            for root in (self.here.folder, self.here.kek)
            for path in root.rglob("*")
            if path.is_file() and any(form in path.read_bytes() for form in forms)
        ]

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        await self.gateway.aclose()

    def close(self) -> None:
        self.thread.close()
