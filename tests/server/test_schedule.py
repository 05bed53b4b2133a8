"""What is due when is told from what was done and what time it is, to the moment."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from volens.server.schedule import (
    FIRST_RETRY,
    LONGEST_RETRY,
    Progress,
    Rhythm,
    failed,
    is_due,
    is_late,
    next_time,
    retry_after,
    succeeded,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
DAILY = Rhythm(every=DAY, late_after=timedelta(hours=36))


def test_a_job_is_due_at_its_border_and_not_a_moment_before() -> None:
    progress = Progress(since=START)
    assert not is_due(DAILY, progress, START + DAY - TICK)
    assert is_due(DAILY, progress, START + DAY)


def test_what_was_missed_is_due_at_once_and_only_once() -> None:
    progress = Progress(since=START)
    now = START + 10 * DAY
    assert is_due(DAILY, progress, now)
    assert not is_due(DAILY, succeeded(progress, now), now + DAY - TICK)


def test_a_job_is_late_from_its_border_on() -> None:
    progress = Progress(since=START)
    assert not is_late(DAILY, progress, START + DAILY.late_after - TICK)
    assert is_late(DAILY, progress, START + DAILY.late_after)


def test_a_failed_job_is_tried_again_after_twice_as_long_each_time() -> None:
    progress = Progress(since=START)
    now = START + DAY
    waits = []
    for _ in range(4):
        progress = failed(progress, now, "storage")
        after = next_time(DAILY, progress)
        assert not is_due(DAILY, progress, after - TICK)
        waits.append(after - now)
        now = after
    assert waits == [FIRST_RETRY * 2**times for times in range(4)]
    assert (progress.failures, progress.trouble) == (4, "storage")


def test_a_job_that_failed_is_not_counted_as_done_and_gets_late() -> None:
    progress = failed(Progress(since=START), START + DAY, "storage")
    assert is_late(DAILY, progress, START + DAILY.late_after)
    assert not is_late(DAILY, succeeded(progress, START + DAY), START + DAILY.late_after)


def test_what_alarms_is_looked_at_again_before_its_rhythm() -> None:
    hour = timedelta(hours=1)
    progress = succeeded(Progress(since=START), START, alarm="clock_paused", again=hour)
    assert not is_due(DAILY, progress, START + hour - TICK)
    assert is_due(DAILY, progress, START + hour)


def test_a_clock_that_is_set_back_does_not_put_a_job_off() -> None:
    progress = Progress(since=START)
    assert not is_due(DAILY, progress, START - DAY)
    assert is_due(DAILY, progress, START - DAY - TICK)


@given(st.integers(min_value=1, max_value=10**6))
def test_waiting_never_ends_and_never_passes_its_longest(failures: int) -> None:
    assert FIRST_RETRY <= retry_after(failures) <= LONGEST_RETRY
    assert retry_after(failures) <= retry_after(failures + 1)
