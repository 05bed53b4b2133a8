"""What the schedule wants gone and nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from volens.core.ids import IdKind, SubjectId, parse_id
from volens.holds.access import Ended, add_up, blocked_by
from volens.holds.erasure import MAX_CONVERSATIONS
from volens.lifecycle.hands import Requests
from volens.lifecycle.register import Aged, Register
from volens.lifecycle.schedule import Schedule
from volens.log.kinds import ErasureScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the schedule wants gone, of one person."""

    scope: ErasureScope
    subject: SubjectId
    organisation: str | None
    chats: tuple[Aged, ...] = ()
    """For the scope ``conversation``; empty for an account."""


def standing(requests: Requests, at: datetime) -> Ended:
    """Return what is covered by requests that are due at `at` or held, those taken in."""
    return add_up(blocked_by(one) for one in (*requests.due(at), *requests.held()))


def wanted_by(
    schedule: Schedule, register: Register, ended: Ended, covered: Ended, at: datetime
) -> Iterator[Wanted]:
    """Yield what the schedule wants gone at a moment and what nobody has asked for as soon.

    Chats past their time, at most `MAX_CONVERSATIONS` of one person at a time; and accounts that
    were closed. What a hold keeps is among them: access to it ends all the same. So is a chat that
    its person may still take back: its time is over before that.

    Args:
        schedule: the times in force.
        register: whose chats there are.
        ended: whose access has ended.
        covered: what requests cover that are due by then, or held.
        at: the moment.
    """
    closed = list(register.closed())
    for subject, organisation in closed:
        if parse_id(IdKind.SUBJECT, subject) not in ended.accounts:
            yield Wanted(scope=ErasureScope.ACCOUNT, subject=subject, organisation=organisation)
    aged = register.aged(schedule.overdue_cutoffs(at), at)
    for subject, chats in groupby(aged, key=attrgetter("subject")):
        raw = parse_id(IdKind.SUBJECT, subject)
        fresh = [
            chat
            for chat in chats
            if not covered.covers(
                raw, parse_id(IdKind.CONVERSATION, chat.conversation), chat.captured
            )
        ]
        for start in range(0, len(fresh), MAX_CONVERSATIONS):
            some = tuple(fresh[start : start + MAX_CONVERSATIONS])
            yield Wanted(
                scope=ErasureScope.CONVERSATION,
                subject=subject,
                organisation=some[0].organisation,
                chats=some,
            )
