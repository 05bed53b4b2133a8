"""Requests and replies as values: what is sent for each act, and what its reply means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

from volens.client.judging import Asked
from volens.client.model import Choice, Conversation, EmbedToken, Failure, Limit, Notice, Recorded
from volens.core.canonical import Json, canonical_json, read_strict
from volens.core.errors import (
    Denied,
    InvalidInput,
    NotFound,
    Unavailable,
    VerificationFailed,
    VolensError,
)
from volens.core.members import Members
from volens.core.time import format_moment, parse_moment

MAX_BYTES: Final = 4 * 1024 * 1024
_INVALID: Final = Failure.ANSWER_INVALID.value
_REPEATED: Final = frozenset({429, 500, 502, 503, 504})
_NOT_FOUND: Final = 404
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_MOST_WAIT_SECONDS: Final = 2.0
_FIRST_WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `repr` shows no body."""

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether sending it twice does what sending it once does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `repr` shows no content."""

    status: int
    content: bytes = field(repr=False)
    retry_after: str = ""


def check(asked: Asked) -> Call:
    """Ask whether data may be used."""
    return _call(
        "POST",
        "/v1/choices:check",
        {"purpose": asked.purpose, "subjects": [*asked.subjects], "sign": True},
    )


def check_each(several: Sequence[Asked]) -> Call:
    """Ask for several purposes whether data of the same people may be used."""
    purposes: list[Json] = [asked.purpose for asked in several]
    return _call(
        "POST",
        "/v1/choices:check",
        {"purposes": purposes, "subjects": [*several[0].subjects], "sign": True},
    )


def list_choices(subject: str) -> Call:
    """Ask for every choice of a person."""
    return Call(method="GET", path=f"{_person(subject)}/choices")


def withdraw(subject: str, purpose: str, limit: Limit | None) -> Call:
    """Take a yes back; the same again changes nothing."""
    return _choose(subject, purpose, {"granted": False, **_scope(limit)})


def grant(
    subject: str,
    purpose: str,
    notice: Notice,
    *,
    etag: str,
    limit: Limit | None,
    expires: datetime | None,
) -> Call:
    """Record a yes to the notice that was shown; never sent twice."""
    seen: dict[str, Json] = {
        "id": notice.id,
        "language": notice.language,
        "sha256": notice.sha256,
    }
    body: dict[str, Json] = {"granted": True, "notice": seen, **_scope(limit)}
    if expires is not None:
        body["expires"] = format_moment(expires)
    return _choose(subject, purpose, body, etag=etag)


def embed_token(subject: str) -> Call:
    """Ask for a token for a person's browser; never sent twice."""
    return Call(method="POST", path=f"{_person(subject)}/embed-tokens", repeatable=False)


def capture(subject: str, conversation: Conversation, key: str) -> Call:
    """Hand over a conversation, once under this key."""
    path = f"{_person(subject)}/conversations"
    return _call("POST", path, conversation.document(), {"Idempotency-Key": key})


def raise_flag(body: Mapping[str, Json], key: str) -> Call:
    """Report what a safety classifier saw, once under this key."""
    return _call("POST", "/v1/flags", body, {"Idempotency-Key": key})


def read_reply(reply: Reply) -> bytes:
    """Return the content of a reply that answers.

    Raises:
        Denied, NotFound: what the server refused, with its own code.
        Unavailable: ``server_failed``.
        VerificationFailed: ``answer_invalid`` for anything else.
    """
    if 200 <= reply.status < 300 and len(reply.content) <= MAX_BYTES:  # noqa: PLR2004 - success
        return reply.content
    if reply.status in _REPEATED or reply.status >= _SERVER_ERROR:
        hint = "try again in a moment"
        said = f"the server answered {reply.status}"
        raise Unavailable(Failure.SERVER_FAILED.value, said, hint=hint)
    if reply.status < _CLIENT_ERROR:
        raise VerificationFailed(_INVALID, f"an answer of status {reply.status} is none")
    raise _problem(reply)


def read_choices(content: bytes) -> tuple[Choice, ...]:
    """Read every choice of a person.

    Raises:
        VerificationFailed: ``answer_invalid``.
    """
    try:
        choices = Members(read_strict(content), "answer", _INVALID).member("choices")
        found = choices if isinstance(choices, list) else [choices]
        return tuple(_choice(Members(one, "answer.choices", _INVALID)) for one in found)
    except InvalidInput as error:
        raise VerificationFailed(_INVALID, error.message) from error


