"""All doors as one ASGI application."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from volens.core.errors import VolensError
from volens.door.doorway import Doorway
from volens.door.headers import SecurityHeaders
from volens.door.problems import problem
from volens.storage.system import SystemEntropy


def application(doorway: Doorway) -> ASGIApp:
    """Return what serves every door of one home.

    From the outside in: security headers, then the routes. The check of choices comes first, since
    it is asked most.
    """
    routes: list[BaseRoute] = [
        *_check_routes(doorway),
        Route("/healthz", _alive, methods=["GET"]),
        *_routes_of("volens.gateway.routes", "gateway_routes"),
        *_api_mount(doorway),
        *_routes_of("volens.web.routes", "web_routes"),
    ]
    inner = Starlette(routes=routes, exception_handlers={VolensError: _said})
    inner.state.doorway = doorway
    return SecurityHeaders(
        inner,
        secure=doorway.settings.secure,
        entropy=SystemEntropy(),
        embedded_by=doorway.settings.embedded_by,
    )


def _said(request: Request, error: Exception) -> Response:
    """Say an error that a route let through."""
    del request
    assert isinstance(error, VolensError)
    return problem(error)


def _alive(request: Request) -> Response:
    del request
    return PlainTextResponse("ok\n")


def _found(module: str, name: str) -> Callable[..., Any] | None:
    if find_spec(module) is None:
        return None
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _routes_of(module: str, name: str) -> Sequence[BaseRoute]:
    make = _found(module, name)
    return make() if make else ()


def _check_routes(doorway: Doorway) -> Sequence[BaseRoute]:
    make = _found("volens.api.check", "CheckRoute")
    return (Route("/v1/choices:check", make(doorway), methods=["POST"]),) if make else ()


def _api_mount(doorway: Doorway) -> Sequence[BaseRoute]:
    make = _found("volens.api.application", "api_application")
    return (Mount("/v1", app=make(doorway)),) if make else ()
