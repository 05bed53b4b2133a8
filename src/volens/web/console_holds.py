"""Holds, for who answers for them: what keeps data from being erased, on whose word, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.core.errors import InvalidInput
from volens.holds.model import REVIEW_EVERY, Hold
from volens.log.kinds import HoldClass
from volens.web.charts import Chart, Span, span_chart
from volens.web.console_frame import StaffPage, Visit
from volens.web.console_overview import left

_ROLES: Final = frozenset({Role.PRIVACY_OFFICER, Role.LEGAL_COUNSEL})
_PATH: Final = "/staff/holds"
_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLine:
    """One hold as it stands."""

    hold: Hold
    in_force: bool
    told: bool
    review_due: bool
    review_by: datetime | None
    chats: int
    turns: int
    """Named turns; 0 if it keeps whole conversations."""


def hold_lines(home: Home) -> tuple[HoldLine, ...]:
    """Return the holds, those in force first, the next to end before others."""
    now = home.clock.now()
    lines = [_line(hold, now) for hold in home.holds.all()]
    lines.sort(key=lambda one: (not one.in_force, one.hold.until))
    return tuple(lines[:_MOST])


def _line(hold: Hold, now: datetime) -> HoldLine:
    safety = hold.hold_class is HoldClass.SAFETY and hold.in_force(now)
    return HoldLine(
        hold=hold,
        in_force=hold.in_force(now),
        told=hold.told(now),
        review_due=hold.review_due(now),
        review_by=(hold.reviewed or hold.placed) + REVIEW_EVERY if safety else None,
        chats=len(hold.conversations),
        turns=sum(len(turns) for turns in hold.conversations.values()),
    )


def _chart(visit: Visit, lines: tuple[HoldLine, ...]) -> Chart:
    words = visit.words
    spans = [
        Span(
            name=f"{words(f'console.hold.class.{one.hold.hold_class.value}')}: "
            f"{one.hold.authority}",
            start=one.hold.placed,
            end=one.hold.until,
            said=left(words, one.hold.until, visit.now),
            style="bad" if one.review_due else "s1",
        )
        for one in lines
        if one.in_force
    ]
    columns = (words("console.hold"), words("console.hold.until"))
    return span_chart(words("console.hold.chart"), spans, visit.now, columns, words("console.now"))


async def _list(visit: Visit) -> Response:
    lines = await visit.run(hold_lines)
    return visit.page(
        "holds", {"lines": lines, "chart_of_holds": _chart(visit, lines)}, here="holds"
    )


async def _review(visit: Visit) -> Response:
    name, reviewer = visit.part("hold"), visit.form.get("reviewer", "").strip()
    if not reviewer:
        raise InvalidInput("hold_word", "no reviewer is named", hint="role and number, no name")
    await visit.run(lambda home: home.holds.review(name, reviewer, home.clock.now()))
    return visit.done(_PATH, "hold_reviewed")


PAGES: Final = (
    StaffPage(path="/holds", roles=_ROLES, handler=_list, key="holds", group="privacy"),
    StaffPage(path="/holds/{hold}/review", roles=_ROLES, handler=_review, act=True),
)
