"""The door of the rules: a pack is admitted only if it can't permit what must never be.

Three questions, in order, each refusing by the name of the rule:

1. Does the head of any permitting rule reach a prohibited purpose? The conditions below a head can
   only narrow it, so the head alone is a safe and complete test (R55).
2. Would the pack's own rules, without the base rules, use a person's data for a consent purpose
   without an active grant (R01)? Comparison packs are not asked this.
3. Does Cedar answer as the matrix says, verdict and reasons, on a grid of classes?
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from volens.core.errors import InvalidInput
from volens.core.purposes import CONSENT_PURPOSES, Purpose, Tier
from volens.policy.cedar import Engine, covers_prohibited, permitted_actions
from volens.policy.decision import judge
from volens.policy.model import (
    DIGITS,
    BasisState,
    ClassAttributes,
    GrantState,
    Support,
    TierState,
)
from volens.policy.pack import Pack, PackKind
from volens.policy.reference import decide_reference
from volens.policy.sections import CONSENT_RULE, PROHIBITING_RULE

_INACTIVE = tuple(
    grant for grant in GrantState if grant not in {GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH}
)


def admit(pack: Pack, own: str, *, file: str) -> None:
    """Pass if the pack keeps every base rule and its Cedar agrees with its matrix.

    Args:
        pack: the pack, base rules included.
        own: the pack's own Cedar, without the base rules.
        file: the name of that Cedar file, for messages.

    Raises:
        InvalidInput: ``policy_invalid`` if Cedar refuses the rules, ``pack_refused`` if they would
            permit a prohibited use or one without consent, ``pack_disagrees`` if Cedar and matrix
            differ.
    """
    _refuse_prohibited(own, file)
    if pack.kind is PackKind.ENFORCEABLE:
        _refuse_without_grant(pack, own, file)
    _compare_with_matrix(pack)


def _refuse_prohibited(own: str, file: str) -> None:
    for name, actions in permitted_actions(own, file).items():
        reached = covers_prohibited(actions)
        if not reached:
            continue
        purpose = reached[0]
        rule = PROHIBITING_RULE[purpose] if purpose else "base-known-purpose (R07)"
        words = purpose.value if purpose else "an unknown purpose"
        raise InvalidInput(
            "pack_refused",
            f"{file}: the rule {name!r} would permit {words}, against {rule}",
            hint="let the head name only purposes that may be permitted",
        )


def _refuse_without_grant(pack: Pack, own: str, file: str) -> None:
    engine = Engine(own, pack.schema)
    asked = product(sorted(CONSENT_PURPOSES), Tier, _INACTIVE, BasisState, Support)
    for purpose, tier, grant, basis, support in asked:
        answer = engine.ask(
            ClassAttributes(
                purpose=purpose, tier=TierState(tier), grant=grant, basis=basis, support=support
            )
        )
        if answer.allowed:
            raise InvalidInput(
                "pack_refused",
                f"{file}: the rule {answer.rules[0]!r} would permit {purpose.value} "
                f"when the grant is {grant.value}, against {CONSENT_RULE}",
                hint='ask for context.grant == "active" or "active_named_match"',
            )


def _compare_with_matrix(pack: Pack) -> None:
    engine = Engine(pack.cedar, pack.schema)
    for attributes in grid():
        if attributes.purpose not in pack.matrix:
            continue
        judged = judge(pack, engine.ask(attributes), attributes)
        expected = decide_reference(pack, attributes)
        if judged[:2] != expected:
            said = "permit" if judged[0] else "deny"
            meant = "permit" if expected[0] else "deny"
            raise InvalidInput(
                "pack_disagrees",
                f"policy.cedar and the matrix differ on {attributes.purpose} for "
                f"{attributes.tier}, grant {attributes.grant}, basis {attributes.basis}, "
                f"support {attributes.support}, locality {attributes.locality}: "
                f"cedar says {said} ({', '.join(judged[1])}), "
                f"the matrix {meant} ({', '.join(expected[1])})",
                hint="correct whichever is wrong; both must say the same",
            )


def grid() -> Iterator[ClassAttributes]:
    """Yield the classes that tell cells apart, then each other value on its own."""
    for purpose, tier, support in product(Purpose, Tier, Support):
        at = ClassAttributes(purpose=purpose, tier=TierState(tier), support=support)
        for grant in GrantState:
            yield replace(at, grant=grant)
        for basis in BasisState:
            yield replace(at, basis=basis, grant=GrantState.ACTIVE_NAMED_MATCH)
        if support is Support.ABSENT:
            continue
        open_as_can_be = replace(at, grant=GrantState.ACTIVE_NAMED_MATCH)
        for name, values in DIGITS:
            if name in {"purpose", "grant", "basis", "support"}:
                continue
            for value in values[1:]:
                change: dict[str, Any] = {name: value}
                yield replace(open_as_can_be, **change)
