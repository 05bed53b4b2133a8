"""What a decision is made of: the class of a question, the verdict, and its reasons.

A decision depends on a few small attributes. Each combination is a class with one integer code, so
that whatever is decided once per class can be looked up for millions of conversations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose


class ReasonCode(StrEnum):
    """Why a decision is what it is. Closed; reasons are reported in this order."""

    POLICY_ERROR = "policy_error"
    PROHIBITED = "prohibited"
    PURPOSE_UNKNOWN = "purpose_unknown"
    PLAN_UNKNOWN = "plan_unknown"
    TIER_UNKNOWN = "tier_unknown"
    REALM_CROSSING = "realm_crossing"
    REGION_MISMATCH = "region_mismatch"
    REGION_UNKNOWN = "region_unknown"
    OUTSIDE_TENANT = "outside_tenant"
    BLOCKED_ERASING = "blocked_erasing"
    BLOCKED_CLOSED = "blocked_closed"
    BLOCKED_RESTRICTED = "blocked_restricted"
    SIGNAL_TEMPORARY = "signal_temporary"
    SIGNAL_DO_NOT_REMEMBER = "signal_do_not_remember"
    SIGNAL_EXCLUDED = "signal_excluded"
    TIER_NEVER = "tier_never"
    AGE_NOT_CLEARED = "age_not_cleared"
    ORGANISATION_INSTRUCTION_MISSING = "organisation_instruction_missing"
    NO_GRANT = "no_grant"
    GRANT_WITHDRAWN = "grant_withdrawn"
    GRANT_EXPIRED = "grant_expired"
    NOTICE_STALE = "notice_stale"
    GRANT_SCOPE = "grant_scope"
    NOTICE_MISSING = "notice_missing"
    OBJECTION_UPHELD = "objection_upheld"
    EXCEPTION_MISSING = "exception_missing"
    MECHANISM_MISSING = "mechanism_missing"
    TABLE_EXPIRED = "table_expired"
    GRANTED = "granted"
    BASIS = "basis"
    EXCEPTION_OPEN = "exception_open"
    USED_BY_DEFAULT = "used_by_default"
    """Comparison packs only: used without a yes."""


PERMIT_REASONS = frozenset(
    {
        ReasonCode.GRANTED,
        ReasonCode.BASIS,
        ReasonCode.EXCEPTION_OPEN,
        ReasonCode.USED_BY_DEFAULT,
    }
)


def in_order(reasons: frozenset[ReasonCode] | set[ReasonCode]) -> tuple[ReasonCode, ...]:
    """Return `reasons` in the order of `ReasonCode`."""
    return tuple(reason for reason in ReasonCode if reason in reasons)


class TierState(StrEnum):
    """The tier that applies; the last two are denied."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    PRIVATE = "private"
    ISOLATED = "isolated"
    UNKNOWN = "unknown"
    PLAN_UNKNOWN = "plan_unknown"


class GrantState(StrEnum):
    """What the person's grants say about this very use."""

    NONE = "none"
    ACTIVE = "active"
    """A general grant, in force."""
    ACTIVE_NAMED_MATCH = "active_named_match"
    """A grant that names the dataset, run or partner of this use, in force."""
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    STALE_NOTICE = "stale_notice"
    SCOPE_MISMATCH = "scope_mismatch"
    """Granted, but for another dataset, run or partner."""


class BasisState(StrEnum):
    """Whether a purpose that needs no grant has what it needs instead."""

    CURRENT = "current"
    NOTICE_MISSING = "notice_missing"
    OBJECTED = "objected"


class Locality(StrEnum):
    """Where the use happens, seen from where the data lives."""

    HOME = "home"
    OUTSIDE_TENANT = "outside_tenant"
    """The right region, but not the data's own tenant."""
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


class RealmState(StrEnum):
    """Whether data and use belong to the same realm (R77)."""

    SAME = "same"
    CROSSING = "crossing"


class AgeState(StrEnum):
    """Whether the region's age rule is met for consent purposes."""

    CLEARED = "cleared"
    NOT_CLEARED = "not_cleared"


class OrganisationState(StrEnum):
    """Whether an organisation stands behind the account, and what it has instructed."""

    NONE = "none"
    INSTRUCTED = "instructed"
    NOT_INSTRUCTED = "not_instructed"


class Block(StrEnum):
    """What stops the use: first the account's own state, else a signal on the conversation."""

    NONE = "none"
    RESTRICTED = "restricted"
    ERASING = "erasing"
    CLOSED = "closed"
    TEMPORARY = "temporary"
    DO_NOT_REMEMBER = "do_not_remember"
    EXCLUDED = "excluded"


class Support(StrEnum):
    """What the purpose needs besides the person: an open exception, or a mechanism that exists.

    One attribute serves both, because a pack may not ask both of one purpose.
    """

    ABSENT = "absent"
    PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAttributes:
    """Everything a decision depends on. `purpose` is None for a word nobody knows."""

    purpose: Purpose | None
    tier: TierState
    grant: GrantState = GrantState.NONE
    basis: BasisState = BasisState.CURRENT
    locality: Locality = Locality.HOME
    realm: RealmState = RealmState.SAME
    age: AgeState = AgeState.CLEARED
    organisation: OrganisationState = OrganisationState.NONE
    block: Block = Block.NONE
    support: Support = Support.ABSENT


