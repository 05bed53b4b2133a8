"""Conversations as rows: what there is, left out or not, captured, deleted. Never what they say.

A person reads their own chats on their pages or in an export; through this door no content leaves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from volens.access.model import Scope
from volens.api.asking import Door, asker_of, on_person, open_to
from volens.api.model import Body, Flag, Moment, Told
from volens.api.pages import Cursor, Limit, read_cursor, write_cursor
from volens.api.repeating import Once, once_about, once_told
from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import Purpose, Signal
from volens.gate.facts import Use
from volens.log.kinds import CaptureSource
from volens.vault.listing import page_of
from volens.vault.model import ROOT, Conversation, Role, Turn, TurnFlag
from volens.vault.store import Held
from volens.vault.subjects import Subject

MOST_BYTES = 8 * 1024 * 1024
MOST_TURNS = 2000
_PAGE = 50
_CREATED = 201


class TurnGiven(Body):
    """One message."""

    role: Annotated[str, Field(pattern="^(system|user|assistant|tool)$")]
    text: Annotated[str, Field(max_length=1024 * 1024, repr=False)]
    at: datetime | None = None
    parent: Annotated[int, Field(strict=True, ge=-1, lt=MOST_TURNS)] | None = None
    """Index of the message that this one answers; the one before it by default."""
    rating: Annotated[int, Field(strict=True, ge=-1, le=1)] = 0
    """The person's thumb; content like any other, and never a consent."""
    third_party: Flag = False
    """Other people's words: never used."""


class ConversationGiven(Body):
    """One conversation, to be kept as the person's settings allow and not otherwise."""

    source_id: Annotated[str, Field(min_length=1, max_length=256)]
    """The product's own id; the same one again is an update, or nothing new."""
    turns: Annotated[list[TurnGiven], Field(min_length=1, max_length=MOST_TURNS)]
    title: Annotated[str, Field(max_length=500, repr=False)] = ""
    created: datetime | None = None
    signal: Signal = Signal.NONE
    """What the person said about this chat only; ``temporary`` chats are not kept at all."""
    language: Annotated[str, Field(max_length=35)] = ""


class CaptureTold(Told):
    """What became of a conversation."""

    kept: bool
    """False: the person's settings say that nothing is kept, and nothing was."""
    why_not: str | None = None
    added: int = 0
    updated: int = 0
    known: int = 0
    held: int = 0
    """Not changed, because a hold keeps it as it is."""


class ConversationTold(Told):
    """One conversation, closed."""

    id: str
    source: str
    created: Moment | None
    captured: Moment
    signal: Signal
    turns: int
    size_bytes: int


class ConversationsTold(Told):
    """A page of conversations."""

    conversations: list[ConversationTold]
    next: str | None
    """The cursor of the next page; none: this is the last."""


class SignalWanted(Body):
    """Whether a conversation is left out of every use but its person's own history."""

    excluded: Flag


def add_routes(router: APIRouter) -> None:
    """Add the routes of conversations."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.get(f"{prefix}/conversations", tags=["conversations"])(list_conversations)
        router.get(f"{prefix}/conversations/{{conversation}}", tags=["conversations"])(
            show_conversation
        )
        router.put(f"{prefix}/conversations/{{conversation}}/signal", tags=["conversations"])(
            set_signal
        )
    router.post(
        "/subjects/{subject}/conversations",
        tags=["conversations"],
        status_code=_CREATED,
        response_model=CaptureTold,
    )(capture)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def list_conversations(
    request: Request, limit: Limit = _PAGE, cursor: Cursor = None
) -> ConversationsTold:
    """List a person's conversations, the latest captured first."""

    def act(home: Home, person: Subject) -> ConversationsTold:
        name = f"conversations {person.id}"
        before = read_cursor(home, name, cursor)
        found = page_of(home.main, person, before=before or None, limit=limit + 1)
        page, more = found[:limit], len(found) > limit
        return ConversationsTold(
            conversations=[_told(held) for held in page],
            next=write_cursor(home, name, page[-1].number) if more else None,
        )

    return await on_person(request, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.SUBJECTS_READ)
async def show_conversation(request: Request, conversation: str) -> ConversationTold:
    """Show what is known of a conversation without opening it."""
    return await on_person(
        request, lambda home, person: _told(find_own(home, person, conversation))
    )


@open_to(Door.PERSON_OR_PROGRAM, Scope.CHOICES_WRITE)
async def set_signal(
    request: Request, conversation: str, wanted: SignalWanted, once_only: Once = None
) -> ConversationTold:
    """Leave one conversation out of every use, or take that back. Only a yes makes it usable."""
    asker = asker_of(request)

    def act(home: Home) -> ConversationTold:
        person = asker.find(home)
        held = find_own(home, person, conversation)
        signal = Signal.EXCLUDED if wanted.excluded else Signal.NONE
        if held.signal is not signal:
            home.vault.set_signal(held, signal, person.holder)
        return _told(home.vault.find(held.id))

    key = None if wanted.excluded else once_only
    return await once_told(request, key, ConversationTold, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.CAPTURE, most_bytes=MOST_BYTES)
async def capture(request: Request, given: ConversationGiven, once_only: Once = None) -> Response:
    """Keep a conversation, if its person's settings allow it. Nothing here grants a use."""

    def act(home: Home, person: Subject) -> CaptureTold:
        decision = home.gate.decide(person, Use(purpose=Purpose.KEEP_HISTORY.value))
        if not decision.permit:
            return CaptureTold(kept=False, why_not=decision.reasons[0].value)
        if given.signal is Signal.TEMPORARY:
            return CaptureTold(kept=False, why_not="signal_temporary")
        found = home.vault.capture({person: [_conversation(given)]}, source=CaptureSource.API)
        return CaptureTold(
            kept=True,
            added=found.added,
            updated=found.updated,
            known=found.known,
            held=found.held,
        )

    return await once_about(request, once_only, act, status=_CREATED)


def find_own(home: Home, person: Subject, name: str) -> Held:
    """Return a conversation of this person.

    Raises:
        NotFound: ``conversation_unknown``, also for one of somebody else.
    """
    try:
        parse_id(IdKind.CONVERSATION, name)
        held = home.vault.find(name)
    except InvalidInput:
        raise _unknown(name) from None
    if held.subject_no != person.number:
        raise _unknown(name)
    return held


def _unknown(name: str) -> NotFound:
    return NotFound("conversation_unknown", f"no conversation {name[:40]!r} here")


def _conversation(given: ConversationGiven) -> Conversation:
    turns = []
    for index, one in enumerate(given.turns):
        parent = index - 1 if one.parent is None else one.parent
        turns.append(
            Turn(
                role=Role[one.role.upper()],
                text=one.text,
                flags=TurnFlag.THIRD_PARTY if one.third_party else TurnFlag.NONE,
                parent=parent if parent >= 0 else ROOT,
                at=_zoned(one.at),
                rating=one.rating,
            )
        )
    return Conversation(
        source="api",
        source_id=given.source_id,
        turns=tuple(turns),
        title=given.title,
        created=_zoned(given.created),
        signal=given.signal,
        language=given.language,
    )


def _zoned(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidInput("naive_time", "a moment has no zone", hint="end it in Z")
    return moment


def _told(held: Held) -> ConversationTold:
    return ConversationTold(
        id=held.id,
        source=held.source,
        created=held.created,
        captured=held.captured,
        signal=held.signal,
        turns=held.turns,
        size_bytes=held.size_bytes,
    )
