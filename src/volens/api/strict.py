"""Requests read strictly: who asks comes first, then a body of bounded size, time and form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from volens.api.asking import Admission, admission_of, admit
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput

MAX_BODY_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 12
BODY_SECONDS: Final = 20.0
_JSON: Final = "application/json"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class StrictRequest(Request):
    """A request whose body is read once, within limits, as strict JSON."""

    most_bytes = MAX_BODY_BYTES

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            InvalidInput: ``too_large``, or ``too_slow`` if it takes longer than `BODY_SECONDS`.
        """
        known: bytes | None = getattr(self, "_whole", None)
        if known is None:
            known = self._whole = await self._read()
        return known

    async def json(self) -> Json:
        """Return the body as JSON, of which no second reading exists.

        Raises:
            InvalidInput: as `body`, and as `volens.core.canonical.read_strict`.
        """
        return read_strict(await self.body(), max_bytes=self.most_bytes, max_depth=MAX_DEPTH)

    async def _read(self) -> bytes:
        told = self.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self.most_bytes:
            raise _too_large(self.most_bytes)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._pieces()
        except TimeoutError:
            hint = "send it at once"
            message = f"the body took longer than {BODY_SECONDS:.0f} seconds"
            raise InvalidInput("too_slow", message, hint=hint) from None

    async def _pieces(self) -> bytes:
        data = bytearray()
        async for piece in self.stream():
            data += piece
            if len(data) > self.most_bytes:
                raise _too_large(self.most_bytes)
        return bytes(data)


class StrictRoute(APIRoute):
    """A route that says who may ask, and checks it before it reads anything else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers: admit, read, act."""
        answer = super().get_route_handler()
        admission = admission_of(self.endpoint)

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            strict.most_bytes = admission.most_bytes or MAX_BODY_BYTES
            strict.state.asker = await admit(strict, admission)
            if strict.method in _WITH_BODY:
                await _read_ahead(strict, admission)
            return await answer(strict)

        return handle


async def _read_ahead(request: StrictRequest, admission: Admission) -> None:
    """Read and check the body before the framework does, so that each error keeps its code."""
    data = await request.body()
    if not data or admission.raw:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        hint = f"send it as {_JSON}"
        raise InvalidInput("media_type", f"a body of type {kind[:60]!r}", hint=hint)
    await request.json()


def _too_large(most: int) -> InvalidInput:
    return InvalidInput("too_large", f"the body has more than {most:,} bytes", hint="send less")
