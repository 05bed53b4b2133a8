"""Erasures: ask, see how far each is, take one back in time, and get the signed receipt."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from volens.access.model import Scope
from volens.api.asking import (
    Door,
    asker_of,
    on_home,
    on_person,
    open_to,
    require_step_up,
)
from volens.api.conversations import find_own
from volens.api.model import Body, Flag, Told, Word
from volens.api.repeating import Once, once_told
from volens.app.home import Home
from volens.app.retention import new_request
from volens.core.errors import InvalidInput, NotFound, VolensError
from volens.core.ids import ConversationId
from volens.door.doorway import doorway_of
from volens.holds.erasure import MAX_CONVERSATIONS, Erasure
from volens.lifecycle.published import prove_published
from volens.lifecycle.receipt import issue_receipt, verify_receipt
from volens.lifecycle.receipt_outline import outline
from volens.lifecycle.receipt_pages import receipt_html
from volens.lifecycle.receipt_words import LANGUAGES
from volens.log.kinds import ErasureScope
from volens.rights.export_facts import erasure_facts
from volens.vault.subjects import Subject

_ACCEPTED = 202
Named = Annotated[str, Field(max_length=40)]


class ErasureWanted(Body):
    """What is to go."""

    scope: ErasureScope
    conversations: Annotated[tuple[Named, ...], Field(max_length=MAX_CONVERSATIONS)] = ()
    """For the scope ``conversation``, and only for it."""
    at_once: Flag = False
    """Without the days in which it can be taken back."""


class ErasureTold(Told):
    """One erasure, and how far it has come."""

    erasure: str
    """The reference number."""
    scope: ErasureScope
    cause: str
    state: str
    requested: str
    promised_by: str
    """By then no copy opens it any more."""
    cool_off_ends: str | None = None
    access_ended: str | None
    keys_removed: str | None
    irrecoverable: str | None
    cancelled: str | None
    held_until: str | None


class ErasureAsked(Told):
    """What was asked for holds: nobody can use it any more."""

    erasure: ErasureTold
    holds: bool
    logged: bool
    """Whether it is in the log already; it holds before that."""


class ErasuresTold(Told):
    """Every erasure of one person."""

    erasures: list[ErasureTold]


def add_routes(router: APIRouter) -> None:
    """Add the routes of erasures."""
    for prefix in ("/me", "/subjects/{subject}"):
        router.post(f"{prefix}/erasures", tags=["erasures"], status_code=_ACCEPTED)(ask)
        router.get(f"{prefix}/erasures", tags=["erasures"])(list_erasures)
        router.get(f"{prefix}/erasures/{{erasure}}", tags=["erasures"])(show_erasure)
        router.post(f"{prefix}/erasures/{{erasure}}/cancel", tags=["erasures"])(cancel)
        router.get(f"{prefix}/erasures/{{erasure}}/receipt", tags=["erasures"])(receipt)
        router.delete(
            f"{prefix}/conversations/{{conversation}}",
            tags=["conversations"],
            status_code=_ACCEPTED,
        )(delete_conversation)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def ask(request: Request, wanted: ErasureWanted) -> ErasureAsked:
    """Ask for chats, all chats or the account to go. It holds from the answer on.

    The same wish again gets the erasure that stands. More than single chats needs a fresh second
    proof of who asks, from a person.
    """
    if wanted.scope is not ErasureScope.CONVERSATION:
        await require_step_up(request)
    return await _ask(request, wanted)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def delete_conversation(request: Request, conversation: str) -> ErasureAsked:
    """Delete one chat. It holds from the answer on; for some days it can be taken back."""
    wanted = ErasureWanted(scope=ErasureScope.CONVERSATION, conversations=(conversation[:40],))
    return await _ask(request, wanted)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def list_erasures(request: Request) -> ErasuresTold:
    """List a person's erasures, oldest first."""
    return await on_person(
        request,
        lambda home, person: ErasuresTold(
            erasures=[told(one) for one in home.erasures.of_subject(person.id)]
        ),
    )


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def show_erasure(request: Request, erasure: str) -> ErasureTold:
    """Show how far one erasure has come."""
    return await on_person(request, lambda home, person: told(_own(home, person, erasure)))


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def cancel(request: Request, erasure: str, once_only: Once = None) -> ErasureTold:
    """Take an erasure back, while it still can be."""
    asker = asker_of(request)

    def act(home: Home) -> ErasureTold:
        found = _own(home, asker.find(home), erasure)
        return told(home.erasures.cancel(found.id, home.clock.now()))

    return await once_told(request, once_only, ErasureTold, act)


@open_to(Door.PERSON_OR_PROGRAM, Scope.REQUESTS)
async def receipt(
    request: Request, erasure: str, language: Word = "en", form: Word = "json"
) -> Response:
    """Download the signed receipt: only what the log proves, and never early.

    ``form`` is ``json``, to be checked with ``volens verify``, or ``html``, to be read.
    """
    if form not in {"json", "html"} or language not in LANGUAGES:
        hint = f"form json or html; language one of {', '.join(LANGUAGES)}"
        raise InvalidInput("receipt_form", "there is no such form of a receipt", hint=hint)
    contact: str = request.app.state.contact

    def act(home: Home, person: Subject) -> tuple[str, bytes]:
        found = _own(home, person, erasure)
        home.owned_log().publish()
        verifier = home.signer.verifier
        evidence = home.erasures.evidence(found.id)
        data = issue_receipt(
            found,
            prove_published(home.folder / "log", verifier, evidence),
            contact=contact,
            issued=home.clock.now(),
            signer=home.signer,
        )
        if form == "json":
            return found.id, data
        return found.id, receipt_html(
            outline(verify_receipt(data, verifier), language=language), data
        )

    name, data = await on_person(request, act)
    kind = "application/json" if form == "json" else "text/html; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return Response(data, media_type=kind, headers=headers)


def told(erasure: Erasure) -> ErasureTold:
    """Return what a person may know of an erasure: a hold under a gag does not show."""
    facts = erasure_facts(erasure)
    return ErasureTold.model_validate(facts)


async def _ask(request: Request, wanted: ErasureWanted) -> ErasureAsked:
    """Journal it first, where it holds, without waiting for anybody; then try to have it logged."""
    asker, doorway = asker_of(request), doorway_of(request)

    def hold(home: Home) -> str:
        person = asker.find(home)
        named = [ConversationId(find_own(home, person, name).id) for name in wanted.conversations]
        asked = new_request(
            home,
            home.entropy.draw(16),
            wanted.scope,
            person,
            conversations=named,
            at_once=wanted.at_once,
        )
        return home.erasures.request(asked).id

    name = await doorway.beside(hold)
    logged = False
    with suppress(VolensError, SQLAlchemyError, OSError):
        await on_home(request, lambda home: home.erasures.drain())
        logged = True
    look = doorway.run if logged else doorway.beside
    found = await look(lambda home: told(home.erasures.find(name)))
    return ErasureAsked(erasure=found, holds=True, logged=logged)


def _own(home: Home, person: Subject, name: str) -> Erasure:
    """Return an erasure of this person.

    Raises:
        NotFound: ``erasure_unknown``, also for one of somebody else.
    """
    with suppress(InvalidInput):
        found = home.erasures.find(name)
        if found.subject == person.id:
            return found
    raise NotFound("erasure_unknown", f"no erasure {name[:40]!r} here")
