"""Nothing is destroyed by a clock that nobody vouches for; a clock that is right catches up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ports import SeededEntropy, SteppedClock
from volens.core.errors import Denied
from volens.lifecycle.trusted_time import (
    LEAP,
    METADATA,
    STRETCH,
    WOBBLE,
    ClockState,
    Pause,
    TrustedClock,
    confirm,
    judge,
    request_moment,
)
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind, TimeSource
from volens.log.recorder import Recorder
from volens.storage.engine import create_tables, open_database

T0 = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SEEN = ClockState(seen=T0)


class TestBorders:
    def test_a_reading_36_hours_ahead_counts_and_one_a_moment_later_does_not(self) -> None:
        assert judge(SEEN, T0 + LEAP, witnessed=None).until == T0 + LEAP
        found = judge(SEEN, T0 + LEAP + TICK, witnessed=None)
        assert (found.until, found.paused) == (None, Pause.LEAP)

    def test_a_clock_set_back_5_minutes_counts_and_a_moment_more_does_not(self) -> None:
        assert judge(SEEN, T0 - WOBBLE, witnessed=None).until == T0 - WOBBLE
        found = judge(SEEN, T0 - WOBBLE - TICK, witnessed=None)
        assert (found.until, found.paused) == (None, Pause.BACKWARDS)

    def test_small_steps_back_never_add_up(self) -> None:
        state = judge(SEEN, T0 - WOBBLE, witnessed=None).state
        assert judge(state, T0 - WOBBLE - TICK, witnessed=None).paused is Pause.BACKWARDS

    def test_a_witness_within_36_hours_of_a_leap_confirms_it(self) -> None:
        local = T0 + 40 * DAY
        assert judge(SEEN, local, witnessed=local - LEAP).until == local
        assert judge(SEEN, local, witnessed=local - LEAP - TICK).paused is Pause.LEAP

    def test_a_witness_more_than_36_hours_ahead_is_not_believed(self) -> None:
        found = judge(SEEN, T0, witnessed=T0 + LEAP)
        assert (found.state.trusted, found.witness_ahead) == (T0 + LEAP, False)
        found = judge(SEEN, T0, witnessed=T0 + LEAP + TICK)
        assert (found.state.trusted, found.witness_ahead) == (None, True)
        assert found.until == T0

    def test_a_witness_that_is_silent_for_14_days_pauses(self) -> None:
        state = ClockState(seen=T0 + STRETCH - HOUR, trusted=T0, source=TimeSource.WITNESS)
        assert judge(state, T0 + STRETCH, witnessed=T0).until == T0 + STRETCH
        found = judge(state, T0 + STRETCH + TICK, witnessed=T0)
        assert (found.until, found.paused) == (None, Pause.UNCONFIRMED)

    def test_a_home_without_a_witness_runs_by_itself(self) -> None:
        state = SEEN
        for day in range(1, 400):
            found = judge(state, T0 + day * DAY, witnessed=None)
            assert found.until == T0 + day * DAY
            state = found.state

    def test_an_officer_may_differ_from_the_clock_by_36_hours_and_no_more(self) -> None:
        for stated in (T0 + LEAP, T0 - LEAP):
            assert confirm(T0, stated=stated).trusted == stated
        for stated in (T0 + LEAP + TICK, T0 - LEAP - TICK):
            with pytest.raises(Denied, match="2026-03-01"):
                confirm(T0, stated=stated)


class TestPauses:
    def test_a_leap_never_confirmed_destroys_nothing_however_often_it_is_read(self) -> None:
        state = SEEN
        for day in range(100):
            found = judge(state, T0 + 400 * DAY + day * DAY, witnessed=None)
            assert (found.until, found.paused) == (None, Pause.LEAP)
            state = found.state
        assert state.paused_at == T0 + 400 * DAY

    def test_a_clock_that_is_right_again_goes_on_where_it_was(self) -> None:
        state = judge(SEEN, T0 + 400 * DAY, witnessed=None).state
        found = judge(state, T0 + HOUR, witnessed=None)
        assert (found.until, found.paused) == (T0 + HOUR, None)
        assert found.state.paused_at is None

    def test_real_downtime_catches_up_once_an_officer_confirms(self) -> None:
        back = T0 + 60 * DAY
        assert judge(SEEN, back, witnessed=None).until is None
        state = confirm(back, stated=back)
        assert judge(state, back + HOUR, witnessed=None).until == back + HOUR

    def test_an_officer_sets_right_what_was_wrongly_believed(self) -> None:
        wrong = ClockState(seen=T0 + 400 * DAY, trusted=T0 + 400 * DAY, source=TimeSource.OFFICER)
        assert judge(wrong, T0, witnessed=None).paused is Pause.BACKWARDS
        assert judge(confirm(T0, stated=T0), T0 + HOUR, witnessed=None).until == T0 + HOUR

    def test_a_request_under_a_clock_set_back_keeps_its_whole_cool_off(self) -> None:
        assert request_moment(SEEN, T0 - 400 * DAY) == T0
        assert request_moment(SEEN, T0 + DAY) == T0 + DAY


READINGS = st.lists(st.integers(-1_000, 20_000).map(lambda hours: T0 + hours * HOUR), max_size=40)


@given(READINGS)
def test_no_reading_counts_that_leaps_past_all_that_counted(readings: list[datetime]) -> None:
    """The reference: the furthest that 36-hour steps over the readings so far can reach."""
    state, reach = SEEN, T0
    for local in readings:
        if local <= reach + LEAP:
            reach = max(reach, local)
        found = judge(state, local, witnessed=None)
        state = found.state
        if found.until is not None:
            assert found.until <= reach
            assert found.until == local


@given(READINGS, st.integers(0, 2_000))
def test_with_a_witness_that_stands_still_no_readings_carry_far(
    readings: list[datetime], hours: int
) -> None:
    last = T0 + hours * HOUR
    state = ClockState(seen=T0)
    for local in readings:
        found = judge(state, local, witnessed=last)
        state = found.state
        if found.until is not None:
            assert found.until <= max(T0, last) + STRETCH


@given(READINGS, st.lists(st.integers(-1_000, 20_000), min_size=40, max_size=40))
def test_nothing_ever_moves_past_the_clocks_own_reading(
    readings: list[datetime], witnesses: list[int]
) -> None:
    state = SEEN
    for local, hours in zip(readings, witnesses, strict=False):
        found = judge(state, local, witnessed=T0 + hours * HOUR)
        state = found.state
        assert found.until in {None, local}
        assert (found.until is None) == (found.paused is not None)
        assert state.seen <= max(T0, *readings)


class Logged:
    """A log in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def append(self, entries: list[bytes]) -> range:
        first = len(self.entries)
        self.entries += [parse_entry(data) for data in entries]
        return range(first, len(self.entries))


