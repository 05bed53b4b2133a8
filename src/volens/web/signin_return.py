"""Coming back within the cool-off: whoever shows who they are may take an account's deletion back.

Nobody is signed in with an account that is being deleted. The right password, and a code where an
app is set up, lead to the one page on which the deletion can be taken back.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from volens.access.accounts import LocalAccount
from volens.access.challenges import Asked
from volens.access.signing import Begun, refused
from volens.app.access import accounts_of, challenges_of, codes_of, signing_desk
from volens.app.home import Home
from volens.core.errors import Denied
from volens.core.ids import ErasureId
from volens.door.doorway import doorway_of
from volens.door.problems import status_of
from volens.log.kinds import ErasureScope
from volens.web.person_leaving import left_path
from volens.web.shell import page, see_other, web_page
from volens.web.signin_parts import TRY_AGAIN, fields_of, visitor_of

_HERE = "/sign-in/return"


def return_routes() -> list[BaseRoute]:
    """Return the route that takes the code."""
    return [Route(_HERE, web_page(take), methods=["POST"])]


async def way_back(request: Request, begun: Begun) -> Response | None:
    """Return where somebody goes on whose password was right and whose account is being deleted.

    None if there is no such deletion, or it can't be taken back any more.
    """

    def act(home: Home) -> tuple[str, str] | None:
        if begun.account is None:
            return None
        account = accounts_of(home).by_id(begun.account)
        reference = _leaving(home, account)
        if reference is None:
            return None
        if not codes_of(home).is_set_up(account):
            return left_path(home, reference), ""
        return "", challenges_of(home).ask(Asked.RETURN, b"", account_no=account.number)

    found = await doorway_of(request).run(act)
    if found is None:
        return None
    path, handle = found
    return see_other(path) if path else _form(request, handle)


async def take(request: Request) -> Response:
    """Check the code; a wrong one asks for the password again."""
    fields, visitor = await fields_of(request), visitor_of(request)

    def act(home: Home) -> str:
        asked = challenges_of(home).take(Asked.RETURN, fields.get("handle", ""))
        if asked is None or asked.account_no is None:
            raise refused()
        account = accounts_of(home).by_number(asked.account_no)
        signing_desk(home).check_code(account, fields.get("code", ""), visitor)
        reference = _leaving(home, account)
        if reference is None:
            raise refused()
        return left_path(home, reference)

    try:
        return see_other(await doorway_of(request).run(act))
    except Denied as error:
        if error.code not in TRY_AGAIN:
            raise
        return page(
            request,
            "signin/sign-in.html",
            {"said": error.code, "onward": "", "provider": ""},
            status=status_of(error),
        )


def _leaving(home: Home, account: LocalAccount) -> ErasureId | None:
    """Return the deletion of a person's account that can still be taken back."""
    if account.subject is None or account.ended is not None:
        return None
    now = home.clock.now()
    for erasure in home.erasures.of_subject(account.subject):
        whole = erasure.scope is ErasureScope.ACCOUNT
        if whole and erasure.is_open and now < erasure.cool_off_ends:
            return erasure.id
    return None


def _form(request: Request, handle: str) -> Response:
    return page(request, "signin/return.html", {"handle": handle})
