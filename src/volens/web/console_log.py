"""For the auditor: the transparency log, checked from its entries, and the datasets' manifests.

Entries name nobody. Commitments and hashes are shown as they are; what would open them is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.witnesses import remembered
from volens.audit.manifests import kept_datasets
from volens.core.errors import NotFound
from volens.core.time import format_moment
from volens.log.entries import Entry, parse_entry
from volens.log.verify import LogReport
from volens.web.console_frame import StaffPage, Visit

_ROLES: Final = frozenset({Role.AUDITOR})
_PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry, in words."""

    index: int
    kind: str
    at: datetime
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some entries of the log, the newest first."""

    origin: str
    vkey: str
    checkpoint: str
    size: int
    published: int
    witnesses: int
    lines: tuple[Line, ...]
    first: int
    """Index of the oldest entry shown."""
    stop: int
    """One more than the index of the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLine:
    """One dataset's manifest, in short."""

    dataset: str
    created: datetime
    purpose: str
    policy: str
    format: str
    redaction: str
    records: int
    excluded: int
    root: str
    intent: int


def log_page(home: Home, stop: int | None) -> LogPage:
    """Return the entries before `stop`, or the newest."""
    log = home.owned_log()
    until = log.size if stop is None else max(0, min(stop, log.size))
    first = max(0, until - _PAGE)
    entries = [parse_entry(data) for data in log.entries(first, until)]
    lines = [_line(index, entry) for index, entry in enumerate(entries, start=first)]
    return LogPage(
        origin=log.origin,
        vkey=log.verifier.vkey,
        checkpoint=log.checkpoint.decode("utf-8"),
        size=log.size,
        published=log.published_size,
        witnesses=len(remembered(home.folder)),
        lines=tuple(reversed(lines)),
        first=first,
        stop=until,
    )


def verify_log(home: Home) -> LogReport:
    """Recompute the whole log from its entries.

    Raises:
        VerificationFailed: at the first difference.
    """
    log = home.owned_log()
    log.publish()
    report = log.check(deep=True)
    assert report is not None  # deep
    return report


def datasets(home: Home) -> tuple[tuple[DatasetLine, ...], int]:
    """Return the kept datasets, the newest first, and how many can't be read."""
    lines, wrong = [], 0
    for kept in kept_datasets(home.folder / "datasets"):
        if isinstance(kept, int):
            wrong += 1
            continue
        one = kept.manifest
        lines.append(
            DatasetLine(
                dataset=one.dataset,
                created=one.created,
                purpose=one.purpose.value,
                policy=f"{one.policy.name} {one.policy.version}",
                format=one.format.value,
                redaction=one.redaction,
                records=one.counts.records,
                excluded=sum(one.excluded.values()),
                root=one.merkle_root.hex(),
                intent=one.log.intent,
            )
        )
    return tuple(sorted(lines, key=lambda line: line.created, reverse=True)), wrong


def _line(index: int, entry: Entry) -> Line:
    return Line(
        index=index,
        kind=entry.kind.value,
        at=entry.at,
        fields=tuple((name, _said(value)) for name, value in sorted(entry.fields.items())),
    )


def _said(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    return str(value)


async def _show(visit: Visit) -> Response:
    text = visit.query("before")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):  # noqa: PLR2004 - 2^53
        raise NotFound("page_missing", "there is no such place in the log")
    stop = int(text) if text else None
    found = await visit.run(lambda home: log_page(home, stop))
    return visit.page("log", {"found": found, "step": _PAGE}, here="log")


async def _verify(visit: Visit) -> Response:
    report = await visit.run(verify_log)
    return visit.page("log_verified", {"report": report}, here="log")


async def _datasets(visit: Visit) -> Response:
    lines, wrong = await visit.run(datasets)
    return visit.page("datasets", {"lines": lines, "wrong": wrong}, here="datasets")


PAGES: Final = (
    StaffPage(path="/log", roles=_ROLES, handler=_show, key="log", group="house"),
    StaffPage(path="/log/verified", roles=_ROLES, handler=_verify),
    StaffPage(path="/datasets", roles=_ROLES, handler=_datasets, key="datasets", group="house"),
)
