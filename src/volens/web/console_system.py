"""Engineering: how the system is, without what anybody said: sizes, moments and counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from starlette.responses import Response

from volens import __version__
from volens.access.model import Role
from volens.app.home import Home
from volens.app.retention import clock_of, late_in
from volens.app.rights import request_store
from volens.app.witnesses import remembered
from volens.audit.register import Audited
from volens.door.doorway import doorway_of
from volens.lifecycle.trusted_time import Pause
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind
from volens.web.charts import Bar, bar_chart
from volens.web.console_frame import StaffPage, Visit

_ROLES: Final = frozenset({Role.ENGINEERING})
_LOOK_BACK: Final = 2_000
"""How many of the latest log entries are looked through for the last runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The last time that something ran by itself."""

    job: str
    at: datetime | None
    """None: not among the latest entries of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """How the system is."""

    version: str
    region: str
    realm: str
    policy: str
    log_size: int
    log_published: int
    witnesses: int
    sizes: tuple[tuple[str, int], ...]
    """What lies in the home, and how many bytes it takes."""
    paused: Pause | None
    late: int
    runs: tuple[Run, ...]
    audit: Audited | None
    requests_open: int
    people: int
    chats: int


def system(home: Home) -> System:
    """Return it as of now."""
    judged = clock_of(home).look(home.clock.now())
    log = home.owned_log()
    people = home.subjects.count()
    return System(
        version=__version__,
        region=home.identity.region.value,
        realm=home.identity.realm.value,
        policy=f"{home.policy.ref.name} {home.policy.ref.version}",
        log_size=log.size,
        log_published=log.published_size,
        witnesses=len(remembered(home.folder)),
        sizes=_sizes(home.folder),
        paused=judged.paused,
        late=len(late_in(home, judged)),
        runs=_runs(home),
        audit=home.audits.last(),
        requests_open=len(request_store(home).unanswered()),
        people=people,
        chats=sum(home.vault.counts_by_subject().values()),
    )


def _sizes(folder: Path) -> tuple[tuple[str, int], ...]:
    parts = ("main.db", "keys/keys.db", "journal", "log", "datasets", "audits")
    return tuple((part, _size(folder / part)) for part in parts)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def _runs(home: Home) -> tuple[Run, ...]:
    wanted = {
        EntryKind.RETENTION_RUN: "retention",
        EntryKind.AUDIT_DONE: "audit",
        EntryKind.BACKUP_MADE: "backup",
        EntryKind.KEY_EPOCH: "keys",
    }
    log = home.owned_log()
    last: dict[EntryKind, Entry] = {}
    for data in log.entries(max(0, log.size - _LOOK_BACK), log.size):
        entry = parse_entry(data)
        if entry.kind in wanted:
            last[entry.kind] = entry
    return tuple(
        Run(job=job, at=last[kind].at if kind in last else None) for kind, job in wanted.items()
    )


async def _show(visit: Visit) -> Response:
    thread = doorway_of(visit.request).thread
    waiting = thread.waiting
    found = await visit.run(system)
    bars = [Bar(name=name, value=size, said=visit.words.size(size)) for name, size in found.sizes]
    columns = (visit.words("console.system.part"), f"#{visit.words('console.system.size')}")
    chart = bar_chart(visit.words("console.system.sizes"), bars, columns)
    values = {"found": found, "chart_of_sizes": chart, "waiting": waiting}
    return visit.page("system", values, here="system")


PAGES: Final = (
    StaffPage(path="/system", roles=_ROLES, handler=_show, key="system", group="house"),
)
