"""What a program gives and gets: questions answered, choices, conversations to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from volens.client.answer import Decided, PolicyNamed
from volens.core.canonical import Json
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import Signal
from volens.core.time import format_moment

NO_TIME: Final = timedelta(0)


class Failure(StrEnum):
    """Why this client denies on its own, whatever the server may think."""

    UNREACHABLE = "unreachable"
    """No answer came."""
    TIMED_OUT = "timed_out"
    """No answer came in time."""
    SERVER_FAILED = "server_failed"
    """The server could not answer (status 429 or 5xx)."""
    REFUSED = "refused"
    """The server refused the question; its own code is the next reason."""
    ANSWER_INVALID = "answer_invalid"
    """The answer is malformed, about something else, or not what was signed."""
    ANSWER_UNSIGNED = "answer_unsigned"
    SIGNATURE_INVALID = "signature_invalid"
    ANSWER_STALE = "answer_stale"
    """The answer was made too long ago, or its own time is over."""
    ANSWER_FROM_FUTURE = "answer_from_future"
    """The answer's clock is ahead of ours by more than is tolerated."""
    WITHDRAWN_HERE = "withdrawn_here"
    """Withdrawn through this client, and the server has not confirmed it yet."""
    CLIENT_CLOSED = "client_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was decided about each person, and how old that is."""

    purpose: str
    decisions: tuple[Decided, ...]
    """In the order asked."""
    policy: PolicyNamed | None = None
    """None: nothing that can be trusted was decided."""
    at: datetime | None = None
    """When the server decided; the oldest, if answers were put together."""
    valid_until: datetime | None = None
    """From then on nothing here counts; ask again."""
    age: timedelta = NO_TIME
    """How old the decisions were when they were handed out, by this machine's clock."""
    reused: bool = False
    """Whether they come from an earlier answer, within ``max_age``."""
    mark: str = ""
    failure: Failure | None = None
    """Why everybody is denied, if this client denies on its own."""

    def of(self, subject: str) -> Decided:
        """Return the decision about one person; a deny if they were not asked about."""
        for one in self.decisions:
            if one.subject == subject:
                return one
        return Decided(subject=subject, permit=False, reasons=(Failure.ANSWER_INVALID.value,))

    def permitted(self) -> tuple[str, ...]:
        """Return those whose data may be used, in the order asked."""
        return tuple(one.subject for one in self.decisions if one.permit)

    def require(self) -> None:
        """Pass if everybody asked about is permitted.

        Raises:
            Denied: with the first reason of the first deny as its code.
        """
        for one in self.decisions:
            if not one.permit:
                said = ", ".join(one.reasons)
                hint = "leave this person's data out"
                raise Denied(one.reasons[0], f"{self.purpose} is denied: {said}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a choice is limited to; without one it is about everything, past and to come."""

    kind: str
    """``dataset``, ``run`` or ``partner``."""
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The privacy notice that the person was shown."""

    id: str
    language: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One purpose, and what the person has said about it."""

    purpose: str
    label: str
    status: str
    """``not_granted``, ``granted``, ``withdrawn`` or ``expired``."""
    objected: bool
    rests_on: str
    asked: bool
    """Whether people may be asked for it at all."""
    etag: str
    """Goes with a yes: it was given to this state and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a choice."""

    purpose: str
    status: str
    event: str
    at: datetime
    logged: bool
    """Whether it is in the log already; a no holds before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedToken:
    """With this a person's browser opens their pages, once. `repr` does not show it."""

    token: str = field(repr=False)
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message. `repr` shows no text."""

    role: str
    """``system``, ``user``, ``assistant`` or ``tool``."""
    text: str = field(repr=False)
    at: datetime | None = None
    third_party: bool = False
    """Other people's words: never used."""
    rating: int = 0
    """The person's thumb, -1 to 1; content like any other, and never a consent."""

    def document(self) -> dict[str, Json]:
        """Return it as JSON."""
        if self.role not in {"system", "user", "assistant", "tool"}:
            raise InvalidInput("turn_role", "not a role", hint="system, user, assistant or tool")
        made: dict[str, Json] = {"role": self.role, "text": self.text}
        if self.at is not None:
            made["at"] = format_moment(self.at)
        if self.third_party:
            made["third_party"] = True
        if self.rating:
            made["rating"] = self.rating
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation to be kept as its person's settings allow. `repr` shows no content."""

    source_id: str
    """The product's own id; the same one again is an update, or nothing new."""
    turns: Sequence[Turn] = field(repr=False)
    title: str = field(default="", repr=False)
    created: datetime | None = None
    signal: Signal = Signal.NONE
    """What the person said about this chat only; ``temporary`` ones are not even sent."""
    language: str = ""

    def document(self) -> Mapping[str, Json]:
        """Return it as JSON."""
        made: dict[str, Json] = {
            "source_id": self.source_id,
            "turns": [turn.document() for turn in self.turns],
            "title": self.title,
            "signal": self.signal.value,
            "language": self.language,
        }
        if self.created is not None:
            made["created"] = format_moment(self.created)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCounts:
    """What became of what was handed to `capture`, in conversations. Each is in one of them."""

    waiting: int
    kept: int
    not_kept: int
    """The server answered that the person's settings keep nothing; or the chat is temporary."""
    refused: int
    """The server refused it for good (status 4xx), or its answer made no sense."""
    failed: int
    """No repeat helped: the server could not be reached or could not answer."""
    dropped: int
    """Never sent: the queue was full, or the client was closed with it in the queue."""
