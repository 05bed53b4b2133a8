"""Data Rights Protocol 1.0, inbound: signed requests of authorised agents. Pure.

A message is base64(Ed25519 signature (64 bytes) || JSON), as libsodium's combined mode makes it.
Section numbers are those of the protocol, version 1.0. Members that it does not name are passed
over: it allows other claims (2.01).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import IdKind, RequestId, format_id, parse_id
from volens.core.time import format_moment
from volens.log.kinds import RequestKind, RequestOutcome
from volens.log.note import Verifier
from volens.rights.effects import Wish
from volens.rights.requests import Reason, RightsRequest

VERSION = "1.0"
MAX_BYTES = 64 * 1024
MAX_WINDOW = timedelta(hours=24)
"""Ten minutes are recommended (2.01); what stays good for days is refused."""
_SIGNATURE_BYTES = 64
_MAX_TEXT = 256
_AGENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[A-Za-z0-9._:/+=~-]{0,128}")
"""An agent's own number for a request: kept as it is, so no place for an e-mail address or a name
with a space."""
_CALLBACK = re.compile(r"(https://[!-?A-~]{1,240})?")
"""An https address in ASCII, without ``@``, for the same reason."""


class Exercise(StrEnum):
    """Rights actions (3.01)."""

    SALE_OPT_OUT = "sale:opt-out"
    SALE_OPT_IN = "sale:opt-in"
    DELETION = "deletion"
    ACCESS = "access"
    ACCESS_CATEGORIES = "access:categories"
    ACCESS_SPECIFIC = "access:specific"


WISHES: Final[Mapping[Exercise, Wish]] = {
    Exercise.SALE_OPT_OUT: Wish(kind=RequestKind.DO_NOT_SELL),
    Exercise.SALE_OPT_IN: Wish(kind=RequestKind.DO_NOT_SELL),  # refused: nothing is ever sold
    Exercise.DELETION: Wish(kind=RequestKind.ERASURE),
    Exercise.ACCESS: Wish(kind=RequestKind.ACCESS),
    Exercise.ACCESS_CATEGORIES: Wish(kind=RequestKind.ACCESS),
    Exercise.ACCESS_SPECIFIC: Wish(kind=RequestKind.ACCESS),
}
"""What each action becomes here. All who ask for access get all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An authorised agent of the service directory (3.05.1)."""

    id: str
    verifier: Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the agent says of the person (3.04): used to find them, and kept nowhere."""

    email: str = field(default="", repr=False)
    email_verified: bool = False
    phone_number: str = field(default="", repr=False)
    phone_number_verified: bool = False

    def verified(self) -> tuple[str, ...]:
        """Return what the agent has verified."""
        shown = (self.email_verified, self.phone_number_verified)
        return tuple(
            name for name, is_so in zip(self._names(), shown, strict=True) if name and is_so
        )

    def given(self) -> tuple[str, ...]:
        """Return all that is given, verified or not."""
        return tuple(name for name in self._names() if name)

    def _names(self) -> tuple[str, str]:
        # Anything else could be an id, by which people are found here too.
        email = self.email if "@" in self.email else ""
        return email, self.phone_number if self.phone_number.startswith("+") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercised:
    """A verified request of an agent."""

    agent: str
    number: str
    """The agent's own number for it (``agent-request-id``), or empty."""
    exercise: Exercise
    identity: Identity
    status_callback: str
    """Where the agent wants to be told of changes, or empty."""
    issued: datetime
    expires: datetime
    body: bytes = field(repr=False)
    """What was signed: equal bodies are one request."""


def parse_directory(data: bytes) -> dict[str, Agent]:
    """Read the agents of a service directory: a JSON array of agent documents (3.05.1).

    Raises:
        InvalidInput: ``drp_directory``, or as `core.canonical`.
    """
    document = read_strict(data, max_bytes=16 * MAX_BYTES)
    agents: dict[str, Agent] = {}
    for item in document if isinstance(document, list) else [None]:
        name = item.get("id") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str) or not _AGENT.fullmatch(name):
            raise InvalidInput("drp_directory", "not an array of agents, each with an id")
        key = _base64(item.get("verify_key"))
        if key is None or len(key) != 32 or name in agents:  # noqa: PLR2004 - RFC 8032, 5.1.5
            message = f"the agent {name} stands twice, or without a key of 32 bytes in base64"
            raise InvalidInput("drp_directory", message)
        agents[name] = Agent(id=name, verifier=Verifier(name=name, public=key))
    return agents


