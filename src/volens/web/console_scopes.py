"""Research and rating: what their roles may see, asked of the gate, and what does not exist yet.

Research sees aggregates that carry a privacy guarantee; there is no such mechanism, so the gate
denies, and this page says so instead of showing counts that look like one. A rater opens one
record at a time, each of which its person granted for `human_feedback`, under a lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.safety import safety_of
from volens.core.ids import ConversationId
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.web.console_frame import StaffPage, Visit
from volens.web.console_turns import lease_number, look_values

_RESEARCH: Final = frozenset({Role.RESEARCH})
_RATERS: Final = frozenset({Role.RATER})
_PATH: Final = "/staff/rating"
_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """What the gate says to research."""

    permitted: int
    reasons: tuple[str, ...]
    mechanism: str


def aggregates(home: Home) -> Aggregates:
    """Return what the gate says; no count is told that could tell of anybody."""
    info = home.policy.pack.purposes.get(Purpose.AGGREGATED_RESEARCH)
    permitted, left_out = home.gate.preview(Use(purpose=Purpose.AGGREGATED_RESEARCH.value))
    return Aggregates(
        permitted=permitted,
        reasons=tuple(sorted(reason.value for reason in left_out)),
        mechanism="" if info is None else info.mechanism,
    )


async def _aggregates(visit: Visit) -> Response:
    found = await visit.run(aggregates)
    return visit.page("aggregates", {"found": found}, here="aggregates")


def _records(home: Home, visit: Visit) -> list[ConversationId]:
    """Return some of what was granted; choices and erasures that wait are taken in first."""
    home.ledger.drain()
    home.erasures.drain()
    return safety_of(home).rating.records(visit.principal, limit=_MOST)


async def _rating(visit: Visit) -> Response:
    records = await visit.run(lambda home: _records(home, visit))
    return visit.page("rating", {"records": records}, here="rating")


async def _look(visit: Visit) -> Response:
    """Show the record in the answer to the act: loading it again is another logged look."""
    name = visit.form.get("conversation", "")
    look = await visit.run(lambda home: safety_of(home).rating.look(visit.principal, name))
    values = look_values(look, visit.now, done=f"{_PATH}/done", over=f"{_PATH}/over")
    return visit.page("look", values, here="rating")


async def _look_away(visit: Visit) -> Response:
    number = lease_number(visit.form)
    await visit.run(lambda home: safety_of(home).cases.look_away(visit.principal, number))
    return visit.done(_PATH, "looked_away")


async def _over(visit: Visit) -> Response:
    return visit.page("look_over", {"back": _PATH}, here="rating")


PAGES: Final = (
    StaffPage(
        path="/aggregates", roles=_RESEARCH, handler=_aggregates, key="aggregates", group="people"
    ),
    StaffPage(path="/rating", roles=_RATERS, handler=_rating, key="rating", group="people"),
    StaffPage(path="/rating/look", roles=_RATERS, handler=_look, act=True),
    StaffPage(path="/rating/done", roles=_RATERS, handler=_look_away, act=True),
    StaffPage(path="/rating/over", roles=_RATERS, handler=_over),
)
