"""A person's copy of all their data: started, made in the background, downloaded, gone.

The file has no name in any folder while it waits: it is opened, unlinked, and lives as long as this
process keeps it. At most one waits for each person, for `KEPT_FOR`, and only its person gets it,
with a fresh second proof of who asks.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from volens.api.asking import Door, asker_of, on_home, on_person, open_to
from volens.api.model import Body, Moment, Told, Word
from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound, Unavailable, VolensError
from volens.core.ids import IdKind, format_id
from volens.door.doorway import doorway_of
from volens.vault.subjects import Subject

KEPT_FOR: Final = timedelta(minutes=30)
MOST_WAITING: Final = 64
_ACCEPTED = 202
_PIECE_BYTES = 256 * 1024


class ExportState(StrEnum):
    """How far a copy is."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Job:
    """One copy on its way. Only its own act writes to it."""

    id: str
    subject: str
    started: datetime
    state: ExportState = ExportState.RUNNING
    error: VolensError | None = None
    size_bytes: int = 0
    conversations: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    file: int | None = None
    """The descriptor of the file; nothing else leads to it."""

    def drop(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            os.close(self.file)
            self.file = None


class Jobs:
    """The copies of one process."""

    def __init__(self) -> None:
        """Start with none."""
        self._jobs: dict[str, Job] = {}
        self.running: set[asyncio.Task[None]] = set()

    def add(self, job: Job) -> None:
        """Take a job in; the same person's former one goes.

        Raises:
            Unavailable: ``busy`` if too many wait.
            InvalidInput: ``export_running`` if the person's former one is still being made.
        """
        self.drop_old(job.started)
        before = self._jobs.get(job.subject)
        if before is not None and before.state is ExportState.RUNNING:
            hint = f"GET /v1/me/exports/{before.id} shows how far it is"
            raise InvalidInput("export_running", "a copy is being made already", hint=hint)
        if before is None and len(self._jobs) >= MOST_WAITING:
            raise Unavailable("busy", "too many copies wait", hint="try again in a few minutes")
        if before is not None:
            before.drop()
        self._jobs[job.subject] = job

    def find(self, subject: str, name: str, at: datetime) -> Job:
        """Return a person's own job.

        Raises:
            NotFound: ``export_unknown``.
        """
        self.drop_old(at)
        found = self._jobs.get(subject)
        if found is None or found.id != name:
            hint = "POST /v1/me/exports starts one; it waits for 30 minutes"
            raise NotFound("export_unknown", "there is no such copy", hint=hint)
        return found

    def drop_old(self, at: datetime) -> None:
        """Let go of what has waited too long."""
        for subject, job in list(self._jobs.items()):
            if job.state is not ExportState.RUNNING and at - job.started >= KEPT_FOR:
                job.drop()
                del self._jobs[subject]


class ExportWanted(Body):
    """How the copy is to be."""

    language: Word = "en"
    """Of the policy's words in it."""


class ExportTold(Told):
    """One copy, and how far it is."""

    export: str
    state: ExportState
    started: Moment
    ends: Moment
    """Until when it waits here."""
    size_bytes: int
    conversations: int
    left_out: dict[str, int]
    """What it does not hold, by reason."""
    error: str | None


def add_routes(router: APIRouter) -> None:
    """Add the routes of a person's own copy."""
    router.post("/me/exports", tags=["exports"], status_code=_ACCEPTED)(start)
    router.get("/me/exports/{export}", tags=["exports"])(show)
    router.get("/me/exports/{export}/file", tags=["exports"])(download)


@open_to(Door.PERSON_OR_PROGRAM, step_up=True)
async def start(request: Request, response: Response, wanted: ExportWanted) -> ExportTold:
    """Start a copy of everything that is held about the person. The access is logged."""
    jobs, doorway = _jobs(request), doorway_of(request)

    def begin(home: Home, person: Subject) -> Job:
        name = format_id(IdKind.REQUEST, home.entropy.draw(16)).removeprefix("req_")
        return Job(id=name, subject=person.id, started=home.clock.now())

    job = await on_person(request, begin)
    jobs.add(job)
    asker = asker_of(request)
    task = asyncio.ensure_future(
        doorway.run(lambda home: _make(home, asker.find(home), job, wanted.language))
    )
    jobs.running.add(task)
    task.add_done_callback(jobs.running.discard)
    response.headers["Location"] = f"/v1/me/exports/{job.id}"
    return _told(job)


@open_to(Door.PERSON_OR_PROGRAM)
async def show(request: Request, export: str) -> ExportTold:
    """Show how far a copy is."""
    return _told(await _find(request, export))


@open_to(Door.PERSON_OR_PROGRAM, step_up=True)
async def download(request: Request, export: str) -> Response:
    """Download a copy that is ready: one file; ``volens verify`` checks it."""
    job = await _find(request, export)
    if job.state is not ExportState.READY or job.file is None:
        hint = f"GET /v1/me/exports/{job.id} shows how far it is"
        raise InvalidInput("export_not_ready", f"the copy is {job.state.value}", hint=hint)
    headers = {
        "Content-Disposition": 'attachment; filename="my-data.zip"',
        "Content-Length": str(job.size_bytes),
        "Cache-Control": "no-store",
    }
    pieces = _pieces(os.dup(job.file), job.size_bytes)
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def _make(home: Home, person: Subject, job: Job, language: str) -> None:
    """Write the copy, and keep nothing of it but an open file."""
    try:
        with tempfile.TemporaryDirectory(prefix="volens-export-") as folder:
            path = Path(folder) / "copy.zip"
            made = home.exporter().write(person, path, language=language)
            job.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except VolensError as error:
        job.error, job.state = error, ExportState.FAILED
        return
    except BaseException:
        job.error = Unavailable("storage", "the copy could not be written")
        job.state = ExportState.FAILED
        raise
    facts = made.manifest.facts
    job.size_bytes, job.conversations = made.size_bytes, facts.conversations
    job.left_out = dict(facts.left_out)
    job.state = ExportState.READY


async def _pieces(file: int, size_bytes: int) -> AsyncIterator[bytes]:
    """Yield the file, from its beginning, whoever else reads it meanwhile."""
    try:
        for at in range(0, size_bytes, _PIECE_BYTES):
            yield await asyncio.to_thread(os.pread, file, _PIECE_BYTES, at)
    finally:
        os.close(file)


async def _find(request: Request, name: str) -> Job:
    subject = asker_of(request).about
    assert subject is not None
    now = await on_home(request, lambda home: home.clock.now())
    return _jobs(request).find(subject, name, now)


def _jobs(request: Request) -> Jobs:
    found: Jobs = request.app.state.exports
    return found


def _told(job: Job) -> ExportTold:
    return ExportTold(
        export=job.id,
        state=job.state,
        started=job.started,
        ends=job.started + KEPT_FOR,
        size_bytes=job.size_bytes,
        conversations=job.conversations,
        left_out=job.left_out,
        error=None if job.error is None else job.error.code,
    )
