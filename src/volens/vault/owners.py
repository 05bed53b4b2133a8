"""Whose a conversation is, by its row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Engine, select

from volens.storage.engine import in_runs
from volens.vault.tables import CONVERSATION, SUBJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person, by their row and by their id."""

    number: int
    subject: bytes = field(repr=False)
    """16 raw bytes."""


def owners_of(engine: Engine, numbers: Iterable[int]) -> dict[int, tuple[Owner, bool]]:
    """Return whose the conversations in these rows are, and whether access to them ended.

    Rows that are not there any more are left out.
    """
    found: dict[int, tuple[Owner, bool]] = {}
    columns = (CONVERSATION.c.no, SUBJECT.c.no, SUBJECT.c.id, CONVERSATION.c.ended_ms)
    joined = CONVERSATION.join(SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no)
    with engine.connect() as db:
        for some in in_runs(list(numbers)):
            query = select(*columns).select_from(joined).where(CONVERSATION.c.no.in_(some))
            for number, subject_no, subject, ended in db.execute(query):
                owner = Owner(number=subject_no, subject=subject)
                found[number] = (owner, ended is not None)
    return found
