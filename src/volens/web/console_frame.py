"""What every page of the staff console is made with: who may see it, its words, its form.

A page is one row of a table: path, method, roles, handler. Whoever has none of its roles gets the
answer that a page gets which does not exist (404), so that nobody learns what others may see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from volens.access.model import Principal, PrincipalKind, Role
from volens.app.home import Home
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.core.ids import AccountId
from volens.door.csrf import check_csrf, csrf_token
from volens.door.doorway import doorway_of
from volens.door.who import who
from volens.web.shell import error_page, page, see_other, words_for
from volens.web.words import Words, words_of

EVERYBODY: Final = frozenset(Role)
LANGUAGES: Final = frozenset({"en", "de"})
"""What the console speaks; others read it in English."""
MOST_FIELDS: Final = 200
_Result = TypeVar("_Result")
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of a member of staff who may make it."""

    request: Request
    principal: Principal
    words: Words
    now: datetime
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was sent; empty unless it is an act. Of a repeated field, the last one."""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """What was sent, every value of each field."""

    @property
    def account(self) -> AccountId:
        """Who acts."""
        assert self.principal.account is not None  # staff always sign in with an account
        return self.principal.account

    @property
    def language(self) -> str:
        """The language that the page is in."""
        return self.words.language

    @property
    def stepped_up(self) -> bool:
        """Whether a fresh second proof of who acts counts now."""
        return self.principal.stepped_up(self.now)

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """Return a value of the query."""
        return self.request.query_params.get(name, default)[:200]

    async def run(self, act: Callable[[Home], _Result]) -> _Result:
        """Run an act on the home."""
        return await doorway_of(self.request).run(act)

    def page(
        self,
        template: str,
        values: Mapping[str, object] | None = None,
        *,
        here: str = "",
        status: int = 200,
    ) -> Response:
        """Return a page of the console; templates get ``visit`` beside what every page gets."""
        given = {
            "t": self.words,
            "csrf": csrf_token(self.request),
            "visit": self,
            "note": self.query("note"),
            **(values or {}),
        }
        answer = page(
            self.request,
            f"console/{template}.html",
            given,
            principal=self.principal,
            status=status,
            here=here,
        )
        answer.headers["Content-Language"] = self.language
        return answer

    def go(self, path: str) -> Response:
        """Return the answer to an act that has a page of its own to look at (303)."""
        return see_other(path)

    def done(self, path: str, note: str) -> Response:
        """Return the answer to an act: go to `path`, which says ``console.note.`` and `note`."""
        return see_other(f"{path}?note={note}")


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffPage:
    """One page, or one act, of the console."""

    path: str
    """Below ``/staff``; empty for its first page."""
    roles: frozenset[Role]
    """Who may; any one of them is enough."""
    handler: Handler
    key: str = ""
    """Of its entry in the navigation; empty: it has none."""
    group: str = ""
    """Under which heading it stands in the navigation."""
    act: bool = False
    """It changes something: POST, with a form from one of our own pages."""
    step_up: bool = False
    """It takes a fresh proof of who acts."""

    @property
    def method(self) -> str:
        """``GET`` or ``POST``."""
        return "POST" if self.act else "GET"

    def route(self) -> Route:
        """Return it as a route."""

        async def endpoint(request: Request) -> Response:
            try:
                principal = await who(request)
            except VolensError as error:
                return error_page(request, error)
            try:
                return await self.handler(await self._admit(request, principal))
            except VolensError as error:
                known = (
                    principal
                    if principal.kind is PrincipalKind.STAFF
                    else Principal(kind=PrincipalKind.ANONYMOUS)
                )
                return error_page(request, error, principal=known)

        name = f"staff{self.path.replace('/', '.')}.{self.method.lower()}"
        return Route(f"/staff{self.path}", endpoint, methods=[self.method], name=name)

    async def _admit(self, request: Request, principal: Principal) -> Visit:
        """Return the visit of somebody who may make it.

        1. Somebody is signed in. 2. They have one of the roles; else there is no such page.
        3. The form is from a page of ours. 4. A fresh proof of who acts, where one is needed.

        Raises:
            Denied: ``sign_in_needed``, ``csrf_refused``, ``step_up_needed``.
            NotFound: ``page_missing``.
        """
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise Denied("sign_in_needed", "nobody is signed in", hint="sign in first")
        if principal.kind is not PrincipalKind.STAFF or not self.roles & principal.roles:
            raise NotFound("page_missing", "there is no such page, or it is not yours to see")
        now = await doorway_of(request).run(lambda home: home.clock.now())
        form: dict[str, str] = {}
        lists: dict[str, tuple[str, ...]] = {}
        if self.act:
            async with request.form(max_files=0, max_fields=MOST_FIELDS) as sent:
                for name, value in sent.multi_items():
                    text = value if isinstance(value, str) else ""
                    form[name] = text
                    lists[name] = (*lists.get(name, ()), text)
            await check_csrf(request, form)
            if self.step_up and not principal.stepped_up(now):
                hint = "show once more that it is you, then send it again"
                raise Denied("step_up_needed", "this takes a fresh proof of who acts", hint=hint)
        words = staff_words(words_for(request))
        return Visit(
            request=request, principal=principal, words=words, now=now, form=form, lists=lists
        )


def staff_words(words: Words) -> Words:
    """Return the words that the console has for somebody who reads `words`."""
    return words if words.language in LANGUAGES else words_of("en")


def chosen(vocabulary: type[_Word], text: str, what: str) -> _Word:
    """Return the word of a closed list that a form names.

    Raises:
        InvalidInput: ``word_unknown``.
    """
    try:
        return vocabulary(text)
    except ValueError:
        hint = f"one of {', '.join(vocabulary)}"
        raise InvalidInput("word_unknown", f"no {what} {text[:40]!r}", hint=hint) from None
