"""Comparing approaches: three made-up people ask each policy what happens to their chats (R91)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from volens.core.purposes import AgeBand, Purpose
from volens.policy.classify import (
    ConversationFacts,
    GrantFacts,
    OrganisationFacts,
    SubjectFacts,
    UseFacts,
)
from volens.policy.decision import Policy
from volens.policy.pack import AccountKind, Pack, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutcome:
    """What the three people find on one plan."""

    plan: str
    used_by_default: frozenset[Purpose]
    """Learning from a person who has only read the notices."""
    stops_on_no: frozenset[Purpose]
    """Of those, what stops once the person says no."""
    used_with_yes: frozenset[Purpose]
    """Learning from a person who said yes in general."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One line of the table of approaches."""

    pack: str
    version: str
    label: str
    default_use: str
    opt_out: str
    training_method: str
    outcomes: tuple[PlanOutcome, ...]


def compare(policies: Iterable[Policy], at: datetime, language: str = "en") -> list[Comparison]:
    """Return one line for each policy, from its decisions about three made-up people.

    Each is an adult on each plan in a region of the pack: one who has only seen the notices, one
    who has also said no to everything, one who has said yes to everything.

    Args:
        policies: loaded packs of any kind.
        at: the moment asked about; before each policy version's end.
        language: for the label only.
    """
    return [_line(policy, at, language) for policy in policies]


def _line(policy: Policy, at: datetime, language: str) -> Comparison:
    outcomes = tuple(_outcome(policy, plan, at) for plan in policy.pack.plans.values())
    label = policy.pack.label
    return Comparison(
        pack=policy.pack.name,
        version=policy.pack.version,
        label=label.get(language, label["en"]),
        default_use=_default_use(outcomes),
        opt_out=_opt_out(outcomes),
        training_method=_training_method(outcomes),
        outcomes=outcomes,
    )


def _outcome(policy: Policy, plan: Plan, at: datetime) -> PlanOutcome:
    pack = policy.pack
    learning = [purpose for purpose, info in pack.purposes.items() if info.weights]
    people = {
        "silent": _person(pack, plan, says_no=False, says_yes=False),
        "no": _person(pack, plan, says_no=True, says_yes=False),
        "yes": _person(pack, plan, says_no=False, says_yes=True),
    }
    used = {
        who: frozenset(p for p in learning if _used(policy, person, p, at))
        for who, person in people.items()
    }
    return PlanOutcome(
        plan=plan.key,
        used_by_default=used["silent"],
        stops_on_no=used["silent"] - used["no"],
        used_with_yes=used["yes"],
    )


def _person(pack: Pack, plan: Plan, *, says_no: bool, says_yes: bool) -> SubjectFacts:
    region = next(iter(pack.regions))
    shown = frozenset(notice.hash for notice in pack.notices)
    organised = plan.account is AccountKind.ORGANISATION
    grants = {
        purpose.value: (GrantFacts(status="granted", notice=notice.hash),)
        for notice in pack.notices
        for purpose in notice.purposes
    }
    everything = frozenset(purpose.value for purpose in pack.purposes)
    return SubjectFacts(
        plan=plan.key,
        region=region,
        age_band=AgeBand.ADULT,
        organisation=OrganisationFacts(instructed=everything) if organised else None,
        grants=grants if says_yes else {},
        notices_shown=shown,
        objections=everything if says_no else frozenset(),
    )


def _used(policy: Policy, person: SubjectFacts, purpose: Purpose, at: datetime) -> bool:
    mechanism = policy.pack.purposes[purpose].mechanism
    use = UseFacts(purpose=purpose, region=person.region, at=at, mechanisms=frozenset({mechanism}))
    return policy.decide(person, ConversationFacts(), use).permit


def _default_use(outcomes: tuple[PlanOutcome, ...]) -> str:
    used = [outcome.plan for outcome in outcomes if outcome.used_by_default]
    if not used:
        return "not used for training"
    if len(used) == len(outcomes):
        return "used for training"
    return f"used for training on some plans: {', '.join(used)}"


def _opt_out(outcomes: tuple[PlanOutcome, ...]) -> str:
    used = [outcome for outcome in outcomes if outcome.used_by_default]
    stops = [outcome.plan for outcome in used if outcome.stops_on_no == outcome.used_by_default]
    if not used:
        return "not needed: off until the person says yes"
    if len(stops) == len(used):
        return "yes, but the person has to act"
    return f"only on some plans: {', '.join(stops)}" if stops else "no"


def _training_method(outcomes: tuple[PlanOutcome, ...]) -> str:
    by_default = frozenset[Purpose]().union(*(o.used_by_default for o in outcomes))
    asking = any(o.used_with_yes - o.used_by_default for o in outcomes)
    if by_default and asking:
        return "by default on some plans, with a yes on others"
    if by_default:
        return "chats of everybody who has not stopped it"
    return "only chats of people who said yes" if asking else "no chats"
