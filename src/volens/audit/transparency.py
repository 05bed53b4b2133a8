"""The transparency report (R94): counts, from the public log and nothing else.

Small counts are not hidden: whoever reads the log can count its entries, so hiding them here would
protect nobody and only make the report harder to check. Entries name nobody and don't link.

Because they don't link, no single request can be followed from its opening to its end. Times are
given as if requests of a kind were closed in the order in which they came, and say so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from volens.audit.paper import Paper, Section
from volens.audit.trail import Trail
from volens.core.purposes import Purpose
from volens.core.time import format_moment
from volens.log.entries import Entry
from volens.log.kinds import (
    AccessReason,
    EntryKind,
    ExceptionClass,
    ExceptionEnd,
    HoldClass,
    RefusalGround,
    RequestKind,
    RequestOutcome,
)

VERSION = "volens-transparency/v1"
_EXCEPTIONAL = (Purpose.SAFETY_REVIEW, Purpose.LEGAL_ORDER, Purpose.EMERGENCY)
_LEGAL = (AccessReason.LEGAL_ORDER, AccessReason.EMERGENCY)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From when (included) to when (not included)."""

    since: datetime
    until: datetime

    def has(self, entry: Entry) -> bool:
        """Say whether an entry was written in it."""
        return self.since <= entry.at < self.until


def transparency_report(trail: Trail, period: Period) -> Paper:
    """Count what the log tells of one period."""
    checkpoint = trail.report.checkpoint
    return Paper(
        version=VERSION,
        title=f"Transparency report of {checkpoint.origin}",
        facts=(
            ("from", format_moment(period.since)),
            ("to", format_moment(period.until)),
            ("log", checkpoint.origin),
            ("entries", f"{checkpoint.size}"),
            ("root", checkpoint.root.hex()),
            ("how to check", "count the entries of the public log yourself"),
        ),
        sections=(
            _accesses(trail, period),
            _exceptions(trail, period),
            _authorities(trail, period),
            _choices(trail, period),
            _datasets(trail, period),
            _requests(trail, period),
            _erasures(trail, period),
            _operations(trail, period),
        ),
    )


def _of(trail: Trail, period: Period, *kinds: EntryKind) -> list[tuple[int, Entry]]:
    return [(index, entry) for index, entry in trail.of(*kinds) if period.has(entry)]


def _accesses(trail: Trail, period: Period) -> Section:
    intents = dict(_of(trail, period, EntryKind.ACCESS_INTENT))
    ends: dict[int, Entry] = {}
    for _, entry in trail.of(EntryKind.ACCESS_DONE):
        ends[int(str(entry.fields["intent"]))] = entry
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, entry in intents.items():
        words = ("purpose", "actor", "action", "reason")
        groups[tuple(str(entry.fields[word]) for word in words)].append(index)
    rows, by_purpose = [], Counter[str]()
    for key, indexes in sorted(groups.items()):
        by_purpose[key[0]] += len(indexes)
        ended = [ends[index] for index in indexes if index in ends]
        meant = sum(_count(intents[index]) for index in indexes)
        opened = sum(_count(entry) for entry in ended)
        lasted = [int(str(entry.fields["duration_ms"])) for entry in ended]
        time = f"{median(lasted) / 1000:.1f}" if lasted else "-"
        rows.append((*key, str(len(indexes)), str(meant), str(opened), time))
    return Section(
        title="Accesses to what people said",
        said=(
            (
                "Each line is a kind of access. Meant: how many conversations were announced, the "
                "most that can have been opened. Opened: how many its end tells of."
            ),
        ),
        columns=(
            *("purpose", "actor", "action", "reason"),
            *("#accesses", "#meant", "#opened", "#median seconds"),
        ),
        rows=tuple(rows),
        picture=tuple(sorted(by_purpose.items())),
    )


