"""What every page under /me goes through: who asks, what is shown, an act and then 303."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from volens.access.model import ANONYMOUS, Principal
from volens.app.home import Home
from volens.app.rights import rights_desk
from volens.core.errors import Denied, InvalidInput, NotFound, VolensError
from volens.core.purposes import SubjectStatus
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import subject_of
from volens.rights.gpc import signalled
from volens.vault.store import Held
from volens.vault.subjects import Subject
from volens.web.shell import Handler, error_page, page, see_other, words_for
from volens.web.words import Words

MOST_FIELDS: Final = 64
LONGEST_FIELD: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for, as far as a page may look at it."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    words: Words
    principal: Principal
    form: Mapping[str, str] = field(default_factory=dict)

    def need_step_up(self, at: datetime) -> None:
        """Pass if a fresh second proof of identity counts.

        Raises:
            Denied: ``step_up_needed``.
        """
        if not self.principal.stepped_up(at):
            hint = "show once more that it is you"
            raise Denied("step_up_needed", "this takes a fresh proof of who asks", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file to hand over."""

    data: bytes = field(repr=False)
    name: str
    media_type: str


Values = Mapping[str, object]
Look = Callable[[Home, Subject, Asked], Values]
Act = Callable[[Home, Subject, Asked], str]
Hand = Callable[[Home, Subject, Asked], Sent]


def looking(template: str, look: Look, *, here: str) -> Handler:
    """Return a page: `look` reads in the home's thread, the template shows it."""

    async def handler(request: Request) -> Response:
        principal: Principal | None = None
        try:
            principal = await subject_of(request)
            asked = _asked(request, principal)
            heard = signalled(request.headers.items())

            def read(home: Home) -> Values:
                subject = home.subjects.find(str(asked.principal.subject))
                if heard:
                    rights_desk(home).signalled(subject)
                found = dict(look(home, subject, asked))
                blocked = subject.status is not SubjectStatus.ACTIVE
                return {**found, "blocked": subject.status.value if blocked else ""}

            values = {**(await doorway_of(request).run(read)), "heard": heard}
            return page(request, template, values, principal=principal, here=here)
        except VolensError as error:
            return _error(request, error, principal)

    return handler


_TAKING_BACK: Final = frozenset({"withdraw", "object", "delete"})
"""Answers that never wait for others: acts take them on a home opened for reading too."""


def acting(act: Act) -> Handler:
    """Return what does an act: a form of our own, then 303 to the page that `act` names."""

    async def handler(request: Request) -> Response:
        principal: Principal | None = None
        try:
            principal = await subject_of(request)
            asked = await _sent(request, principal)
            doorway = doorway_of(request)
            taking_back = asked.form.get("answer", "") in _TAKING_BACK
            done = await (doorway.beside if taking_back else doorway.run)(
                lambda home: act(home, home.subjects.find(str(principal.subject)), asked)
            )
            return see_other(done)
        except VolensError as error:
            return _error(request, error, principal)

    return handler


def handing(hand: Hand) -> Handler:
    """Return what hands over a file; asked with POST, it takes a form of our own."""

    async def handler(request: Request) -> Response:
        principal: Principal | None = None
        try:
            principal = await subject_of(request)
            posted = request.method == "POST"
            asked = await _sent(request, principal) if posted else _asked(request, principal)
            sent = await doorway_of(request).run(
                lambda home: hand(home, home.subjects.find(str(principal.subject)), asked)
            )
            headers = {
                "Content-Disposition": f'attachment; filename="{sent.name}"',
                "Cache-Control": "no-store",
            }
            return Response(sent.data, media_type=sent.media_type, headers=headers)
        except VolensError as error:
            return _error(request, error, principal)

    return handler


def own_chat(home: Home, subject: Subject, name: str) -> Held:
    """Return one of the person's own conversations.

    Raises:
        NotFound: ``conversation_unknown``, for somebody else's as for none.
    """
    try:
        held = home.vault.find(name)
    except InvalidInput:
        held = None
    if held is None or held.subject_no != subject.number:
        raise NotFound("conversation_unknown", "there is no such chat of yours")
    return held


def _asked(request: Request, principal: Principal, form: Mapping[str, str] | None = None) -> Asked:
    return Asked(
        params={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        words=words_for(request),
        principal=principal,
        form=form or {},
    )


async def _sent(request: Request, principal: Principal) -> Asked:
    async with request.form(max_files=0, max_fields=MOST_FIELDS) as read:
        form = {name: str(value)[:LONGEST_FIELD] for name, value in read.multi_items()}
    await check_csrf(request, form)
    return _asked(request, principal, form)


def _error(request: Request, error: VolensError, principal: Principal | None) -> Response:
    return error_page(request, error, principal=principal or ANONYMOUS)
