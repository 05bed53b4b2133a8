"""From facts about a person, a conversation and a use to the class of the question.

Facts carry plain words, because they come from stores and files. A word that the pack or the
vocabulary does not know never raises: it maps to the value that is denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from volens.core.purposes import (
    AgeBand,
    ConsentStatus,
    Purpose,
    Realm,
    Signal,
    SubjectStatus,
    Tier,
)
from volens.core.regions import Region
from volens.core.time import FAR_FUTURE
from volens.policy.model import (
    AgeState,
    BasisState,
    Block,
    ClassAttributes,
    GrantState,
    Locality,
    OrganisationState,
    RealmState,
    Support,
    TierState,
)
from volens.policy.pack import STRICTNESS, AccountKind, Chooser, Pack, Plan

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """One grant for one purpose, as the consent ledger holds it.

    A grant that names nothing is general. Every name it carries must match the use.
    """

    status: str
    notice: str
    """SHA-256 of the notice that the person saw, in hexadecimal."""
    dataset: str = ""
    run: str = ""
    partner: str = ""
    expires_at: datetime | None = None

    @property
    def named(self) -> bool:
        """Whether the grant names a dataset, a run or a partner."""
        return bool(self.dataset or self.run or self.partner)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationFacts:
    """What the organisation behind an account has instructed (R20); it can only remove (R14)."""

    instructed: frozenset[str] = frozenset()
    """Purposes that a signed instruction names."""
    removed: frozenset[str] = frozenset()
    """Purposes that the organisation's overlay takes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFacts:
    """What is known of a person at one moment."""

    plan: str
    region: str
    tier: str | None = None
    """The tier chosen for the account; None: the plan's own."""
    realm: str = Realm.CIVILIAN
    age_band: str = AgeBand.UNKNOWN
    status: str = SubjectStatus.ACTIVE
    tenant: str = ""
    organisation: OrganisationFacts | None = None
    grants: Mapping[str, tuple[GrantFacts, ...]] = field(default_factory=dict)
    """Purpose -> grants, in any order."""
    notices_shown: frozenset[str] = frozenset()
    """SHA-256 of each notice the person was shown."""
    objections: frozenset[str] = frozenset()
    """Purposes with an objection that was upheld."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFacts:
    """What one conversation adds: it can only narrow."""

    signal: str = Signal.NONE
    tier: str | None = None
    """A tier for this conversation; the stricter cell of the two counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseFacts:
    """The use that is asked about."""

    purpose: str
    region: str
    at: datetime
    realm: str = Realm.CIVILIAN
    tenant: str = ""
    dataset: str = ""
    run: str = ""
    partner: str = ""
    exception_open: bool = False
    """Whether an open exception object covers exactly these turns (R29)."""
    mechanisms: frozenset[str] = frozenset()
    """Mechanisms that exist in this installation, such as ``privacy_guarantee``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """A class, and until when the facts keep it."""

    attributes: ClassAttributes
    valid_until: datetime


def classify(
    pack: Pack, subject: SubjectFacts, conversation: ConversationFacts, use: UseFacts
) -> Classified:
    """Return the class of one question and the next moment at which it changes by itself.

    Never raises for an unknown word: an unknown word is denied with its reason.
    """
    purpose = _known(use.purpose, Purpose)
    info = None if purpose is None else pack.purposes.get(purpose)
    tier = _narrowed(pack, purpose, account_tier(pack, subject), conversation.tier)
    grant, valid_until = _grant(pack, subject, use)
    attributes = ClassAttributes(
        purpose=purpose,
        tier=tier,
        grant=grant,
        basis=_basis(pack, subject, purpose),
        locality=_locality(pack, subject, use),
        realm=_realm(subject, use),
        age=_age(pack, subject),
        organisation=_organisation(pack, subject, use),
        block=_block(subject, conversation),
        support=_support(use, mechanism=info.mechanism if info else ""),
    )
    return Classified(attributes=attributes, valid_until=valid_until)


def account_tier(pack: Pack, subject: SubjectFacts) -> TierState:
    """Return the tier of the account: the chosen one if the plan offers it, else the plan's own.

    A tier that the plan does not offer to this account is not a tier anybody could have chosen,
    so it is unknown, which is denied.
    """
    plan = pack.plans.get(subject.plan)
    if plan is None:
        return TierState.PLAN_UNKNOWN
    if subject.tier is None or subject.tier == plan.default_tier:
        return TierState(plan.default_tier)
    tier = _known(subject.tier, Tier)
    chooser = None if tier is None else plan.may_choose.get(tier)
    if tier is None or chooser is None:
        return TierState.UNKNOWN
    if chooser is Chooser.ORGANISATION and subject.organisation is None:
        return TierState.UNKNOWN
    return TierState(tier)


def narrower(pack: Pack, purpose: Purpose | None, one: TierState, other: TierState) -> TierState:
    """Return whichever tier has the stricter cell for `purpose`; `one` if they are equal."""
    for unknown in (TierState.PLAN_UNKNOWN, TierState.UNKNOWN):
        if unknown in {one, other}:
            return unknown
    if purpose is None:
        return one

    def strictness(tier: TierState) -> int:
        return STRICTNESS.index(pack.cell(purpose, Tier(tier)))

    return other if strictness(other) > strictness(one) else one


def _narrowed(
    pack: Pack, purpose: Purpose | None, tier: TierState, override: str | None
) -> TierState:
    if override is None:
        return tier
    known = _known(override, Tier)
    other = TierState.UNKNOWN if known is None else TierState(known)
    return narrower(pack, purpose, tier, other)


# The states of several grants for one purpose: the first of these that any of them is in.
_BEST_FIRST = (
    GrantState.ACTIVE_NAMED_MATCH,
    GrantState.ACTIVE,
    GrantState.STALE_NOTICE,
    GrantState.SCOPE_MISMATCH,
    GrantState.EXPIRED,
    GrantState.WITHDRAWN,
    GrantState.NONE,
)


def _grant(pack: Pack, subject: SubjectFacts, use: UseFacts) -> tuple[GrantState, datetime]:
    purpose = _known(use.purpose, Purpose)
    grants = subject.grants.get(use.purpose, ())
    if purpose is None or not grants:
        return GrantState.NONE, FAR_FUTURE
    accepted = pack.accepted_notices(purpose)
    states = {_state_of(grant, accepted, use) for grant in grants}
    ends = [
        grant.expires_at
        for grant in grants
        if grant.status == ConsentStatus.GRANTED
        and grant.expires_at is not None
        and grant.expires_at > use.at
    ]
    return next(s for s in _BEST_FIRST if s in states), min(ends, default=FAR_FUTURE)


def _state_of(grant: GrantFacts, accepted: frozenset[str], use: UseFacts) -> GrantState:
    if grant.status == ConsentStatus.WITHDRAWN:
        return GrantState.WITHDRAWN
    expired = grant.expires_at is not None and grant.expires_at <= use.at
    if grant.status == ConsentStatus.EXPIRED:
        return GrantState.EXPIRED
    if grant.status != ConsentStatus.GRANTED:
        return GrantState.NONE
    if expired:
        return GrantState.EXPIRED
    if grant.notice not in accepted:
        return GrantState.STALE_NOTICE
    if not grant.named:
        return GrantState.ACTIVE
    return GrantState.ACTIVE_NAMED_MATCH if _names_match(grant, use) else GrantState.SCOPE_MISMATCH


def _names_match(grant: GrantFacts, use: UseFacts) -> bool:
    pairs = (
        (grant.dataset, use.dataset),
        (grant.run, use.run),
        (grant.partner, use.partner),
    )
    if use.purpose == Purpose.PARTNER_TRAINING and not (grant.partner and grant.run):
        return False  # R74: partner and run, both
    return all(asked == named for named, asked in pairs if named)


def _basis(pack: Pack, subject: SubjectFacts, purpose: Purpose | None) -> BasisState:
    if purpose is None:
        return BasisState.NOTICE_MISSING
    if purpose in subject.objections:
        return BasisState.OBJECTED
    if pack.accepted_notices(purpose) & subject.notices_shown:
        return BasisState.CURRENT
    return BasisState.NOTICE_MISSING


def _locality(pack: Pack, subject: SubjectFacts, use: UseFacts) -> Locality:
    home, there = _known(subject.region, Region), _known(use.region, Region)
    if home is None or there is None or home not in pack.regions:
        return Locality.UNKNOWN
    if home is not there:
        return Locality.ELSEWHERE
    return Locality.HOME if subject.tenant == use.tenant else Locality.OUTSIDE_TENANT


def _realm(subject: SubjectFacts, use: UseFacts) -> RealmState:
    known = _known(subject.realm, Realm)
    same = known is not None and subject.realm == use.realm
    return RealmState.SAME if same else RealmState.CROSSING


def _age(pack: Pack, subject: SubjectFacts) -> AgeState:
    region, age = _known(subject.region, Region), _known(subject.age_band, AgeBand)
    profile = None if region is None else pack.regions.get(region)
    if profile is None or age is None or age not in profile.accepted_ages:
        return AgeState.NOT_CLEARED
    return AgeState.CLEARED


def _organisation(pack: Pack, subject: SubjectFacts, use: UseFacts) -> OrganisationState:
    plan: Plan | None = pack.plans.get(subject.plan)
    facts = subject.organisation
    if facts is None:
        belongs = plan is not None and plan.account is AccountKind.ORGANISATION
        return OrganisationState.NOT_INSTRUCTED if belongs else OrganisationState.NONE
    purpose = _known(use.purpose, Purpose)
    info = None if purpose is None else pack.purposes.get(purpose)
    by_contract = info is not None and not info.signed_instruction
    stands = (by_contract or use.purpose in facts.instructed) and use.purpose not in facts.removed
    return OrganisationState.INSTRUCTED if stands else OrganisationState.NOT_INSTRUCTED


def _block(subject: SubjectFacts, conversation: ConversationFacts) -> Block:
    status = _known(subject.status, SubjectStatus)
    if status is None:
        return Block.CLOSED
    if status is not SubjectStatus.ACTIVE:
        return Block(status)
    signal = _known(conversation.signal, Signal)
    return Block.EXCLUDED if signal is None else Block(signal)


def _support(use: UseFacts, *, mechanism: str) -> Support:
    exists = mechanism in use.mechanisms if mechanism else use.exception_open
    return Support.PRESENT if exists else Support.ABSENT


def _known(word: str, kind: type[_Word]) -> _Word | None:
    try:
        return kind(word)
    except ValueError:
        return None
