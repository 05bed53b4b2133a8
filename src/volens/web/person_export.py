"""The person's copy of everything: started, watched, handed over once, and gone from here.

While it is made it lies in a private folder; when it is done its name is taken away, so that only
this process can still read it and nothing of it outlives the process. It can be had for an hour.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from volens.access.model import ANONYMOUS, Principal
from volens.app.home import Home
from volens.core.errors import Denied, NotFound, VolensError
from volens.core.ids import SubjectId
from volens.door.csrf import check_csrf
from volens.door.doorway import doorway_of
from volens.door.who import subject_of
from volens.vault.listing import count_of
from volens.vault.subjects import Subject
from volens.web.person_frame import Values
from volens.web.shell import error_page, page, see_other, words_for

KEPT: Final = timedelta(hours=1)
_PIECE_BYTES: Final = 1 << 18


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class Making:
    """One copy that is being made, or waits to be handed over."""

    begun: datetime
    done: int = 0
    total: int = 0
    file: BinaryIO | None = field(default=None, repr=False)
    size_bytes: int = 0
    failed: str = ""
    """The code of the error that ended it; empty if none did."""

    @property
    def state(self) -> str:
        """``making``, ``ready`` or ``failed``."""
        if self.failed:
            return "failed"
        return "making" if self.file is None else "ready"


class Copies:
    """The copies that this process makes: one a person."""

    def __init__(self) -> None:
        """Begin with none."""
        self._of: dict[SubjectId, Making] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, subject: SubjectId, now: datetime) -> Making | None:
        """Return a person's copy; one whose time is over is closed and gone."""
        for owner in [one for one, made in self._of.items() if now - made.begun > KEPT]:
            self.drop(owner)
        return self._of.get(subject)

    def drop(self, subject: SubjectId) -> None:
        """Close a person's copy, if there is one: its bytes are gone with it."""
        made = self._of.pop(subject, None)
        if made is not None and made.file is not None:
            made.file.close()

    def start(self, request: Request, subject: SubjectId, now: datetime, language: str) -> None:
        """Begin a copy, unless one is being made."""
        known = self.of(subject, now)
        if known is not None and known.state == "making":
            return
        self.drop(subject)
        made = self._of[subject] = Making(begun=now)
        doorway = doorway_of(request)

        def write(home: Home) -> None:
            folder = Path(tempfile.mkdtemp(prefix="volens-copy-"))
            try:
                _write(home, home.subjects.find(subject), folder / "copy.zip", made, language)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        async def make() -> None:
            try:
                await doorway.run(write)
            except VolensError as error:
                made.failed = error.code
            except OSError:
                made.failed = "storage"

        task = asyncio.get_running_loop().create_task(make())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _write(home: Home, subject: Subject, out: Path, made: Making, language: str) -> None:
    def tell(done: int, total: int) -> None:
        made.done, made.total = done, total

    known = {notice.language for notice in home.policy.pack.notices}
    spoken = language if language in known else "en"
    result = home.exporter().write(subject, out, language=spoken, on_progress=tell)
    file = out.open("rb")
    made.size_bytes = result.size_bytes
    made.file = file  # its name goes with the folder; what is open stays readable
    weakref.finalize(made, file.close)


def copies_of(request: Request) -> Copies:
    """Return the copies that this application makes."""
    state = request.app.state
    if not hasattr(state, "copies"):
        state.copies = Copies()
    found: Copies = state.copies
    return found


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
        made = copies_of(request).of(subject_id, now)
        shown = {
            **values,
            "made": made,
            "heard": False,
            "until": None if made is None else made.begun + KEPT,
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
        now = await doorway_of(request).run(lambda home: home.clock.now())
        if not principal.stepped_up(now):
            return see_other("/sign-in/confirm?next=/me/export")
        copies_of(request).start(request, subject, now, words_for(request).language)
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
        made = copies_of(request).of(subject, now)
        if made is None or made.file is None:
            raise NotFound("copy_missing", "there is no copy to hand over; start one first")
        headers = {
            "Content-Disposition": 'attachment; filename="my-data.zip"',
            "Content-Length": str(made.size_bytes),
            "Cache-Control": "no-store",
        }
        return StreamingResponse(
            _pieces(made.file, made.size_bytes), media_type="application/zip", headers=headers
        )
    except VolensError as error:
        return _error(request, error, principal)


def _pieces(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """Yield the file, by places of its own: two downloads don't disturb each other."""
    at = 0
    while at < size_bytes:
        file.seek(at)
        piece = file.read(_PIECE_BYTES)
        if not piece:
            return
        at += len(piece)
        yield piece


def _error(request: Request, error: VolensError, principal: Principal | None) -> Response:
    return error_page(request, error, principal=principal or ANONYMOUS)