DIGITS: tuple[tuple[str, tuple[StrEnum | None, ...]], ...] = (
    ("purpose", (*Purpose, None)),
    ("tier", tuple(TierState)),
    ("grant", tuple(GrantState)),
    ("basis", tuple(BasisState)),
    ("locality", tuple(Locality)),
    ("realm", tuple(RealmState)),
    ("age", tuple(AgeState)),
    ("organisation", tuple(OrganisationState)),
    ("block", tuple(Block)),
    ("support", tuple(Support)),
)
"""The digits of a class code, most significant first: attribute and its values."""


def _strides() -> dict[str, int]:
    strides = {}
    stride = 1
    for name, values in reversed(DIGITS):
        strides[name] = stride
        stride *= len(values)
    return strides


STRIDE = _strides()
"""What one step of an attribute adds to the class code."""
SIZE = {name: len(values) for name, values in DIGITS}
PURPOSE_CLASSES = STRIDE["purpose"]
"""Classes of one purpose; its codes are consecutive."""
CLASS_COUNT = PURPOSE_CLASSES * SIZE["purpose"]
_INDEX: dict[str, dict[StrEnum | None, int]] = {
    name: {value: index for index, value in enumerate(values)} for name, values in DIGITS
}


def encode(attributes: ClassAttributes) -> int:
    """Return the class code: an integer in 0 .. CLASS_COUNT - 1, one for each combination."""
    return sum(_INDEX[name][getattr(attributes, name)] * STRIDE[name] for name, _ in DIGITS)


def decode(code: int) -> ClassAttributes:
    """Return the attributes of a class code.

    Raises:
        InvalidInput: ``class_code`` if `code` is out of range.
    """
    if not 0 <= code < CLASS_COUNT:
        raise InvalidInput("class_code", f"class code {code} is not in 0..{CLASS_COUNT - 1}")
    values: dict[str, Any] = {
        name: options[code // STRIDE[name] % len(options)] for name, options in DIGITS
    }
    return ClassAttributes(**values)


def digit(name: str, value: StrEnum | None) -> int:
    """Return the digit that stands for `value` of the attribute `name`."""
    return _INDEX[name][value]


def every_class(purpose: Purpose | None) -> Iterator[ClassAttributes]:
    """Yield every class of one purpose, in the order of their codes."""
    first = digit("purpose", purpose) * PURPOSE_CLASSES
    for code in range(first, first + PURPOSE_CLASSES):
        yield decode(code)


REASONS_BY_ATTRIBUTE: dict[str, dict[StrEnum, ReasonCode]] = {
    "tier": {
        TierState.UNKNOWN: ReasonCode.TIER_UNKNOWN,
        TierState.PLAN_UNKNOWN: ReasonCode.PLAN_UNKNOWN,
    },
    "grant": {
        GrantState.NONE: ReasonCode.NO_GRANT,
        GrantState.WITHDRAWN: ReasonCode.GRANT_WITHDRAWN,
        GrantState.EXPIRED: ReasonCode.GRANT_EXPIRED,
        GrantState.STALE_NOTICE: ReasonCode.NOTICE_STALE,
        GrantState.SCOPE_MISMATCH: ReasonCode.GRANT_SCOPE,
    },
    "basis": {
        BasisState.NOTICE_MISSING: ReasonCode.NOTICE_MISSING,
        BasisState.OBJECTED: ReasonCode.OBJECTION_UPHELD,
    },
    "locality": {
        Locality.ELSEWHERE: ReasonCode.REGION_MISMATCH,
        Locality.UNKNOWN: ReasonCode.REGION_UNKNOWN,
    },
    "realm": {RealmState.CROSSING: ReasonCode.REALM_CROSSING},
    "age": {AgeState.NOT_CLEARED: ReasonCode.AGE_NOT_CLEARED},
    "organisation": {OrganisationState.NOT_INSTRUCTED: ReasonCode.ORGANISATION_INSTRUCTION_MISSING},
    "block": {
        Block.RESTRICTED: ReasonCode.BLOCKED_RESTRICTED,
        Block.ERASING: ReasonCode.BLOCKED_ERASING,
        Block.CLOSED: ReasonCode.BLOCKED_CLOSED,
        Block.TEMPORARY: ReasonCode.SIGNAL_TEMPORARY,
        Block.DO_NOT_REMEMBER: ReasonCode.SIGNAL_DO_NOT_REMEMBER,
        Block.EXCLUDED: ReasonCode.SIGNAL_EXCLUDED,
    },
}
"""For rules that take their reason from an attribute: the reason that each value stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """Which policy decided: name, version, and the hash over every byte of its pack."""

    name: str
    version: str
    hash: str
    """SHA-256, 64 lower-case hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict with its reasons. Never reduce it to a bare bool before it is logged."""

    permit: bool
    reasons: tuple[ReasonCode, ...]
    """At least one, in the order of `ReasonCode`."""
    policy: PolicyRef
    rules: tuple[str, ...]
    """Ids of the Cedar policies that decided, sorted; empty if none could be asked."""
    valid_until: datetime
    """From this moment on the decision must not be used any more."""
