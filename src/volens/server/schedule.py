"""What is due when: pure, from what was done and what time it is. No sleeping, no doing.

A job that was missed is due at once. One that fails is tried again, each time after twice as long,
and never more often than that; it alarms, and holds no other up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

FIRST_RETRY: Final = timedelta(seconds=1)
LONGEST_RETRY: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often a job has to be done."""

    every: timedelta
    """From one time it was done to the next."""
    late_after: timedelta
    """So long after it was last done it is late: an alarm."""

    def __post_init__(self) -> None:
        assert timedelta(0) < self.every <= self.late_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is."""

    since: datetime
    """When it was last done, or from when on it is counted."""
    done: datetime | None = None
    """When it was last done by this process."""
    tried: datetime | None = None
    failures: int = 0
    """How often it failed since it was last done."""
    trouble: str = ""
    """The code of the last failure."""
    alarm: str = ""
    """What the last time it was done found wrong; empty if nothing."""
    again: datetime | None = None
    """Before its rhythm, if what it found should be looked at again sooner."""


def retry_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row (1 and more)."""
    doublings = min(failures - 1, _MOST_DOUBLINGS)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def next_time(rhythm: Rhythm, progress: Progress) -> datetime:
    """Return when a job is due next; a moment in the past means at once."""
    if progress.failures and progress.tried is not None:
        return progress.tried + retry_after(progress.failures)
    regular = progress.since + rhythm.every
    return regular if progress.again is None else min(regular, progress.again)


def is_due(rhythm: Rhythm, progress: Progress, at: datetime) -> bool:
    """Say whether a job has to be done at `at`.

    A clock that was set back by more than the rhythm does not put it off: it is done then.
    """
    last = progress.tried if progress.failures else progress.since
    set_back = last is not None and at + rhythm.every < last
    return at >= next_time(rhythm, progress) or set_back


def is_late(rhythm: Rhythm, progress: Progress, at: datetime) -> bool:
    """Say whether a job was not done for so long that somebody has to look."""
    return at >= progress.since + rhythm.late_after


def succeeded(
    progress: Progress, at: datetime, *, alarm: str = "", again: timedelta | None = None
) -> Progress:
    """Return the progress after it was done at `at`.

    Args:
        progress: before.
        at: when it began.
        alarm: what it found wrong.
        again: after how long to look again, if sooner than its rhythm.
    """
    return replace(
        progress,
        since=at,
        done=at,
        tried=at,
        failures=0,
        trouble="",
        alarm=alarm,
        again=None if again is None else at + again,
    )


def failed(progress: Progress, at: datetime, code: str) -> Progress:
    """Return the progress after it failed at `at` with an error of that code."""
    return replace(progress, tried=at, failures=progress.failures + 1, trouble=code)
