"""Rights requests, for the privacy officer: the queue, one request, and what may be done with it.

Nothing that was said is shown. The copy that answers an access request goes to the person, on
their own pages; the officer never has it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.rights import request_store, rights_desk
from volens.core.errors import NotFound
from volens.log.kinds import RequestOutcome
from volens.rights.desk import COPIES
from volens.rights.queue import Place
from volens.rights.requests import (
    REASONS,
    ExtensionReason,
    Reason,
    RequestState,
    RightsRequest,
    VerifiedBy,
)
from volens.web.console_frame import StaffPage, Visit, chosen
from volens.web.console_overview import left

_ROLES: Final = frozenset({Role.PRIVACY_OFFICER})
_PATH: Final = "/staff/requests"
_MOST: Final = 100
SHOWN_BY: Final = (VerifiedBy.DOCUMENTS, VerifiedBy.SIGNED_IN)
"""How an officer may find it shown who asks."""
ENDINGS: Final = tuple(
    (outcome, reason)
    for outcome in (RequestOutcome.FULFILLED, RequestOutcome.PARTLY, RequestOutcome.REFUSED)
    for reason in Reason
    if reason in REASONS[outcome]
)
"""What an officer may decide; whether it is taken back is the person's to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A page of the queue, and the requests that were closed last."""

    places: tuple[Place, ...]
    total: int
    closed: tuple[RightsRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRequest:
    """One request, and what may be done with it."""

    request: RightsRequest
    source: str
    """Whose rule set the deadline."""
    extendable_to: datetime | None
    late: bool
    steps: frozenset[str]
    """Of ``verify``, ``take_up``, ``extend``, ``close``."""
    copy: bool
    """It is answered with a copy, which only the person gets."""


def waiting(home: Home) -> Waiting:
    """Return the queue in its order."""
    queue = rights_desk(home).queue()
    closed = [one for one in request_store(home).all() if one.closing is not None]
    closed.sort(key=lambda one: one.closing.at if one.closing else one.opened, reverse=True)
    return Waiting(places=queue[:_MOST], total=len(queue), closed=tuple(closed[:20]))


def one_request(home: Home, name: str) -> OneRequest:
    """Return one request.

    Raises:
        NotFound: ``request_unknown``.
    """
    request = request_store(home).find(name)
    region = home.identity.region
    if request.subject is not None:
        with suppress(NotFound):  # the account is gone: the region of the home counts
            region = home.subjects.find(request.subject).region
    until = rights_desk(home).deadline(request.kind, region, request.opened)
    return OneRequest(
        request=request,
        source=until.decided_by.source,
        extendable_to=until.extended,
        late=request.late(home.clock.now()),
        steps=_steps(request, until.extended, home.clock.now()),
        copy=request.kind in COPIES,
    )


def _steps(request: RightsRequest, extendable: datetime | None, now: datetime) -> frozenset[str]:
    if request.closing is not None:
        return frozenset()
    found = {"close"}
    if request.state is RequestState.OPEN:
        found.add("verify")
    if request.state is RequestState.VERIFIED:
        found.add("take_up")
    more = extendable is not None and extendable > request.due
    if more and request.extension is None and not request.late(now):
        found.add("extend")
    return frozenset(found)


async def _list(visit: Visit) -> Response:
    found = await visit.run(waiting)
    rows = [(one, left(visit.words, one.due, visit.now)) for one in found.places]
    return visit.page("requests", {"found": found, "rows": rows}, here="requests")


async def _one(visit: Visit) -> Response:
    name = visit.part("request")
    found = await visit.run(lambda home: one_request(home, name))
    values = {
        "found": found,
        "request": found.request,
        "left": left(visit.words, found.request.due, visit.now),
        "shown_by": SHOWN_BY,
        "reasons": tuple(ExtensionReason),
        "endings": ENDINGS,
    }
    return visit.page("request", values, here="requests")


async def _act(visit: Visit, act: Callable[[Home, str], object], note: str) -> Response:
    name = visit.part("request")
    await visit.run(lambda home: act(home, name))
    return visit.done(f"{_PATH}/{name}", note)


async def _verify(visit: Visit) -> Response:
    by = chosen(VerifiedBy, visit.form.get("by", ""), "way to show who asks")
    return await _act(visit, lambda home, name: rights_desk(home).verify(name, by), "verified")


async def _take_up(visit: Visit) -> Response:
    return await _act(visit, lambda home, name: rights_desk(home).take_up(name), "taken_up")


async def _extend(visit: Visit) -> Response:
    why = chosen(ExtensionReason, visit.form.get("reason", ""), "reason for more time")
    return await _act(visit, lambda home, name: rights_desk(home).extend(name, why), "extended")


async def _close(visit: Visit) -> Response:
    word, _, why = visit.form.get("ending", "").partition(".")
    outcome, reason = chosen(RequestOutcome, word, "outcome"), chosen(Reason, why, "reason")
    return await _act(
        visit, lambda home, name: rights_desk(home).close(name, outcome, reason), "closed"
    )


PAGES: Final = (
    StaffPage(path="/requests", roles=_ROLES, handler=_list, key="requests", group="privacy"),
    StaffPage(path="/requests/{request}", roles=_ROLES, handler=_one),
    StaffPage(path="/requests/{request}/verify", roles=_ROLES, handler=_verify, act=True),
    StaffPage(path="/requests/{request}/take-up", roles=_ROLES, handler=_take_up, act=True),
    StaffPage(path="/requests/{request}/extend", roles=_ROLES, handler=_extend, act=True),
    StaffPage(
        path="/requests/{request}/close", roles=_ROLES, handler=_close, act=True, step_up=True
    ),
)
