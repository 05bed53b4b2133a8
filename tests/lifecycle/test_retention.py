"""Runs by themselves, catch up, keep to their times, and say what is late."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lifecycle.hands import World, chat_id
from tests.lifecycle.test_trusted_time import Logged
from tests.support.ports import SeededEntropy, SteppedClock
from volens.core.ids import SubjectId
from volens.holds.erasure import Erasure, ErasureState, new_erasure
from volens.lifecycle.forecast import Forecast, Tally, forecast
from volens.lifecycle.retention import Retention, RetentionRun
from volens.lifecycle.schedule import Schedule, overdue
from volens.lifecycle.trusted_time import METADATA, Pause, TrustedClock
from volens.log.kinds import EntryKind, ErasureCause, ErasureScope
from volens.log.recorder import Recorder
from volens.policy.retention import LONGEST, Days, RetentionClass
from volens.storage.engine import create_tables, open_database

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACTIVE = RetentionClass.ACTIVE_CONVERSATIONS
DELETED = RetentionClass.DELETED_CHATS
CLOSED = RetentionClass.CLOSED_ACCOUNTS
KEEP_30: dict[str, Days] = {"acme": {ACTIVE: 30}}


class Place:
    """A home of in-memory hands, and the real clock, schedule and log entries."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.world.epochs.append(T0)
        self.log = Logged()
        self.engine = open_database(folder / "main.db")
        create_tables(self.engine, METADATA)
        self.entropy = SeededEntropy()
        self.overlays: dict[str, Days] = {}
        self.witnessed: datetime | None = None

    def retention(self) -> Retention:
        recorder = Recorder(self.log, clock=SteppedClock(T0), entropy=self.entropy)
        return Retention(
            Schedule(pack=LONGEST, overlays=self.overlays),
            self.world.hands(),
            TrustedClock(self.engine, recorder, created=T0, witnessed=lambda: self.witnessed),
            recorder,
            entropy=self.entropy,
        )

    def forecast(self, at: datetime) -> Forecast:
        hands = self.world.hands()
        return forecast(
            Schedule(pack=LONGEST, overlays=self.overlays),
            hands.register,
            hands.requests,
            hands.holds.active(T0),
            now=T0,
            at=at,
        )

    def run(self, at: datetime) -> RetentionRun:
        self.world.now = at
        return self.retention().run(at)

    def daily(self, first: datetime, days: int) -> list[RetentionRun]:
        return [self.run(first + day * DAY) for day in range(days)]

    def ask(self, subject: SubjectId, at: datetime, *chats: int) -> Erasure:
        scope = ErasureScope.CONVERSATION if chats else ErasureScope.ACCOUNT
        made = new_erasure(
            self.entropy.draw(16), scope, subject, at, conversations=[chat_id(n) for n in chats]
        )
        self.world.journal.append(made)
        return made

    def state(self, erasure: Erasure) -> ErasureState:
        return self.world.erasures[erasure.id].state


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.engine.dispose()


class TestBorders:
    def test_keys_go_at_7_days_and_not_a_moment_before(self, place: Place) -> None:
        asked = place.ask(place.world.person(1, T0), T0, 1_000)
        place.daily(T0, 7)
        assert place.run(T0 + 7 * DAY - TICK).erased == 0
        assert place.state(asked) is ErasureState.ACCESS_ENDED
        assert place.run(T0 + 7 * DAY).erased == 1
        assert place.state(asked) is ErasureState.KEYS_REMOVED

    @pytest.mark.parametrize("phase", [timedelta(), TICK, 12 * HOUR, DAY - TICK])
    def test_with_daily_runs_all_is_irrecoverable_before_30_days(
        self, place: Place, phase: timedelta
    ) -> None:
        """However the request lies between two runs, and whenever the epoch began."""
        place.world.person(0, *[T0] * 60)
        people = [place.world.person(n, T0) for n in range(1, 41)]
        place.run(T0)
        for day in range(1, 80):
            if day <= len(people):
                place.ask(people[day - 1], T0 + day * DAY - phase)
            run = place.run(T0 + day * DAY)
            assert not run.overdue
        done = [one for one in place.world.erasures.values() if one.irrecoverable]
        assert len(done) == len(people)
        for one in done:
            assert one.irrecoverable is not None
            assert one.irrecoverable < one.requested + 30 * DAY

    def test_a_chat_of_an_organisation_goes_at_its_30_days(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, organisation="acme")
        place.world.person(2, T0)
        place.daily(T0, 30)
        assert place.run(T0 + 30 * DAY - TICK).scheduled == 0
        run = place.run(T0 + 30 * DAY)
        assert (run.scheduled, run.erased) == (1, 1)
        assert place.world.gone == {chat_id(1_000): T0 + 30 * DAY}
        (made,) = place.world.erasures.values()
        assert made.cause is ErasureCause.SCHEDULE
        assert made.promised_by == T0 + 60 * DAY

    def test_many_chats_of_one_person_are_asked_for_in_parts(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, *[T0 - 40 * DAY] * 250, organisation="acme")
        run = place.run(T0)
        assert (run.scheduled, run.erased) == (3, 3)
        assert len(place.world.gone) == 250
        assert place.run(T0).scheduled == 0

    def test_a_chat_past_its_time_goes_though_its_person_may_still_take_the_request_back(
        self, place: Place
    ) -> None:
        place.overlays = KEEP_30
        person = place.world.person(1, T0 - 28 * DAY, organisation="acme")
        asked = place.ask(person, T0, 1_000)
        place.daily(T0, 2)
        assert not place.world.gone
        place.run(T0 + 2 * DAY)
        assert place.world.gone == {chat_id(1_000): T0 + 2 * DAY}
        assert place.state(asked) is ErasureState.ACCESS_ENDED
        place.daily(T0 + 3 * DAY, 5)
        assert place.state(asked) is ErasureState.KEYS_REMOVED

    def test_a_closed_account_goes_after_its_cool_off(self, place: Place) -> None:
        name = place.world.person(1, T0)
        place.world.people[name].closed = True
        assert place.run(T0).scheduled == 1
        assert [run.scheduled for run in place.daily(T0 + DAY, 6)] == [0] * 6
        assert name in place.world.people
        place.run(T0 + 7 * DAY)
        assert name not in place.world.people

    def test_late_is_told_at_30_days_and_not_a_moment_before(self, place: Place) -> None:
        asked = place.ask(place.world.person(1, T0), T0, 1_000)
        place.world.hands().requests.drain()
        owed = place.world.hands().promises.owed()
        assert overdue(owed, T0 + 30 * DAY - TICK) == ()
        (late,) = overdue(owed, T0 + 30 * DAY)
        assert (late.id, late.promised_by) == (asked.id, T0 + 30 * DAY)


