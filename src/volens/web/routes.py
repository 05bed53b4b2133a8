"""Every route of the pages, collected from the rooms that have some."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from starlette.routing import BaseRoute, Route

from volens.web.shell import choose, serve_static

_ROOMS: Final = (
    ("volens.web.signin", "signin_routes"),
    ("volens.web.person", "person_routes"),
    ("volens.web.console", "console_routes"),
    ("volens.web.demo", "demo_routes"),
)


def web_routes() -> list[BaseRoute]:
    """Return the routes of all pages and of what they load."""
    found: list[BaseRoute] = [
        Route("/static/{name:path}", serve_static, methods=["GET"]),
        Route("/language", choose, methods=["POST"]),
    ]
    for module, name in _ROOMS:
        if find_spec(module):
            found += getattr(import_module(module), name)()
    return found
