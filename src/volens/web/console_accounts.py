"""Support: what is known of an account, by the name the product has for it; no conversation.

Each look is logged before the page is made, and the person finds it in their own pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, SubjectId, parse_id
from volens.core.purposes import Tier
from volens.gate.accesses import AccessLeaves
from volens.gate.basics import log_basics
from volens.log.kinds import Actor
from volens.web.console_frame import StaffPage, Visit

_ROLES: Final = frozenset({Role.SUPPORT})
_PATH: Final = "/staff/accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Basics:
    """What support sees of an account."""

    id: SubjectId
    plan: str
    tier: Tier | None
    """The one in effect; None if the plan is not known to the policy."""
    own_tier: bool
    """Whether it was chosen for this account, and is not the plan's."""
    region: str
    realm: str
    age_band: str
    organisation: str | None
    status: str
    created: datetime
    log_index: int
    """Of this look."""


def find_account(home: Home, reference: str) -> SubjectId | None:
    """Return who the product knows by this name, or None; nothing of them is told."""
    try:
        return home.subjects.find(reference.strip()).id
    except NotFound:
        return None


def basics(home: Home, name: str) -> Basics:
    """Log the look, then return what is known of an account.

    Raises:
        NotFound: ``subject_unknown``.
        Unavailable: if the look can't be logged.
    """
    try:
        parse_id(IdKind.SUBJECT, name)
    except InvalidInput:
        raise NotFound("subject_unknown", "there is no such account") from None
    subject = home.subjects.find(name)
    index = log_basics(home.gate, home.recorder, AccessLeaves(home.main), subject, Actor.SUPPORT)
    plan = home.policy.pack.plans.get(subject.plan)
    return Basics(
        id=subject.id,
        plan=subject.plan,
        tier=subject.tier or (None if plan is None else plan.default_tier),
        own_tier=subject.tier is not None,
        region=subject.region.value,
        realm=subject.realm.value,
        age_band=subject.age_band.value,
        organisation=subject.organisation,
        status=subject.status.value,
        created=subject.created,
        log_index=index,
    )


async def _ask(visit: Visit) -> Response:
    return visit.page("accounts", {"unknown": False}, here="accounts")


async def _look_up(visit: Visit) -> Response:
    wanted = visit.form.get("reference", "")
    found = await visit.run(lambda home: find_account(home, wanted))
    if found is None:
        return visit.page("accounts", {"unknown": True}, here="accounts", status=404)
    return visit.go(f"{_PATH}/{found}")


async def _show(visit: Visit) -> Response:
    found = await visit.run(lambda home: basics(home, visit.part("subject")))
    return visit.page("account", {"account": found}, here="accounts")


PAGES: Final = (
    StaffPage(path="/accounts", roles=_ROLES, handler=_ask, key="accounts", group="people"),
    StaffPage(path="/accounts", roles=_ROLES, handler=_look_up, act=True),
    StaffPage(path="/accounts/{subject}", roles=_ROLES, handler=_show),
)