class TestCatchingUp:
    def test_one_run_does_what_many_missed(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, T0 + 20 * DAY, organisation="acme")
        asked = place.ask(place.world.person(2, T0), T0)
        place.witnessed = T0 + 45 * DAY
        run = place.run(T0 + 45 * DAY)
        assert (run.taken_in, run.scheduled, run.erased) == (1, 1, 2)
        assert [one.id for one in run.overdue] == [asked.id]
        assert run.alarms

    def test_a_stop_anywhere_loses_nothing(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0 - 40 * DAY, organisation="acme")
        for name in ("erase", "drain"):
            place.world.fail_in = name
            with pytest.raises(OSError, match=name):
                place.run(T0)
            assert not place.world.gone
        place.world.fail_in = ""
        assert place.run(T0).erased == 1
        assert place.run(T0).erased == 0

    def test_each_run_is_logged_with_its_counts(self, place: Place) -> None:
        place.ask(place.world.person(1, T0), T0)
        place.daily(T0, 8)
        runs = [one for one in place.log.entries if one.kind is EntryKind.RETENTION_RUN]
        assert len(runs) == 8
        assert runs[-1].fields == {"due": 1, "erased": 1, "held": 0, "overdue": 0}


class TestClock:
    def test_a_leap_destroys_nothing_yet_requests_are_taken_in(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, organisation="acme")
        person = place.world.person(2, T0)
        place.world.hold(1, person, chat_id(2_000), until=T0 + DAY)
        place.run(T0)
        place.ask(person, T0)
        run = place.run(T0 + 400 * DAY)
        assert (run.paused, run.until, run.taken_in) == (Pause.LEAP, None, 1)
        assert (run.scheduled, run.erased, run.rotated, run.destroyed) == (0, 0, (), 0)
        assert run.alarms
        assert not run.overdue  # nothing is called late by a clock that leapt
        assert not place.world.settled
        assert not place.world.gone
        kinds = [one.kind for one in place.log.entries]
        assert kinds[-2:] == [EntryKind.CLOCK_PAUSED, EntryKind.RETENTION_RUN]

    def test_what_a_leap_would_have_erased_stays_when_the_clock_is_right_again(
        self, place: Place
    ) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, organisation="acme")
        place.run(T0)
        place.run(T0 + 400 * DAY)
        run = place.run(T0 + DAY)
        assert (run.paused, run.erased) == (None, 0)
        assert not place.world.gone

    def test_a_pause_still_tells_what_was_late_before(self, place: Place) -> None:
        asked = place.ask(place.world.person(1, T0), T0 - 31 * DAY)
        place.world.erasures[asked.id] = asked
        assert place.run(T0 + 40 * DAY).overdue


