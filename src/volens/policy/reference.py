"""The one rule, written as plainly as it can be; the yardstick for every pack's Cedar.

    permit(use) = not prohibited and realm_ok and region_ok and age_ok and organisation_ok
                  and tier_permits[purpose] and basis_ok and not blocked

No decision is taken here: `volens.policy.decision` asks Cedar. A pack whose Cedar answers
differently from this function is refused at the door, and tests compare the two on every class.
"""

from __future__ import annotations

from volens.core.purposes import CONSENT_PURPOSES, PROHIBITED, Purpose, Tier
from volens.policy.model import (
    REASONS_BY_ATTRIBUTE,
    AgeState,
    BasisState,
    Block,
    ClassAttributes,
    GrantState,
    Locality,
    OrganisationState,
    RealmState,
    ReasonCode,
    Support,
    TierState,
    in_order,
)
from volens.policy.pack import Cell, Pack, PackKind

EXCEPTIONAL = frozenset({Purpose.SAFETY_REVIEW, Purpose.LEGAL_ORDER, Purpose.EMERGENCY})
AGGREGATE = frozenset({Purpose.AGGREGATED_RESEARCH, Purpose.PARTNER_AGGREGATES})
LEARNING = CONSENT_PURPOSES | AGGREGATE | {Purpose.GOVERNMENT_TRAINING}
_ACCOUNT_BLOCKS = frozenset({Block.RESTRICTED, Block.ERASING, Block.CLOSED})
_GRANTED = frozenset({GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH})


def decide_reference(
    pack: Pack, attributes: ClassAttributes
) -> tuple[bool, tuple[ReasonCode, ...]]:
    """Return the verdict and its reasons for one class, from the matrix alone.

    Args:
        pack: the pack whose matrix, purposes and kind count; its Cedar is not looked at.
        attributes: the class; a purpose that the pack does not list counts as unknown.
    """
    a = attributes
    purpose = a.purpose if a.purpose in pack.matrix or a.purpose in PROHIBITED else None
    no: set[ReasonCode] = set()
    if purpose is None:
        no.add(ReasonCode.PURPOSE_UNKNOWN)
    if purpose in PROHIBITED:
        no.add(ReasonCode.PROHIBITED)
    if purpose is Purpose.GOVERNMENT_TRAINING:
        no.add(ReasonCode.TIER_NEVER)
    no |= _general_terms(purpose, a)
    yes: set[ReasonCode] = set()
    if purpose in pack.matrix and a.tier not in {TierState.UNKNOWN, TierState.PLAN_UNKNOWN}:
        assert purpose is not None
        cell_yes, cell_no = _cell_terms(pack.cell(purpose, Tier(a.tier)), a)
        yes |= cell_yes
        no |= cell_no
    if purpose in CONSENT_PURPOSES and pack.kind is PackKind.ENFORCEABLE:
        no |= _because("grant", a.grant)  # R01, whatever the matrix says
    info = None if purpose is None else pack.purposes.get(purpose)
    if info is not None and info.mechanism and a.support is Support.ABSENT:
        no.add(ReasonCode.MECHANISM_MISSING)
    return (False, in_order(no)) if no else (True, in_order(yes))


def _general_terms(purpose: Purpose | None, a: ClassAttributes) -> set[ReasonCode]:
    """Return the reasons that do not depend on the matrix."""
    no = _because("tier", a.tier)
    if a.realm is RealmState.CROSSING:
        no.add(ReasonCode.REALM_CROSSING)
    no |= _because("locality", a.locality)
    if a.tier is TierState.ISOLATED and a.locality is Locality.OUTSIDE_TENANT:
        no.add(ReasonCode.OUTSIDE_TENANT)
    if purpose in CONSENT_PURPOSES and a.age is AgeState.NOT_CLEARED:
        no.add(ReasonCode.AGE_NOT_CLEARED)
    if a.organisation is OrganisationState.NOT_INSTRUCTED and purpose not in EXCEPTIONAL:
        no.add(ReasonCode.ORGANISATION_INSTRUCTION_MISSING)
    if (
        a.block in _ACCOUNT_BLOCKS
        or purpose in LEARNING
        or (purpose is Purpose.KEEP_HISTORY and a.block is Block.TEMPORARY)
    ):
        no |= _because("block", a.block)
    return no


def _cell_terms(cell: Cell, a: ClassAttributes) -> tuple[set[ReasonCode], set[ReasonCode]]:
    """Return (reasons for, reasons against) that follow from one matrix cell."""
    match cell:
        case Cell.NEVER:
            return set(), {ReasonCode.TIER_NEVER}
        case Cell.ALWAYS:
            return {ReasonCode.USED_BY_DEFAULT}, set()
        case Cell.BASIS | Cell.BASIS_INSIDE:
            outside = cell is Cell.BASIS_INSIDE and a.locality is Locality.OUTSIDE_TENANT
            against = {ReasonCode.OUTSIDE_TENANT} if outside else set()
            if a.basis is not BasisState.CURRENT:
                against |= _because("basis", a.basis)
            return {ReasonCode.BASIS}, against
        case Cell.GRANT:
            return {ReasonCode.GRANTED}, _because("grant", a.grant)
        case Cell.NAMED_GRANT:
            general = {ReasonCode.GRANT_SCOPE} if a.grant is GrantState.ACTIVE else set()
            return {ReasonCode.GRANTED}, general | _because("grant", a.grant)
        case Cell.EXCEPTION:
            missing = {ReasonCode.EXCEPTION_MISSING} if a.support is Support.ABSENT else set()
            return {ReasonCode.EXCEPTION_OPEN}, missing


def _because(attribute: str, value: object) -> set[ReasonCode]:
    """Return the reason that a denied value of an attribute stands for, if it is denied."""
    reasons = REASONS_BY_ATTRIBUTE[attribute]
    return {reason for denied, reason in reasons.items() if denied is value}
