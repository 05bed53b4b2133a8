"""Counters for operators, in the form of Prometheus; nothing in them is about a person.

Labels are closed words: the template of a route (never the path asked for), a method, a status, the
name of a job, a code. Whoever reads them learns how much happens, not to whom.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8"
UNMATCHED: Final = "unmatched"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """All counters of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry(auto_describe=False)
        register = self.registry
        self.requests = Counter(
            "volens_requests",
            "Requests answered, by the template of their route.",
            ("route", "method", "status"),
            registry=register,
        )
        self.seconds = Histogram(
            "volens_request_seconds",
            "From a request to the end of its answer.",
            ("route",),
            buckets=_FAST,
            registry=register,
        )
        self.working = Gauge(
            "volens_requests_working", "Requests being worked on.", registry=register
        )
        self.refused = Counter(
            "volens_requests_refused", "Requests over a limit.", ("code",), registry=register
        )
        self.publish_lag = Histogram(
            "volens_publish_lag_seconds",
            "From an entry of the log to its signed checkpoint.",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 30.0),
            registry=register,
        )
        self.job_seconds = Histogram(
            "volens_job_seconds",
            "How long jobs take.",
            ("job",),
            buckets=(0.01, 0.1, 1.0, 10.0, 60.0, 600.0),
            registry=register,
        )
        self.job_failures = Counter(
            "volens_job_failures",
            "Jobs that failed and are tried again.",
            ("job", "code"),
            registry=register,
        )
        self.home_waited = Histogram(
            "volens_home_waited_seconds",
            "How long acts waited for the home's thread.",
            buckets=_FAST,
            registry=register,
        )
        self.home_held = Histogram(
            "volens_home_held_seconds",
            "How long acts had the home's thread.",
            buckets=_FAST,
            registry=register,
        )

    def gauges(self, read: Callable[[], Iterable[Metric]]) -> None:
        """Have `read` called at each scrape for what is not counted but looked up."""
        self.registry.register(_Read(read))

    def text(self) -> bytes:
        """Return all of it in the text form."""
        return generate_latest(self.registry)


class _Read(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from self._read()


def gauge(name: str, text: str, values: Iterable[tuple[str, float]], label: str = "") -> Metric:
    """Return a gauge with a value for each word of its one label, or one without a label."""
    family = GaugeMetricFamily(name, text, labels=(label,) if label else ())
    for word, value in values:
        family.add_metric((word,) if label else (), value)
    return family


class Counted:
    """Counts and times every request by the template of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status = 500  # what the server answers if nothing here did

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.working.inc()
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._metrics.working.dec()
            route = template_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.monotonic() - begun)


def template_of(scope: Scope) -> str:
    """Return the template of the route that served a request, with that of its mount."""
    route: BaseRoute | None = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(path, str):
        return UNMATCHED
    if isinstance(route, Mount):
        return f"{path}/*"
    # Mounts are of fixed names here, so what they add to the root is no part of anybody's path.
    return str(scope.get("root_path", "")) + path
