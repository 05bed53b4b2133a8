"""The clock by which data is destroyed: how it stands, and an officer's word for the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.retention import clock_of, forecast_of, late_in
from volens.core.errors import InvalidInput
from volens.lifecycle.trusted_time import Judgement
from volens.web.console_frame import StaffPage, Visit

_ROLES: Final = frozenset({Role.PRIVACY_OFFICER})
_PATH: Final = "/staff/clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the clock stands, and what waits for it."""

    now: datetime
    judged: Judgement
    late: int
    due_erasures: int
    """What the next run would destroy, as far as nothing holds it."""
    due_chats: int


def standing(home: Home) -> Standing:
    """Return it; nothing is changed."""
    now = home.clock.now()
    judged = clock_of(home).look(now)
    free = [one for one in forecast_of(home, now).going if not one.held]
    return Standing(
        now=now,
        judged=judged,
        late=len(late_in(home, judged)),
        due_erasures=len(free),
        due_chats=sum(one.chats for one in free),
    )


def stated_moment(text: str) -> datetime:
    """Read what a form says: a date and a time of day, in UTC.

    Raises:
        InvalidInput: ``time_form``.
    """
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - UTC, set below
    except ValueError:
        hint = "write it in UTC, like 2027-01-31T09:30"
        raise InvalidInput("time_form", f"not a moment: {text[:40]!r}", hint=hint) from None
    return moment.replace(tzinfo=UTC)


async def _show(visit: Visit) -> Response:
    found = await visit.run(standing)
    return visit.page("clock", {"found": found}, here="clock")


async def _confirm(visit: Visit) -> Response:
    stated = stated_moment(visit.form.get("time", ""))
    if visit.form.get("sure") != "yes":
        hint = "tick the box: what is due by then is destroyed for good"
        raise InvalidInput("not_confirmed", "nothing was confirmed", hint=hint)
    await visit.run(lambda home: clock_of(home).confirm(home.clock.now(), stated=stated))
    return visit.done(_PATH, "clock_confirmed")


PAGES: Final = (
    StaffPage(path="/clock", roles=_ROLES, handler=_show, key="clock", group="privacy"),
    StaffPage(path="/clock", roles=_ROLES, handler=_confirm, act=True, step_up=True),
)
