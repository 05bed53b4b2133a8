"""Every route of the pages, collected from the modules that have some."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from volens.web.console import console_routes
from volens.web.demo import demo_routes
from volens.web.person import person_routes
from volens.web.shell import choose, serve_static
from volens.web.signin import signin_routes


def web_routes() -> list[BaseRoute]:
    """Return the routes of all pages and of what they load."""
    return [
        Route("/static/{name:path}", serve_static, methods=["GET"]),
        Route("/language", choose, methods=["POST"]),
        *signin_routes(),
        *person_routes(),
        *console_routes(),
        *demo_routes(),
    ]