class Place:
    """A clock's home, with a witness that says what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.log = Logged()
        self.witnessed: datetime | None = None
        self.engine = open_database(folder / "main.db")
        create_tables(self.engine, METADATA)

    def clock(self) -> TrustedClock:
        recorder = Recorder(self.log, clock=SteppedClock(T0), entropy=SeededEntropy())
        return TrustedClock(self.engine, recorder, created=T0, witnessed=lambda: self.witnessed)

    def said(self) -> list[tuple[EntryKind, object]]:
        return [
            (one.kind, one.fields.get("last") or (one.fields["source"], one.fields["time"]))
            for one in self.log.entries
        ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.engine.dispose()


def test_what_was_seen_outlives_the_process(place: Place) -> None:
    place.clock().read(T0 + DAY)
    assert place.clock().state().seen == T0 + DAY
    assert place.clock().look(T0 + DAY + LEAP).until == T0 + DAY + LEAP
    assert place.clock().state().seen == T0 + DAY  # looking remembers nothing
    assert not place.log.entries


def test_a_pause_is_logged_once_and_ends_with_a_later_cosignature(place: Place) -> None:
    leapt = T0 + 30 * DAY
    for hours in range(3):
        assert place.clock().read(leapt + hours * HOUR).paused is Pause.LEAP
    assert place.clock().state().paused_at == leapt
    place.witnessed = leapt + HOUR
    assert place.clock().read(leapt + 3 * HOUR).until == leapt + 3 * HOUR
    place.clock().read(leapt + 4 * HOUR)
    assert place.said() == [
        (EntryKind.CLOCK_PAUSED, T0),
        (EntryKind.CLOCK_CONFIRMED, (TimeSource.WITNESS, leapt + HOUR)),
    ]


def test_a_witness_that_keeps_signing_is_not_news(place: Place) -> None:
    for day in range(1, 30):
        place.witnessed = T0 + day * DAY
        assert place.clock().read(T0 + day * DAY + HOUR).paused is None
    assert not place.log.entries


def test_an_officers_word_is_logged_and_remembered(place: Place) -> None:
    place.clock().read(T0 + 30 * DAY)
    stated = T0 + 30 * DAY + HOUR
    place.clock().confirm(T0 + 30 * DAY, stated=stated)
    assert place.clock().read(T0 + 30 * DAY + HOUR).until == T0 + 30 * DAY + HOUR
    assert place.said()[1:] == [(EntryKind.CLOCK_CONFIRMED, (TimeSource.OFFICER, stated))]
    with pytest.raises(Denied):
        place.clock().confirm(T0, stated=T0 + 30 * DAY)
    assert place.clock().state().trusted == stated


def test_a_home_that_lost_its_row_pauses_instead_of_starting_afresh(place: Place) -> None:
    assert place.clock().read(T0 + LEAP).paused is None
    assert Place.clock(place).state().seen == T0 + LEAP
    with place.engine.begin() as db:
        db.exec_driver_sql("DELETE FROM clock")
    assert place.clock().read(T0 + 2 * LEAP).paused is Pause.LEAP
