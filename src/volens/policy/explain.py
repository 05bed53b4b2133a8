"""Plain language, computed: what a plan or a tier means, and the tables that show it.

Each statement about a use comes from asking the policy (`volens.policy.needs`), each reason from
the annotation of a rule in force.
"""

from __future__ import annotations

from dataclasses import dataclass

from volens.core.errors import NotFound
from volens.core.purposes import PROHIBITED, Purpose, Tier
from volens.policy.decision import Policy
from volens.policy.model import ClassAttributes, TierState
from volens.policy.needs import Need, need
from volens.policy.pack import AccountKind, Cell, Chooser, Plan, Row
from volens.policy.protections import Area, cells, protections
from volens.policy.wording import BASES, CHOOSERS, HEADINGS, IMPACT, NEED, STAGE_IMPACT, WAITS, say

_NO_YES = frozenset({Cell.BASIS, Cell.BASIS_INSIDE, Cell.ALWAYS})
_IMPACT_STEPS = ("none", "low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table of plain texts, ready for any door."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def explain_text(policy: Policy, plan_or_tier: str, language: str = "en") -> str:
    """Return what a plan (on its own tier) or a tier means for a person, in plain language.

    Raises:
        NotFound: ``plan_unknown`` if the pack has neither such a plan nor such a tier.
    """
    pack = policy.pack
    plan = pack.plans.get(plan_or_tier)
    tier = plan.default_tier if plan else _tier(policy, plan_or_tier)
    info = pack.tiers[tier]
    title = say(plan.label if plan else info.label, language)
    lines = [title, ""]
    lines.append(
        f"{_heading('level', language)}: {say(info.label, language)}. "
        f"{say(info.description, language)}"
    )
    if plan and plan.note:
        lines.append(say(plan.note, language))
    needs = {purpose: need(policy, purpose, tier) for purpose in pack.matrix}
    lines += ["", f"{_heading('uses', language)}:"]
    lines += [
        f"- {say(pack.purposes[purpose].label, language)}: {need_text(found, language)}."
        for purpose, found in needs.items()
    ]
    behind = {rule for found in needs.values() for rule in found.rules}
    texts = [
        say(rule.text, language)
        for rule in pack.rules.values()
        if rule.id in behind and not rule.base
    ]
    lines += ["", f"{_heading('rules', language)}:", *(f"- {text}" for text in texts)]
    always = [say(rule.text, language) for rule in pack.rules.values() if rule.base]
    lines += ["", f"{_heading('always', language)}:", *(f"- {text}" for text in always)]
    return "\n".join(lines) + "\n"


def need_text(found: Need, language: str) -> str:
    """Return how a need is said after a purpose's name."""
    text = say(NEED[found.cell], language)
    return f"{text}; {say(WAITS, language)}" if found.waits else text


def plan_table(policy: Policy, language: str = "en") -> TextTable:
    """Return how each plan's data may be used, and the impact (R15)."""
    keys = ("plan", "start", "choice", "with_yes", "named", "no_yes", "never", "impact")
    rows = []
    for plan in policy.pack.plans.values():
        tier = plan.default_tier
        cells = {purpose: need(policy, purpose, tier).cell for purpose in policy.pack.matrix}
        rows.append(
            (
                say(plan.label, language),
                say(policy.pack.tiers[tier].label, language),
                _choosers(policy, plan, language),
                _labels(policy, cells, frozenset({Cell.GRANT}), language),
                _labels(policy, cells, frozenset({Cell.NAMED_GRANT}), language),
                _labels(policy, cells, _NO_YES, language),
                _labels(policy, cells, frozenset({Cell.NEVER}), language),
                say(IMPACT[plan_impact(policy, plan)], language),
            )
        )
    return TextTable(columns=tuple(_heading(key, language) for key in keys), rows=tuple(rows))


def plan_impact(policy: Policy, plan: Plan) -> str:
    """Return the plan's impact on privacy: none, low, medium, high or varies.

    High: with a yes to a purpose, models may learn more than safety. Medium: with such a yes, only
    safety. One step lower where an organisation must say yes as well. Varies: whoever holds the
    account chooses among tiers.
    """
    if Chooser.ACCOUNT in plan.may_choose.values():
        return "varies"
    open_to = {
        purpose
        for purpose, info in policy.pack.purposes.items()
        if info.weights and need(policy, purpose, plan.default_tier).cell in {Cell.GRANT, *_NO_YES}
    }
    step = 0 if not open_to else 2 if open_to == {Purpose.SAFETY_TRAINING} else 3
    if plan.account is AccountKind.ORGANISATION and step:
        step -= 1
    return _IMPACT_STEPS[step]


def matrix_table(policy: Policy, language: str = "en") -> TextTable:
    """Return what each purpose needs on each tier, with its legal basis."""
    pack = policy.pack
    rows = tuple(
        (
            say(info.label, language),
            say(BASES[info.legal_basis], language),
            *(need_text(need(policy, purpose, tier), language) for tier in Tier),
        )
        for purpose, info in pack.purposes.items()
    )
    tiers = tuple(say(pack.tiers[tier].label, language) for tier in Tier)
    columns = (_heading("purpose", language), _heading("basis", language), *tiers)
    return TextTable(columns=columns, rows=rows)


def stage_table(policy: Policy, language: str = "en") -> TextTable:
    """Return the training stages: stage, data source, purposes, impact (R11)."""
    rows = tuple(
        (
            say(row.label, language),
            _said(row, "source", language),
            ", ".join(
                say(policy.pack.purposes[Purpose(purpose)].label, language)
                for purpose in _words(row, "purposes")
            )
            or _heading("nothing", language),
            say(STAGE_IMPACT[str(row.values["impact"])], language),
        )
        for row in policy.pack.tables["stages"]
    )
    keys = ("stage", "source", "purposes", "impact")
    return TextTable(columns=tuple(_heading(key, language) for key in keys), rows=rows)


def protection_table(policy: Policy, language: str = "en") -> TextTable:
    """Return what each plan is promised, by area (R17); no rows if the pack has no such table."""
    keys = ("plan", *Area)
    rows = tuple(cells(row, language) for row in protections(policy.pack))
    return TextTable(columns=tuple(_heading(key, language) for key in keys), rows=rows)


def promises(policy: Policy, plan: str, language: str = "en") -> tuple[tuple[str, str], ...]:
    """Return what one plan is promised (R17): area and words; none if the pack has no such row."""
    return tuple(
        (_heading(cell.area, language), say(cell.words, language))
        for row in protections(policy.pack)
        if row.plan == plan
        for cell in row.cells
    )


def terms(policy: Policy, language: str = "en") -> dict[str, tuple[str, str]]:
    """Return each defined term: key -> (name, definition) (R71)."""
    return {
        row.key: (say(row.label, language), _said(row, "definition", language))
        for row in policy.pack.tables["terms"]
    }


def prohibitions(policy: Policy, language: str = "en") -> tuple[str, ...]:
    """Return the sentences of the rules that deny the prohibited uses, found by asking."""
    found: dict[str, str] = {}
    for purpose in Purpose:
        if purpose in PROHIBITED:
            asked = ClassAttributes(purpose=purpose, tier=TierState.PUBLIC)
            for rule in policy.decide_class(asked).rules:
                found[rule] = say(policy.pack.rules[rule].text, language)
    return tuple(found.values())


def _tier(policy: Policy, word: str) -> Tier:
    if word not in set(Tier):
        known = ", ".join([*policy.pack.plans, *Tier])
        raise NotFound("plan_unknown", f"no plan or tier {word!r}", hint=f"known: {known}")
    return Tier(word)


def _heading(key: str, language: str) -> str:
    return say(HEADINGS[key], language)


def _labels(
    policy: Policy, cells: dict[Purpose, Cell], wanted: frozenset[Cell], language: str
) -> str:
    labels = [
        say(policy.pack.purposes[purpose].label, language)
        for purpose, cell in cells.items()
        if cell in wanted
    ]
    return ", ".join(labels) or _heading("nothing", language)


def _choosers(policy: Policy, plan: Plan, language: str) -> str:
    choices = [
        f"{say(CHOOSERS[chooser], language)}: {say(policy.pack.tiers[tier].label, language)}"
        for tier, chooser in plan.may_choose.items()
    ]
    return "; ".join(choices) or _heading("nobody", language)


def _said(row: Row, key: str, language: str) -> str:
    text = row.values[key]
    return say(text, language) if isinstance(text, dict) else str(text)


def _words(row: Row, key: str) -> tuple[str, ...]:
    words = row.values[key]
    return words if isinstance(words, tuple) else ()
