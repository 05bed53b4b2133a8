"""Retention: what goes when, and the run that lets it go. Nobody has to remember it (R36).

A run may be repeated and may come late: it does everything that is due by now, in one go. It never
goes by a clock that nobody vouches for (`trusted_time`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from volens.core.ports import Entropy
from volens.holds.erasure import new_erasure
from volens.holds.promises import Promise
from volens.lifecycle.hands import Hands
from volens.lifecycle.schedule import Schedule, overdue
from volens.lifecycle.trusted_time import Judgement, Pause, TrustedClock
from volens.lifecycle.wanted import Wanted, standing, wanted_by
from volens.log.kinds import EntryKind, ErasureCause
from volens.log.recorder import Recorder

EVERY = timedelta(days=1)
"""The longest time between two runs with which every promise is kept."""
_EARLY = timedelta(hours=12)
"""So much before its time an epoch ends: a daily run that comes minutes early is not a day late."""
_JOURNALED = 8
"""How many requests are journaled before they are taken in: each looks through the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRun:
    """What one run did."""

    at: datetime
    until: datetime | None
    """What was due by this moment is gone; None: destruction is paused."""
    paused: Pause | None
    witness_ahead: bool
    taken_in: int
    """Requests from the journal."""
    scheduled: int
    """Erasures that the schedule asked for."""
    due: int
    """What was to be erased, holds or no holds."""
    erased: int
    held: int
    rotated: tuple[str, ...] = ()
    destroyed: int = 0
    """Epochs whose keys are gone."""
    irrecoverable: int = 0
    overdue: tuple[Promise, ...] = ()
    """What was late when the run began, or is still."""

    @property
    def alarms(self) -> bool:
        """Say whether somebody has to look."""
        return bool(self.overdue or self.paused or self.witness_ahead)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of erasing, all steps together."""

    due: int
    erased: int


class Retention:
    """Runs the schedules of one home, as its owner."""

    def __init__(
        self,
        schedule: Schedule,
        hands: Hands,
        clock: TrustedClock,
        recorder: Recorder,
        *,
        entropy: Entropy,
    ) -> None:
        """Take what it works with; `schedule` holds the times in force now."""
        self._schedule = schedule
        self._register = hands.register
        self._requests = hands.requests
        self._promises = hands.promises
        self._erasing = hands.erasing
        self._holds = hands.holds
        self._rotation = hands.rotation
        self._clock = clock
        self._recorder = recorder
        self._entropy = entropy

    def run(self, at: datetime) -> RetentionRun:
        """Do everything that is due at `at`, the machine's present time.

        1. Take in requests: access ends, whatever the clock says. 2. Judge the clock; on a pause
        go to 8. 3. End holds whose time is over. 4. Ask for what the schedule wants gone. 5. Erase
        what is due. 6. End key epochs that wrapped removed keys, destroy those whose time has come.
        7. Mark what is irrecoverable by that. 8. Tell what is late. 9. Log the run.

        A stop after any step loses nothing: the next run finds the same due and does the rest.

        Raises:
            Unavailable: if a store, the log or the key service can't be had; run again.
        """
        steps = self.steps(at)
        while True:
            try:
                next(steps)
            except StopIteration as ended:
                run: RetentionRun = ended.value
                return run

    def steps(
        self, at: datetime, *, most: int | None = None
    ) -> Generator[None, None, RetentionRun]:
        """Do what `run` does in steps, so that others may act on the home between two of them.

        Args:
            at: the machine's present time.
            most: how many erasures one step does at most.

        Raises:
            Unavailable: as `run`.
        """
        taken_in = self._requests.drain()
        judged = self._clock.read(at)
        if judged.until is None:
            run = self._paused(at, judged, taken_in)
        else:
            run = yield from self._go(at, judged.until, judged, taken_in, most)
        self._recorder.record(
            EntryKind.RETENTION_RUN,
            {
                "due": run.due,
                "erased": run.erased,
                "held": run.held,
                "overdue": len(run.overdue),
            },
        )
        return run

    def _go(
        self, at: datetime, until: datetime, judged: Judgement, taken_in: int, most: int | None
    ) -> Generator[None, None, RetentionRun]:
        freed = self._holds.expire(until)
        yield
        wanted = list(  # all of it now: the tables change between two steps
            wanted_by(
                self._schedule,
                self._register,
                self._requests.ended(),
                standing(self._requests, until),
                until,
            )
        )
        scheduled = yield from self._ask(wanted, until)
        # What is erased only now was late all the same, and is told.
        late = overdue(self._promises.owed(), at)
        done = yield from self._erase(until, most)
        self._holds.settle(freed, until)
        yield
        owed = self._promises.owed()
        removals = [one.keys_removed for one in owed if one.keys_removed]
        scopes = self._rotation.rotation_due(until + _EARLY, removals)
        for scope in scopes:
            self._rotation.rotate(scope)
            yield
        destroyed = len(self._rotation.destroy_expired())
        yield
        before = self._rotation.irrecoverable_before()
        known = before is not None and any(moment < before for moment in removals)
        return RetentionRun(
            at=at,
            until=until,
            paused=None,
            witness_ahead=judged.witness_ahead,
            taken_in=taken_in,
            scheduled=scheduled,
            due=done.due,
            erased=done.erased,
            held=len(self._requests.held()),
            rotated=tuple(scopes),
            destroyed=destroyed,
            irrecoverable=self._erasing.settle(until, before) if before and known else 0,
            overdue=tuple({one.id: one for one in (*late, *overdue(owed, at))}.values()),
        )

    def _paused(self, at: datetime, judged: Judgement, taken_in: int) -> RetentionRun:
        # By the last moment that counted: a clock that leapt would call everything late.
        seen = judged.state.seen
        held = len(self._requests.held())
        return RetentionRun(
            at=at,
            until=None,
            paused=judged.paused,
            witness_ahead=judged.witness_ahead,
            taken_in=taken_in,
            scheduled=0,
            due=len(self._requests.due(seen)) + held,
            erased=0,
            held=held,
            overdue=overdue(self._promises.owed(), seen),
        )

    def _erase(self, until: datetime, most: int | None) -> Generator[None, None, _Done]:
        """Erase, `most` in a step; each step looks anew what is due and what a hold keeps."""
        due = erased = 0
        while True:
            done = self._erasing.run(until) if most is None else self._erasing.run(until, most=most)
            due, erased = max(due, erased + done.due), erased + done.erased
            if most is None or done.erased < most:
                return _Done(due=due, erased=erased)
            yield

    def _ask(self, wanted: Iterable[Wanted], at: datetime) -> Generator[None, None, int]:
        count = 0
        for one in wanted:
            terms = self._schedule.terms(
                one.scope, ErasureCause.SCHEDULE, organisation=one.organisation
            )
            self._requests.request(
                new_erasure(
                    self._entropy.draw(16),
                    one.scope,
                    one.subject,
                    at,
                    cause=ErasureCause.SCHEDULE,
                    conversations=[chat.conversation for chat in one.chats],
                    cool_off=terms.cool_off,
                    promise=terms.promise,
                )
            )
            count += 1
            if count % _JOURNALED == 0:
                self._requests.drain()
                yield
        self._requests.drain()
        return count
