"""Pages of one person's conversations, newest first, however many they have; opens nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, select, text

from volens.vault.store import Held, held_from
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION, ENDED, LIVE

# In the words of the partial index over what is live (`tables.LIVE`): neither query looks at rows
# that it does not return.
_PAGE = text(
    f"""
    SELECT no FROM conversation
    WHERE subject_no = :subject AND no < :before AND {LIVE}
    ORDER BY no DESC LIMIT :limit
    """  # noqa: S608 - a constant
)
_COUNT = text(f"SELECT count(*) FROM conversation WHERE subject_no = :subject AND {LIVE}")  # noqa: S608 - a constant
_AFTER = text(
    f"""
    SELECT no FROM conversation WHERE no IN (
        SELECT * FROM (
            SELECT no FROM conversation
            WHERE subject_no = :subject AND no > :after AND {LIVE} ORDER BY no LIMIT :limit
        ) UNION ALL SELECT * FROM (
            SELECT no FROM conversation
            WHERE subject_no = :subject AND no > :after AND {ENDED} ORDER BY no LIMIT :limit
        )
    ) ORDER BY no LIMIT :limit
    """  # noqa: S608 - constants
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


def next_of(engine: Engine, subject: Subject, after: int, *, limit: int) -> list[Held]:
    """Return a person's next conversations, oldest first, also those whose access ended.

    Args:
        engine: the main database.
        subject: whose.
        after: only those captured after the one of this number.
        limit: the most to return.
    """
    wanted = {"subject": subject.number, "after": after, "limit": limit}
    with engine.connect() as db:
        numbers: Sequence[int] = db.execute(_AFTER, wanted).scalars().all()
        rows = db.execute(select(CONVERSATION).where(CONVERSATION.c.no.in_(numbers)))
        return sorted(map(held_from, rows), key=lambda held: held.number)


def count_of(engine: Engine, subject: Subject) -> int:
    """Return how many conversations a person has whose access has not ended."""
    with engine.connect() as db:
        return int(db.execute(_COUNT, {"subject": subject.number}).scalar_one())
