"""Conversation history: whether anything is kept beyond serving the reply."""

from __future__ import annotations

from fastapi import APIRouter, Request

from volens.access.model import Scope
from volens.api.asking import Door, asker_of, on_person, open_to
from volens.api.choices import new_event, state_of, take_back
from volens.api.model import Body, Flag, Told
from volens.api.repeating import Once, once_told
from volens.app.home import Home
from volens.consent.model import GENERAL, Act
from volens.core.purposes import Purpose
from volens.vault.subjects import Subject


class HistoryWanted(Body):
    """Whether conversations are kept at all."""

    on: Flag


class HistoryTold(Told):
    """Whether conversations are kept."""

    on: bool
    holds: bool
    logged: bool


def add_routes(router: APIRouter) -> None:
    """Add the routes of history."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.put(f"{prefix}/history", tags=["choices"])(set_history)


@open_to(Door.PERSON_OR_PROGRAM, Scope.CHOICES_WRITE)
async def set_history(
    request: Request, wanted: HistoryWanted, once_only: Once = None
) -> HistoryTold:
    """Turn conversation history on or off. Off: nothing is kept beyond serving the reply."""
    if wanted.on:
        asker = asker_of(request)
        return await once_told(
            request, once_only, HistoryTold, lambda home: _history_on(home, asker.find(home))
        )
    return await _history_off(request)


def _history_on(home: Home, person: Subject) -> HistoryTold:
    purpose = Purpose.KEEP_HISTORY
    if state_of(home, person, purpose).objected:
        home.ledger.record([new_event(home, person, purpose, Act.LIFT_OBJECTION, GENERAL)])
    return HistoryTold(on=True, holds=True, logged=True)


async def _history_off(request: Request) -> HistoryTold:
    purpose, logged = Purpose.KEEP_HISTORY, True
    if not await on_person(request, lambda home, person: state_of(home, person, purpose).objected):
        _, logged = await take_back(request, purpose, Act.OBJECT)
    return HistoryTold(on=False, holds=True, logged=logged)
