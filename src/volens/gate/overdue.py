"""Chats past their time: unreadable from that moment on, whether or not a run has erased them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select

from volens.core.time import to_millis
from volens.vault.aging import last_message, last_message_ms
from volens.vault.store import Held
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION, SUBJECT

_AT_ONCE = 200  # organisations in one query


class Cutoffs(Protocol):
    """Chats whose last message is no later than these moments are past their time."""

    @property
    def everyone(self) -> datetime | None:
        """Return the moment for all that is not named below; None: their time has no end."""
        ...

    @property
    def of_organisation(self) -> Mapping[str, datetime]:
        """Return the moment for the accounts of each organisation that has one of its own."""
        ...

    def cutoff(self, organisation: str | None) -> datetime | None:
        """Return the moment for the accounts of one organisation, or of none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCutoffs:
    """Nothing is ever past its time."""

    everyone: datetime | None = None

    @property
    def of_organisation(self) -> Mapping[str, datetime]:
        """Return nothing."""
        return {}

    def cutoff(self, organisation: str | None) -> datetime | None:
        """Return None."""
        del organisation
        return self.everyone


CutoffsAt = Callable[[datetime], Cutoffs]


def never(at: datetime) -> Cutoffs:
    """Return, for any moment, that nothing is past its time."""
    del at
    return NoCutoffs()


def is_overdue(subject: Subject, held: Held, cutoffs: Cutoffs, at: datetime) -> bool:
    """Say whether one person's chat is past its time at `at`, under the cutoffs of that moment."""
    cutoff = cutoffs.cutoff(subject.organisation)
    if cutoff is None:
        return False
    last = last_message(
        told=held.updated or held.created,
        captured=held.captured,
        recaptured=held.sequence > 0,
        at=at,
    )
    return last <= cutoff


def overdue_places(engine: Engine, cutoffs: Cutoffs, at: datetime) -> Iterator[tuple[int, int]]:
    """Yield (subject number, place) of all chats past their time that nobody has ended yet.

    The place, from 0, is among the person's chats to which access has not ended, in the order of
    their capture.
    """
    groups = list(_groups(cutoffs))
    last = last_message_ms(at)
    for start in range(0, len(groups), _AT_ONCE):
        some = groups[start : start + _AT_ONCE]
        aged = or_(*[and_(whose, last <= to_millis(moment)) for whose, moment in some])
        place = func.row_number().over(
            partition_by=CONVERSATION.c.subject_no, order_by=CONVERSATION.c.no
        )
        ranked = (
            select(CONVERSATION.c.subject_no, place.label("place"), aged.label("aged"))
            .join(SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no)
            .where(or_(*[whose for whose, _ in some]), CONVERSATION.c.ended_ms.is_(None))
            .subquery()
        )
        query = select(ranked.c.subject_no, ranked.c.place - 1).where(ranked.c.aged)
        with engine.connect() as db:
            rows = db.execute(query).all()
        yield from ((number, place) for number, place in rows)


def overdue_numbers(engine: Engine, cutoffs: Cutoffs, at: datetime) -> Iterator[int]:
    """Yield the row numbers of all chats past their time that nobody has ended yet."""
    groups = list(_groups(cutoffs))
    last = last_message_ms(at)
    for start in range(0, len(groups), _AT_ONCE):
        some = groups[start : start + _AT_ONCE]
        query = (
            select(CONVERSATION.c.no)
            .join(SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no)
            .where(or_(*[and_(whose, last <= to_millis(moment)) for whose, moment in some]))
            .where(CONVERSATION.c.ended_ms.is_(None))
        )
        with engine.connect() as db:
            yield from db.execute(query).scalars().all()


def _groups(cutoffs: Cutoffs) -> Iterator[tuple[ColumnElement[bool], datetime]]:
    """Yield whose accounts, and the moment for them."""
    organisation = SUBJECT.c.organisation
    for name, moment in cutoffs.of_organisation.items():
        yield organisation == name, moment
    if cutoffs.everyone is not None:
        named = list(cutoffs.of_organisation)
        yield or_(organisation.is_(None), organisation.not_in(named)), cutoffs.everyone
