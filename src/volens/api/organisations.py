"""What an organisation instructs, by a program that is told to keep it (R16, R20).

A token that belongs to an organisation sees and changes that one only: of any other it gets the
answer that one would get about none at all. A change names the state that it was made to
(``If-Match``), holds once it is logged, and leaves what was agreed elsewhere as it is.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import Field

from volens.access.model import Principal, Scope
from volens.api.asking import Door, asker_of, on_home, open_to
from volens.api.model import Body, Digest, Told, Word
from volens.api.repeating import Once, once_told
from volens.app.home import Home
from volens.app.organisations import Agreed, Standing, instructable, prepare, record, standing
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Purpose
from volens.policy.retention import MOST_DAYS, RetentionClass

_AT = "/organisations/{organisation}/instructions"
Days = Annotated[int, Field(strict=True, ge=1, le=MOST_DAYS)]


class InstructionsWanted(Body):
    """All that an organisation instructs from now on."""

    purposes: Annotated[list[Purpose], Field(max_length=len(Purpose))]
    """What it allows. Each person's own yes is needed as well."""
    keeping: dict[RetentionClass, Days]
    """Times that it shortens, in days."""


class InstructionsTold(Told):
    """What an organisation has instructed."""

    organisation: str
    version: int
    """0: nothing yet."""
    sha256: Digest | None
    """Of the document of this version, which the log commits to."""
    purposes: list[Purpose]
    keeping: dict[RetentionClass, int]
    may: list[Purpose]
    """What can be instructed here; other purposes are agreed with whoever runs the home."""
    etag: str
    """For ``If-Match``, with a change."""


def add_routes(router: APIRouter) -> None:
    """Add the routes of organisations."""
    router.get(_AT, tags=["organisations"])(show)
    router.put(_AT, tags=["organisations"])(change)


@open_to(Door.PROGRAM, Scope.ORGANISATIONS)
async def show(request: Request, response: Response, organisation: Word) -> InstructionsTold:
    """Show what an organisation has instructed, with its ``ETag``."""
    principal = asker_of(request).principal

    def act(home: Home) -> InstructionsTold:
        return _told(home, _standing(home, principal, organisation))

    found = await on_home(request, act)
    response.headers["ETag"] = found.etag
    return found


@open_to(Door.PROGRAM, Scope.ORGANISATIONS)
async def change(
    request: Request,
    response: Response,
    organisation: Word,
    wanted: InstructionsWanted,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
    once_only: Once = None,
) -> InstructionsTold:
    """Replace what an organisation instructs, within what the policy has for organisations."""
    principal = asker_of(request).principal

    def act(home: Home) -> InstructionsTold:
        before = _standing(home, principal, organisation)
        if if_match is None:
            hint = "GET the instructions, and send their etag as If-Match"
            raise InvalidInput("precondition_needed", "a change needs If-Match", hint=hint)
        if if_match != _etag(home, before):
            hint = "GET the instructions as they are now"
            raise InvalidInput("instructions_changed", "they have changed meanwhile", hint=hint)
        purposes = {one.value for one in wanted.purposes}
        prepared = prepare(home, organisation, purposes, wanted.keeping, agreed=Agreed.KEEP)
        record(home, prepared)
        return _told(home, standing(home, organisation))

    found = await once_told(request, once_only, InstructionsTold, act)
    response.headers["ETag"] = found.etag
    return found


def _standing(home: Home, principal: Principal, organisation: str) -> Standing:
    """Return what stands, if whoever asks may know it.

    Raises:
        NotFound: ``organisation_unknown`` if the token belongs to another organisation.
        InvalidInput: ``word_form``.
    """
    found = standing(home, organisation)
    if principal.organisation not in {None, organisation}:
        raise NotFound("organisation_unknown", f"no organisation {organisation!r} here")
    return found


def _etag(home: Home, found: Standing) -> str:
    return f'"{home.sealer.lookup(b"etag", found.state)[:16].hex()}"'


def _told(home: Home, found: Standing) -> InstructionsTold:
    return InstructionsTold(
        organisation=found.organisation,
        version=found.version,
        sha256=found.sha256,
        purposes=[Purpose(word) for word in found.purposes],
        keeping=dict(found.keeping),
        may=list(instructable(home.policy)),
        etag=_etag(home, found),
    )
