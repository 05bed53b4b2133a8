"""Holds of an opened home: how long one may last, and what goes when one ends."""

from __future__ import annotations

from datetime import datetime

from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import clock_of
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.holds.model import Hold
from volens.lifecycle.erasing import RunResult
from volens.log.kinds import HoldClass


def check_span(home: Home, hold: Hold) -> None:
    """Pass if a hold lasts no longer than the times in force allow (R35).

    Args:
        home: the home.
        hold: as `HoldStore.prepare` or `extend_hold` returns it: with the day it counts from.

    Raises:
        InvalidInput: ``hold_too_long`` for a safety hold past the days of its organisation.
    """
    if hold.hold_class is not HoldClass.SAFETY:
        return
    organisation = home.subjects.find(hold.subject).organisation
    most = home.schedule.longest_hold(organisation)
    if hold.until - hold.first_day > most:
        hint = f"at most until {format_moment(hold.first_day + most)}"
        message = f"a safety hold ends within {most.days:,} days here"
        raise InvalidInput("hold_too_long", message, hint=hint)


def erase_freed(home: Home, now: datetime) -> RunResult | None:
    """Erase what is due, with what holds that are over no longer keep.

    Returns:
        What was done; None if destruction is paused: the first run after the pause does it.

    Raises:
        Unavailable: as `Eraser.run`; the next run does the rest.
    """
    judged = clock_of(home).look(now)
    if judged.until is None:
        return None
    freed = home.holds.freed()
    done = eraser_of(home).run(judged.until)
    home.holds.settle(freed, judged.until)
    return done
