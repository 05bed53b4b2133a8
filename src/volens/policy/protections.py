"""The protections table (R17, R18): what each plan is promised, and the controls behind each word.

A pack says for each plan and area a few words for people and the controls that they stand for. The
controls are a closed list: each one is enforced by code and shown by a test (docs/protections.md),
so a pack can't promise what nothing keeps. What stands there is the least that a plan gets; no plan
has fewer rights than another (R63). Payment data is on no plan: none is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from volens.policy.pack import Pack, Plan, Row, Text
from volens.policy.wording import say

TABLE: Final = "protections"


class Area(StrEnum):
    """What is protected; the columns of the table."""

    CONVERSATION_TRAINING = "conversation_training"
    DATA_DELETION = "data_deletion"
    SAFETY_MONITORING = "safety_monitoring"
    ACCOUNT_SECURITY = "account_security"


class Control(StrEnum):
    """One thing that code enforces."""

    GRANT_REQUIRED = "grant_required"
    STARTS_OFF = "starts_off"
    PURPOSES_APART = "purposes_apart"
    PRIVATE_BY_DEFAULT = "private_by_default"
    INSTRUCTION_REQUIRED = "instruction_required"
    NEVER_TRAINED = "never_trained"
    DELETION_QUEUE_STANDARD = "deletion_queue_standard"
    DELETION_QUEUE_PRIORITY = "deletion_queue_priority"
    SAME_RIGHTS = "same_rights"
    FLAGGED_TURNS_ONLY = "flagged_turns_only"
    LEASE_15_MINUTES = "lease_15_minutes"
    LEASE_5_MINUTES = "lease_5_minutes"
    ALERTS_ON_ACCESS = "alerts_on_access"
    PASSWORD_RULES = "password_rules"  # noqa: S105 - the name of a control
    RATE_LIMITS = "rate_limits"
    SESSION_CONTROL = "session_control"
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    PASSKEYS = "passkeys"


CONTROLS: Final[Mapping[Area, frozenset[Control]]] = {
    Area.CONVERSATION_TRAINING: frozenset(
        {
            Control.GRANT_REQUIRED,
            Control.STARTS_OFF,
            Control.PURPOSES_APART,
            Control.PRIVATE_BY_DEFAULT,
            Control.INSTRUCTION_REQUIRED,
            Control.NEVER_TRAINED,
        }
    ),
    Area.DATA_DELETION: frozenset(
        {
            Control.DELETION_QUEUE_STANDARD,
            Control.DELETION_QUEUE_PRIORITY,
            Control.SAME_RIGHTS,
        }
    ),
    Area.SAFETY_MONITORING: frozenset(
        {
            Control.FLAGGED_TURNS_ONLY,
            Control.LEASE_15_MINUTES,
            Control.LEASE_5_MINUTES,
            Control.ALERTS_ON_ACCESS,
        }
    ),
    Area.ACCOUNT_SECURITY: frozenset(
        {
            Control.PASSWORD_RULES,
            Control.RATE_LIMITS,
            Control.SESSION_CONTROL,
            Control.SECOND_FACTOR_REQUIRED,
            Control.PASSKEYS,
        }
    ),
}
"""Which controls can stand behind the words of an area."""
COLUMNS: Final[Mapping[str, str]] = {
    name: how
    for area in Area
    for name, how in ((area.value, "said"), (f"{area.value}_controls", "words"))
}
"""The keys of an entry besides its label, and how each is read."""
_EITHER: Final = (
    (Control.DELETION_QUEUE_STANDARD, Control.DELETION_QUEUE_PRIORITY),
    (Control.LEASE_15_MINUTES, Control.LEASE_5_MINUTES),
)
_SHORT: Final = timedelta(minutes=5)
_LONG: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """One cell of the table."""

    area: Area
    words: Text
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanProtections:
    """One row of the table."""

    plan: str
    label: Text
    cells: tuple[Protection, ...]
    """One for each area, in its order."""

    @property
    def controls(self) -> frozenset[Control]:
        """All controls of the row."""
        return frozenset(control for cell in self.cells for control in cell.controls)


def protections(pack: Pack) -> tuple[PlanProtections, ...]:
    """Return the table of a pack, a row for each plan; empty if the pack has none."""
    return tuple(
        PlanProtections(plan=row.key, label=row.label, cells=tuple(_cell(row, a) for a in Area))
        for row in pack.tables.get(TABLE, ())
    )


def protections_of(pack: Pack, plan: str) -> frozenset[Control]:
    """Return the controls of a plan; none if the pack does not know it."""
    for row in protections(pack):
        if row.plan == plan:
            return row.controls
    return frozenset()


def priority_plans(pack: Pack) -> frozenset[str]:
    """Return the plans whose requests have a head start in the queue (R21)."""
    wanted = Control.DELETION_QUEUE_PRIORITY
    return frozenset(row.plan for row in protections(pack) if wanted in row.controls)


def longest_look(pack: Pack, plan: str) -> timedelta:
    """Return how long a look at somebody's turns may last; the shorter one when in doubt."""
    return _LONG if Control.LEASE_15_MINUTES in protections_of(pack, plan) else _SHORT


def fault(
    plans: Mapping[str, Plan], rows: Sequence[Row], *, describing: bool
) -> tuple[str, str, str] | None:
    """Return key, problem and hint of what is wrong with the table of a pack; None if nothing is.

    Args:
        plans: the plans of the pack.
        rows: its table.
        describing: the pack only describes how others do it: nothing there is enforced.
    """
    if describing:
        hint = "a comparison pack enforces nothing: leave the table out"
        return (TABLE, "promises what nothing keeps", hint) if rows else None
    if {row.key for row in rows} != set(plans):
        return TABLE, "has other plans than the pack", "give each plan one entry"
    for row in rows:
        found: set[str] = set()
        for area in Area:
            words = row.values[f"{area.value}_controls"]
            assert isinstance(words, tuple)
            if not words or set(words) - CONTROLS[area]:
                known = ", ".join(sorted(CONTROLS[area]))
                return f"{TABLE}.{row.key}.{area.value}_controls", "is no list of controls", known
            found |= set(words)
        for one, other in _EITHER:
            if (one in found) == (other in found):
                return f"{TABLE}.{row.key}", "says nothing, or two things", f"{one} or {other}"
    return None


def cells(row: PlanProtections, language: str) -> tuple[str, ...]:
    """Return a row as text: the plan, then the words of each area."""
    return (say(row.label, language), *(say(cell.words, language) for cell in row.cells))


def _cell(row: Row, area: Area) -> Protection:
    words, controls = row.values[area.value], row.values[f"{area.value}_controls"]
    assert isinstance(words, Mapping)
    assert isinstance(controls, tuple)
    return Protection(area=area, words=words, controls=tuple(Control(word) for word in controls))
