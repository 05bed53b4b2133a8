"""The difference between two policy versions: in words, and in people and conversations (R70)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from volens.core.purposes import Purpose, Tier
from volens.policy.classify import ConversationFacts, SubjectFacts, UseFacts
from volens.policy.decision import Policy
from volens.policy.pack import Cell, Pack, Plan
from volens.policy.wording import say

_NOTICED = frozenset({Cell.BASIS, Cell.BASIS_INSIDE, Cell.GRANT, Cell.NAMED_GRANT})


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """One cell of the matrix that changed; None: the version does not know the purpose."""

    purpose: Purpose
    tier: Tier
    before: Cell | None
    after: Cell | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What came, went and changed among things that have a name."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDiff:
    """Everything that differs between two versions."""

    before: str
    after: str
    cells: tuple[CellChange, ...]
    plans: Named
    rules: Named
    notices: Named
    tables: Named
    stale: tuple[Purpose, ...]
    """Purposes whose earlier notice no longer counts: it must be shown, or asked, anew (R09)."""
    reasons: tuple[str, ...]
    """The new version's own annotations of its changes, in English."""


def diff_packs(before: Pack, after: Pack) -> PackDiff:
    """Return what differs between two packs, which need not be neighbours."""
    purposes = [p for p in Purpose if p in before.matrix or p in after.matrix]
    cells = [
        CellChange(purpose=purpose, tier=tier, before=one, after=two)
        for purpose in purposes
        for tier in Tier
        if (one := _cell(before, purpose, tier)) is not (two := _cell(after, purpose, tier))
    ]
    return PackDiff(
        before=before.version,
        after=after.version,
        cells=tuple(cells),
        plans=_named(before.plans, after.plans),
        rules=_named(before.rules, after.rules),
        notices=_named(
            {notice.file: notice.hash for notice in before.notices},
            {notice.file: notice.hash for notice in after.notices},
        ),
        tables=_named(_rows(before), _rows(after)),
        stale=tuple(
            purpose
            for purpose in purposes
            if _NOTICED & set(after.matrix.get(purpose, {}).values())
            and before.accepted_notices(purpose) - after.accepted_notices(purpose)
        ),
        reasons=tuple(change.summary["en"] for change in after.changes),
    )


def diff_text(diff: PackDiff, before: Pack, after: Pack) -> str:
    """Return the difference as readable lines, in English."""
    lines = [f"From {diff.before} to {diff.after}", ""]
    lines += [f"* {reason}" for reason in diff.reasons]
    for change in diff.cells:
        info = (after if change.after else before).purposes[change.purpose]
        lines.append(
            f"- {say(info.label, 'en')}, {change.tier}: "
            f"{_said(change.before)} -> {_said(change.after)}"
        )
    for plan in diff.plans.changed:
        was, will = _plan(before.plans[plan]), _plan(after.plans[plan])
        lines.append(f"- plan {plan}: {was} -> {will}" if was != will else f"- plan {plan}: words")
    for what, named in (
        ("plan", diff.plans),
        ("rule", diff.rules),
        ("notice", diff.notices),
        ("table entry", diff.tables),
    ):
        lines += [f"- new {what}: {name}" for name in named.added]
        lines += [f"- {what} gone: {name}" for name in named.removed]
        if what != "plan":
            lines += [f"- {what} changed: {name}" for name in named.changed]
    for purpose in diff.stale:
        label = say(after.purposes[purpose].label, "en")
        asked = {Cell.GRANT, Cell.NAMED_GRANT} & set(before.matrix[purpose].values())
        anew = "a yes to the earlier notice no longer counts" if asked else "to be shown anew"
        lines.append(f"- {label}: {anew}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person for `effect_of`: an opaque key, facts, and how many conversations there are."""

    key: str
    facts: SubjectFacts
    conversations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change of version does to one purpose."""

    purpose: Purpose
    gained: tuple[str, ...]
    """Keys of people whose conversations would become usable."""
    lost: tuple[str, ...]
    """Keys of people whose conversations would stop being usable."""
    conversations_gained: int
    conversations_lost: int


def effect_of(
    before: Policy,
    after: Policy,
    people: Iterable[Person],
    *,
    purposes: Iterable[Purpose],
    at: datetime,
    mechanisms: frozenset[str] = frozenset(),
) -> tuple[Effect, ...]:
    """Return which people and how many conversations become usable or stop being so.

    Each purpose is asked as a use in the person's own region, realm and tenant, naming no dataset,
    run or partner, at the moment `at`, which both versions must cover.
    """
    wanted = tuple(purposes)
    gained: dict[Purpose, list[Person]] = {purpose: [] for purpose in wanted}
    lost: dict[Purpose, list[Person]] = {purpose: [] for purpose in wanted}
    for person in people:
        for purpose in wanted:
            use = UseFacts(
                purpose=purpose,
                region=person.facts.region,
                realm=person.facts.realm,
                tenant=person.facts.tenant,
                at=at,
                mechanisms=mechanisms,
            )
            was = before.decide(person.facts, ConversationFacts(), use).permit
            will = after.decide(person.facts, ConversationFacts(), use).permit
            if will and not was:
                gained[purpose].append(person)
            elif was and not will:
                lost[purpose].append(person)
    return tuple(
        Effect(
            purpose=purpose,
            gained=tuple(person.key for person in gained[purpose]),
            lost=tuple(person.key for person in lost[purpose]),
            conversations_gained=sum(person.conversations for person in gained[purpose]),
            conversations_lost=sum(person.conversations for person in lost[purpose]),
        )
        for purpose in wanted
    )


def _cell(pack: Pack, purpose: Purpose, tier: Tier) -> Cell | None:
    return pack.cell(purpose, tier) if purpose in pack.matrix else None


def _named(before: Mapping[str, object], after: Mapping[str, object]) -> Named:
    return Named(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(n for n in after if n in before and after[n] != before[n]),
    )


def _rows(pack: Pack) -> dict[str, object]:
    return {f"{name}.{row.key}": row for name, rows in pack.tables.items() for row in rows}


def _said(cell: Cell | None) -> str:
    return "not offered" if cell is None else cell.replace("_", " ")


def _plan(plan: Plan) -> str:
    choices = ", ".join(f"{tier} by {who}" for tier, who in plan.may_choose.items())
    return f"{plan.default_tier}" + (f" (may choose {choices})" if choices else "")