def _exceptions(trail: Trail, period: Period) -> Section:
    """Count by class; an entry of an access without one was written before there were cases."""

    def by_class(*kinds: EntryKind, **wanted: StrEnum) -> Counter[str]:
        return Counter(
            str(entry.fields["class"])
            for _, entry in _of(trail, period, *kinds)
            if all(entry.fields[name] is value for name, value in wanted.items())
        )

    asked = by_class(EntryKind.EXCEPTION_OPENED)
    refused = by_class(EntryKind.EXCEPTION_CLOSED, end=ExceptionEnd.REFUSED)
    refused += by_class(EntryKind.EXCEPTION_REFUSED)
    told = by_class(EntryKind.EXCEPTION_NOTIFIED)
    seen = Counter(
        str(entry.fields.get("exception", "none"))
        for _, entry in _of(trail, period, EntryKind.ACCESS_INTENT)
        if entry.fields["purpose"] in _EXCEPTIONAL
    )
    days: dict[str, list[int]] = defaultdict(list)
    for _, entry in _of(trail, period, EntryKind.EXCEPTION_NOTIFIED):
        days[str(entry.fields["class"])].append(int(str(entry.fields["days"])))
    names = [kind.value for kind in ExceptionClass] + ["none"] * ("none" in seen)
    rows = tuple(
        (
            name,
            *(str(counted[name]) for counted in (asked, refused, seen, told)),
            f"{median(days[name]):.1f}" if days[name] else "-",
        )
        for name in names
    )
    return Section(
        title="Exceptions",
        said=(
            (
                "Looks at what people wrote that rest on no choice of theirs. Refused: by the "
                "second person, or for what was not valid, informal requests among them."
            ),
            "Days to notice: from the end of a case to telling its person, gags included.",
        ),
        columns=(
            *("exception", "#asked", "#refused", "#accesses"),
            *("#people told", "#median days to notice"),
        ),
        rows=rows,
        picture=tuple((name, asked[name]) for name in names),
    )


def _authorities(trail: Trail, period: Period) -> Section:
    asked = Counter(
        str(entry.fields["reason"])
        for _, entry in _of(trail, period, EntryKind.ACCESS_INTENT)
        if entry.fields["reason"] in _LEGAL
    )
    holds = Counter(
        str(entry.fields["class"]) for _, entry in _of(trail, period, EntryKind.HOLD_PLACED)
    )
    gagged = sum(
        "gag_until" in entry.fields for _, entry in _of(trail, period, EntryKind.HOLD_PLACED)
    )
    released = len(_of(trail, period, EntryKind.HOLD_RELEASED))
    refused = Counter(
        entry.fields["ground"] for _, entry in _of(trail, period, EntryKind.EXCEPTION_REFUSED)
    )
    rows = [
        *((f"accesses for {reason.value}", str(asked[reason.value])) for reason in _LEGAL),
        *((f"{kind.value} holds placed", str(holds[kind.value])) for kind in HoldClass),
        ("of these, with a time in which the person is not told", str(gagged)),
        ("holds ended", str(released)),
        *((f"requests refused: {ground.value}", str(refused[ground])) for ground in RefusalGround),
    ]
    return Section(
        title="Courts, authorities and governments",
        said=(
            (
                "What was asked for and refused leaves no access: such refusals are counted here "
                "and, by class, under exceptions."
            ),
        ),
        columns=("what", "#how many"),
        rows=tuple(rows),
    )


def _choices(trail: Trail, period: Period) -> Section:
    kinds = {
        EntryKind.CONSENT_GRANTED: "granted",
        EntryKind.CONSENT_WITHDRAWN: "withdrawn",
        EntryKind.CONSENT_REVOKED: "revoked",
        EntryKind.CONSENT_OBJECTED: "objected",
    }
    found: Counter[tuple[str, str]] = Counter()
    for _, entry in _of(trail, period, *kinds):
        found[str(entry.fields["purpose"]), kinds[entry.kind]] += 1
    purposes = sorted({purpose for purpose, _ in found})
    return Section(
        title="Choices people made",
        columns=("purpose", *(f"#{word}" for word in kinds.values())),
        rows=tuple(
            (purpose, *(str(found[purpose, word]) for word in kinds.values()))
            for purpose in purposes
        ),
    )


def _datasets(trail: Trail, period: Period) -> Section:
    intents = dict(trail.of(EntryKind.ACCESS_INTENT))
    made: Counter[str] = Counter()
    records: Counter[str] = Counter()
    clear: Counter[str] = Counter()
    for _, entry in _of(trail, period, EntryKind.DATASET_DONE):
        intent = intents.get(int(str(entry.fields["intent"])))
        purpose = "unknown" if intent is None else str(intent.fields["purpose"])
        made[purpose] += 1
        records[purpose] += int(str(entry.fields["records"]))
        clear[purpose] += entry.fields["disclosure"] is True
    revised = _of(trail, period, EntryKind.DATASET_REVISED)
    removed = sum(int(str(entry.fields["removed"])) for _, entry in revised)
    return Section(
        title="Datasets",
        said=(f"{removed} records were removed from datasets in {len(revised)} later versions.",),
        columns=("purpose", "#datasets", "#records", "#readable without keys"),
        rows=tuple(
            (purpose, str(made[purpose]), str(records[purpose]), str(clear[purpose]))
            for purpose in sorted(made)
        ),
    )