def verify_exercise(data: bytes, *, agent: Agent, business: str, at: datetime) -> Exercised:
    """Check a request to exercise a right, in the order of 3.07, and read it.

    Whether it was received before is for the caller to see: equal `body`, same request.

    Args:
        data: the body of the request, base64.
        agent: whoever the bearer token, or the directory, says is asking.
        business: the id under which this business is known.
        at: now.

    Raises:
        VerificationFailed: ``drp_encoding``, ``bad_signature``, ``drp_agent``, ``drp_business``,
            ``drp_early``, ``drp_expired``.
        InvalidInput: ``drp_form``, ``drp_version``, ``drp_exercise``, ``drp_window``, or as
            `core.canonical`; the signature holds, but what is signed can't be taken up.
    """
    body = _signed(data, agent)
    document = _document(body)
    issued, expires = _verify_place(document, agent=agent, business=business, at=at)
    exercise = _text(document, "exercise", needed=True)
    if exercise not in set(Exercise):
        hint = f"one of {', '.join(Exercise)}"
        raise InvalidInput("drp_exercise", f"no rights action {exercise!r}", hint=hint)
    _text(document, "regime")  # whatever it is: the same rights for everybody
    return Exercised(
        agent=agent.id,
        number=_shaped(document, "agent-request-id", _NUMBER),
        exercise=Exercise(exercise),
        identity=Identity(
            email=_text(document, "email"),
            email_verified=_flag(document, "email_verified"),
            phone_number=_text(document, "phone_number"),
            phone_number_verified=_flag(document, "phone_number_verified"),
        ),
        status_callback=_shaped(document, "status_callback", _CALLBACK),
        issued=issued,
        expires=expires,
        body=body,
    )


def verify_setup(data: bytes, *, agent: Agent, business: str, at: datetime) -> None:
    """Check a request for a pair-wise key (2.05); the door that got it draws the token.

    Raises:
        VerificationFailed, InvalidInput: as `verify_exercise`.
    """
    _verify_place(_document(_signed(data, agent)), agent=agent, business=business, at=at)


def verify_revocation(data: bytes, *, agent: Agent) -> None:
    """Check a request to drop an earlier one (2.04). The reason in it is not kept.

    The protocol binds neither business, time nor request into this message: only the door, which
    knows the address it came to, says which request is meant.

    Raises:
        VerificationFailed: ``drp_encoding``, ``bad_signature``.
        InvalidInput: ``drp_form``, or as `core.canonical`.
    """
    _text(_document(_signed(data, agent)), "reason", most=MAX_BYTES)


def signing_agent(data: bytes, agents: Mapping[str, Agent]) -> Agent:
    """Return whose key the signature holds under, where no bearer token says who asks.

    Raises:
        VerificationFailed: ``drp_encoding``; ``bad_signature`` if it is nobody's.
    """
    for agent in agents.values():
        try:
            _signed(data, agent)
        except VerificationFailed as error:
            if error.code != "bad_signature":
                raise
        else:
            return agent
    raise VerificationFailed("bad_signature", "the signature is of no agent in the directory")


def wire_id(request: RequestId) -> str:
    """Return a request's id as the protocol wants it: a UUID (3.03, note 1)."""
    return str(UUID(bytes=parse_id(IdKind.REQUEST, request)))


def request_of(wire: str) -> RequestId:
    """Return the request that a UUID names.

    Raises:
        InvalidInput: ``drp_request_id`` if it is not written as `wire_id` writes it.
    """
    try:
        found = UUID(wire)
    except ValueError:
        found = None
    if found is None or str(found) != wire:
        raise InvalidInput("drp_request_id", f"not a request id: {wire[:40]!r}")
    return RequestId(format_id(IdKind.REQUEST, found.bytes))


_DENIED: Final[Mapping[Reason, str]] = {
    Reason.NO_MATCH: "no_match",
    Reason.IDENTITY_NOT_SHOWN: "insuf_verification",
    Reason.NOT_OFFERED: "claim_not_covered",
    Reason.LEGAL_DUTY: "claim_not_covered",
    Reason.EXCESSIVE: "too_many_requests",
}
_DETAILS: Final[Mapping[Reason, str]] = {
    Reason.NEVER_DONE: "personal data is never sold or shared here; the objection is recorded",
    Reason.NOT_OFFERED: "personal data is never sold or shared here, so nobody can allow it",
    Reason.HELD: "a hold keeps part of the data",
    Reason.OTHERS_RIGHTS: "what is about other people was left out",
    Reason.LEGAL_DUTY: "a law demands that this data be kept",
}


