"""One call to the upstream and its answer, passed on as it comes.

The order for a chat:

1. The caller is known by its token, the body is read strictly.
2. A prohibited or not permitted use is refused; the refusal is in the log before the answer.
3. The request goes upstream byte for byte, and the answer comes back byte for byte as it arrives.
   Whether the person's history is on is looked up meanwhile; nothing waits for it.
4. When the last byte is out, and history was on, the chat is offered to the queue of captures,
   which looks at the person's choice again before it stores anything.

If it stops after any step, nothing was stored. Errors in 4 never change what the person sees.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Final

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from volens.core.errors import Unavailable, VolensError
from volens.door.doorway import Doorway
from volens.door.problems import problem
from volens.gateway.capturing import Captures, Served, may_keep
from volens.gateway.counters import Counters, Outcome
from volens.gateway.requests import ChatRequest
from volens.gateway.upstream import headers_from

MOST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Of an answer that is held for a capture; a longer one is served and not captured."""
MOST_BUFFERED_BYTES: Final = 64 * 1024 * 1024
"""Of an answer that is not a stream."""
_SUCCESS = range(200, 300)
_STREAM = "text/event-stream"
_BROKEN: Final = b"data: %s\n\n" % json.dumps(
    {"error": {"message": "the upstream broke off", "code": "upstream_broken", "type": "upstream"}}
).encode("ascii")


class Watch:
    """Sees an answer go by, and offers the chat to the captures once it is served."""

    def __init__(
        self,
        asked: ChatRequest,
        doorway: Doorway,
        captures: Captures,
        counters: Counters,
        *,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> None:
        """Begin to look up whether the chat may be kept; nothing waits for that."""
        self._asked = asked
        self._doorway = doorway
        self._captures = captures
        self._counters = counters
        self._most_bytes = most_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._media_type = ""
        self._outcome: Outcome | None = Outcome.NOT_ANSWERED
        self._cut_off = True
        name = asked.subject
        self._may = asyncio.ensure_future(doorway.run(lambda home: may_keep(home, name)))

    def began(self, status: int, media_type: str) -> None:
        """Take in how the answer begins."""
        self._media_type = media_type
        self._outcome = None if status in _SUCCESS else Outcome.NOT_ANSWERED

    def saw(self, part: bytes) -> None:
        """Take in a piece that was passed on; dropped at once if nothing may be kept."""
        self._size += len(part)
        if self._outcome is None and self._size > self._most_bytes:
            self._outcome = Outcome.TOO_LARGE
        if self._outcome is None and self._may.done():
            self._outcome = _result(self._may)
        if self._outcome is None:
            self._parts.append(part)
        else:
            self._parts.clear()

    def completed(self) -> None:
        """Take in that the answer was passed on to its end."""
        self._cut_off = False

    async def settle(self) -> None:
        """Offer the chat to the captures, or count why not."""
        with suppress(VolensError):
            await self._may
        outcome = _result(self._may) or self._outcome
        if outcome is None:
            asked = self._asked
            served = Served(
                subject=asked.subject,
                conversation=asked.conversation,
                asked=asked.body,
                answered=b"".join(self._parts),
                media_type=self._media_type,
                cut_off=self._cut_off,
                size_bytes=len(asked.raw) + self._size,
            )
            self._captures.offer(self._doorway, served)
        else:
            self._counters.chats[outcome] += 1


def _result(may: asyncio.Future[Outcome | None]) -> Outcome | None:
    return Outcome.FAILED if may.cancelled() or may.exception() else may.result()


class Relay:
    """One call, as an ASGI response: goes upstream, and passes the answer back as it comes."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        request: httpx2.Request,
        counters: Counters,
        captures: Captures,
        *,
        watch: Watch | None = None,
    ) -> None:
        """Send `request` with `client`; `watch`, if any, sees what comes back."""
        self._client = client
        self._request = request
        self._counters = counters
        self._captures = captures
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the call; when the caller leaves, the upstream's call ends too."""
        pump = asyncio.create_task(self._pump(scope, receive, send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not pump.done():
                self._counters.upstream["left"] += 1
        finally:
            pump.cancel()
            gone.cancel()
            ended = await asyncio.gather(pump, gone, return_exceptions=True)
            if self._watch is not None:
                self._captures.settle(self._watch.settle())
        if isinstance(ended[0], Exception) and not isinstance(ended[0], OSError):
            raise ended[0]  # a fault of ours; that the caller left is none

    async def _pump(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._client.send(self._request, stream=True)
        except httpx2.TimeoutException:
            failed = self._failed("timeout", "upstream_timeout", "did not answer in time")
            return await failed(scope, receive, send)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            failed = self._failed("unreachable", "upstream_unreachable", "can't be reached")
            return await failed(scope, receive, send)
        try:
            self._counters.upstream[f"{response.status_code // 100}xx"] += 1
            if response.headers.get("content-type", "").casefold().startswith(_STREAM):
                await self._stream(response, send)
            else:
                await self._whole(response, scope, receive, send)
        finally:
            await response.aclose()

    async def _stream(self, response: httpx2.Response, send: Send) -> None:
        await self._start(response, send)
        complete = True
        try:
            async for part in response.aiter_bytes():
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self._saw(part)
        except httpx2.HTTPError:
            # the status is out: the stream itself has to say it
            self._counters.upstream["broken"] += 1
            complete = False
            await send({"type": "http.response.body", "body": b"\n\n" + _BROKEN, "more_body": True})
        await self._end(send, complete=complete)

    async def _whole(
        self, response: httpx2.Response, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = bytearray()
        try:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BUFFERED_BYTES:
                    break
        except httpx2.TimeoutException:
            failed = self._failed("timeout", "upstream_timeout", "did not answer in time")
            return await failed(scope, receive, send)
        except httpx2.HTTPError:
            failed = self._failed("broken", "upstream_unreachable", "broke off")
            return await failed(scope, receive, send)
        if len(body) > MOST_BUFFERED_BYTES:
            failed = self._failed("broken", "upstream_unreachable", "answered too much at once")
            return await failed(scope, receive, send)
        await self._start(response, send, size=len(body))
        await send({"type": "http.response.body", "body": bytes(body), "more_body": True})
        self._saw(bytes(body))
        return await self._end(send, complete=True)

    async def _start(self, response: httpx2.Response, send: Send, *, size: int = -1) -> None:
        headers = [*headers_from(response.headers), (b"cache-control", b"no-store")]
        if size >= 0:
            headers.append((b"content-length", str(size).encode("ascii")))
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": headers,
            }
        )
        if self._watch is not None:
            self._watch.began(response.status_code, response.headers.get("content-type", ""))

    def _saw(self, part: bytes) -> None:
        if self._watch is not None:
            self._watch.saw(part)

    async def _end(self, send: Send, *, complete: bool) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if self._watch is not None and complete:
            self._watch.completed()

    def _failed(self, word: str, code: str, what: str) -> ASGIApp:
        self._counters.upstream[word] += 1
        hint = "try again in a moment"
        return problem(Unavailable(code, f"the upstream {what}", hint=hint))


async def _gone(receive: Receive) -> None:
    """Return when the caller has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
