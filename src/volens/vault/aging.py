"""From when on a conversation's time counts: its last message, of one and in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, case, func, or_

from volens.core.time import to_millis
from volens.vault.tables import CONVERSATION


def last_message(
    *, told: datetime | None, captured: datetime, recaptured: bool, at: datetime
) -> datetime:
    """Return from when a chat's time counts: its last message.

    Args:
        told: when that was, as the chat's source tells; None if it does not.
        captured: when the chat first came here, by our own clock.
        recaptured: whether it grew since. Only then can a message be later than the capture; and a
            moment that has not come yet is nobody's last message.
        at: now.
    """
    if told is None or told > (at if recaptured else captured):
        return captured
    return told


def last_message_ms(at: datetime) -> ColumnElement[int]:
    """Return `last_message` as the database computes it, in milliseconds."""
    told = func.coalesce(CONVERSATION.c.updated_ms, CONVERSATION.c.created_ms)
    captured = CONVERSATION.c.captured_ms
    no_later = case((CONVERSATION.c.sequence == 0, captured), else_=to_millis(at))
    return case((or_(told.is_(None), told > no_later), captured), else_=told)
