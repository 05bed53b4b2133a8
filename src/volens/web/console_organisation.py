"""An organisation's own instructions (R16, R20): what it allows, what it keeps shorter.

An administrator sees and changes those of their own organisation only; nothing in a request names
another. Only what the policy's matrix lets an organisation instruct can be chosen, and times can
only be shorter. Every change is logged before it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from volens.access.model import Role
from volens.app.home import Home
from volens.app.organisations import Agreed, instructable, prepare, record, standing
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Purpose
from volens.policy.retention import SHORTEST, RetentionClass, days_of
from volens.policy.wording import say
from volens.web.console_frame import StaffPage, Visit

_ROLES: Final = frozenset({Role.ORGANISATION_ADMIN})
_PATH: Final = "/staff/organisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One purpose that the organisation may instruct."""

    purpose: Purpose
    label: str
    description: str
    chosen: bool
    mechanism_missing: bool
    """Nothing happens until a mechanism exists, whatever is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepTime:
    """One time that the organisation may shorten."""

    kind: RetentionClass
    policy_days: int
    """0: no end of its own."""
    own_days: int | None
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """What one organisation has instructed, and may."""

    organisation: str
    options: tuple[Option, ...]
    times: tuple[KeepTime, ...]
    people: int


def instructions(home: Home, organisation: str, language: str) -> Instructions:
    """Return what the organisation has instructed, and what it may."""
    policy = home.policy
    now = standing(home, organisation)
    times = days_of(policy.pack.tables["retention"])
    return Instructions(
        organisation=organisation,
        options=tuple(
            Option(
                purpose=purpose,
                label=say(policy.pack.purposes[purpose].label, language),
                description=say(policy.pack.purposes[purpose].description, language),
                chosen=purpose.value in now.purposes,
                mechanism_missing=bool(policy.pack.purposes[purpose].mechanism),
            )
            for purpose in instructable(policy)
        ),
        times=tuple(
            KeepTime(
                kind=kind,
                policy_days=times.get(kind, 0),
                own_days=now.keeping.get(kind),
                least=SHORTEST[kind],
            )
            for kind in RetentionClass
        ),
        people=sum(subject.organisation == organisation for subject in home.subjects.all()),
    )


def instruct(
    home: Home, organisation: str, purposes: tuple[str, ...], times: Mapping[str, str]
) -> None:
    """Record what the organisation instructs from now on, instead of what it did.

    What its administrator does not decide stays.

    Raises:
        InvalidInput: ``outside_matrix`` for a purpose that can't be instructed;
            ``retention_too_long``, ``retention_too_short``, ``days_form``.
    """
    keeping = {
        kind: _days(text) for kind in RetentionClass if (text := times.get(kind.value, "").strip())
    }
    change = prepare(home, organisation, purposes, keeping, agreed=Agreed.KEEP)
    record(home, change)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5:  # noqa: PLR2004 - 36,500 at most
        raise InvalidInput("days_form", f"not a number of days: {text[:20]!r}", hint="such as 90")
    return int(text)


def _own(visit: Visit) -> str:
    if visit.principal.organisation is None:
        raise NotFound("page_missing", "this account administers no organisation")
    return visit.principal.organisation


async def _show(visit: Visit) -> Response:
    name = _own(visit)
    found = await visit.run(lambda home: instructions(home, name, visit.language))
    return visit.page("organisation", {"found": found}, here="organisation")


async def _change(visit: Visit) -> Response:
    name, purposes = _own(visit), visit.lists.get("purpose", ())
    times = {kind.value: visit.form.get(f"days.{kind.value}", "") for kind in RetentionClass}
    await visit.run(lambda home: instruct(home, name, purposes, times))
    return visit.done(_PATH, "instructed")


PAGES: Final = (
    StaffPage(
        path="/organisation", roles=_ROLES, handler=_show, key="organisation", group="people"
    ),
    StaffPage(path="/organisation", roles=_ROLES, handler=_change, act=True, step_up=True),
)
