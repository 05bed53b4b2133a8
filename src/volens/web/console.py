"""Every page of the staff console, in one table: its path, who may see it, what answers.

Staff see what their roles are for and nothing else (R22); no role sees everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from volens.access.model import Principal
from volens.web import (
    console_accounts,
    console_clock,
    console_holds,
    console_log,
    console_organisation,
    console_overview,
    console_papers,
    console_policy,
    console_requests,
    console_review,
    console_scopes,
    console_system,
    console_tables,
)
from volens.web.console_frame import EVERYBODY, StaffPage, Visit, staff_words
from volens.web.shell import environment

GROUPS: Final = ("people", "privacy", "house", "papers")
"""Headings of the navigation, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of the navigation."""

    key: str
    path: str


def navigation(principal: Principal) -> list[tuple[str, list[Item]]]:
    """Return the entries that somebody's roles have, under their headings."""
    return [
        (
            group,
            [
                Item(key=one.key, path=f"/staff{one.path}")
                for one in PAGES
                if one.group == group and one.key and one.roles & principal.roles
            ],
        )
        for group in GROUPS
        if any(one.group == group and one.roles & principal.roles for one in PAGES)
    ]


async def _first(visit: Visit) -> Response:
    return visit.page("first", {"groups": navigation(visit.principal)}, here="first")


PAGES: Final[Sequence[StaffPage]] = (
    StaffPage(path="", roles=EVERYBODY, handler=_first),
    *console_accounts.PAGES,
    *console_organisation.PAGES,
    *console_review.PAGES,
    *console_scopes.PAGES,
    *console_overview.PAGES,
    *console_requests.PAGES,
    *console_holds.PAGES,
    *console_policy.PAGES,
    *console_clock.PAGES,
    *console_papers.PAGES,
    *console_system.PAGES,
    *console_log.PAGES,
    *console_tables.PAGES,
)
"""All of them; who may is asked of this table and nowhere else."""


def console_routes() -> list[BaseRoute]:
    """Return the routes of the console."""
    shared = environment().globals
    shared["staff_navigation"], shared["staff_words"] = navigation, staff_words
    return [page.route() for page in PAGES]
