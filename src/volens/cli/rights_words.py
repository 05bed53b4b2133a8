"""Rights requests said to people: what happens, by when, and whose rules say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import RenderableType

from volens.cli.output import BAD, DIM, GOOD, WARN, indented, line
from volens.core.canonical import Json
from volens.core.regions import Region
from volens.core.time import format_moment
from volens.holds.erasure import Erasure, ErasureState
from volens.log.kinds import RequestKind, RequestOutcome
from volens.policy.pack import RegionProfile
from volens.rights.deadlines import Deadline
from volens.rights.desk import COPIES
from volens.rights.requests import Reason, RequestState, RightsRequest, request_facts

HAPPENS = {
    RequestKind.ACCESS: "a copy of all data about the person is made and handed over",
    RequestKind.PORTABILITY: "the person gets their data in a form that other programs can read",
    RequestKind.ERASURE: "access ends at once; the data goes after the days, 7 at most, in which "
    "the person can change their mind; after 30 days at most no copy opens it",
    RequestKind.RECTIFICATION: "somebody looks at what is wrong and corrects it",
    RequestKind.RESTRICTION: "the data stays, and every use of it is blocked",
    RequestKind.OBJECTION: "the uses that rest on a legitimate interest stop for this person",
    RequestKind.DO_NOT_SELL: "the wish is kept; nobody's data is ever sold or shared here anyway",
}
"""What each kind leads to."""
REASON_WORDS = {
    Reason.DONE: "it is done",
    Reason.ALREADY_SO: "it was so already",
    Reason.NEVER_DONE: "what it forbids is never done here, to nobody",
    Reason.HELD: "a hold keeps part of the data",
    Reason.OTHERS_RIGHTS: "part of it is about other people",
    Reason.LEGAL_DUTY: "a law demands that the data be kept",
    Reason.COMPELLING_GROUNDS: "there are grounds that weigh more, and they were told",
    Reason.ACCURATE: "what is held was found to be right",
    Reason.IDENTITY_NOT_SHOWN: "it was not shown that the person asks",
    Reason.NO_MATCH: "nobody here is the person described",
    Reason.NOT_OFFERED: "nobody can have what was asked for",
    Reason.EXCESSIVE: "it is unfounded or excessive",
    Reason.TAKEN_BACK: "the person took it back",
}
_STYLE = {
    RequestOutcome.FULFILLED: GOOD,
    RequestOutcome.PARTLY: WARN,
    RequestOutcome.REFUSED: BAD,
    RequestOutcome.WITHDRAWN: DIM,
}
_NEXT = {
    RequestState.OPEN: "volens rights confirm {id} --by documents",
    RequestState.VERIFIED: "volens rights start {id}",
    RequestState.IN_PROGRESS: "volens rights close {id} --outcome fulfilled --reason done",
}


def request_document(request: RightsRequest, at: datetime) -> dict[str, Json]:
    """Return a request for programs, as it stands at a moment."""
    return {**request_facts(request), "late": request.late(at)}


def deadline_document(until: Deadline) -> dict[str, Json]:
    """Return a deadline for programs."""
    return {
        "due": format_moment(until.due),
        "decided_by": until.decided_by.region.value,
        "source": until.decided_by.source,
        "extendable_to": format_moment(until.extended) if until.extended else None,
        "applies": [
            {
                "region": one.region.value,
                "why": one.why,
                "due": format_moment(one.due),
                "source": one.source,
            }
            for one in until.applies
        ],
    }


def say_deadline(until: Deadline, label: str, *, due: datetime) -> list[RenderableType]:
    """Say by when an answer is due, whose rules say so and why."""
    rule = until.decided_by
    said = [
        line(f"An answer is due before {said_moment(due)}."),
        line(f"The rules of {label} apply ({rule.source}): {rule.why}."),
    ]
    others = sorted({one.region.value for one in until.applies if one.region != rule.region})
    if others:
        said.append(line(f"What counts too and allows more time: {', '.join(others)}.", DIM))
    return [indented(*said)]


def say_ending(request: RightsRequest) -> list[RenderableType]:
    """Say how a request ended, or what comes next."""
    closing = request.closing
    if closing is not None:
        text = f"Closed {said_moment(closing.at)}: {closing.outcome.value}"
        return [line(f"{text}, {REASON_WORDS[closing.reason]}.", _STYLE[closing.outcome])]
    if request.erasure is not None:
        first = line(f"Access has ended. The erasure's reference number: {request.erasure}")
        return [first, line("The request closes by itself when the erasure is done.", DIM)]
    step = _NEXT[request.state]
    if request.kind in COPIES and request.state is not RequestState.OPEN:
        step = "volens rights hand-over {id} --out FILE.zip"
    return [line(f"Next: {step.format(id=request.id)}", DIM)]


def say_promise(erasure: Erasure, request: RightsRequest) -> list[RenderableType]:
    """Say what is promised of the erasure that a request led to, and if its answer may be late."""
    if erasure.state is ErasureState.HELD:
        return [line("A hold keeps what it names; its time counts from the end of the hold.", WARN)]
    if erasure.cool_off_ends > erasure.requested:
        back = f"Until {said_moment(erasure.cool_off_ends)} it can be taken back."
    else:
        back = "It can't be taken back: it is due at once."
    by = erasure.promised_by
    said = [line(back), line(f"By {said_moment(by)} it is gone for good: no old copy opens.")]
    if by > request.due:
        text = "That can be after the answer is due: tell the person so in time."
        said.append(line(text, WARN))
    return [indented(*said)]


def region_label(region: Region, profile: RegionProfile | None) -> str:
    """Return what a region is called."""
    return region.value if profile is None else f"{profile.label['en']} ({region.value})"


def said_moment(moment: datetime) -> str:
    """Return a moment to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def said_age(age: timedelta) -> str:
    """Return how old something is: days and hours."""
    hours = age // timedelta(hours=1)
    return f"{hours // 24} d {hours % 24} h"


def said_left(due: datetime, at: datetime) -> str:
    """Return how much time is left, or by how much it is late."""
    return f"{said_age(due - at)} left" if due > at else f"late by {said_age(at - due)}"


def table_row(request: RightsRequest, at: datetime) -> Sequence[str]:
    """Return a request as a row: id, kind, state, what is left."""
    closing = request.closing
    ending = said_left(request.due, at) if closing is None else closing.outcome.value
    return (request.id, request.kind.value, request.state.value, ending)
