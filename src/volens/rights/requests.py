"""Rights requests as values: what was asked, how far it has come, how it ended. Pure.

    open --verify--> verified --start--> in_progress --close--> closed

A request may be closed from every state but `closed`. No text of the person is kept: what is
wrong, say, is one of a few words (GDPR Art. 5(1)(c)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ids import ErasureId, RequestId, SubjectId
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.log.kinds import ErasureScope, RequestKind, RequestOutcome


class RequestState(StrEnum):
    """How far a request has come."""

    OPEN = "open"
    """Asked; whether it is really the person is not shown yet."""
    VERIFIED = "verified"
    """It is the person; somebody has to take it up."""
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"


class Channel(StrEnum):
    """The door a request came through."""

    CLI = "cli"
    WEB = "web"
    API = "api"
    AGENT = "agent"
    """An authorised agent, by the Data Rights Protocol."""
    SIGNAL = "signal"
    """A browser's Global Privacy Control."""


class VerifiedBy(StrEnum):
    """How it was shown that it is the person who asks (GDPR Art. 12(6); 11 CCR 7060)."""

    SIGNED_IN = "signed_in"
    DOCUMENTS = "documents"
    AGENT = "agent"
    NOT_NEEDED = "not_needed"
    """It only takes away from what is done with the data: posing as somebody gains nothing."""


class About(StrEnum):
    """What a rectification is about (Art. 16). The right words go to the controller directly."""

    NOTHING = ""
    REFERENCE = "reference"
    PLAN = "plan"
    REGION = "region"
    AGE_BAND = "age_band"
    ORGANISATION = "organisation"
    CONVERSATION = "conversation"


class Reason(StrEnum):
    """Why a request ended as it did."""

    DONE = "done"
    ALREADY_SO = "already_so"
    NEVER_DONE = "never_done"
    """What is objected to is prohibited for good, whatever anybody chooses (R51-R54)."""
    HELD = "held"
    """A hold keeps part of it (Art. 17(3)(b), (e))."""
    OTHERS_RIGHTS = "others_rights"
    """Part of it is about other people (Art. 15(4), 20(4))."""
    LEGAL_DUTY = "legal_duty"
    """A law demands that it be kept (Art. 17(3)(b))."""
    COMPELLING_GROUNDS = "compelling_grounds"
    """Art. 21(1): shown, and told to the person."""
    ACCURATE = "accurate"
    """What is to be corrected was found to be right."""
    IDENTITY_NOT_SHOWN = "identity_not_shown"
    NO_MATCH = "no_match"
    """Nobody here is the person described."""
    NOT_OFFERED = "not_offered"
    """What was asked for nobody can have, such as a yes to a sale."""
    EXCESSIVE = "excessive"
    """Manifestly unfounded or excessive, which the controller has to show (Art. 12(5))."""
    TAKEN_BACK = "taken_back"


class ExtensionReason(StrEnum):
    """Why more time is needed (GDPR Art. 12(3); CCPA 1798.130(a)(2); PIPEDA s. 8(4))."""

    COMPLEX = "complex"
    MANY_REQUESTS = "many_requests"
    CONSULTATION = "consultation"
    OTHER_FORMAT = "other_format"


REASONS: Final[Mapping[RequestOutcome, frozenset[Reason]]] = {
    RequestOutcome.FULFILLED: frozenset({Reason.DONE, Reason.ALREADY_SO, Reason.NEVER_DONE}),
    RequestOutcome.PARTLY: frozenset({Reason.HELD, Reason.OTHERS_RIGHTS, Reason.LEGAL_DUTY}),
    RequestOutcome.REFUSED: frozenset(
        {
            Reason.HELD,
            Reason.LEGAL_DUTY,
            Reason.COMPELLING_GROUNDS,
            Reason.ACCURATE,
            Reason.IDENTITY_NOT_SHOWN,
            Reason.NO_MATCH,
            Reason.NOT_OFFERED,
            Reason.EXCESSIVE,
        }
    ),
    RequestOutcome.WITHDRAWN: frozenset({Reason.TAKEN_BACK}),
}
"""Which reasons an outcome can have: a refusal always names a ground, never `done`."""

