"""The process that `volens.bench.api` measures: a check and a no-op, side by side, as served.

The no-op reads the same body and writes an answer of the same size, in plain ASGI, behind the same
router, in the same uvicorn with the same settings.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from volens.api.check import CheckRoute
from volens.app.home import open_home
from volens.app.thread import HomeThread
from volens.door.doorway import Doorway, Settings
from volens.server.listening import Server, server_config


class Nothing:
    """Reads a body, and answers with as many bytes as the request's ``size`` says."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        message = await receive()
        while message.get("more_body", False):
            message = await receive()
        size = int(scope["query_string"] or b"2")
        fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b" " * size})


def _spent(request: Request) -> Response:
    """Say how much CPU time this process has taken, all threads."""
    del request
    return PlainTextResponse(repr(time.process_time()))


def main(arguments: list[str]) -> None:
    """Serve a home until killed: the folder, and the descriptor of a socket that listens."""
    folder, descriptor = arguments
    thread = HomeThread(lambda: open_home(Path(folder), writing=True, environment=os.environ))
    doorway = Doorway(thread=thread, settings=Settings())
    app = Starlette(
        routes=[
            Route("/v1/choices:check", CheckRoute(doorway), methods=["POST"]),
            Route("/nothing", Nothing(), methods=["POST"]),
            Route("/spent", _spent, methods=["GET"]),
        ]
    )
    server = Server(server_config(app, tls=None, proxied=False))
    taken = socket.socket(fileno=int(descriptor))
    try:
        asyncio.run(server.serve(sockets=[taken]))
    finally:
        thread.close()


if __name__ == "__main__":
    main(sys.argv[1:])
