"""The queue of open requests: a plan changes the place in it, and nothing else (R21, R63). Pure.

The earliest deadline goes first. A request of a priority plan counts as due a little earlier, by a
bounded head start, so that nobody waits without end behind others; what is late goes before all.
What somebody chose (yes, no, withdrawn, objected) is no argument of anything here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from volens.core.ids import RequestId, SubjectId
from volens.core.purposes import Tier
from volens.log.kinds import RequestKind
from volens.policy.pack import Chooser, Plan
from volens.rights.requests import RightsRequest


class Speed(StrEnum):
    """How soon a plan's requests are taken up (R17): the one thing a plan changes."""

    STANDARD = "standard"
    PRIORITY = "priority"


HEAD_START: Final[Mapping[Speed, timedelta]] = {
    Speed.STANDARD: timedelta(0),
    Speed.PRIORITY: timedelta(days=5),
}
"""How much earlier than it is due a request counts as due. Bounded: a priority request goes before
a standard one only if it is due less than this much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One request in the queue."""

    number: int
    """From 1."""
    request: RequestId
    kind: RequestKind
    speed: Speed
    opened: datetime
    due: datetime
    age: timedelta
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How old one part of the queue is."""

    waiting: int
    late: int
    oldest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """All that an account gets by its plan. Two people on one plan get the same (R63)."""

    plan: str
    default_tier: Tier | None
    may_choose: tuple[tuple[Tier, Chooser], ...]
    speed: Speed
    rights: tuple[RequestKind, ...]


def speed_of(plan: str, priority: Collection[str]) -> Speed:
    """Return the speed of a plan, given the plans that go first; an unknown one is standard."""
    return Speed.PRIORITY if plan in priority else Speed.STANDARD


def line_up(
    requests: Iterable[RightsRequest],
    plans: Mapping[SubjectId, str],
    at: datetime,
    *,
    priority: Collection[str],
) -> tuple[Place, ...]:
    """Return the open requests in the order in which they are to be taken up.

    Args:
        requests: any; closed ones are left out.
        plans: the plan of each person's account; standard speed for whoever is not there.
        at: now.
        priority: the plans that go first, as the policy says (`protections.priority_plans`).
    """
    waiting = [
        (request, speed_of(plans.get(request.subject, "") if request.subject else "", priority))
        for request in requests
        if request.closing is None
    ]

    def key(item: tuple[RightsRequest, Speed]) -> tuple[bool, datetime, datetime, str]:
        request, speed = item
        late = request.late(at)
        head_start = timedelta(0) if late else HEAD_START[speed]
        return (not late, request.due - head_start, request.opened, request.id)

    return tuple(
        Place(
            number=number,
            request=request.id,
            kind=request.kind,
            speed=speed,
            opened=request.opened,
            due=request.due,
            age=at - request.opened,
            late=request.late(at),
        )
        for number, (request, speed) in enumerate(sorted(waiting, key=key), start=1)
    )


def ages(queue: Sequence[Place]) -> dict[Speed, Ages]:
    """Return how many wait at each speed, how many are late, and how old the oldest is."""
    found = {}
    for speed in Speed:
        part = [place for place in queue if place.speed is speed]
        found[speed] = Ages(
            waiting=len(part),
            late=sum(place.late for place in part),
            oldest=max((place.age for place in part), default=timedelta(0)),
        )
    return found


def treatment(plan: str, plans: Mapping[str, Plan], *, priority: Collection[str]) -> Treatment:
    """Return what accounts on a plan get: the rights are all of them, on every plan."""
    known = plans.get(plan)
    choices = () if known is None else tuple(sorted(known.may_choose.items()))
    return Treatment(
        plan=plan,
        default_tier=None if known is None else known.default_tier,
        may_choose=choices,
        speed=speed_of(plan, priority),
        rights=tuple(RequestKind),
    )
