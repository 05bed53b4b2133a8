"""All doors as one ASGI application."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from volens.core.errors import Denied, VolensError
from volens.core.ports import Entropy
from volens.door.doorway import Doorway
from volens.door.headers import SecurityHeaders
from volens.door.limits import Limiter, Limits
from volens.door.metrics import CONTENT_TYPE, Counted, Metrics, gauge
from volens.door.problems import problem
from volens.gateway.routes import Gateway, gateway_routes
from volens.server.status import Status
from volens.storage.system import SystemEntropy

_USUAL = Limits()
_TOLD = {
    "volens_gateway_chats_total": "Chats served, by what became of them.",
    "volens_gateway_refused_total": "Requests that went nowhere, by why.",
    "volens_gateway_upstream_total": "Calls of the upstream, by how they ended.",
}


def application(
    doorway: Doorway,
    *,
    status: Status | None = None,
    limits: Limits = _USUAL,
    entropy: Entropy | None = None,
    gateway: Gateway | None = None,
) -> ASGIApp:
    """Return what serves every door of one home.

    From the outside in: security headers, counters, limits, then the routes. The check of choices
    comes first, since it is asked most.

    Args:
        doorway: the home, and how it is reached.
        status: how the server is; one that knows nothing by default.
        limits: what is taken.
        entropy: for nonces and the limiter's key; the system's by default.
        gateway: what passes chats on; whoever makes it closes it.
    """
    status = status or Status(Metrics(), thread=doorway.thread)
    entropy = entropy or SystemEntropy()
    gateway = gateway or Gateway()
    status.metrics.gauges(partial(_passed_on, gateway))
    routes: list[BaseRoute] = [
        *check_routes(doorway),
        Route("/healthz", _alive, methods=["GET"]),
        Route("/readyz", _ready, methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        *gateway_routes(gateway),
        *_api_mount(doorway),
        *_routes_of("volens.web.routes", "web_routes"),
    ]
    inner = Starlette(routes=routes, exception_handlers={VolensError: _said})
    inner.state.doorway = doorway
    inner.state.status = status
    settings = doorway.settings
    limited = Limiter(
        inner,
        limits,
        entropy=entropy,
        ticking=time.monotonic,
        refused=lambda code: status.metrics.refused.labels(code).inc(),
    )
    return SecurityHeaders(
        Counted(limited, status.metrics),
        secure=settings.secure,
        entropy=entropy,
        embedded_by=settings.embedded_by,
    )


def _said(request: Request, error: Exception) -> Response:
    """Say an error that a route let through."""
    del request
    assert isinstance(error, VolensError)
    return problem(error)


def _passed_on(gateway: Gateway) -> Iterator[Metric]:
    """Yield the gateway's counters."""
    families: dict[str, CounterMetricFamily] = {}
    for (name, label, word), count in gateway.counters.samples().items():
        family = families.get(name)
        if family is None:
            family = families[name] = CounterMetricFamily(name, _TOLD[name], labels=(label,))
        family.add_metric((word,), count)
    yield from families.values()
    waiting = [("", float(len(gateway.captures)))]
    yield gauge("volens_gateway_waiting", "Served chats that wait to be kept.", waiting)


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
        raise Denied("sign_in_needed", "metrics take a token of the scope metrics:read")
    return Response(status.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _is_local(request: Request) -> bool:
    client = request.client
    if client is None or "forwarded" in request.headers or "x-forwarded-for" in request.headers:
        return False
    try:
        return ip_address(client.host).is_loopback
    except ValueError:
        return False


def _found(module: str, name: str) -> Callable[..., Any] | None:
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return None
    return found


def _routes_of(module: str, name: str) -> Sequence[BaseRoute]:
    make = _found(module, name)
    return make() if make else ()


def check_routes(doorway: Doorway) -> Sequence[BaseRoute]:
    """Return the route of checks, which workers have too."""
    make = _found("volens.api.check", "CheckRoute")
    return (Route("/v1/choices:check", make(doorway), methods=["POST"]),) if make else ()


def _api_mount(doorway: Doorway) -> Sequence[BaseRoute]:
    make = _found("volens.api.application", "api_application")
    return (Mount("/v1", app=make(doorway)),) if make else ()
