"""What goes when: the erasures asked for and the schedule's own, day by day, held ones apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from volens.core.ids import ConversationId, SubjectId
from volens.holds.access import add_up, blocked_by
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.model import Hold
from volens.lifecycle.hands import Requests
from volens.lifecycle.register import Account, Register
from volens.lifecycle.schedule import Schedule, class_of
from volens.lifecycle.wanted import Wanted, wanted_by
from volens.log.kinds import ErasureCause, ErasureScope
from volens.policy.retention import RetentionClass

_DAY = timedelta(days=1)
_NOBODY = Account(organisation=None, chats=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """One erasure to come."""

    retention_class: RetentionClass
    organisation: str | None
    chats: int
    when: datetime
    """When its keys are removed: by the first run from here on."""
    held: bool
    """What is due is kept by a hold beyond the moment asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one class in one organisation."""

    retention_class: RetentionClass
    organisation: str | None
    erasures: int
    chats: int
    first: datetime | None
    last: datetime | None
    held: int
    """Erasures that a hold keeps; not among the others."""
    held_chats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What goes by a moment, if nobody asks for more and holds stay as they are."""

    at: datetime
    going: tuple[Going, ...]
    """By the moment they go."""

    def tallies(self) -> list[Tally]:
        """Return counts for each class and organisation; nobody's organisation first."""
        found: defaultdict[tuple[RetentionClass, str], list[Going]] = defaultdict(list)
        for one in self.going:
            found[one.retention_class, one.organisation or ""].append(one)
        return [_tally(kind, name or None, some) for (kind, name), some in sorted(found.items())]

    def by_day(self) -> dict[date, int]:
        """Return how many chats go on each day (UTC), held ones left out."""
        counts = Counter[date]()
        for one in self.going:
            if not one.held:
                counts[one.when.date()] += one.chats
        return dict(sorted(counts.items()))


def forecast(
    schedule: Schedule,
    register: Register,
    requests: Requests,
    holds: Sequence[Hold],
    *,
    now: datetime,
    at: datetime,
) -> Forecast:
    """Return what goes from `now` on and by `at`.

    Args:
        schedule: the times in force.
        register: whose chats there are.
        requests: the ledger of erasures.
        holds: those in force now.
        now: the present.
        at: the moment asked about; no earlier.
    """
    asked = [one for one in requests.all() if one.is_open]
    by_then = [one for one in asked if one.cool_off_ends <= at or one.state is ErasureState.HELD]
    covered = add_up(blocked_by(one) for one in by_then)
    wanted = list(wanted_by(schedule, register, requests.ended(), covered, at))
    names = {one.subject for one in asked if one.subject} | {one.subject for one in wanted}
    accounts = register.accounts(names)
    of_subject: defaultdict[SubjectId, list[Hold]] = defaultdict(list)
    for hold in holds:
        of_subject[hold.subject].append(hold)
    going = [
        *_asked_for(asked, accounts, of_subject, now=now, at=at),
        *_scheduled(schedule, wanted, accounts, of_subject, now=now, at=at),
    ]
    return Forecast(at=at, going=tuple(sorted(going, key=lambda one: one.when)))


def _asked_for(
    asked: Iterable[Erasure],
    accounts: Mapping[SubjectId, Account],
    holds: Mapping[SubjectId, Sequence[Hold]],
    *,
    now: datetime,
    at: datetime,
) -> Iterator[Going]:
    for one in asked:
        if one.subject is None or one.cool_off_ends > at:
            continue
        account = accounts.get(one.subject, _NOBODY)
        own = holds.get(one.subject, ())
        end = _held_until(own, None if not one.conversations else one.conversations)
        if end is None and one.state is ErasureState.HELD:
            end = at + _DAY  # the hold has just ended, or is known to nobody here: not yet
        when = max(one.cool_off_ends, now, end or now)
        chats = one.scope is ErasureScope.CONVERSATION
        scheduled = chats and one.cause is ErasureCause.SCHEDULE
        kind = RetentionClass.ACTIVE_CONVERSATIONS if scheduled else class_of(one.scope)
        yield Going(
            retention_class=kind,
            organisation=account.organisation,
            chats=len(one.conversations) if chats else account.chats,
            when=when,
            held=when > at,
        )


def _scheduled(
    schedule: Schedule,
    wanted: Iterable[Wanted],
    accounts: Mapping[SubjectId, Account],
    holds: Mapping[SubjectId, Sequence[Hold]],
    *,
    now: datetime,
    at: datetime,
) -> Iterator[Going]:
    for one in wanted:
        own = holds.get(one.subject, ())
        if one.scope is ErasureScope.ACCOUNT:
            terms = schedule.terms(one.scope, ErasureCause.SCHEDULE, organisation=one.organisation)
            due = now + terms.cool_off
            if due <= at:
                when = max(due, _held_until(own, None) or due)
                yield Going(
                    retention_class=RetentionClass.CLOSED_ACCOUNTS,
                    organisation=one.organisation,
                    chats=accounts.get(one.subject, _NOBODY).chats,
                    when=when,
                    held=when > at,
                )
            continue
        days = schedule.days(one.organisation)[RetentionClass.ACTIVE_CONVERSATIONS]
        for chat in one.chats:
            end = _held_until(own, (chat.conversation,))
            when = max(chat.last + days * _DAY, now, end or now)
            yield Going(
                retention_class=RetentionClass.ACTIVE_CONVERSATIONS,
                organisation=one.organisation,
                chats=1,
                when=when,
                held=when > at,
            )


def _held_until(
    holds: Iterable[Hold], conversations: Sequence[ConversationId] | None
) -> datetime | None:
    """Return when the last hold on these ends; on any conversation if None is given."""
    ends = (
        hold.until
        for hold in holds
        if conversations is None or not hold.conversations.keys().isdisjoint(conversations)
    )
    return max(ends, default=None)


def _tally(kind: RetentionClass, organisation: str | None, some: Sequence[Going]) -> Tally:
    free = [one for one in some if not one.held]
    kept = [one for one in some if one.held]
    return Tally(
        retention_class=kind,
        organisation=organisation,
        erasures=len(free),
        chats=sum(one.chats for one in free),
        first=min((one.when for one in free), default=None),
        last=max((one.when for one in free), default=None),
        held=len(kept),
        held_chats=sum(one.chats for one in kept),
    )
