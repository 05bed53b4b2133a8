"""A simulated year: daily runs over many people, with requests, second thoughts and holds.

Everything is real but the clock: capture, log, journal, ledger of erasures, eraser, holds, key
epochs and both databases. After each run the tables are compared with a model that knows only what
people did: nothing may be gone too early, nor there too late unless it is held.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from volens.app.creation import create_home
from volens.app.erasing import eraser_of
from volens.app.home import Home, open_home
from volens.app.retention import retention_of
from volens.bench.retention_world import SteppedClock, World
from volens.core.errors import VerificationFailed
from volens.holds.erasure import COOL_OFF, ErasureState
from volens.lifecycle.retention import RetentionRun

GOAL_SECONDS = 60.0
"""A year of 10^5 people, CPU time, is to take less."""
_START = datetime(2026, 1, 1, 3, tzinfo=UTC)
_DAY = timedelta(days=1)
_QUIET_DAYS = 150
"""Days at the end on which nobody asks for anything more: what is held comes free and goes."""
_WHOLE_EVERY = 7
"""Each so many days every row is compared, not only how many there are."""


def run(
    print_line: Callable[[str], None],
    *,
    subjects: int = 100_000,
    days: int = 365,
    chats: int = 30,
    requests: int = 12,
    holds: int = 1,
    cool_off: timedelta = COOL_OFF,
) -> dict[str, float]:
    """Live `days` days with so many chats, requests and holds on each; return the figures.

    Args:
        print_line: told each figure.
        subjects: how many people; every tenth ever does anything.
        days: how many daily runs.
        chats: how many come in each day.
        requests: how many people ask each day for something to go.
        holds: how many are placed each day.
        cool_off: what the model takes for one; another than the home's own must be found out.

    Raises:
        VerificationFailed: ``retention_wrong`` if anything was early or late.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "VOLENS_KEK_DIR": f"{folder}/keys"}
        clock = SteppedClock(_START)
        place = Path(folder) / "home"
        create_home(place, environment=environment, clock=clock)
        with open_home(place, writing=True, environment=environment, clock=clock) as home:
            world = World(home, clock, cool_off=cool_off)
            started = time.process_time()
            world.settle_in(subjects)
            settled = time.process_time()
            counts = _live(home, world, clock, days, (chats, requests, holds))
            figures = {
                "people": float(subjects),
                "days": float(days),
                **{name: float(count) for name, count in sorted(counts.items())},
                "adding_people_cpu_s": settled - started,
                "year_cpu_s": time.process_time() - settled,
            }
            _check_promises(home)
    for name, value in figures.items():
        print_line(f"{name:<28}{value:>14,.1f}")
    print_line(f"nothing early, nothing late; goal for the year: {GOAL_SECONDS:.0f} s of CPU")
    return figures


def _live(
    home: Home, world: World, clock: SteppedClock, days: int, each_day: tuple[int, int, int]
) -> Counter[str]:
    chats, requests, holds = each_day
    erasing = eraser_of(home)
    counts = Counter[str]()
    for day in range(days):
        busy = day < days - min(_QUIET_DAYS, days // 3)
        for part in range(3):
            clock.moment = _START + day * _DAY + timedelta(hours=7 * part + 1, minutes=day % 50)
            if busy:
                world.chat(chats // 3)
                world.ask(requests // 3)
                world.hold(holds if part == 1 else 0)
            world.think_again()
        clock.moment = _START + (day + 1) * _DAY
        # Built anew each day: a process that lives for a day only forgets what it did not write.
        done = retention_of(home, erasing).run(clock.moment)
        counts["chats_gone"] += world.model.settle(clock.moment)
        _add(counts, done)
        _check(world, done, day)
    counts["requests"] = world.asked
    counts["chats_left"] = len(world.model.chats)
    counts["chats_held_at_the_end"] = world.model.held(clock.moment)
    counts["people_left"] = world.model.people
    return counts


def _add(counts: Counter[str], done: RetentionRun) -> None:
    counts["runs"] += 1
    counts["erasures_scheduled"] += done.scheduled
    counts["erasures_done"] += done.erased
    counts["erasures_irrecoverable"] += done.irrecoverable
    counts["epochs_ended"] += len(done.rotated)
    counts["epochs_destroyed"] += done.destroyed
    counts["held_most"] = max(counts["held_most"], done.held)


def _check(world: World, done: RetentionRun, day: int) -> None:
    wrong = world.differences(whole=day % _WHOLE_EVERY == 0)
    if done.alarms:
        wrong.append(f"{len(done.overdue)} late, clock paused: {done.paused}")
    if wrong:
        raise VerificationFailed("retention_wrong", f"day {day}: {'; '.join(wrong)}")


def _check_promises(home: Home) -> None:
    """Look at each erasure's own moments: early and late as the ledger itself tells."""
    for one in home.erasures.all():
        if one.keys_removed is not None and one.keys_removed < one.cool_off_ends:
            raise VerificationFailed("retention_wrong", f"{one.id} was erased within its cool-off")
        if one.state is ErasureState.IRRECOVERABLE:
            assert one.irrecoverable is not None
            assert one.keys_removed is not None
            if one.irrecoverable >= one.owed_by:
                raise VerificationFailed("retention_wrong", f"{one.id} was irrecoverable late")
