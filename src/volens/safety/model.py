"""What the desks of this room take and give: plain values, for doors to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from volens.core.ids import AccountId, CaseId, ConversationId, FlagId
from volens.log.kinds import ExceptionClass, FlagCategory, FlagSeverity, KeepAnswer


class Origin(StrEnum):
    """Through which port something came into the queue."""

    CLASSIFIER = "classifier"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What a safety classifier says of turns of one conversation; never what was said."""

    id: FlagId
    conversation: ConversationId
    turns: tuple[int, ...]
    category: FlagCategory
    severity: FlagSeverity
    classifier: str
    """Name and version of the classifier, such as ``toxicity-v3``."""
    raised: datetime
    log_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """One conversation that may be reviewed: metadata only, never whose it is (R31, R22)."""

    conversation: ConversationId
    turns: tuple[int, ...]
    """The turns that may be named in a case; no others."""
    whole: bool
    """Whether its person reported the whole chat: then all turns are in `turns`."""
    categories: tuple[FlagCategory, ...]
    severity: FlagSeverity
    origins: tuple[Origin, ...]
    first: datetime
    """When it was first flagged or reported."""
    last: datetime
    cases: tuple[CaseId, ...] = ()
    """Cases on it that wait or are open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTurn:
    """One named turn as it was opened. `repr` shows nothing that was said."""

    index: int
    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    text: str = field(repr=False)
    at: datetime | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one view gave out, and the lease under which it may stay on a screen."""

    lease: int
    """Number of the lease: `CaseDesk.look_away` ends it."""
    conversation: ConversationId
    case: CaseId | None
    """None for a rater's view."""
    turns: tuple[SeenTurn, ...]
    began: datetime
    ends: datetime
    """When the page must be gone; the door sends it with a refresh at this moment."""
    log_index: int
    """Place of the ``access.intent`` in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One view, as it is kept: who looked at what, from when to when."""

    number: int
    account: AccountId
    role: str
    """In the words of `volens.log.kinds.Actor`."""
    case: CaseId | None
    conversation: ConversationId | None
    """None once it is erased."""
    turns: tuple[int, ...]
    began: datetime
    ends: datetime
    ended: datetime | None
    """When it was ended; None: it runs, or nobody noted its end yet."""
    log_index: int

    @property
    def lasted(self) -> timedelta | None:
        """Return how long it was viewed; None while it runs."""
        return None if self.ended is None else self.ended - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One view as its person is told of it: which role, when, how long, at what."""

    conversation: ConversationId | None
    turns: tuple[int, ...]
    role: str
    at: datetime
    lasted: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the person is told after an exception, and what they are asked (R30)."""

    case: CaseId
    exception: ExceptionClass
    legal_basis: str
    """``legal_obligation``, ``vital_interests`` or ``legitimate_interest``."""
    may_object: bool
    """Whether they may object (GDPR Art. 21); complain they always may (Art. 77)."""
    opened: datetime
    over: datetime
    told: datetime
    looked: tuple[Looked, ...]
    """Empty if nobody looked."""
    answer_by: datetime
    """No answer until then erases."""
    answer: KeepAnswer | None
    answered: datetime | None
    erased: datetime | None
    """When what the case had kept was erased."""
