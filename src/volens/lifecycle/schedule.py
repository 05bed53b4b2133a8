"""Schedules: from when on something is due to be erased, and from when on it is late.

Pure: the policy's days, an organisation's shorter ones and a moment in; moments out. Every clock
starts at the request and the cool-off lies inside it (R34). A border belongs to what comes after
it: at 30 days sharp an erasure that was to be done within 30 days is late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from volens.holds.erasure import COOL_OFF, PROMISE
from volens.holds.promises import Promise
from volens.log.kinds import ErasureCause, ErasureScope
from volens.policy.retention import ERASURE_DAYS, Days, RetentionClass, strictest

_DAY = timedelta(days=1)
_CLASS_OF = {
    ErasureScope.CONVERSATION: RetentionClass.DELETED_CHATS,
    ErasureScope.HISTORY: RetentionClass.DELETED_CHATS,
    ErasureScope.ACCOUNT: RetentionClass.CLOSED_ACCOUNTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a person is promised when they ask for an erasure; both count from the request."""

    cool_off: timedelta
    """So long it can be taken back; then it is due."""
    promise: timedelta
    """Within this time it is irrecoverable; then it is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """Chats whose last message is no later than these moments are past their time."""

    everyone: datetime | None = None
    """For accounts of an organisation that has shortened nothing, and of none; None: no end."""
    of_organisation: Mapping[str, datetime] = field(default_factory=dict)

    def cutoff(self, organisation: str | None) -> datetime | None:
        """Return the moment for the accounts of one organisation, or of none."""
        if organisation is None:
            return self.everyone
        return self.of_organisation.get(organisation, self.everyone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times in force: the policy's, and what each organisation has shortened."""

    pack: Days
    overlays: Mapping[str, Days] = field(default_factory=dict)

    def days(self, organisation: str | None) -> Days:
        """Return the times for the accounts of one organisation, or of none.

        An overlay that was recorded under a former policy never lengthens the present one's times.
        """
        overlay = self.overlays.get(organisation, {}) if organisation is not None else {}
        return strictest(self.pack, overlay)

    def terms(
        self,
        scope: ErasureScope,
        cause: ErasureCause,
        *,
        organisation: str | None,
        answer: timedelta | None = None,
    ) -> Terms:
        """Return what an erasure is promised.

        A cool-off is for somebody who may think again: an account's person, or who closed it by
        mistake. Nobody does where chats are past their time, a hold ended or a backup was restored.
        Where an organisation wants it gone sooner, or the law wants an answer, the cool-off gives
        way first, since the end of a key epoch takes its time. What is promised can be kept: an
        answer that is due before that is late, unless the epoch ends early.

        Args:
            scope: how much goes.
            cause: what made it due.
            organisation: of the account; None if it has none.
            answer: within which time a person who asks must be answered; None if nobody asked.
        """
        takes = ERASURE_DAYS * _DAY
        promise = min(PROMISE, self.days(organisation)[_CLASS_OF[scope]] * _DAY)
        if answer is not None:
            promise = min(promise, max(answer, takes))
        spare = promise - takes
        thinks_again = cause is ErasureCause.REQUEST or (
            cause is ErasureCause.SCHEDULE and scope is ErasureScope.ACCOUNT
        )
        return Terms(cool_off=min(COOL_OFF, spare) if thinks_again else spare * 0, promise=promise)

    def longest_hold(self, organisation: str | None) -> timedelta:
        """Return how long turns may be kept for a safety investigation (R35)."""
        return self.days(organisation)[RetentionClass.SAFETY_INVESTIGATIONS] * _DAY

    def overdue_cutoffs(self, at: datetime) -> Cutoffs:
        """Return which chats are past their time at a moment, by their last message (R32, R37).

        They are to be unreadable from then on, whether or not a run has erased them. The gate may
        go by the machine's own clock here, even while destruction is paused: ending access too
        early takes nothing from anybody that does not come back.
        """
        everyone = self.pack[RetentionClass.ACTIVE_CONVERSATIONS]
        own = {name: self.days(name)[RetentionClass.ACTIVE_CONVERSATIONS] for name in self.overlays}
        return Cutoffs(
            everyone=at - everyone * _DAY if everyone else None,
            of_organisation={name: at - days * _DAY for name, days in sorted(own.items()) if days},
        )


def class_of(scope: ErasureScope) -> RetentionClass:
    """Return the class whose time an erasure of this scope has."""
    return _CLASS_OF[scope]


def is_overdue(promise: Promise, at: datetime) -> bool:
    """Say whether it should be irrecoverable and is not; what is erased late is late till then."""
    return at >= promise.promised_by


def overdue(promises: Iterable[Promise], at: datetime) -> tuple[Promise, ...]:
    """Return what is late at `at`, the oldest promise first."""
    late = (one for one in promises if is_overdue(one, at))
    return tuple(sorted(late, key=lambda one: (one.promised_by, one.id)))
