"""The person's copy of everything: started, watched, handed over once, and gone from here.

While it is made it lies in a private folder; when it is done its name is taken away, so that only
this process can still read it and nothing of it outlives the process. It waits for half an hour.
"""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from volens.access.model import ANONYMOUS, Principal
from volens.app.home import Home
from volens.core.errors import Denied, NotFound, VolensError
from volens.core.ids import IdKind, format_id
from volens.door.copies import CopyState
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import subject_of
from volens.vault.listing import count_of
from volens.web.person_frame import Values
from volens.web.shell import error_page, page, see_other, words_for


async def export_page(request: Request) -> Response:
    """Show what a copy holds, and how far the one that is being made has come."""
    principal: Principal | None = None
    try:
        principal = await subject_of(request)
        subject_id = principal.subject
        assert subject_id is not None

        def read(home: Home) -> Values:
            subject = home.subjects.find(subject_id)
            return {
                "chats": count_of(home.main, subject),
                "now": home.clock.now(),
                "blocked": "" if subject.status.value == "active" else subject.status.value,
            }

        values = await doorway_of(request).run(read)
        now = values["now"]
        assert isinstance(now, datetime)
        made = doorway_of(request).copies.of(subject_id, now)
        shown = {
            **values,
            "made": made,
            "heard": False,
            "until": None if made is None else made.ends,
            "stepped": principal.stepped_up(now),
        }
        return page(request, "person/export.html", shown, principal=principal, here="export")
    except VolensError as error:
        return _error(request, error, principal)


async def start_export(request: Request) -> Response:
    """Begin a copy; it takes a fresh proof of who asks."""
    principal: Principal | None = None
    try:
        principal = await subject_of(request)
        form = await request.form(max_files=0, max_fields=8)
        await check_csrf(request, form)
        subject = principal.subject
        assert subject is not None

        def look(home: Home) -> tuple[datetime, set[str]]:
            return home.clock.now(), {notice.language for notice in home.policy.pack.notices}

        now, spoken = await doorway_of(request).run(look)
        if not principal.stepped_up(now):
            return see_other("/sign-in/confirm?next=/me/export")
        doorway = doorway_of(request)
        before = doorway.copies.of(subject, now)
        if before is None or before.state is not CopyState.RUNNING:
            name = format_id(IdKind.REQUEST, doorway.draw(16)).removeprefix("req_")
            own = words_for(request).language
            language = own if own in spoken else "en"
            doorway.copies.start(doorway.thread, subject, name=name, at=now, language=language)
        return see_other("/me/export")
    except VolensError as error:
        return _error(request, error, principal)


async def send_export(request: Request) -> Response:
    """Hand the copy over; it takes a fresh proof of who asks."""
    principal: Principal | None = None
    try:
        principal = await subject_of(request)
        subject = principal.subject
        assert subject is not None
        now = await doorway_of(request).run(lambda home: home.clock.now())
        if not principal.stepped_up(now):
            raise Denied("step_up_needed", "this takes a fresh proof of who asks")
        made = doorway_of(request).copies.of(subject, now)
        if made is None:
            raise NotFound("copy_missing", "there is no copy to hand over; start one first")
        return made.answer()
    except VolensError as error:
        return _error(request, error, principal)


def _error(request: Request, error: VolensError, principal: Principal | None) -> Response:
    return error_page(request, error, principal=principal or ANONYMOUS)