UNVERIFIED: Final = frozenset({RequestKind.OBJECTION, RequestKind.DO_NOT_SELL})
"""Kinds for which nobody has to show who they are (11 CCR 7060(b); Art. 12(6) asks only where
there is doubt that matters)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """More time, once, told to the person before the first deadline."""

    told: datetime
    reason: ExtensionReason
    first_due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a request ended."""

    at: datetime
    outcome: RequestOutcome
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FromAgent:
    """Which authorised agent asked for the person."""

    agent: str
    number: str = ""
    """The agent's own number for the request, or empty."""
    callback: str = ""
    """Where the agent wants to be told of changes, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsRequest:
    """One request. Its id is the reference number that the person is given."""

    id: RequestId
    kind: RequestKind
    subject: SubjectId | None
    """None once the account is gone, and where nobody here was meant."""
    channel: Channel
    opened: datetime
    due: datetime
    """From this moment on an answer is late."""
    region: Region
    """Whose law sets the deadline."""
    state: RequestState = RequestState.OPEN
    about: About = About.NOTHING
    scope: ErasureScope | None = None
    """How much is to be erased; None for anything but an erasure."""
    verified: datetime | None = None
    verified_by: VerifiedBy | None = None
    started: datetime | None = None
    extension: Extension | None = None
    closing: Closing | None = None
    erasure: ErasureId | None = None
    """The erasure that it led to."""
    agent: FromAgent | None = None

    def __post_init__(self) -> None:
        """Refuse a rectification of nothing and an erasure without a scope, and the reverse."""
        if (self.kind is RequestKind.RECTIFICATION) != (self.about is not About.NOTHING):
            hint = f"one of {', '.join(word for word in About if word)}"
            message = "a rectification, and only one, says what it is about"
            raise InvalidInput("request_about", message, hint=hint)
        if (self.kind is RequestKind.ERASURE) != (self.scope is not None):
            raise InvalidInput("request_scope", "an erasure, and only one, has a scope")

    def late(self, at: datetime) -> bool:
        """Say whether it is unanswered at or past its deadline."""
        return self.closing is None and at >= self.due


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDisclosure:
    """One line of the register of disclosures (R75): who received what, when."""

    recipient: str
    what: RequestKind
    at: datetime
    request: RequestId


def verify(request: RightsRequest, by: VerifiedBy, at: datetime) -> RightsRequest:
    """Return the request with the person's identity shown.

    Raises:
        InvalidInput: ``request_state`` unless it is open; ``request_verification`` if `by` is
            `NOT_NEEDED` for a kind that needs it.
    """
    _expect(request, RequestState.OPEN)
    if by is VerifiedBy.NOT_NEEDED and request.kind not in UNVERIFIED:
        message = f"a request for {request.kind} needs to show who asks"
        raise InvalidInput("request_verification", message, hint="signed_in or documents")
    return replace(request, state=RequestState.VERIFIED, verified=at, verified_by=by)


def start(
    request: RightsRequest, at: datetime, *, erasure: ErasureId | None = None
) -> RightsRequest:
    """Return the request in progress.

    Raises:
        InvalidInput: ``request_state`` unless it is verified.
    """
    _expect(request, RequestState.VERIFIED)
    return replace(request, state=RequestState.IN_PROGRESS, started=at, erasure=erasure)


def extend(
    request: RightsRequest, reason: ExtensionReason, *, until: datetime | None, at: datetime
) -> RightsRequest:
    """Return the request with more time.

    Args:
        request: the request.
        reason: why.
        until: the latest moment that the law allows; None if it allows no extension.
        at: when the person was told.

    Raises:
        InvalidInput: ``request_state`` if it is closed; ``extension_not_allowed``;
            ``extension_twice``; ``extension_late`` at or past the first deadline.
    """
    if request.closing is not None:
        _expect(request, RequestState.IN_PROGRESS)
    if until is None or until <= request.due:
        message = f"the law that applies allows no more time for {request.kind}"
        raise InvalidInput("extension_not_allowed", message, hint="answer by the deadline")
    if request.extension is not None:
        raise InvalidInput("extension_twice", f"{request.id} was given more time before")
    if request.late(at):
        message = f"the deadline of {request.id} is past: more time had to be told before"
        raise InvalidInput("extension_late", message, hint="answer now")
    told = Extension(told=at, reason=reason, first_due=request.due)
    return replace(request, due=until, extension=told)


def close(
    request: RightsRequest, outcome: RequestOutcome, reason: Reason, at: datetime
) -> RightsRequest:
    """Return the request closed.

    Raises:
        InvalidInput: ``request_state`` if it is closed already, or is to be fulfilled before
            anybody has shown who asks; ``request_reason`` if `reason` is none for `outcome`.
    """
    if request.closing is not None:
        raise InvalidInput("request_state", f"{request.id} is closed already")
    granted = outcome in {RequestOutcome.FULFILLED, RequestOutcome.PARTLY}
    if granted and request.state is RequestState.OPEN:
        hint = f"volens rights confirm {request.id}"
        raise InvalidInput("request_state", f"{request.id} is not verified yet", hint=hint)
    if reason not in REASONS[outcome]:
        hint = f"one of {', '.join(sorted(REASONS[outcome]))}"
        raise InvalidInput("request_reason", f"{reason} is no reason for {outcome}", hint=hint)
    closing = Closing(at=at, outcome=outcome, reason=reason)
    return replace(request, state=RequestState.CLOSED, closing=closing)


def request_facts(request: RightsRequest) -> dict[str, Json]:
    """Return all that is held of a request: for programs, and for the person's own copy."""
    extension, closing = request.extension, request.closing
    return {
        "id": request.id,
        "subject": request.subject,
        "kind": request.kind.value,
        "state": request.state.value,
        "channel": request.channel.value,
        "about": request.about.value or None,
        "scope": request.scope.value if request.scope else None,
        "opened": format_moment(request.opened),
        "due": format_moment(request.due),
        "region": request.region.value,
        "verified": format_moment(request.verified) if request.verified else None,
        "verified_by": request.verified_by.value if request.verified_by else None,
        "started": format_moment(request.started) if request.started else None,
        "extended": format_moment(extension.told) if extension else None,
        "extension_reason": extension.reason.value if extension else None,
        "first_due": format_moment(extension.first_due) if extension else None,
        "closed": format_moment(closing.at) if closing else None,
        "outcome": closing.outcome.value if closing else None,
        "reason": closing.reason.value if closing else None,
        "erasure": request.erasure,
        "agent": request.agent.agent if request.agent else None,
        "agent_number": request.agent.number if request.agent else None,
        "agent_callback": request.agent.callback if request.agent else None,
    }


def disclosures(requests: Iterable[RightsRequest]) -> tuple[AgentDisclosure, ...]:
    """Return what was handed to agents in answer to these requests, in their order (R75)."""
    found = []
    for request in requests:
        answered, agent = request.closing, request.agent
        if answered is None or agent is None:
            continue
        handed = request.kind in {RequestKind.ACCESS, RequestKind.PORTABILITY}
        if handed and answered.outcome in {RequestOutcome.FULFILLED, RequestOutcome.PARTLY}:
            found.append(
                AgentDisclosure(
                    recipient=agent.agent, what=request.kind, at=answered.at, request=request.id
                )
            )
    return tuple(found)


def _expect(request: RightsRequest, state: RequestState) -> None:
    if request.state is not state:
        message = f"{request.id} is {request.state.value}, not {state.value}"
        raise InvalidInput("request_state", message, hint=f"volens rights show {request.id}")