class TestHolds:
    def test_what_is_held_stays_and_goes_by_itself_when_the_hold_ends(self, place: Place) -> None:
        person = place.world.person(1, T0)
        place.world.hold(1, person, chat_id(1_000), until=T0 + 50 * DAY)
        asked = place.ask(person, T0)
        for run in place.daily(T0, 50):
            assert not run.overdue
            assert not run.alarms
        assert place.state(asked) is ErasureState.HELD
        assert place.run(T0 + 50 * DAY - TICK).held == 1
        run = place.run(T0 + 50 * DAY)
        assert (run.erased, run.held) == (1, 0)
        for run in place.daily(T0 + 51 * DAY, 30):
            assert not run.overdue  # what was held has its own time from then on
        assert place.state(asked) is ErasureState.IRRECOVERABLE

    def test_the_schedule_ends_access_to_what_a_hold_keeps(self, place: Place) -> None:
        place.overlays = KEEP_30
        person = place.world.person(1, T0 - 30 * DAY, organisation="acme")
        place.world.hold(1, person, chat_id(1_000), until=T0 + 9 * DAY)
        run = place.run(T0)
        assert (run.scheduled, run.erased, run.held) == (1, 0, 1)
        ended = place.world.hands().requests.ended()
        assert len(ended.conversations) == 1
        assert chat_id(1_000) in place.world.people[person].chats


class TestForecast:
    def tallies(self, place: Place, days: int) -> list[Tally]:
        return place.forecast(T0 + days * DAY).tallies()

    def test_it_tells_by_class_and_organisation_with_held_ones_apart(self, place: Place) -> None:
        place.overlays = {"acme": {ACTIVE: 30}, "zeta": {ACTIVE: 60}}
        place.world.person(1, T0, T0, T0 + DAY, organisation="acme")
        place.world.person(2, T0, organisation="zeta")
        place.ask(place.world.person(3, T0, T0), T0)
        held = place.world.person(4, T0 - 10 * DAY, organisation="acme")
        place.world.hold(1, held, chat_id(4_000), until=T0 + 90 * DAY)
        found = {
            (one.retention_class, one.organisation): (
                one.erasures,
                one.chats,
                one.held,
                one.held_chats,
            )
            for one in self.tallies(place, 30)
        }
        assert found == {(ACTIVE, "acme"): (2, 2, 1, 1), (CLOSED, None): (1, 2, 0, 0)}

    def test_each_day_has_its_count(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, T0, T0 + DAY, organisation="acme")
        days = place.forecast(T0 + 31 * DAY).by_day()
        assert days == {(T0 + 30 * DAY).date(): 2, (T0 + 31 * DAY).date(): 1}

    def test_the_border_of_a_forecast_is_the_moment_itself(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, organisation="acme")
        assert not place.forecast(T0 + 30 * DAY - TICK).going
        assert len(place.forecast(T0 + 30 * DAY).going) == 1

    def test_what_a_hold_lets_go_by_then_is_told_on_the_day_it_does(self, place: Place) -> None:
        place.overlays = KEEP_30
        person = place.world.person(1, T0 - 20 * DAY, organisation="acme")
        place.world.hold(1, person, chat_id(1_000), until=T0 + 15 * DAY)
        (going,) = place.forecast(T0 + 20 * DAY).going
        assert (going.when, going.held) == (T0 + 15 * DAY, False)
        (going,) = place.forecast(T0 + 12 * DAY).going
        assert going.held

    def test_a_closed_account_is_told_with_its_cool_off(self, place: Place) -> None:
        name = place.world.person(1, T0, T0)
        place.world.people[name].closed = True
        assert not self.tallies(place, 6)
        (one,) = self.tallies(place, 7)
        assert (one.retention_class, one.chats, one.first) == (CLOSED, 2, T0 + 7 * DAY)

    def test_looking_ahead_changes_nothing(self, place: Place) -> None:
        place.overlays = KEEP_30
        place.world.person(1, T0, organisation="acme")
        place.forecast(T0 + 90 * DAY)
        assert not place.world.erasures
        assert not place.world.journal
        assert not place.log.entries


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    readings=st.lists(st.integers(-100, 3_000), max_size=25),
    chats=st.lists(st.integers(0, 60), min_size=1, max_size=6),
)
def test_no_unconfirmed_readings_destroy_what_is_not_due(
    tmp_path_factory: pytest.TempPathFactory, readings: list[int], chats: list[int]
) -> None:
    """The reference: the furthest that steps of at most 36 hours could have carried the clock."""
    place = Place(tmp_path_factory.mktemp("clock"))
    place.overlays = KEEP_30
    place.world.person(1, *(T0 - day * HOUR for day in chats), organisation="acme")
    asked = place.ask(place.world.person(2, T0), T0, 2_000)
    reach = T0
    for hours in readings:
        at = T0 + hours * HOUR
        if at <= reach + 36 * HOUR:
            reach = max(reach, at)
        place.run(at)
        for chat, moment in place.world.gone.items():
            own = asked.cool_off_ends if chat == chat_id(2_000) else T0 - 60 * HOUR + 30 * DAY
            assert own <= moment <= reach
    place.engine.dispose()
