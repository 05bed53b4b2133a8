"""Flags of safety classifiers: that something may have to be looked at, and never what it says."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from volens.access.model import Scope
from volens.api.asking import Door, open_to
from volens.api.conversations import find_own
from volens.api.model import Body, Told, Word
from volens.api.repeating import Once, once_about
from volens.app.home import Home
from volens.app.safety import Safety
from volens.log.kinds import FlagCategory, FlagSeverity
from volens.safety.flags import MAX_TURNS
from volens.vault.subjects import Subject

_CREATED = 201


class FlagWanted(Body):
    """Which turns of which conversation, and what a classifier saw in them."""

    conversation: Annotated[str, Field(max_length=40)]
    turns: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=0)], ...],
        Field(min_length=1, max_length=MAX_TURNS),
    ]
    category: FlagCategory
    severity: FlagSeverity
    classifier: Word
    """Its name and version; never a person's name."""


class FlagTold(Told):
    """A flag that was raised. It opens nothing, and is a ground for no training."""

    flag: str
    conversation: str
    turns: list[int]
    category: FlagCategory
    severity: FlagSeverity
    classifier: str


def add_routes(router: APIRouter) -> None:
    """Add the route of flags."""
    router.post(
        "/subjects/{subject}/flags",
        tags=["safety"],
        status_code=_CREATED,
        response_model=FlagTold,
    )(raise_flag)


@open_to(Door.PROGRAM, Scope.FLAGS)
async def raise_flag(request: Request, wanted: FlagWanted, once_only: Once = None) -> Response:
    """Raise a flag; the same one again changes nothing."""

    def act(home: Home, person: Subject) -> FlagTold:
        held = find_own(home, person, wanted.conversation)
        made = Safety(home).flags.raise_flag(
            held,
            turns=wanted.turns,
            category=wanted.category,
            severity=wanted.severity,
            classifier=wanted.classifier,
        )
        return FlagTold(
            flag=made.id,
            conversation=held.id,
            turns=list(made.turns),
            category=made.category,
            severity=made.severity,
            classifier=made.classifier,
        )

    return await once_about(request, once_only, act, status=_CREATED)
