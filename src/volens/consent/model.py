"""Consent events and the state they add up to (ISO/IEC TS 27560, DPV status terms). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.core.ids import EventId, IdKind, SubjectId, parse_id
from volens.core.purposes import ConsentStatus, Purpose
from volens.core.time import format_moment, parse_moment

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Act(StrEnum):
    """What a consent event does."""

    GRANT = "grant"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"
    OBJECT = "object"
    LIFT_OBJECTION = "lift_objection"


NEGATIVE_ACTS = frozenset({Act.WITHDRAW, Act.REVOKE, Act.OBJECT})
"""Acts that only take away: true once in the journal."""


class ScopeKind(StrEnum):
    """How far a grant reaches."""

    GENERAL = "general"
    DATASET = "dataset"
    RUN = "run"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """All past and future conversations (R03), or only for one named dataset, run or partner."""

    kind: ScopeKind = ScopeKind.GENERAL
    target: str = ""

    def __post_init__(self) -> None:
        """Refuse a general scope with a target and a named one without."""
        if (self.kind is ScopeKind.GENERAL) != (not self.target):
            raise InvalidInput(
                "scope_form", f"a {self.kind.value} scope with target {self.target!r}"
            )


GENERAL = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRef:
    """The privacy notice that was shown, by hash (R09)."""

    id: str
    language: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One choice of one person about one purpose."""

    id: EventId
    subject: SubjectId
    purpose: Purpose
    act: Act
    at: datetime
    scope: Scope = GENERAL
    notice: NoticeRef | None = None
    expires: datetime | None = None
    channel: str = "cli"
    """The door it came through."""

    def __post_init__(self) -> None:
        """Refuse a grant that names no notice, and an expiry on anything else."""
        if (self.act is Act.GRANT) != (self.notice is not None):
            raise InvalidInput("notice_form", "a grant, and only a grant, names the notice shown")
        if self.expires is not None and (self.act is not Act.GRANT or self.expires <= self.at):
            raise InvalidInput("expiry_form", "an expiry belongs to a grant and lies after it")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """The state of one purpose and scope for one person, before time is taken into account."""

    scope: Scope
    status: ConsentStatus
    notice: NoticeRef | None
    since: datetime
    expires: datetime | None

    def status_at(self, moment: datetime) -> ConsentStatus:
        """Return the status at `moment`: a grant ends by itself at its expiry."""
        if self.status is ConsentStatus.GRANTED and self.expires is not None:
            return ConsentStatus.EXPIRED if moment >= self.expires else self.status
        return self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeState:
    """Everything a person's events say about one purpose."""

    grants: tuple[GrantState, ...] = ()
    objected: bool = False

    def status_at(self, moment: datetime) -> ConsentStatus:
        """Return the status shown to the person: granted if any scope is."""
        found = [grant.status_at(moment) for grant in self.grants]
        for status in (ConsentStatus.GRANTED, ConsentStatus.EXPIRED, ConsentStatus.WITHDRAWN):
            if status in found:
                return status
        return ConsentStatus.NOT_GRANTED


NOTHING_SAID = PurposeState()


def apply_event(state: PurposeState, event: ConsentEvent) -> PurposeState:
    """Return the state after `event`.

    A withdrawal or revocation of the general scope ends every scope of the purpose; one of a named
    scope ends that scope only.
    """
    match event.act:
        case Act.GRANT:
            grant = GrantState(
                scope=event.scope,
                status=ConsentStatus.GRANTED,
                notice=event.notice,
                since=event.at,
                expires=event.expires,
            )
            kept = tuple(other for other in state.grants if other.scope != event.scope)
            return PurposeState(grants=(*kept, grant), objected=state.objected)
        case Act.WITHDRAW | Act.REVOKE:
            ended = GrantState(
                scope=event.scope,
                status=ConsentStatus.WITHDRAWN,
                notice=None,
                since=event.at,
                expires=None,
            )
            general = event.scope.kind is ScopeKind.GENERAL
            kept = tuple(
                other for other in state.grants if not general and other.scope != event.scope
            )
            return PurposeState(grants=(*kept, ended), objected=state.objected)
        case Act.OBJECT:
            return PurposeState(grants=state.grants, objected=True)
        case Act.LIFT_OBJECTION:
            return PurposeState(grants=state.grants, objected=False)


def fold(events: Iterable[ConsentEvent]) -> dict[Purpose, PurposeState]:
    """Return the state of each purpose that `events`, in order, speak of."""
    states: dict[Purpose, PurposeState] = {}
    for event in events:
        states[event.purpose] = apply_event(states.get(event.purpose, NOTHING_SAID), event)
    return states


def encode_event(event: ConsentEvent) -> bytes:
    """Write an event as canonical JSON (docs/formats/consent.md)."""
    notice = event.notice
    body: dict[str, Json] = {
        "v": 1,
        "id": event.id,
        "subject": event.subject,
        "purpose": event.purpose.value,
        "act": event.act.value,
        "at": format_moment(event.at),
        "scope": {"kind": event.scope.kind.value, "target": event.scope.target},
        "notice": None
        if notice is None
        else {"id": notice.id, "language": notice.language, "sha256": notice.sha256},
        "expires": None if event.expires is None else format_moment(event.expires),
        "channel": event.channel,
    }
    return canonical_json(body)


def decode_event(data: bytes) -> ConsentEvent:
    """Read an event strictly.

    Raises:
        InvalidInput: ``event_form`` if `data` is not what `encode_event` writes.
    """
    body = read_canonical(data)
    try:
        event = _event(body)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("event_form", f"not a consent event: {error!r}") from error
    if encode_event(event) != data:
        raise InvalidInput("event_form", "a consent event has other or unknown members")
    return event


def _event(body: Json) -> ConsentEvent:
    if not isinstance(body, dict):
        raise TypeError("not an object")
    notice, expires, scope = body["notice"], body["expires"], body["scope"]
    words = [body["channel"], scope["target"], *([] if notice is None else notice.values())]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a member is not text")
    if notice is not None and not _SHA256.fullmatch(notice["sha256"]):
        raise ValueError("a notice is named by its SHA-256 in hexadecimal")
    parse_id(IdKind.EVENT, body["id"])
    parse_id(IdKind.SUBJECT, body["subject"])
    return ConsentEvent(
        id=EventId(body["id"]),
        subject=SubjectId(body["subject"]),
        purpose=Purpose(body["purpose"]),
        act=Act(body["act"]),
        at=parse_moment(body["at"]),
        scope=Scope(kind=ScopeKind(scope["kind"]), target=scope["target"]),
        notice=None
        if notice is None
        else NoticeRef(id=notice["id"], language=notice["language"], sha256=notice["sha256"]),
        expires=None if expires is None else parse_moment(expires),
        channel=body["channel"],
    )