def _requests(trail: Trail, period: Period) -> Section:
    opened: dict[str, list[datetime]] = defaultdict(list)
    closed: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for _, entry in trail.of(EntryKind.REQUEST_OPENED):
        opened[str(entry.fields["request"])].append(entry.at)
    for _, entry in trail.of(EntryKind.REQUEST_CLOSED):
        told = (entry.at, str(entry.fields["outcome"]))
        closed[str(entry.fields["request"])].append(told)
    rows = []
    picture = []
    for kind in RequestKind:
        asked = [at for at in opened[kind.value] if period.since <= at < period.until]
        ended = [one for one in closed[kind.value] if period.since <= one[0] < period.until]
        outcomes = Counter(word for _, word in ended)
        times = _in_order(opened[kind.value], [at for at, _ in closed[kind.value]], period)
        cells = [str(outcomes[outcome.value]) for outcome in RequestOutcome]
        rows.append((kind.value, str(len(asked)), *cells, _median_days(times)))
        picture.append((kind.value, len(asked)))
    return Section(
        title="Rights requests",
        said=("Median days as if requests were closed in the order in which they came.",),
        columns=(
            *("kind", "#opened"),
            *(f"#{outcome.value}" for outcome in RequestOutcome),
            "#median days",
        ),
        rows=tuple(rows),
        picture=tuple(picture),
    )


def _erasures(trail: Trail, period: Period) -> Section:
    asked = _of(trail, period, EntryKind.ERASURE_REQUESTED)
    scopes = Counter((str(entry.fields["scope"]), str(entry.fields["cause"])) for _, entry in asked)
    cancelled = len(_of(trail, period, EntryKind.ERASURE_CANCELLED))
    removed = _sum(_of(trail, period, EntryKind.ERASURE_KEYS_REMOVED))
    final = _sum(_of(trail, period, EntryKind.ERASURE_IRRECOVERABLE))
    sooner = [entry.at for _, entry in trail.of(EntryKind.ERASURE_REQUESTED)]
    later = [
        entry.at
        for _, entry in trail.of(EntryKind.ERASURE_IRRECOVERABLE)
        for _ in range(_count(entry))
    ]
    times = _in_order(sooner, later, period)
    rows = [
        *((f"requested: {scope}, {cause}", str(n)) for (scope, cause), n in sorted(scopes.items())),
        ("cancelled", str(cancelled)),
        ("keys removed", str(removed)),
        ("irrecoverable", str(final)),
        ("median days from request to irrecoverable, in order", _median_days(times)),
    ]
    by_scope: Counter[str] = Counter()
    for (scope, _), count in scopes.items():
        by_scope[scope] += count
    return Section(
        title="Erasures",
        columns=("what", "#how many"),
        rows=tuple(rows),
        picture=tuple(sorted(by_scope.items())),
    )


def _operations(trail: Trail, period: Period) -> Section:
    audits = _of(trail, period, EntryKind.AUDIT_DONE)
    passed = sum(entry.fields["failed"] == 0 for _, entry in audits)
    rows = (
        ("audits", str(len(audits))),
        ("audits in which every check held", str(passed)),
        ("policies put in force", str(len(_of(trail, period, EntryKind.POLICY_ACTIVATED)))),
        ("content reported by people", str(len(_of(trail, period, EntryKind.CONTENT_REPORTED)))),
        (
            "times destruction paused over the clock",
            str(len(_of(trail, period, EntryKind.CLOCK_PAUSED))),
        ),
        ("backups restored", str(len(_of(trail, period, EntryKind.BACKUP_RESTORED)))),
    )
    return Section(title="How the house was kept", columns=("what", "#how many"), rows=rows)


def _in_order(
    sooner: Sequence[datetime], later: Sequence[datetime], period: Period
) -> list[timedelta]:
    """Pair the first with the first, and so on; return the times of the pairs that ended in it."""
    pairs = zip(sorted(sooner), sorted(later), strict=False)
    return [end - start for start, end in pairs if period.since <= end < period.until]


def _median_days(times: Iterable[timedelta]) -> str:
    days = [time / _DAY for time in times]
    return f"{median(days):.1f}" if days else "-"


def _count(entry: Entry) -> int:
    return int(str(entry.fields["count"]))


def _sum(entries: Iterable[tuple[int, Entry]]) -> int:
    return sum(_count(entry) for _, entry in entries)
