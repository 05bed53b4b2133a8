"""All doors as one ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from traceback import extract_tb

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from volens.access.model import Scope as TokenScope
from volens.api.application import api_application
from volens.api.check import CheckRoute
from volens.api.check_form import PATH
from volens.core.errors import InvalidInput, NotFound, Unavailable, VolensError
from volens.core.ports import Entropy
from volens.door.doorway import Doorway
from volens.door.headers import SecurityHeaders
from volens.door.limits import Limiter, Limits
from volens.door.metrics import CONTENT_TYPE, Counted, Metrics
from volens.door.problems import problem
from volens.door.who import service_of
from volens.gateway.routes import Gateway, gateway_routes
from volens.server.status import Status
from volens.storage.system import SystemEntropy
from volens.web.routes import web_routes
from volens.web.shell import error_page

_USUAL = Limits()
_API = "/v1/"
_NOT_FOUND = 404


class Application:
    """What serves every door of one home.

    From the outside in: security headers, counters, limits, what contains mistakes, then the
    routes. The check of choices comes first, since it is asked most.
    """

    def __init__(
        self,
        doorway: Doorway,
        *,
        status: Status,
        limits: Limits,
        entropy: Entropy,
        gateway: Gateway,
    ) -> None:
        """Serve the home behind `doorway`; see `application`."""
        self._gateway = gateway
        status.count_gateway(self._gateway.counters)
        routes: list[BaseRoute] = [
            *check_routes(doorway),
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", _ready, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            *gateway_routes(self._gateway),
            Mount("/v1", app=api_application(doorway)),
            *web_routes(),
        ]
        self.routes = tuple(routes)
        """Everything that is served, in the order in which it is looked up."""
        inner = Starlette(
            routes=routes,
            exception_handlers={VolensError: _said, HTTPException: _not_served},
        )
        inner.state.doorway = doorway
        inner.state.status = status
        settings = doorway.settings
        limited = Limiter(
            _Contained(inner, status.say),
            limits,
            entropy=entropy,
            ticking=time.monotonic,
            refused=lambda code: status.metrics.refused.labels(code).inc(),
        )
        self._app: ASGIApp = SecurityHeaders(
            Counted(limited, status.metrics),
            secure=settings.secure,
            entropy=entropy,
            embedded_by=settings.embedded_by,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    async def aclose(self) -> None:
        """Finish what goes on after an answer: captures that wait, connections upstream."""
        await self._gateway.aclose()


def application(
    doorway: Doorway,
    *,
    status: Status | None = None,
    limits: Limits = _USUAL,
    entropy: Entropy | None = None,
    gateway: Gateway | None = None,
) -> Application:
    """Return what serves every door of one home.

    Args:
        doorway: the home, and how it is reached.
        status: how the server is; one that knows nothing by default.
        limits: what is taken.
        entropy: for nonces and the limiter's key; the system's by default.
        gateway: what passes chats on; one to the upstream of the environment by default.
    """
    return Application(
        doorway,
        status=status or Status(Metrics(), thread=doorway.thread),
        limits=limits,
        entropy=entropy or SystemEntropy(),
        gateway=gateway or Gateway(),
    )


def check_routes(doorway: Doorway) -> list[BaseRoute]:
    """Return the route of checks, which workers have too."""
    return [Route(f"/v1{PATH}", CheckRoute(doorway), methods=["POST"])]


def say_error(request: Request, error: VolensError) -> Response:
    """Return the answer that says an error: a problem for programs, a page for people."""
    if request.url.path.startswith(_API) or "text/html" not in request.headers.get("accept", ""):
        return problem(error)
    return error_page(request, error)


def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, VolensError)
    return say_error(request, error)


def _not_served(request: Request, error: Exception) -> Response:
    """Say that no route serves this path, or not with this method."""
    assert isinstance(error, HTTPException)
    if error.status_code == _NOT_FOUND:
        return say_error(request, NotFound("page_unknown", "there is nothing at this address"))
    answer = say_error(
        request, InvalidInput("method_not_allowed", "this address is not asked like that")
    )
    answer.status_code = error.status_code
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


class _Contained:
    """Answers for a route that made a mistake, and says where; never with what was in hand.

    The message of an unexpected error may quote what somebody wrote. So only its type and place are
    told, and nothing reaches the server's own log.
    """

    def __init__(self, app: ASGIApp, say: Callable[[str], None]) -> None:
        self._app = app
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001 - whatever it was
            self._say(f"mistake: {_place(error)}")
            if not begun:
                told = Unavailable("mistake", "something went wrong here", hint="try again later")
                answer = problem(told)
                answer.status_code = 500
                await answer(scope, receive, send)


def _place(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "volens" in frame.filename] or frames
    if not ours:
        return type(error).__name__
    return f"{type(error).__name__} in {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _alive(request: Request) -> Response:
    """Answer that the process runs; it needs no home."""
    del request
    return PlainTextResponse("ok\n")


def _ready(request: Request) -> Response:
    """Answer whether all is as it should be, and if not, what is wrong, in words."""
    status: Status = request.app.state.status
    alarms = status.alarms()
    return JSONResponse({"ready": not alarms, "alarms": alarms}, 503 if alarms else 200)


async def _metrics(request: Request) -> Response:
    """Answer the counters: to this machine, or to a token that is good for them."""
    status: Status = request.app.state.status
    if not _is_local(request):
        await service_of(request, TokenScope.METRICS)
    return Response(status.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _is_local(request: Request) -> bool:
    client = request.client
    if client is None or "forwarded" in request.headers or "x-forwarded-for" in request.headers:
        return False
    try:
        return ip_address(client.host).is_loopback
    except ValueError:
        return False
