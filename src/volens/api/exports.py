"""A person's copy of all their data: started, made in the background, downloaded, gone.

The file has no name in any folder while it waits: it is opened, unlinked, and lives as long as this
process keeps it. At most one waits for each person, and only its person gets it, with a fresh
second proof of who asks.
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response

from volens.api.asking import Door, asker_of, on_home, on_person, open_to
from volens.api.model import Body, Moment, Told, Word
from volens.api.repeating import Once, answer_with, given_before, keep_given
from volens.app.home import Home
from volens.core.ids import IdKind, SubjectId, format_id
from volens.door.copies import Copy, CopyState
from volens.door.doorway import doorway_of
from volens.vault.subjects import Subject

_ACCEPTED = 202


class ExportWanted(Body):
    """How the copy is to be."""

    language: Word = "en"
    """Of the policy's words in it."""


class ExportTold(Told):
    """One copy, and how far it is."""

    export: str
    state: CopyState
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
    router.post("/me/exports", tags=["exports"], status_code=_ACCEPTED, response_model=ExportTold)(
        start
    )
    router.get("/me/exports/{export}", tags=["exports"])(show)
    router.get("/me/exports/{export}/file", tags=["exports"])(download)


@open_to(Door.PERSON_OR_PROGRAM, step_up=True)
async def start(request: Request, wanted: ExportWanted, once_only: Once = None) -> Response:
    """Start a copy of everything that is held about the person. The access is logged."""
    doorway = doorway_of(request)
    before = await given_before(request, once_only)
    if before is not None:
        return _located(before)

    def begin(home: Home, person: Subject) -> tuple[SubjectId, str, datetime]:
        name = format_id(IdKind.REQUEST, home.entropy.draw(16)).removeprefix("req_")
        return person.id, name, home.clock.now()

    person, name, at = await on_person(request, begin)
    copy = doorway.copies.start(doorway.thread, person, name=name, at=at, language=wanted.language)
    told = _told(copy)
    await keep_given(request, once_only, told, status=_ACCEPTED)
    return _located(answer_with(told, status=_ACCEPTED))


def _located(answer: Response) -> Response:
    """Say where the copy is that an answer tells of."""
    name = ExportTold.model_validate_json(bytes(answer.body)).export
    answer.headers["Location"] = f"/v1/me/exports/{name}"
    return answer


@open_to(Door.PERSON_OR_PROGRAM)
async def show(request: Request, export: str) -> ExportTold:
    """Show how far a copy is."""
    return _told(await _find(request, export))


@open_to(Door.PERSON_OR_PROGRAM, step_up=True)
async def download(request: Request, export: str) -> Response:
    """Download a copy that is ready: one file; ``volens verify`` checks it."""
    return (await _find(request, export)).answer()


async def _find(request: Request, name: str) -> Copy:
    subject = asker_of(request).about
    assert subject is not None
    now = await on_home(request, lambda home: home.clock.now())
    return doorway_of(request).copies.find(SubjectId(subject), name, now)


def _told(copy: Copy) -> ExportTold:
    return ExportTold(
        export=copy.id,
        state=copy.state,
        started=copy.started,
        ends=copy.ends,
        size_bytes=copy.size_bytes,
        conversations=copy.conversations,
        left_out=copy.left_out,
        error=None if copy.error is None else copy.error.code,
    )
