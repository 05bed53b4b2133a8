"""``Idempotency-Key``: what was asked once under a key is done once.

The act and the keeping of its answer are one act in the home's thread, so two requests under one
key never run beside each other. If the process stops in between, a repeat acts again; every act
here that matters is a repeat of itself then (an erasure that stands, a conversation captured
before), or is refused (an account that is there).

What takes something back, from a use or for good, is done each time, whatever the key: done twice
it is done once, and an answer of yesterday must not stand in for it. What makes a secret refuses a
key, as its answer is kept nowhere.
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
        return answer_with(made, status=status)
    asker, asked = asker_of(request), await _asked(request)
    return _said(await on_home(request, lambda home: _once(home, asker, key, asked, act, status)))


async def once_told(
    request: Request, key: str | None, kind: type[_Answer], act: Callable[[Home], _Answer]
) -> _Answer:
    """Do as `once`, and return what is told, for an answer that has headers as well."""
    return kind.model_validate_json(bytes((await once(request, key, act)).body))


async def given_before(request: Request, key: str | None) -> Response | None:
    """Return the answer that was given under a key, for an act that can't run in the home's thread.

    Raises:
        InvalidInput: ``idempotency_conflict``.
    """
    if key is None:
        return None
    asker, asked = asker_of(request), await _asked(request)
    found = await on_home(request, lambda home: _before(home, *_digests(home, asker, key, asked)))
    return None if found is None else _said(found)


async def keep_given(request: Request, key: str | None, made: BaseModel, *, status: int) -> None:
    """Keep the answer of an act that is done."""
    if key is None:
        return
    asker, asked = asker_of(request), await _asked(request)

    def act(home: Home) -> None:
        digest, request_digest = _digests(home, asker, key, asked)
        given = Given(request=request_digest, status=status, answer=_bytes(made))
        _keep(home, asker, digest, given)

    await on_home(request, act)


def answer_with(made: BaseModel, *, status: int) -> Response:
    """Return an answer as it would be kept."""
    return _said(Given(request=b"", status=status, answer=_bytes(made)))


def refuse_key(
    key: Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)] = None,
) -> None:
    """Refuse a key where the answer has a secret, which is kept nowhere.

    Raises:
        InvalidInput: ``idempotency_refused``.
    """
    if key is not None:
        hint = "send it without a key; what a lost answer had ends by itself, or can be revoked"
        message = "an answer with a secret is kept nowhere, so it can't be given twice"
        raise InvalidInput("idempotency_refused", message, hint=hint)


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
    digest, asked_digest = _digests(home, asker, key, asked)
    before = _before(home, digest, asked_digest)
    if before is not None:
        return before
    given = Given(request=asked_digest, status=status, answer=_bytes(act(home)))
    _keep(home, asker, digest, given)
    return given


async def _asked(request: Request) -> bytes:
    """Return all of a request that a repeat must have in common with it."""
    path, match = str(request.url.path), request.headers.get("if-match", "")
    parts = (request.method.encode(), path.encode(), match.encode(), await request.body())
    return b"\x00".join(parts)


def _digests(home: Home, asker: Asker, key: str, asked: bytes) -> tuple[bytes, bytes]:
    """Return the keyed digests of who asks under which key, and of what."""
    who = asker.principal.token or asker.principal.account or asker.principal.subject or ""
    digest = home.sealer.lookup(b"repeat", f"{who}\x00{key}".encode())
    return digest, home.sealer.lookup(b"repeated", asked)


def _before(home: Home, digest: bytes, asked_digest: bytes) -> Given | None:
    before = RepeatStore(home.main).find(digest, home.clock.now())
    if before is not None and before.request != asked_digest:
        hint = "use a new key for a new request"
        message = "this Idempotency-Key was used for another request"
        raise InvalidInput("idempotency_conflict", message, hint=hint)
    return before


def _keep(home: Home, asker: Asker, digest: bytes, given: Given) -> None:
    with suppress(SQLAlchemyError, OSError):  # the act is done: that it can't be kept is no error
        about = _about(home, asker)
        RepeatStore(home.main).keep(digest, given, subject=about, at=home.clock.now())


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
