"""Retention of an opened home, wired: its times, its clock, its witnesses, and what erases."""

from __future__ import annotations

from datetime import datetime

from volens.app.home import Home
from volens.app.witnesses import remembered
from volens.core.time import FAR_FUTURE, from_millis, parse_moment, to_millis
from volens.holds.promises import Promise, Promises
from volens.lifecycle.forecast import Forecast, forecast
from volens.lifecycle.hands import Erasing, Hands
from volens.lifecycle.register import VaultRegister
from volens.lifecycle.retention import Retention
from volens.lifecycle.schedule import Schedule, overdue
from volens.lifecycle.trusted_time import Judgement, TrustedClock
from volens.log.checkpoint import open_checkpoint
from volens.log.note import parse_vkey
from volens.policy.retention import days_of

_LAST_MS = to_millis(FAR_FUTURE)  # a cosignature may state any number


def retention_of(home: Home, erasing: Erasing) -> Retention:
    """Return what runs the schedules of a home, with `erasing` to do the erasing."""
    hands = Hands(
        register=VaultRegister(home.main),
        requests=home.erasures,
        promises=Promises(home.main),
        erasing=erasing,
        holds=home.holds,
        rotation=home.rotation,
    )
    return Retention(schedule_of(home), hands, clock_of(home), home.recorder, entropy=home.entropy)


def forecast_of(home: Home, at: datetime) -> Forecast:
    """Return what goes by `at`; it needs no more than a home opened for reading."""
    now = home.clock.now()
    return forecast(
        schedule_of(home),
        VaultRegister(home.main),
        home.erasures,
        home.holds.active(now),
        now=now,
        at=max(at, now),  # the clock goes on: what is due now would be called held otherwise
    )


def late_in(home: Home, judged: Judgement) -> tuple[Promise, ...]:
    """Return what is late in a home, by the last moment that counted if the clock is paused."""
    return overdue(Promises(home.main).owed(), judged.until or judged.state.seen)


def schedule_of(home: Home) -> Schedule:
    """Return the times in force in a home."""
    pack = days_of(home.policy.pack.tables["retention"])
    return Schedule(pack=pack, overlays=home.subjects.keeping())


def clock_of(home: Home) -> TrustedClock:
    """Return the clock by which a home's data may be destroyed."""
    return TrustedClock(
        home.main,
        home.recorder,
        created=parse_moment(home.identity.created),
        witnessed=lambda: newest_cosignature(home),
    )


def newest_cosignature(home: Home) -> datetime | None:
    """Return the latest moment at which a known witness saw the log; None if none is known.

    Raises:
        VerificationFailed: if what is kept of a witness does not hold.
    """
    moments = []
    for one in remembered(home.folder):
        keys = [home.signer.verifier, parse_vkey(one.vkey)]
        signed = open_checkpoint(one.note.encode(), keys, origin=home.identity.origin)
        moments += [
            from_millis(min(line.timestamp * 1_000, _LAST_MS))
            for line in signed.note.verified
            if line.timestamp is not None
        ]
    return max(moments, default=None)
