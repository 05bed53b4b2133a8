"""The way into a demo: one button for each person and each role, and no password.

Only the home of ``volens demo --serve`` has it, which listens on this machine alone. In every other
home there is no such page.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from volens.access.model import Role
from volens.app.access import accounts_of, sessions_of
from volens.app.home import Home
from volens.core.errors import NotFound
from volens.core.ids import AccountId
from volens.door.cookies import SESSION, read_cookie, set_cookie
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import who
from volens.web.shell import page, see_other, web_page

_PATH = "/demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody to come in as."""

    account: AccountId
    name: str
    role: Role | None


def demo_routes() -> list[BaseRoute]:
    """Return the routes of the demo's way in."""
    return [
        Route(_PATH, web_page(_show), methods=["GET"]),
        Route(_PATH, web_page(_come_in), methods=["POST"]),
    ]


def guests(home: Home) -> list[Guest]:
    """Return who can be come in as: people by name, then staff by role."""
    accounts = accounts_of(home)
    theirs = {one.subject: one.id for one in accounts.people() if one.ended is None}
    known = home.subjects.several([one for one in theirs if one is not None])
    known.sort(key=lambda one: one.number)
    people = [
        Guest(account=theirs[one.id], name=name, role=None)
        for one, name in zip(known, home.gate.references(known), strict=True)
    ]
    staff = [
        Guest(account=one.id, name="", role=role)
        for one in accounts.staff()
        if one.ended is None
        for role in sorted(one.roles)
    ]
    return [*sorted(people, key=lambda one: one.name), *staff]


async def _show(request: Request) -> Response:
    _require_demo(request)
    known = await doorway_of(request).run(guests)
    return page(request, "demo/guests.html", {"guests": known}, principal=await who(request))


async def _come_in(request: Request) -> Response:
    _require_demo(request)
    form = await request.form()
    await check_csrf(request, form)
    wanted = str(form.get("account", ""))
    before = read_cookie(request, SESSION)

    def act(home: Home) -> tuple[str, bool]:
        found = next((one for one in guests(home) if one.account == wanted), None)
        if found is None:
            raise NotFound("account_unknown", "nobody of this demo")
        account = accounts_of(home).by_id(found.account)
        session = sessions_of(home).open(account.id, stepped_up=True, instead_of=before)
        return session, found.role is not None

    session, is_staff = await doorway_of(request).run(act)
    answer = see_other("/staff" if is_staff else "/me")
    set_cookie(request, answer, SESSION, session)
    return answer


def _require_demo(request: Request) -> None:
    """Pass in a demo only.

    Raises:
        NotFound: ``page_unknown`` in every other home.
    """
    if not doorway_of(request).settings.demo:
        raise NotFound("page_unknown", "there is no such page")
