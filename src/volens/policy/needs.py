"""What a purpose needs on a tier, learned by asking the policy.

Tables, plain-language text and comparisons are written from these answers, never from hand-written
words, so they can't disagree with the decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from volens.core.purposes import Purpose, Tier
from volens.policy.decision import Policy
from volens.policy.model import (
    BasisState,
    ClassAttributes,
    Decision,
    GrantState,
    Locality,
    Support,
    TierState,
)
from volens.policy.pack import Cell

_GRANTS = (GrantState.NONE, GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one purpose needs on one tier, all other terms of the rule being met."""

    cell: Cell
    """In the words of the matrix, but found by asking."""
    waits: bool
    """Whether it is denied until a mechanism exists."""
    rules: frozenset[str]
    """Ids of the rules that decided any of the questions."""


def need(policy: Policy, purpose: Purpose, tier: Tier) -> Need:
    """Return what `purpose` needs on `tier`."""
    answers = {(a.grant, a.basis, a.support): policy.decide_class(a) for a in _asked(purpose, tier)}
    waits_for = bool(policy.pack.purposes[purpose].mechanism)

    def yes(grant: GrantState, basis: BasisState, support: Support = Support.PRESENT) -> bool:
        return answers[grant, basis, support].permit

    if not any(answer.permit for answer in answers.values()):
        cell = Cell.NEVER
    elif yes(GrantState.NONE, BasisState.OBJECTED):
        always = waits_for or yes(GrantState.NONE, BasisState.OBJECTED, Support.ABSENT)
        cell = Cell.ALWAYS if always else Cell.EXCEPTION
    elif yes(GrantState.NONE, BasisState.CURRENT):
        outside = ClassAttributes(
            purpose=purpose,
            tier=TierState(tier),
            support=Support.PRESENT,
            locality=Locality.OUTSIDE_TENANT,
        )
        cell = Cell.BASIS if policy.decide_class(outside).permit else Cell.BASIS_INSIDE
    elif yes(GrantState.ACTIVE, BasisState.CURRENT):
        cell = Cell.GRANT
    else:
        cell = Cell.NAMED_GRANT
    best = _best(purpose, tier)
    waits = (
        cell not in {Cell.NEVER, Cell.EXCEPTION}
        and not policy.decide_class(replace(best, support=Support.ABSENT)).permit
    )
    return Need(cell=cell, waits=waits, rules=_rules(answers.values()))


def _asked(purpose: Purpose, tier: Tier) -> Iterator[ClassAttributes]:
    for grant, basis, support in product(_GRANTS, BasisState, Support):
        yield ClassAttributes(
            purpose=purpose, tier=TierState(tier), grant=grant, basis=basis, support=support
        )


def _best(purpose: Purpose, tier: Tier) -> ClassAttributes:
    return ClassAttributes(
        purpose=purpose,
        tier=TierState(tier),
        grant=GrantState.ACTIVE_NAMED_MATCH,
        support=Support.PRESENT,
    )


def _rules(decisions: Iterable[Decision]) -> frozenset[str]:
    return frozenset(rule for decision in decisions for rule in decision.rules)