def read_recorded(content: bytes) -> Recorded:
    """Read what became of a choice.

    Raises:
        VerificationFailed: ``answer_invalid``, also if it does not say that the choice holds.
    """
    try:
        top = Members(read_strict(content), "answer", _INVALID)
        if top.member("holds") is not True:
            raise top.wrong("holds", "is not true")
        return Recorded(
            purpose=top.word("purpose"),
            status=top.word("status"),
            event=top.string("event"),
            at=top.parsed("at", parse_moment),
            logged=top.member("logged") is True,
        )
    except InvalidInput as error:
        raise VerificationFailed(_INVALID, error.message) from error


def read_embed_token(content: bytes) -> EmbedToken:
    """Read a token for a person's browser.

    Raises:
        VerificationFailed: ``answer_invalid``.
    """
    try:
        top = Members(read_strict(content), "answer", _INVALID)
        return EmbedToken(token=top.text("token"), ends=top.parsed("ends", parse_moment))
    except InvalidInput:  # its message could show the token
        raise VerificationFailed(_INVALID, "the answer is no token") from None


def read_kept(content: bytes) -> bool:
    """Say whether a conversation was kept.

    Raises:
        VerificationFailed: ``answer_invalid``.
    """
    try:
        kept = Members(read_strict(content), "answer", _INVALID).member("kept")
    except InvalidInput as error:
        raise VerificationFailed(_INVALID, error.message) from error
    if not isinstance(kept, bool):
        raise VerificationFailed(_INVALID, "answer.kept is not true or false")
    return kept


def read_flag(content: bytes) -> str:
    """Return the id of a flag.

    Raises:
        VerificationFailed: ``answer_invalid``.
    """
    try:
        return Members(read_strict(content), "answer", _INVALID).word("id")
    except InvalidInput as error:
        raise VerificationFailed(_INVALID, error.message) from error


def wait_before(attempt: int, retry_after: str) -> float:
    """Return how many seconds to wait before attempt number `attempt` (from 1): at most 2."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return min(max(asked, _FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1)), _MOST_WAIT_SECONDS)


def is_worth_repeating(call: Call, reply: Reply) -> bool:
    """Say whether the same call may fare better a moment later."""
    return call.repeatable and reply.status in _REPEATED


def _choose(
    subject: str, purpose: str, body: Mapping[str, Json], *, etag: str | None = None
) -> Call:
    path = f"{_person(subject)}/choices/{quote(purpose, safe='')}"
    if etag is None:
        return _call("PUT", path, body)
    return _call("PUT", path, body, {"If-Match": etag}, repeatable=False)


def _call(
    method: str,
    path: str,
    body: Mapping[str, Json],
    headers: Mapping[str, str] | None = None,
    *,
    repeatable: bool = True,
) -> Call:
    return Call(
        method=method,
        path=path,
        body=canonical_json(body),
        headers={"Content-Type": "application/json", **(headers or {})},
        repeatable=repeatable,
    )


def _person(subject: str) -> str:
    if not subject or subject in {".", ".."} or "/" in subject:
        hint = "use the person's id, which begins with sub_"
        raise InvalidInput("subject_form", "that name can't stand in a path", hint=hint)
    return f"/v1/subjects/{quote(subject, safe='')}"


def _scope(limit: Limit | None) -> Mapping[str, Json]:
    return {} if limit is None else {"scope": {"kind": limit.kind, "target": limit.target}}


def _choice(one: Members) -> Choice:
    return Choice(
        purpose=one.word("purpose"),
        label=one.text("label"),
        status=one.word("status"),
        objected=one.member("objected") is not False,
        rests_on=one.word("rests_on"),
        asked=one.member("asked") is True,
        etag=one.text("etag"),
    )


def _problem(reply: Reply) -> VolensError:
    """Return what a problem document says (RFC 9457); its words only if they can be printed."""
    code, said, hint = Failure.REFUSED.value, f"the server answered {reply.status}", ""
    try:
        top = Members(read_strict(reply.content[:MAX_BYTES]), "problem", _INVALID)
        code, said = top.word("code"), top.text("detail")
        hint = top.text("hint") if "hint" in top.raw else ""
    except InvalidInput:
        pass  # what the status says is enough to refuse
    kind = NotFound if reply.status == _NOT_FOUND else Denied
    return kind(code, said, hint=hint)
