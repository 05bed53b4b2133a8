"""One worker process: a home opened for reading, and the one route that may be asked of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from volens.app.changes import Changes, Mark
from volens.app.home import Home, open_home
from volens.app.policies import load_in_force
from volens.app.thread import HomeThread
from volens.core.errors import VolensError
from volens.door.doorway import Doorway, Settings
from volens.door.headers import SecurityHeaders
from volens.door.limits import Limiter, Limits
from volens.door.problems import problem
from volens.server.application import check_routes
from volens.server.listening import Server, server_config, tls_context
from volens.server.workers import Board, Seen
from volens.storage.system import SystemEntropy

LOOK_SECONDS = 0.02
"""How often a worker looks whether anything changed when nobody asks."""


def main(arguments: list[str]) -> None:
    """Answer until SIGTERM, or until the process that started it is gone."""
    folder, descriptor, board, count, number, parent, certificate, key = arguments
    home = Path(folder)
    taken = socket.socket(fileno=int(descriptor))
    with os.fdopen(int(board), "r+b") as file:
        rows = Board(file, int(count))

    def read_it() -> Home:
        return open_home(home, writing=False)

    thread = HomeThread(read_it)
    tls = tls_context(Path(certificate), Path(key)) if certificate else None
    doorway = Doorway(thread=thread, settings=Settings(secure=tls is not None))
    server = Server(server_config(_application(doorway), tls=tls, proxied=False))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who ends its workers
    try:
        asyncio.run(_serve(server, taken, thread, rows, number=int(number), parent=int(parent)))
    finally:
        thread.close()


def _application(doorway: Doorway) -> SecurityHeaders:
    routes: list[BaseRoute] = [
        *check_routes(doorway),
        Route("/healthz", _alive, methods=["GET"]),
    ]
    inner = Starlette(routes=routes, exception_handlers={VolensError: _said})
    inner.state.doorway = doorway
    entropy = SystemEntropy()
    limited = Limiter(
        inner,
        Limits(programs_a_second=10_000.0, programs_burst=20_000.0),
        entropy=entropy,
        ticking=time.monotonic,
    )
    return SecurityHeaders(limited, secure=doorway.settings.secure, entropy=entropy)


async def _serve(
    server: Server,
    taken: socket.socket,
    thread: HomeThread,
    rows: Board,
    *,
    number: int,
    parent: int,
) -> None:
    looking = asyncio.ensure_future(_look(server, thread, rows, number=number, parent=parent))
    await server.serve(sockets=[taken])
    looking.cancel()


async def _look(
    server: Server, thread: HomeThread, rows: Board, *, number: int, parent: int
) -> None:
    """Note how long each change took to be seen; end if the owner is gone or the policy another."""
    changes = thread.run_here(Changes)
    before: Mark = changes.mark()
    count, last, longest = 0, 0.0, 0.0
    while os.getppid() == parent and not server.should_exit:
        now = changes.mark()
        if now != before:
            before, count = now, count + 1
            last = changes.age_seconds()
            longest = max(longest, last)
            if not await thread.run(_same_policy):
                break  # the owner starts it again, with the policy in force
        rows.write(
            number,
            Seen(
                changes=count,
                last_seconds=last,
                longest_seconds=longest,
                alive=time.monotonic(),
            ),
        )
        await asyncio.sleep(LOOK_SECONDS)
    server.should_exit = True


def _same_policy(home: Home) -> bool:
    return load_in_force(home.folder, home.main).ref == home.policy.ref


def _said(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, VolensError)
    return problem(error)


def _alive(request: Request) -> Response:
    del request
    return PlainTextResponse("ok\n")


if __name__ == "__main__":
    main(sys.argv[1:])
