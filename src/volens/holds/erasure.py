"""Erasures as values: what was asked, what is promised, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from volens.core.ids import ConversationId, ErasureId, SubjectId
from volens.log.kinds import ErasureCause, ErasureScope

COOL_OFF = timedelta(days=7)
"""How long an erasure can be taken back; access has ended all the same."""
ROTATION = timedelta(days=7)
"""The longest time between the removal of keys and the end of the epoch that wrapped them."""
DESTRUCTION = timedelta(days=14)
"""The longest time between the end of an epoch and the destruction of its key, the key service's
own delay included."""
PROMISE = timedelta(days=30)
"""When an erasure is irrecoverable at the latest, counted from the request (R33)."""


class ErasureState(StrEnum):
    """How far an erasure has come; each state includes the ones before it."""

    ACCESS_ENDED = "access_ended"
    """Nobody can use it any more; it can still be taken back."""
    HELD = "held"
    """A hold keeps it from going on; still nobody but the hold's authority can use it."""
    KEYS_REMOVED = "keys_removed"
    """Nothing in the home opens it; an old copy of the home could, until the epoch's end."""
    IRRECOVERABLE = "irrecoverable"
    """The epoch that wrapped its keys is destroyed: no copy of the home opens it."""
    CANCELLED = "cancelled"
    """The person took it back within the cool-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStep:
    """What was done in one store, how, and when."""

    store: str
    """A class of the erasure map: `keys`, `content`, `rows`, `choices`, `datasets`, ..."""
    method: str
    """A closed word of the map: `key_removed`, `row_deleted`, `resealed`, ..."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure. Its id is the reference number that the person is given."""

    id: ErasureId
    scope: ErasureScope
    cause: ErasureCause
    subject: SubjectId | None
    """None once an account is gone."""
    conversations: tuple[ConversationId, ...]
    """For the scope `conversation`; empty for the others, and once they are gone."""
    requested: datetime
    cool_off_ends: datetime
    promised_by: datetime
    state: ErasureState
    access_ended: datetime | None = None
    keys_removed: datetime | None = None
    irrecoverable: datetime | None = None
    cancelled: datetime | None = None
    held_until: datetime | None = None
    """The end of the longest hold on it, unless that hold is under a gag."""
    steps: tuple[StoreStep, ...] = field(default=())
