"""The process: owns the home, listens, does what is due by itself, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from volens.app.home import Home, open_home
from volens.app.served import saying_where
from volens.app.thread import Held, HomeThread
from volens.app.witnesses import Remembered
from volens.door.doorway import Doorway, Settings
from volens.door.metrics import Metrics
from volens.gateway.routes import Gateway
from volens.gateway.webhooks import Deliverer
from volens.server.application import application
from volens.server.jobs import Jobs
from volens.server.listening import (
    Listening,
    Server,
    address_of,
    check_listening,
    listen,
    server_config,
    tls_context,
)
from volens.server.runner import TICK_SECONDS, Runner
from volens.server.status import Status
from volens.server.workers import Crew

LOG_FAILED = 5
"""The exit code when the log takes nothing any more: whoever starts it again settles that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, and how."""

    folder: Path
    listening: Listening
    settings: Settings
    """The public URL may be empty: then it is where the server listens."""
    environment: Mapping[str, str]
    witnesses: Sequence[Remembered] = ()
    backups: Path | None = None
    """Where a backup is made each day."""
    workers: int = 0
    workers_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where a server is reached."""

    address: str
    public_url: str
    workers: str
    """Where workers answer checks; empty without any."""


def serve(
    serving: Serving, *, started: Callable[[Started], None], say: Callable[[str], None]
) -> int:
    """Own the home and serve all doors until SIGTERM or SIGINT; return the exit code.

    1. The home is opened: its lock is held from here on, and what was left is finished.
    2. The address is taken and written into the home, for who finds the lock taken.
    3. Workers are started; `started` is told where the server is.
    4. Requests are answered, and jobs are done when they are due.
    5. Told to end: no new requests; those that have begun, and jobs, get to their end.
    6. Acts that wait for the home are finished, the log is published, the lock is given up.

    Args:
        serving: what and how.
        started: called once, when requests are taken.
        say: told of alarms, a line each.

    Raises:
        InvalidInput: as `check_listening`.
        Unavailable: ``address_taken``, ``tls_certificate``; or as opening a home.
    """
    listening = serving.listening
    check_listening(listening)
    tls = None
    if listening.tls_certificate is not None and listening.tls_key is not None:
        tls = tls_context(listening.tls_certificate, listening.tls_key)
    metrics = Metrics()
    with _owned(serving, metrics) as thread, listen(listening.host, listening.port) as taken:
        address = address_of(taken, secure=tls is not None)
        settings = serving.settings
        if not settings.public_url:
            settings = replace(settings, public_url=address)
        status = Status(metrics, thread=thread, say=say)
        doorway = Doorway(thread=thread, settings=settings)
        webhooks = Deliverer(doorway)
        jobs = thread.run_here(
            lambda home: Jobs(
                thread,
                home=home,
                environment=serving.environment,
                deliver_webhooks=webhooks.run_once,
                witnesses=serving.witnesses,
                backups=serving.backups,
                lag=metrics.publish_lag.observe,
            )
        )
        app = application(doorway, status=status, gateway=Gateway(environment=serving.environment))
        server = Server(server_config(app, tls=tls, proxied=listening.behind_proxy))
        with (
            server.capture_signals(),  # before anybody is told that there is a server to end
            saying_where(serving.folder, settings.public_url),
            _crew(serving) as (crew, workers),
        ):
            runner = Runner(jobs.listed(), clock=jobs.clock, told=status.told)
            status.follow(jobs, runner, crew)
            started(Started(address=address, public_url=settings.public_url, workers=workers))

            async def both() -> None:
                ended = asyncio.Event()
                working = asyncio.ensure_future(_work(server, jobs, runner, crew, ended))
                await server.serve(sockets=[taken])
                ended.set()
                await app.aclose()
                await working

            asyncio.run(both())
        return LOG_FAILED if jobs.log_failed else 0


async def _work(
    server: Server, jobs: Jobs, runner: Runner, crew: Crew | None, ended: asyncio.Event
) -> None:
    """Do what is due until `ended`."""
    while not ended.is_set():
        jobs.look_at_log()
        runner.tick()
        if crew is not None:
            crew.look_after()
        if jobs.log_failed:
            server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), TICK_SECONDS)
    await runner.settle()


@contextlib.contextmanager
def _owned(serving: Serving, metrics: Metrics) -> Iterator[HomeThread]:
    def opened(*, writing: bool) -> Home:
        return open_home(serving.folder, writing=writing, environment=serving.environment)

    def told(held: Held) -> None:
        metrics.home_waited.observe(held.waited_seconds)
        metrics.home_held.observe(held.held_seconds)

    thread = HomeThread(
        lambda: opened(writing=True), read_it=lambda: opened(writing=False), told=told
    )
    try:
        yield thread
    finally:
        thread.close()


@contextlib.contextmanager
def _crew(serving: Serving) -> Iterator[tuple[Crew | None, str]]:
    """Start the workers, if any; give them and where they answer."""
    if not serving.workers:
        yield None, ""
        return
    listening = serving.listening
    certificate, key = listening.tls_certificate, listening.tls_key
    with listen(listening.host, serving.workers_port) as taken:
        crew = Crew(
            serving.workers,
            taken,
            serving.folder,
            options=(str(certificate or ""), str(key or "")),
            environment={**os.environ, **serving.environment},
        )
        try:
            yield crew, address_of(taken, secure=certificate is not None)
        finally:
            crew.end()
