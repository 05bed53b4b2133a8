"""Exceptions as values: who may look at which named turns, why, with whose approval, until when.

An exception (a *case*) is the only ground on which staff see what a person wrote without that
person's yes (R23-R30). It names turns of conversations of one person, never an account. All moments
are whole milliseconds of the home's clock. A case is open from its opening (included) to its end
(not included); so is its gag.

    asked --(one person is enough)--------> open --> closed, by hand
      |                                      |
      `--> waiting --(second person)--> open `-----> expired, by itself
              |
              `--> refused, or expired without ever being open
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from volens.access.exception_records import (
    Record,
    check_record,
    check_reference,
    record_document,
)
from volens.access.exception_terms import PURPOSE_OF, ClassTerms
from volens.access.model import Principal, PrincipalKind, Role
from volens.core.canonical import Json, canonical_json
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import AccountId, CaseId, ConversationId, IdKind, SubjectId, parse_id
from volens.core.purposes import Purpose
from volens.core.time import format_moment, parse_moment
from volens.log.kinds import ExceptionClass, ExceptionEnd

VERSION = 1
MAX_TURNS = 200
"""The most turns that one case names: more would be an account by another name (R28)."""
GAG_MOST = timedelta(days=365)
"""The longest that a gag may keep the person from being told, from the day of asking."""
APPROVAL_MOST = timedelta(days=3)
"""How long a case may wait for its second person."""


class CaseReason(StrEnum):
    """Why a case is asked for; a closed list."""

    CLASSIFIER_FLAG = "classifier_flag"
    PERSON_REPORT = "person_report"
    OUTSIDE_WARNING = "outside_warning"
    AUTHORITY_ORDER = "authority_order"
    APPEAL = "appeal"
    """The person asked for a decision to be looked at again."""


class CaseState(StrEnum):
    """How a case stands at a moment."""

    WAITING = "waiting"
    OPEN = "open"
    CLOSED = "closed"
    EXPIRED = "expired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gag:
    """A recorded duty not to tell the person for a while. There is none without an end."""

    until: datetime
    authority: str
    """Who ordered it: a docket number or the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One exception object.

    Raises:
        InvalidInput: ``exception_scope``, ``exception_end``, ``exception_gag`` or ``id_form``: what
            does not fit together is no case.
    """

    id: CaseId
    exception: ExceptionClass
    subject: SubjectId
    turns: Mapping[ConversationId, tuple[int, ...]]
    """Named turns (by index from 0, rising) of named conversations; empty once they are erased."""
    reason: CaseReason
    record: Record | None
    """None once it is erased."""
    legal_basis: str
    two_persons: bool
    opener: AccountId
    asked: datetime
    closes: datetime
    """When it ends by itself. While it waits: when the waiting ends."""
    most: timedelta
    """How long it may be open at most, by the policy it was asked under."""
    gag: Gag | None = None
    approver: AccountId | None = None
    opened: datetime | None = None
    ended: datetime | None = None
    ended_by: AccountId | None = None
    """Who closed or refused it; None if it expired."""
    end: ExceptionEnd | None = None
    """How it ended, once that is in the log; one whose time is over is over all the same."""
    told: datetime | None = None
    """When the person was told."""
    policy: str = field(default="")
    """Name and version of the policy it was asked under."""

    def __post_init__(self) -> None:
        """Bring moments and turns into their one form; refuse what does not fit together."""
        parse_id(IdKind.CASE, self.id)
        parse_id(IdKind.SUBJECT, self.subject)
        for account in (self.opener, self.approver, self.ended_by):
            if account is not None:
                parse_id(IdKind.ACCOUNT, account)
        for name in ("asked", "closes", "opened", "ended", "told"):
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, parse_moment(format_moment(moment)))
        object.__setattr__(self, "turns", _scope(self.turns))
        if self.closes <= self.asked:
            raise InvalidInput("exception_end", f"{self.id} ends before it begins")
        if self.two_persons and self.opened is not None and self.approver in {None, self.opener}:
            raise InvalidInput("exception_persons", f"{self.id} takes two persons")
        if self.gag is not None:
            check_reference("who ordered the gag", self.gag.authority)
            if not self.asked < self.gag.until <= self.asked + GAG_MOST:
                hint = f"at most until {format_moment(self.asked + GAG_MOST)}"
                raise InvalidInput("exception_gag", "a gag has an end to come", hint=hint)

    def state(self, at: datetime) -> CaseState:
        """Return how it stands at `at`."""
        if self.end is ExceptionEnd.REFUSED:
            return CaseState.REFUSED
        if self.end is ExceptionEnd.CLOSED:
            return CaseState.CLOSED
        if self.end is ExceptionEnd.EXPIRED or at >= self.closes:
            return CaseState.EXPIRED
        return CaseState.WAITING if self.opened is None else CaseState.OPEN

    def is_open(self, at: datetime) -> bool:
        """Say whether anything may be opened under it at `at`; not before its opening either."""
        opened = self.opened is not None and at >= self.opened
        return opened and self.state(at) is CaseState.OPEN

    def gagged(self, at: datetime) -> bool:
        """Say whether the person must not be told at `at`."""
        return self.gag is not None and at < self.gag.until

    def notice_due(self, at: datetime) -> bool:
        """Say whether the person has to be told at `at`: it was open, is over, and no gag applies.

        Told once; what was never open has nothing to tell of.
        """
        if self.told is not None or self.opened is None or self.gagged(at):
            return False
        return self.state(at) in {CaseState.CLOSED, CaseState.EXPIRED}

    @property
    def over_at(self) -> datetime:
        """Return when it ended or ends by itself."""
        return self.ended or self.closes

    def covers(
        self, conversation: ConversationId, turns: tuple[int, ...], purpose: Purpose, at: datetime
    ) -> bool:
        """Say whether it is open and covers exactly what is asked for: every turn, this purpose."""
        named = self.turns.get(conversation, ())
        return (
            self.is_open(at)
            and PURPOSE_OF[self.exception] is purpose
            and bool(turns)
            and set(turns) <= set(named)
        )


def ask_case(case: Case, terms: ClassTerms, opener: Principal, at: datetime) -> Case:
    """Return `case` as it stands once `opener` asked for it: open, or waiting for a second person.

    Args:
        case: with the class, scope, reason, record and gag; `asked`, `closes`, `opener` and what
            follows from the terms are set here.
        terms: of its class under the policy in force.
        opener: who asks, with roles.
        at: now.

    Raises:
        Denied: ``exception_role`` if the opener lacks the role that the class asks for.
        InvalidInput: ``exception_scope``, ``exception_record``, ``exception_too_long``.
        Refused: if the record says that nothing may be opened.
    """
    account = staff_account(opener)
    if terms.opened_by not in opener.roles:
        raise _role(terms, "open")
    if not case.turns or case.record is None:
        raise _no_scope()
    check_record(case.exception, case.record)
    if case.closes - at > terms.most:
        hint = f"at most until {format_moment(at + terms.most)}"
        message = f"{terms.exception.value} stays open for {terms.most.days} days at most"
        raise InvalidInput("exception_too_long", message, hint=hint)
    most = case.closes - at
    asked = replace(
        case,
        opener=account,
        asked=at,
        legal_basis=terms.legal_basis,
        two_persons=terms.two_persons,
        most=most,
    )
    if terms.two_persons:
        return replace(asked, closes=at + min(APPROVAL_MOST, most))
    return replace(asked, opened=at)


def approve_case(case: Case, terms: ClassTerms, approver: Principal, at: datetime) -> Case:
    """Return `case` as approved by a second person: open from `at`.

    Raises:
        Denied: ``exception_persons`` if it is the opener; ``exception_role``.
        InvalidInput: ``exception_state`` unless it waits.
    """
    account = _second(case, terms, approver, at, "approve")
    return replace(case, approver=account, opened=at, closes=at + case.most)


def refuse_case(case: Case, terms: ClassTerms, approver: Principal, at: datetime) -> Case:
    """Return `case` as refused by the second person: it was never open.

    Raises:
        Denied, InvalidInput: as `approve_case`.
    """
    account = _second(case, terms, approver, at, "refuse")
    return replace(case, ended=at, ended_by=account, end=ExceptionEnd.REFUSED)


def close_case(case: Case, member: Principal, at: datetime) -> Case:
    """Return `case` as closed before its time; whoever is on it, or an officer, may.

    Raises:
        Denied: ``exception_role``.
        InvalidInput: ``exception_state`` if it is over already.
    """
    account = staff_account(member)
    if account not in {case.opener, case.approver} and not may_oversee(member):
        message = "only who opened or approved a case, or the privacy officer, closes it"
        raise Denied("exception_role", message)
    if case.state(at) not in {CaseState.WAITING, CaseState.OPEN}:
        raise InvalidInput("exception_state", f"{case.id} is over already")
    return replace(case, ended=at, ended_by=account, end=ExceptionEnd.CLOSED)


def expire_case(case: Case, at: datetime) -> Case:
    """Return `case` as expired if its time is over at `at` and its end is not in the log yet."""
    if case.end is None and at >= case.closes:
        return replace(case, ended=case.closes, end=ExceptionEnd.EXPIRED)
    return case


def may_oversee(member: Principal) -> bool:
    """Say whether somebody may see and close every case; content stays closed to them."""
    return member.kind is PrincipalKind.STAFF and Role.PRIVACY_OFFICER in member.roles


def require_viewer(case: Case, terms: ClassTerms, viewer: Principal) -> AccountId:
    """Return the account of somebody who may look under a case: who opened or approved it.

    Their role is asked for anew at each look: whoever has lost it sees nothing.

    Raises:
        Denied: ``exception_role``.
    """
    account = staff_account(viewer)
    if terms.opened_by not in viewer.roles or account not in {case.opener, case.approver}:
        raise _role(terms, "look under")
    return account


def encode_case(case: Case) -> bytes:
    """Write a case as canonical JSON (docs/formats/exceptions.md): what log entries commit to."""
    scope: dict[str, Json] = {name: [*turns] for name, turns in case.turns.items()}
    moments: dict[str, Json] = {
        name: None if moment is None else format_moment(moment)
        for name, moment in (
            ("asked", case.asked),
            ("closes", case.closes),
            ("opened", case.opened),
            ("ended", case.ended),
            ("told", case.told),
        )
    }
    gag: Json = None
    if case.gag is not None:
        gag = {"until": format_moment(case.gag.until), "authority": case.gag.authority}
    return canonical_json(
        {
            "v": VERSION,
            "id": case.id,
            "class": case.exception.value,
            "subject": case.subject,
            "turns": scope,
            "reason": case.reason.value,
            "record": None if case.record is None else record_document(case.record),
            "legal_basis": case.legal_basis,
            "two_persons": case.two_persons,
            "policy": case.policy,
            "opener": case.opener,
            "approver": case.approver,
            "ended_by": case.ended_by,
            "end": None if case.end is None else case.end.value,
            "most_ms": case.most // timedelta(milliseconds=1),
            "gag": gag,
            **moments,
        }
    )


def _second(
    case: Case, terms: ClassTerms, approver: Principal, at: datetime, verb: str
) -> AccountId:
    account = staff_account(approver)
    if not approver.roles & terms.approvers:
        raise _role(terms, verb)
    if account == case.opener:
        hint = "a second person does that"
        raise Denied("exception_persons", f"nobody may {verb} their own case", hint=hint)
    if case.state(at) is not CaseState.WAITING:
        message = f"{case.id} does not wait for anybody: it is {case.state(at).value}"
        raise InvalidInput("exception_state", message)
    return account


def staff_account(principal: Principal) -> AccountId:
    """Return the account of a member of staff.

    Raises:
        Denied: ``exception_role`` for anybody else.
    """
    if principal.kind is not PrincipalKind.STAFF or principal.account is None:
        raise Denied("exception_role", "only staff with an account of their own work on cases")
    return principal.account


def _role(terms: ClassTerms, verb: str) -> Denied:
    message = f"this role may not {verb} a case of {terms.exception.value}"
    return Denied("exception_role", message, hint=f"it takes {terms.opened_by.value}")


def _no_scope() -> InvalidInput:
    hint = "name the turns of each conversation"
    return InvalidInput("exception_scope", "a case names its turns", hint=hint)


def _scope(
    turns: Mapping[ConversationId, tuple[int, ...]],
) -> Mapping[ConversationId, tuple[int, ...]]:
    for name, indexes in turns.items():
        parse_id(IdKind.CONVERSATION, name)
        if not indexes or any(type(turn) is not int or turn < 0 for turn in indexes):
            raise _no_scope()
    if sum(map(len, turns.values())) > MAX_TURNS:
        hint = f"at most {MAX_TURNS} turns; open another case for more"
        raise InvalidInput("exception_scope", "a case names few turns", hint=hint)
    return MappingProxyType({name: tuple(sorted(set(turns[name]))) for name in sorted(turns)})
