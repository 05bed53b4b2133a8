"""What organisations instruct (R14, R16, R20): the one way in which it changes, for every door.

Only what the policy's matrix has for organisations can be instructed, and times can only be
shorter than the policy's. What an administrator decides is the training-like part; what law or
safety ask for is agreed with whoever runs the home, and a change by an administrator leaves it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from volens.app.home import Home
from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput
from volens.core.purposes import CONSENT_PURPOSES, Purpose
from volens.policy.decision import Policy
from volens.policy.needs import need
from volens.policy.pack import AccountKind, Cell
from volens.policy.retention import Days, RetentionClass, check_shorter, days_of
from volens.vault.instructions import Instruction
from volens.vault.subjects import check_word

_TRAINING: Final = CONSENT_PURPOSES | {Purpose.AGGREGATED_RESEARCH, Purpose.PARTNER_AGGREGATES}
"""What an administrator decides."""


class Agreed(Enum):
    """What becomes of purposes that an administrator does not decide."""

    KEEP = "keep"
    """They stay as they were agreed, and can't be named."""
    REPLACE = "replace"
    """They can be named like the others, and go if they are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one organisation has instructed so far."""

    organisation: str
    version: int
    """0: nothing yet."""
    sha256: str | None
    """Of the document of this version."""
    purposes: tuple[str, ...]
    """In the order of the alphabet."""
    keeping: Mapping[RetentionClass, int]

    @property
    def state(self) -> bytes:
        """All of it, as canonical JSON: two that are alike are the same."""
        told: dict[str, Json] = {
            "organisation": self.organisation,
            "version": self.version,
            "purposes": [*self.purposes],
            "keeping": {kind.value: days for kind, days in self.keeping.items()},
        }
        return canonical_json(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that may be recorded: checked, and nothing done yet."""

    before: Standing
    purposes: tuple[Purpose, ...]
    """All that hold afterwards."""
    keeping: Mapping[RetentionClass, int]


def instructable(policy: Policy, agreed: Agreed = Agreed.KEEP) -> tuple[Purpose, ...]:
    """Return what can be instructed: what some tier of a plan for organisations has.

    A purpose that the matrix never allows there can't be instructed, nor one that the contract
    covers, nor what is prohibited.
    """
    pack = policy.pack
    tiers = {
        tier
        for plan in pack.plans.values()
        if plan.account is not AccountKind.PERSON
        for tier in (plan.default_tier, *plan.may_choose)
    }
    return tuple(
        purpose
        for purpose, info in pack.purposes.items()
        if info.signed_instruction
        and (agreed is Agreed.REPLACE or purpose in _TRAINING)
        and any(need(policy, purpose, tier).cell is not Cell.NEVER for tier in tiers)
    )


def standing(home: Home, organisation: str) -> Standing:
    """Return what an organisation has instructed so far.

    Raises:
        InvalidInput: ``word_form`` if that is no name.
    """
    check_word("organisation", organisation)
    versions = home.subjects.instruction_versions(organisation)
    return Standing(
        organisation=organisation,
        version=versions[-1].version if versions else 0,
        sha256=versions[-1].sha256 if versions else None,
        purposes=tuple(sorted(home.subjects.instructions().get(organisation, frozenset()))),
        keeping=home.subjects.keeping().get(organisation, {}),
    )


def prepare(
    home: Home,
    organisation: str,
    purposes: Collection[str] | None,
    keeping: Days | None,
    *,
    agreed: Agreed,
) -> Change:
    """Return a change as it would be recorded.

    Args:
        home: the home.
        organisation: whose.
        purposes: all that it allows from now on; None leaves them as they are.
        keeping: all times that it shortens from now on, in days; None leaves them as they are.
        agreed: whether what an administrator does not decide stays or goes.

    Raises:
        InvalidInput: ``outside_matrix`` for a purpose that can't be instructed;
            ``retention_too_long``, ``retention_too_short`` for a time that is new; ``word_form``.
    """
    before = standing(home, organisation)
    after = {Purpose(word) for word in before.purposes}
    if purposes is not None:
        known = instructable(home.policy, agreed)
        outside = sorted(set(purposes) - {one.value for one in known})
        if outside:
            hint = f"one of {', '.join(known)}"
            message = f"an organisation can't instruct {outside[0][:40]!r}"
            raise InvalidInput("outside_matrix", message, hint=hint)
        stays = after - set(known) if agreed is Agreed.KEEP else set()
        after = stays | {Purpose(word) for word in purposes}
    times = before.keeping if keeping is None else keeping
    new = {kind: days for kind, days in times.items() if before.keeping.get(kind) != days}
    check_shorter(new, days_of(home.policy.pack.tables["retention"]))
    return Change(before=before, purposes=tuple(sorted(after)), keeping=dict(times))


def record(home: Home, change: Change) -> Instruction:
    """Record a change as the organisation's next version; it is logged before it holds."""
    name = change.before.organisation
    return home.subjects.instruct(name, change.purposes, keeping=change.keeping)
