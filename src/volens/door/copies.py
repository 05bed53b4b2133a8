"""A person's copies on their way: made in the home's thread, handed over, and gone.

REST and the pages share them, so that what was started at one door is ready at the other. While a
copy is made it lies in a private folder; when it is done its name is taken away, so that only this
process can still read it and nothing of it outlives the process.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from starlette.responses import Response, StreamingResponse

from volens.app.home import Home
from volens.app.own_data import exporter_of
from volens.app.thread import HomeThread
from volens.core.errors import InvalidInput, NotFound, Unavailable, VolensError
from volens.core.ids import SubjectId

KEPT_FOR: Final = timedelta(minutes=30)
MOST_WAITING: Final = 64
_PIECE_BYTES: Final = 256 * 1024


class CopyState(StrEnum):
    """How far a copy is."""

    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class Copy:
    """One copy on its way. Only its own act writes to it."""

    id: str
    subject: SubjectId
    started: datetime
    state: CopyState = CopyState.RUNNING
    error: VolensError | None = None
    done: int = 0
    total: int = 0
    size_bytes: int = 0
    conversations: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    file: int | None = field(default=None, repr=False)
    """The descriptor of the file; nothing else leads to it. Closed when nobody has the copy."""

    @property
    def ends(self) -> datetime:
        """Until when it waits."""
        return self.started + KEPT_FOR

    def answer(self) -> Response:
        """Return the answer that hands it over.

        Raises:
            InvalidInput: ``export_not_ready``.
        """
        if self.state is not CopyState.READY or self.file is None:
            hint = "look how far it is, or start one"
            raise InvalidInput("export_not_ready", f"the copy is {self.state.value}", hint=hint)
        headers = {
            "Content-Disposition": 'attachment; filename="my-data.zip"',
            "Content-Length": str(self.size_bytes),
            "Cache-Control": "no-store",
        }
        pieces = _pieces(os.dup(self.file), self.size_bytes)
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)


class Copies:
    """The copies of one process: one a person."""

    def __init__(self) -> None:
        """Start with none."""
        self._of: dict[SubjectId, Copy] = {}
        self._running: set[asyncio.Task[None]] = set()

    def of(self, subject: SubjectId, at: datetime) -> Copy | None:
        """Return a person's copy; what has waited too long is gone."""
        for owner, copy in list(self._of.items()):
            if copy.state is not CopyState.RUNNING and at >= copy.ends:
                del self._of[owner]
        return self._of.get(subject)

    def find(self, subject: SubjectId, name: str, at: datetime) -> Copy:
        """Return a person's own copy by its id.

        Raises:
            NotFound: ``export_unknown``.
        """
        found = self.of(subject, at)
        if found is None or found.id != name:
            hint = "POST /v1/me/exports starts one; it waits for 30 minutes"
            raise NotFound("export_unknown", "there is no such copy", hint=hint)
        return found

    def start(
        self, thread: HomeThread, subject: SubjectId, *, name: str, at: datetime, language: str
    ) -> Copy:
        """Begin a person's copy; a former one that is done goes.

        Raises:
            Unavailable: ``busy`` if too many wait.
            InvalidInput: ``export_running`` if the former one is still being made.
        """
        before = self.of(subject, at)
        if before is not None and before.state is CopyState.RUNNING:
            hint = f"GET /v1/me/exports/{before.id} shows how far it is"
            raise InvalidInput("export_running", "a copy is being made already", hint=hint)
        if before is None and len(self._of) >= MOST_WAITING:
            raise Unavailable("busy", "too many copies wait", hint="try again in a few minutes")
        copy = self._of[subject] = Copy(id=name, subject=subject, started=at)
        task = asyncio.ensure_future(_made(thread, copy, language))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return copy


async def _made(thread: HomeThread, copy: Copy, language: str) -> None:
    try:
        await thread.run(lambda home: _write(home, copy, language))
    except VolensError as error:
        copy.error, copy.state = error, CopyState.FAILED
    except BaseException:
        copy.error = Unavailable("storage", "the copy could not be written")
        copy.state = CopyState.FAILED
        raise


def _write(home: Home, copy: Copy, language: str) -> None:
    """Write the copy, and keep nothing of it but an open file."""

    def tell(done: int, total: int) -> None:
        copy.done, copy.total = done, total

    with tempfile.TemporaryDirectory(prefix="volens-copy-") as folder:
        path = Path(folder) / "copy.zip"
        made = exporter_of(home).write(
            home.subjects.find(copy.subject),
            path,
            language=language,
            on_progress=tell,
        )
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    weakref.finalize(copy, os.close, file)
    facts = made.manifest.facts
    copy.size_bytes, copy.conversations = made.size_bytes, facts.conversations
    copy.left_out = dict(facts.left_out)
    copy.file = file
    copy.state = CopyState.READY


async def _pieces(file: int, size_bytes: int) -> AsyncIterator[bytes]:
    """Yield the file, from its beginning, whoever else reads it meanwhile."""
    try:
        for at in range(0, size_bytes, _PIECE_BYTES):
            yield await asyncio.to_thread(os.pread, file, _PIECE_BYTES, at)
    finally:
        os.close(file)
