"""By when a rights request must be answered: the law of each region, and the policy pack. Pure.

On conflict the strictest counts: the earliest of what the law and the pack say, over the region of
the account, the region in which the data lies, and, where no law is known, every region. A deadline
is a moment from which an answer is late; it is never later than the law's own, in any time zone of
the region.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from volens.core.regions import Region
from volens.log.kinds import RequestKind
from volens.policy.pack import RegionProfile

EU_OFFSETS: Final = (timedelta(hours=-4), timedelta(hours=4))
"""The westernmost and easternmost clocks of the European Union (outermost regions included): a
month that starts on another date there may end earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time counted from the receipt of a request: calendar months, or days of 24 hours."""

    months: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LawRule:
    """What one law says of the time for an answer."""

    answer: Span | None
    """None: it names no number."""
    source: str
    extended: Span | None = None
    """The whole time, from the receipt, if it is extended; None: no extension."""
    extension_source: str = ""


GDPR: Final = LawRule(
    answer=Span(months=1),
    source="GDPR Art. 12(3)",
    extended=Span(months=3),
    extension_source="GDPR Art. 12(3): two further months, told within the first",
)
CCPA: Final = LawRule(
    answer=Span(days=45),
    source="CCPA, Cal. Civ. Code 1798.130(a)(2)",
    extended=Span(days=90),
    extension_source="CCPA, 1798.130(a)(2): once 45 more days, told within the first 45",
)
CCPA_SALE: Final = LawRule(answer=Span(days=15), source="CCPA regulations, 11 CCR 7026(f)")
"""15 business days; as many calendar days are never later."""
PIPL: Final = LawRule(answer=None, source="PIPL Art. 50")
PIPEDA: Final = LawRule(
    answer=Span(days=30),
    source="PIPEDA s. 8(3)",
    extended=Span(days=60),
    extension_source="PIPEDA s. 8(4): 30 more days, told within the first 30",
)
LAWS: Final[Mapping[Region, LawRule]] = {
    Region.EU: GDPR,
    Region.US: CCPA,
    Region.CN: PIPL,
    Region.CA: PIPEDA,
}
KNOWN: Final = tuple(LAWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """One region whose rules count, why, and what they say."""

    region: Region
    why: str
    due: datetime
    source: str
    """The law or the pack, whichever is stricter."""
    extended: datetime | None
    """The latest moment after an extension; None: none is allowed."""
    extension_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When an answer is due, and where that comes from."""

    due: datetime
    decided_by: Applies
    applies: tuple[Applies, ...]
    """All regions that count, the strictest first."""

    @property
    def extended(self) -> datetime | None:
        """The latest moment that every region's law allows; None if one of them allows none."""
        latest = [one.extended for one in self.applies]
        allowed = [moment for moment in latest if moment is not None]
        return min(allowed) if len(allowed) == len(latest) else None


def deadline(
    kind: RequestKind,
    received: datetime,
    *,
    account: Region,
    home: Region,
    profiles: Mapping[Region, RegionProfile],
) -> Deadline:
    """Return by when a request must be answered.

    Args:
        kind: what is asked.
        received: when it came in; the time to show who asks counts too (11 CCR 7021(b)).
        account: the region of the person's account.
        home: the region in which the data lies.
        profiles: the regions of the policy pack in force.
    """
    why = {home: "the data lies there"}
    why[account] = "it is the account's region"
    if Region.OTHER in why:
        reason = "no law is known for the account's region, so the strictest counts"
        if account is not Region.OTHER:
            reason = "no law is known where the data lies, so the strictest counts"
        why = {**dict.fromkeys(KNOWN, reason), **why}
    found = [_applies(region, kind, received, why[region], profiles) for region in why]
    found.sort(key=lambda one: one.due)
    return Deadline(due=found[0].due, decided_by=found[0], applies=tuple(found))


def add(span: Span, received: datetime, *, offset: timedelta = timedelta(0)) -> datetime:
    """Return the moment `span` after `received`, counted on a clock `offset` from UTC.

    A month ends on the same date and time; where the last month lacks that date, on its last day
    (Regulation (EEC, Euratom) No 1182/71, Art. 3(2)(c), but to the hour, not to the day's end).
    """
    local = received.astimezone(timezone(offset))
    month = local.month - 1 + span.months
    year, month = local.year + month // 12, month % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    moved = local.replace(year=year, month=month, day=day) + timedelta(days=span.days)
    return moved.astimezone(received.tzinfo)


def _law_end(span: Span, received: datetime) -> datetime:
    if not span.months:
        return add(span, received)
    return min(add(span, received, offset=offset) for offset in (timedelta(0), *EU_OFFSETS))


def _applies(
    region: Region,
    kind: RequestKind,
    received: datetime,
    why: str,
    profiles: Mapping[Region, RegionProfile],
) -> Applies:
    law = LAWS.get(region, PIPL)
    if region is Region.US and kind is RequestKind.DO_NOT_SELL:
        law = CCPA_SALE
    wanted: list[tuple[datetime, str]] = []
    if law.answer is not None:
        wanted.append((_law_end(law.answer, received), law.source))
    wanted += [
        (add(Span(days=days), received), f"the policy in force ({days} days)")
        for days in _pack_days(region, kind, profiles)
    ]
    if not wanted:  # a law without a number, and a pack that is silent: as strict as any here
        wanted.append((add(Span(days=15), received), "no rule is known: 15 days"))
    due, source = min(wanted, key=lambda one: one[0])
    extended = None if law.extended is None else _law_end(law.extended, received)
    return Applies(
        region=region,
        why=why,
        due=due,
        source=source,
        extended=extended,
        extension_source=law.extension_source,
    )


def _pack_days(
    region: Region, kind: RequestKind, profiles: Mapping[Region, RegionProfile]
) -> list[int]:
    profile = profiles.get(region)
    if profile is None:
        return []
    names = ["rights_request", *(["erasure"] if kind is RequestKind.ERASURE else [])]
    return [profile.deadlines_days[name] for name in names if name in profile.deadlines_days]
