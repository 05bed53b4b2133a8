"""``Idempotency-Key``: what was asked once under a key is done once.

The act and the keeping of its answer are one act in the home's thread, so two requests under one
key never run beside each other. If the process stops in between, a repeat acts again; every act
here that matters is a repeat of itself then (an erasure that stands, a conversation captured
before), or is refused (an account that is there).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Final, TypeVar

from fastapi import Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from volens.access.repeats import Given, RepeatStore
from volens.api.asking import Asker, asker_of, on_home
from volens.app.home import Home
from volens.core.errors import InvalidInput, NotFound
from volens.vault.subjects import Subject

_JSON: Final = "application/json"
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A key of your own. The same request again gets the same answer for a day.",
    ),
]
_Answer = TypeVar("_Answer", bound=BaseModel)


async def once(
    request: Request, key: str | None, act: Callable[[Home], _Answer], *, status: int = 200
) -> Response:
    """Act and answer; with a key that was used before, give the answer that was given.

    Raises:
        InvalidInput: ``idempotency_conflict`` if the key was used for another request.
    """
    if key is None:
        made = await on_home(request, act)
        return _said(Given(request=b"", status=status, answer=_bytes(made)))
    asker, body = asker_of(request), await request.body()
    asked = b"\x00".join((request.method.encode(), str(request.url.path).encode(), body))
    return _said(await on_home(request, lambda home: _once(home, asker, key, asked, act, status)))


async def once_about(
    request: Request,
    key: str | None,
    act: Callable[[Home, Subject], _Answer],
    *,
    status: int = 200,
) -> Response:
    """Do as `once`, about the person that the request is about."""
    asker = asker_of(request)
    return await once(request, key, lambda home: act(home, asker.find(home)), status=status)


def _once(
    home: Home,
    asker: Asker,
    key: str,
    asked: bytes,
    act: Callable[[Home], BaseModel],
    status: int,
) -> Given:
    store, now = RepeatStore(home.main), home.clock.now()
    who = asker.principal.token or asker.principal.account or asker.principal.subject or ""
    digest = home.sealer.lookup(b"repeat", f"{who}\x00{key}".encode())
    asked_digest = home.sealer.lookup(b"repeated", asked)
    before = store.find(digest, now)
    if before is not None:
        if before.request != asked_digest:
            hint = "use a new key for a new request"
            message = "this Idempotency-Key was used for another request"
            raise InvalidInput("idempotency_conflict", message, hint=hint)
        return before
    given = Given(request=asked_digest, status=status, answer=_bytes(act(home)))
    with suppress(SQLAlchemyError, OSError):  # the act is done: that it can't be kept is no error
        store.keep(digest, given, subject=_about(home, asker), at=now)
    return given


def _about(home: Home, asker: Asker) -> bytes | None:
    if asker.about is None:
        return None
    try:
        return asker.find(home).holder.raw
    except NotFound:
        return None


def _bytes(made: BaseModel) -> bytes:
    return made.model_dump_json().encode()


def _said(given: Given) -> Response:
    return Response(given.answer, status_code=given.status, media_type=_JSON)
