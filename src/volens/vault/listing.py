"""Pages of one person's conversations, newest first, however many they have; opens nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, func, select, text

from volens.vault.store import Held, held_from
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION

# The unique index has a person's row numbers in it, and the partial one those whose access ended:
# neither query looks at rows that it does not return.
_PAGE = text(
    """
    SELECT no FROM conversation
    WHERE subject_no = :subject AND no < :before AND no NOT IN (
        SELECT no FROM conversation WHERE subject_no = :subject AND ended_ms IS NOT NULL
    )
    ORDER BY no DESC LIMIT :limit
    """
)
_LAST = 2**62


def page_of(
    engine: Engine, subject: Subject, *, before: int | None = None, limit: int = 25
) -> list[Held]:
    """Return a person's conversations whose access has not ended, newest capture first.

    Args:
        engine: the main database.
        subject: whose.
        before: only those captured before the one of this number.
        limit: the most to return.
    """
    wanted = {"subject": subject.number, "before": before or _LAST, "limit": limit}
    with engine.connect() as db:
        numbers: Sequence[int] = db.execute(_PAGE, wanted).scalars().all()
        rows = db.execute(select(CONVERSATION).where(CONVERSATION.c.no.in_(numbers)))
        return sorted(map(held_from, rows), key=lambda held: -held.number)


def count_of(engine: Engine, subject: Subject) -> int:
    """Return how many conversations a person has whose access has not ended."""
    mine = CONVERSATION.c.subject_no == subject.number
    counting = select(func.count()).select_from(CONVERSATION).where(mine)
    with engine.connect() as db:
        whole = db.execute(counting).scalar_one()
        ended = db.execute(counting.where(CONVERSATION.c.ended_ms.is_not(None))).scalar_one()
    return int(whole - ended)
