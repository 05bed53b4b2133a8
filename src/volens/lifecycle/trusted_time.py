"""Trusted time: what may be destroyed goes by a clock that somebody else vouches for.

A machine's clock can be wrong or set. Destroying early can't be undone, so a reading counts only if
it follows on from the last one that counted, or if an authenticated source agrees: the newest
witness cosignature on the log's checkpoint (C2SP tlog-cosignature carries the moment), or an
officer. Nothing here ever moves time past the machine's own reading: both must be wrong.

What this can't see: a clock that runs a little fast from reading to reading, in a home whose log no
witness cosigns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, insert, select

from volens.core.errors import Denied
from volens.core.time import from_millis, to_millis
from volens.log.fields import Value
from volens.log.kinds import EntryKind, TimeSource
from volens.log.recorder import Recorder

LEAP: Final = timedelta(hours=36)
"""The furthest that a reading may be ahead of the last one, or of a confirmation, and count."""
WOBBLE: Final = timedelta(minutes=5)
"""How far a clock may be set back without a word, as time services do."""
STRETCH: Final = timedelta(days=14)
"""How far readings may run past the last confirmation, where a witness could confirm them."""

METADATA = MetaData()
_CLOCK = Table(
    "clock",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("seen_ms", Integer, nullable=False),
    Column("trusted_ms", Integer),
    Column("source", String),
    Column("paused", String),
    Column("paused_at_ms", Integer),
)


class Pause(StrEnum):
    """Why a reading does not count."""

    BACKWARDS = "backwards"
    """It is earlier than one that counted."""
    LEAP = "leap"
    """It is further ahead than `LEAP`: downtime, or a clock gone wrong."""
    UNCONFIRMED = "unconfirmed"
    """A witness is known and has said nothing for `STRETCH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What is remembered from one reading to the next."""

    seen: datetime
    """The last reading that counted."""
    trusted: datetime | None = None
    """The newest moment that somebody vouched for."""
    source: TimeSource | None = None
    """Who vouched for it."""
    paused: Pause | None = None
    paused_at: datetime | None = None
    """The reading that paused destruction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a reading comes to."""

    state: ClockState
    until: datetime | None
    """What is due by this moment may be destroyed; None: nothing may."""
    witness_ahead: bool = False
    """A witness's moment lies further ahead than `LEAP`: this clock is slow, or the witness wrong.
    It is not believed."""

    @property
    def paused(self) -> Pause | None:
        """Why nothing may be destroyed, or None."""
        return self.state.paused


def judge(state: ClockState, local: datetime, *, witnessed: datetime | None) -> Judgement:
    """Decide whether a reading of the machine's clock counts. Pure.

    Args:
        state: what is remembered.
        local: the reading.
        witnessed: the newest cosignature's moment; None if no witness is known.
    """
    ahead = witnessed is not None and witnessed > local + LEAP
    if witnessed is not None and not ahead and (not state.trusted or witnessed > state.trusted):
        state = replace(state, trusted=witnessed, source=TimeSource.WITNESS)
    pause = _pause(state, local, witness_known=witnessed is not None)
    if pause is None:
        # A step back within the wobble leaves what was seen where it is: no sum of small steps
        # back ever becomes a large one.
        seen = max(state.seen, local)
        state = replace(state, seen=seen, paused=None, paused_at=None)
        return Judgement(state=state, until=local, witness_ahead=ahead)
    since = state.paused_at if state.paused else local
    state = replace(state, paused=pause, paused_at=since)
    return Judgement(state=state, until=None, witness_ahead=ahead)


def confirm(local: datetime, *, stated: datetime) -> ClockState:
    """Return the state after an officer stated what time it is.

    The officer's word goes before all that was seen, so that a clock that ran ahead and was
    believed can be set right.

    Raises:
        Denied: ``clock_differs`` if the machine's clock says something else.
    """
    if abs(stated - local) > LEAP:
        raise Denied(
            "clock_differs",
            f"this machine's clock says {local:%Y-%m-%d %H:%M} UTC",
            hint="set it right first: what is destroyed goes by it as well",
        )
    return ClockState(seen=local, trusted=stated, source=TimeSource.OFFICER)


def request_moment(state: ClockState, local: datetime) -> datetime:
    """Return the moment at which a request counts as made: never before a reading that counted.

    A clock that was set back would otherwise put the end of a cool-off into the past.
    """
    return max(state.seen, local)


def _pause(state: ClockState, local: datetime, *, witness_known: bool) -> Pause | None:
    if local < state.seen - WOBBLE:
        return Pause.BACKWARDS
    trusted = state.trusted or state.seen
    if local > max(state.seen, trusted) + LEAP:
        return Pause.LEAP
    if witness_known and local > trusted + STRETCH:
        return Pause.UNCONFIRMED
    return None


class TrustedClock:
    """Keeps the state of the clock in the home, and logs what pauses and what confirms it."""

    def __init__(
        self,
        engine: Engine,
        recorder: Recorder,
        *,
        created: datetime,
        witnessed: Callable[[], datetime | None],
    ) -> None:
        """Use the table in `engine`.

        Args:
            engine: the main database.
            recorder: writes the log.
            created: when the home was made; the first reading follows on from it, so that losing
                the row pauses destruction rather than starting afresh.
            witnessed: returns the newest verified cosignature's moment; None if no witness is
                known. It must never return what was not verified.
        """
        self._engine = engine
        self._recorder = recorder
        self._created = created
        self._witnessed = witnessed

    def state(self) -> ClockState:
        """Return what is remembered."""
        with self._engine.connect() as db:
            row = db.execute(select(_CLOCK)).first()
        if row is None:
            return ClockState(seen=self._created)
        return ClockState(
            seen=from_millis(row.seen_ms),
            trusted=None if row.trusted_ms is None else from_millis(row.trusted_ms),
            source=None if row.source is None else TimeSource(row.source),
            paused=None if row.paused is None else Pause(row.paused),
            paused_at=None if row.paused_at_ms is None else from_millis(row.paused_at_ms),
        )

    def look(self, local: datetime) -> Judgement:
        """Judge a reading without remembering it."""
        return judge(self.state(), local, witnessed=self._witnessed())

    def read(self, local: datetime) -> Judgement:
        """Judge a reading and remember it; what it begins or ends is in the log first.

        1. Log the pause, or the witness's word that ends one or bridges a leap. 2. Remember. A stop
        in between leaves an entry about what the next reading finds again.
        """
        before = self.state()
        found = judge(before, local, witnessed=self._witnessed())
        after = found.state
        if after.paused and not before.paused:
            self._recorder.record(EntryKind.CLOCK_PAUSED, {"last": before.seen})
        elif not after.paused and after.trusted and self._was_needed(before, local):
            fields: dict[str, Value] = {"source": TimeSource.WITNESS, "time": after.trusted}
            self._recorder.record(EntryKind.CLOCK_CONFIRMED, fields)
        if after != before:
            self._remember(after)
        return found

    def confirm(self, local: datetime, *, stated: datetime) -> ClockState:
        """Take an officer's word for the time; logged first.

        Raises:
            Denied: ``clock_differs``.
        """
        after = confirm(local, stated=stated)
        fields: dict[str, Value] = {"source": TimeSource.OFFICER, "time": stated}
        self._recorder.record(EntryKind.CLOCK_CONFIRMED, fields)
        self._remember(after)
        return after

    def _was_needed(self, before: ClockState, local: datetime) -> bool:
        """Say whether without a new word of a witness the reading would not have counted."""
        alone = _pause(before, local, witness_known=before.source is TimeSource.WITNESS)
        return alone is not None

    def _remember(self, state: ClockState) -> None:
        values = {
            "no": 1,
            "seen_ms": to_millis(state.seen),
            "trusted_ms": None if state.trusted is None else to_millis(state.trusted),
            "source": state.source and state.source.value,
            "paused": state.paused and state.paused.value,
            "paused_at_ms": None if state.paused_at is None else to_millis(state.paused_at),
        }
        with self._engine.begin() as db:
            db.execute(delete(_CLOCK))
            db.execute(insert(_CLOCK).values(values))
