"""Retention of an opened home, wired: its times, its clock, its witnesses, and what erases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from volens.app.home import Home
from volens.app.witnesses import remembered
from volens.core.ids import ConversationId
from volens.core.time import FAR_FUTURE, from_millis, parse_moment, to_millis
from volens.holds.erasure import Erasure, new_erasure
from volens.holds.promises import Promise, Promises
from volens.lifecycle.forecast import Forecast, forecast
from volens.lifecycle.hands import Erasing, Hands
from volens.lifecycle.register import VaultRegister
from volens.lifecycle.retention import Retention
from volens.lifecycle.schedule import Schedule, overdue
from volens.lifecycle.trusted_time import Judgement, TrustedClock, request_moment
from volens.log.checkpoint import open_checkpoint
from volens.log.kinds import ErasureCause, ErasureScope, RequestKind
from volens.log.note import parse_vkey
from volens.rights.deadlines import deadline
from volens.vault.subjects import Subject

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
    return home.schedule


def new_request(
    home: Home,
    raw: bytes,
    scope: ErasureScope,
    subject: Subject,
    *,
    at: datetime | None = None,
    conversations: Sequence[ConversationId] = (),
    at_once: bool = False,
) -> Erasure:
    """Return the erasure that a person asks for now, with what the times in force promise them.

    Args:
        home: the home, opened for reading or writing.
        raw: 16 random bytes for the reference number.
        scope: how much goes.
        subject: who asks.
        at: when, by this machine's clock; now by default.
        conversations: which ones, for the scope ``conversation`` only.
        at_once: without a cool-off.

    Raises:
        InvalidInput: ``erasure_form``.
    """
    at = request_moment(clock_of(home).state(), at or home.clock.now())
    answer = deadline(
        RequestKind.ERASURE,
        at,
        account=subject.region,
        home=home.identity.region,
        profiles=home.policy.pack.regions,
    )
    terms = home.schedule.terms(
        scope,
        ErasureCause.REQUEST,
        organisation=subject.organisation,
        answer=answer.due - at,
    )
    return new_erasure(
        raw,
        scope,
        subject.id,
        at,
        conversations=conversations,
        cool_off=timedelta(0) if at_once else terms.cool_off,
        promise=terms.promise,
    )


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