def status(request: RightsRequest) -> dict[str, Json]:
    """Return the exercise status object of a request (3.02, 3.03).

    A request here is known at once to those who answer it, so it never shows as ``open`` (3.03,
    note 1). Nothing in it is about the person.
    """
    document: dict[str, Json] = {
        "request_id": wire_id(request.id),
        "received_at": format_moment(request.opened),
        "status": "in_progress",
    }
    if request.agent is not None and request.agent.number:
        document["agent_request_id"] = request.agent.number
    closing = request.closing
    if closing is None:
        document["expected_by"] = format_moment(request.due)
        if request.extension is not None:  # 3.08
            reason = request.extension.reason.value.replace("_", " ")
            document["processing_details"] = f"more time is needed: {reason}"
        elif request.erasure is not None:
            document["processing_details"] = "access has ended; the erasure is under way"
        return document
    match closing.outcome:
        case RequestOutcome.FULFILLED | RequestOutcome.PARTLY:
            document["status"] = "fulfilled"
        case RequestOutcome.WITHDRAWN:
            document["status"] = "revoked"
        case RequestOutcome.REFUSED:
            document["status"] = "denied"
            document["reason"] = _DENIED.get(closing.reason, "other")
    if closing.reason in _DETAILS:
        document["processing_details"] = _DETAILS[closing.reason]
    return document


def _signed(data: bytes, agent: Agent) -> bytes:
    """Return what `agent` signed (3.07.1)."""
    if len(data) > 2 * MAX_BYTES:
        raise VerificationFailed("drp_encoding", f"a message of {len(data)} bytes")
    try:
        raw = _base64(data.decode("ascii").strip())
    except UnicodeDecodeError:
        raw = None
    if raw is None or len(raw) <= _SIGNATURE_BYTES:
        message = "not base64 of a signature and a document"
        raise VerificationFailed("drp_encoding", message)
    agent.verifier.verify_bytes(raw[_SIGNATURE_BYTES:], raw[:_SIGNATURE_BYTES])
    return raw[_SIGNATURE_BYTES:]


def _verify_place(
    document: Mapping[str, Json], *, agent: Agent, business: str, at: datetime
) -> tuple[datetime, datetime]:
    """Check whose message it is, for whom, and for how long; return from when until when."""
    if document.get("agent-id") != agent.id:
        raise VerificationFailed("drp_agent", f"signed by {agent.id}, but in another agent's name")
    if document.get("business-id") != business:
        raise VerificationFailed("drp_business", f"the message is not meant for {business}")
    issued, expires = _moment(document, "issued-at"), _moment(document, "expires-at")
    if at <= issued:
        message = "the message comes from the future: a clock is wrong"
        raise VerificationFailed("drp_early", message)
    if at >= expires:
        raise VerificationFailed("drp_expired", "the message has expired")
    if expires - issued > MAX_WINDOW:
        hint = "ten minutes are recommended"
        raise InvalidInput("drp_window", "the message stays good for more than a day", hint=hint)
    if document.get("drp.version") != VERSION:
        raise InvalidInput("drp_version", f"not Data Rights Protocol {VERSION}")
    return issued, expires


def _document(body: bytes) -> Mapping[str, Json]:
    document = read_strict(body, max_bytes=MAX_BYTES)
    if not isinstance(document, dict):
        raise InvalidInput("drp_form", "what is signed is not a JSON object")
    return document


def _text(
    document: Mapping[str, Json], name: str, *, needed: bool = False, most: int = _MAX_TEXT
) -> str:
    value = document.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise InvalidInput("drp_form", f"{name} is not a text of at most {most} characters")
    return value


def _flag(document: Mapping[str, Json], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput("drp_form", f"{name} is not true or false")
    return value


def _shaped(document: Mapping[str, Json], name: str, shape: re.Pattern[str]) -> str:
    text = _text(document, name)
    if not shape.fullmatch(text):
        raise InvalidInput("drp_form", f"{name} has another form: {shape.pattern}")
    return text


def _moment(document: Mapping[str, Json], name: str) -> datetime:
    """Read an ISO 8601 moment with a time zone."""
    text = _text(document, name, needed=True)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput("drp_form", f"{name} is not an ISO 8601 moment with a time zone")


def _base64(text: Json) -> bytes | None:
    """Return the bytes of base64 text in its one spelling (RFC 4648, 4), else None."""
    if not isinstance(text, str):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode("ascii") == text else None
