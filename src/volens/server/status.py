"""How the server is: what a probe, a scrape and the operator are told. Never about a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from volens.app.thread import HomeThread
from volens.door.metrics import Metrics, gauge
from volens.gateway.counters import Counters
from volens.server.jobs import Jobs
from volens.server.runner import Runner, Told
from volens.server.workers import Crew


class Status:
    """Gathers what jobs, thread and workers say."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        thread: HomeThread,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Count into `metrics`; `say` gets a line whenever alarms change."""
        self.metrics = metrics
        self._thread = thread
        self.say = say
        self._gateway: Counters | None = None
        self._jobs: Jobs | None = None
        self._runner: Runner | None = None
        self._crew: Crew | None = None
        self._said: list[str] = []
        metrics.gauges(self._gauges)

    def follow(self, jobs: Jobs, runner: Runner, crew: Crew | None = None) -> None:
        """Ask these from now on."""
        self._jobs, self._runner, self._crew = jobs, runner, crew

    def count_gateway(self, counters: Counters) -> None:
        """Tell what the gateway counts too."""
        self._gateway = counters

    def alarms(self) -> list[str]:
        """Return what somebody has to look at, each once, as words."""
        found: list[str] = []
        if self._runner is None or self._jobs is None:
            return ["starting"]
        found += self._runner.alarms()
        found += self._jobs.watched.alarms
        if self._crew is not None and self._crew.missing:
            found.append("worker_missing")
        return list(dict.fromkeys(found))

    def told(self, told: Told) -> None:
        """Count a job that was done or failed."""
        self.metrics.job_seconds.labels(told.job).observe(told.seconds)
        if told.trouble:
            self.metrics.job_failures.labels(told.job, told.trouble).inc()
        self.say_changes()

    def say_changes(self) -> None:
        """Say alarms that are new, and ones that are over."""
        now = self.alarms()
        for word in now:
            if word not in self._said:
                self.say(f"alarm: {word}")
        for word in self._said:
            if word not in now:
                self.say(f"over: {word}")
        self._said = now

    def _gauges(self) -> Iterator[Metric]:
        yield gauge("volens_home_waiting", "Acts that wait or run.", [("", self._thread.waiting)])
        alarms = self.alarms()
        yield gauge("volens_alarms", "1 for each alarm.", [(one, 1.0) for one in alarms], "alarm")
        if self._gateway is not None:
            yield from _counted(self._gateway)
        if self._jobs is None or self._runner is None:
            return
        watched = self._jobs.watched
        overdue = [
            ("erasures", float(watched.erasures)),
            ("requests", float(watched.requests)),
            ("audit", float(watched.audit)),
        ]
        yield gauge("volens_overdue", "What is late.", overdue, "what")
        done: Iterable[tuple[str, float]] = [
            (name, progress.since.timestamp()) for name, progress in self._runner.progress().items()
        ]
        yield gauge("volens_job_last_done_timestamp_seconds", "When.", done, "job")
        if self._crew is not None:
            yield from self._crew.gauges()


def _counted(counters: Counters) -> Iterator[Metric]:
    families: dict[tuple[str, str], CounterMetricFamily] = {}
    for (name, label, word), count in counters.samples().items():
        family = families.get((name, label))
        if family is None:
            plain = name.removesuffix("_total")
            family = CounterMetricFamily(plain, "What the gateway did.", labels=(label,))
            families[name, label] = family
        family.add_metric((word,), count)
    yield from families.values()
