"""Holds as values: who keeps what from being erased, on whose authority, until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from volens.core.ids import ConversationId, HoldId, SubjectId
from volens.log.kinds import HoldClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold. There is none without an end."""

    id: HoldId
    hold_class: HoldClass
    subject: SubjectId
    conversations: Mapping[ConversationId, tuple[int, ...]] = field(default_factory=dict)
    """Which conversations, and which of their turns (by index; empty: all of them). Always named
    one by one: no hold covers an account as such."""
    authority: str
    """A short plain word or docket number, never a person's name."""
    reviewer: str
    """The role and number of who reviews it, never a person's name."""
    placed: datetime
    until: datetime
    gag_until: datetime | None = None
    """The person is not told before this moment; None: they are told."""
    released: datetime | None = None
