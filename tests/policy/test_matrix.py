"""The matrix of the requirements, cell by cell, asked of the shipped policy."""

from dataclasses import replace

import pytest

from tests.policy.packs import tiers_pack, tiers_policy
from volens.core.purposes import CONSENT_PURPOSES, PROHIBITED, Purpose, Tier
from volens.policy.model import (
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
)
from volens.policy.pack import Cell

B, T, G, N, X, V = (
    Cell.BASIS,
    Cell.BASIS_INSIDE,
    Cell.GRANT,
    Cell.NAMED_GRANT,
    Cell.EXCEPTION,
    Cell.NEVER,
)
# Copied by hand from the table of the requirements: public, restricted, private, isolated.
MATRIX = {
    Purpose.PROVIDE_SERVICE: (B, B, B, T),
    Purpose.KEEP_HISTORY: (B, B, B, T),
    Purpose.SAFETY_MONITORING: (B, B, B, T),
    Purpose.SAFETY_REVIEW: (X, X, X, X),
    Purpose.LEGAL_ORDER: (X, X, X, X),
    Purpose.EMERGENCY: (X, X, X, X),
    Purpose.SAFETY_TRAINING: (G, G, G, V),
    Purpose.SERVICE_IMPROVEMENT: (G, G, G, V),
    Purpose.ACTIVE_LEARNING: (G, V, N, V),
    Purpose.BATCH_TRAINING: (G, V, N, V),
    Purpose.HUMAN_FEEDBACK: (G, V, N, V),
    Purpose.AGGREGATED_RESEARCH: (B, B, G, V),
    Purpose.PARTNER_AGGREGATES: (B, B, G, V),
    Purpose.PARTNER_TRAINING: (N, V, N, V),
    Purpose.GOVERNMENT_TRAINING: (V, V, V, V),
}
CELLS = [
    (purpose, tier, cell)
    for purpose, row in MATRIX.items()
    for tier, cell in zip(Tier, row, strict=True)
]
EXCEPTIONAL = {Purpose.SAFETY_REVIEW, Purpose.LEGAL_ORDER, Purpose.EMERGENCY}


def best(purpose: Purpose, tier: Tier) -> ClassAttributes:
    """Return the class with everything in favour."""
    return ClassAttributes(
        purpose=purpose,
        tier=TierState(tier),
        grant=GrantState.ACTIVE_NAMED_MATCH,
        support=Support.PRESENT,
    )


def permits(attributes: ClassAttributes) -> bool:
    return tiers_policy().decide_class(attributes).permit


def test_the_matrix_lists_every_purpose_that_is_not_prohibited() -> None:
    assert set(MATRIX) == set(Purpose) - PROHIBITED == set(tiers_pack().matrix)


@pytest.mark.parametrize(("purpose", "tier", "cell"), CELLS)
def test_each_cell_permits_exactly_on_what_it_asks_for(
    purpose: Purpose, tier: Tier, cell: Cell
) -> None:
    everything = best(purpose, tier)
    assert permits(everything) is (cell is not Cell.NEVER)
    general = replace(everything, grant=GrantState.ACTIVE)
    assert permits(general) is (cell not in {Cell.NEVER, Cell.NAMED_GRANT})
    for grant in set(GrantState) - {GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH}:
        ungranted = replace(everything, grant=grant)
        assert permits(ungranted) is (cell in {Cell.BASIS, Cell.BASIS_INSIDE, Cell.EXCEPTION})
    for basis in (BasisState.NOTICE_MISSING, BasisState.OBJECTED):
        unbased = replace(everything, basis=basis)
        assert permits(unbased) is (cell in {Cell.GRANT, Cell.NAMED_GRANT, Cell.EXCEPTION})
    outside = replace(everything, locality=Locality.OUTSIDE_TENANT)
    assert permits(outside) is (cell is not Cell.NEVER and tier is not Tier.ISOLATED)


@pytest.mark.parametrize(("purpose", "tier", "cell"), CELLS)
def test_no_cell_permits_past_a_term_of_the_rule(purpose: Purpose, tier: Tier, cell: Cell) -> None:
    changes: list[tuple[dict[str, object], ReasonCode]] = [
        ({"realm": RealmState.CROSSING}, ReasonCode.REALM_CROSSING),
        ({"locality": Locality.ELSEWHERE}, ReasonCode.REGION_MISMATCH),
        ({"locality": Locality.UNKNOWN}, ReasonCode.REGION_UNKNOWN),
        ({"block": Block.RESTRICTED}, ReasonCode.BLOCKED_RESTRICTED),
        ({"block": Block.ERASING}, ReasonCode.BLOCKED_ERASING),
        ({"block": Block.CLOSED}, ReasonCode.BLOCKED_CLOSED),
        ({"tier": TierState.UNKNOWN}, ReasonCode.TIER_UNKNOWN),
        ({"tier": TierState.PLAN_UNKNOWN}, ReasonCode.PLAN_UNKNOWN),
    ]
    if purpose not in EXCEPTIONAL:
        changes.append(
            (
                {"organisation": OrganisationState.NOT_INSTRUCTED},
                ReasonCode.ORGANISATION_INSTRUCTION_MISSING,
            )
        )
    if purpose in CONSENT_PURPOSES:
        changes.append(({"age": AgeState.NOT_CLEARED}, ReasonCode.AGE_NOT_CLEARED))
    for change, reason in changes:
        decision = tiers_policy().decide_class(replace(best(purpose, tier), **change))  # type: ignore[arg-type]
        assert not decision.permit
        assert reason in decision.reasons
        if cell is not Cell.NEVER:
            assert decision.reasons == (reason,)


@pytest.mark.parametrize("purpose", sorted(PROHIBITED))
@pytest.mark.parametrize("tier", list(Tier))
def test_a_prohibited_use_is_denied_with_everything_in_its_favour(
    purpose: Purpose, tier: Tier
) -> None:
    decision = tiers_policy().decide_class(best(purpose, tier))
    assert not decision.permit
    assert decision.reasons == (ReasonCode.PROHIBITED,)


@pytest.mark.parametrize("purpose", list(MATRIX))
def test_an_exception_opens_nothing_but_its_own_purposes(purpose: Purpose) -> None:
    attributes = replace(best(purpose, Tier.PUBLIC), grant=GrantState.NONE)
    needs_grant = MATRIX[purpose][0] in {Cell.GRANT, Cell.NAMED_GRANT, Cell.NEVER}
    assert permits(attributes) is not needs_grant


@pytest.mark.parametrize("signal", [Block.TEMPORARY, Block.DO_NOT_REMEMBER, Block.EXCLUDED])
def test_a_signal_on_a_chat_stops_all_learning_and_nothing_else_but_history(signal: Block) -> None:
    for purpose, row in MATRIX.items():
        learning = purpose in CONSENT_PURPOSES or "aggregate" in purpose
        stopped = learning or (purpose is Purpose.KEEP_HISTORY and signal is Block.TEMPORARY)
        decision = permits(replace(best(purpose, Tier.PUBLIC), block=signal))
        assert decision is (row[0] is not Cell.NEVER and not stopped)


@pytest.mark.parametrize(
    "purpose", [Purpose.AGGREGATED_RESEARCH, Purpose.PARTNER_AGGREGATES, Purpose.ACTIVE_LEARNING]
)
def test_a_use_waits_until_its_mechanism_exists(purpose: Purpose) -> None:
    attributes = replace(best(purpose, Tier.PUBLIC), support=Support.ABSENT)
    assert tiers_policy().decide_class(attributes).reasons == (ReasonCode.MECHANISM_MISSING,)
