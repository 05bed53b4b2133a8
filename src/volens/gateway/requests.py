"""What a chat request says about itself: who it is for, which chat, what for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request

from volens.capture.signals import read_signal
from volens.capture.values import elements, first_string, members, string
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput
from volens.core.purposes import Signal

MOST_REQUEST_BYTES = 32 * 1024 * 1024
MOST_DEPTH = 256
MOST_NAME_CHARACTERS = 256
SUBJECT = "volens-subject"
CONVERSATION = "volens-conversation"
TEMPORARY = "volens-temporary"
PURPOSE = "volens-purpose"
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"", "false", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request for an answer, as the gateway reads it. `repr` shows no content."""

    raw: bytes = field(repr=False)
    """The body, byte for byte: what goes upstream."""
    body: Mapping[str, Json] = field(repr=False)
    subject: str = field(repr=False)
    """The product's reference of the person, or their id here; empty if the request names none."""
    conversation: str = field(repr=False)
    """The product's id of the running chat; empty if it gives none."""
    temporary: bool
    purpose: str
    """A declared purpose; empty if none is."""


async def read_body(request: Request, most_bytes: int = MOST_REQUEST_BYTES) -> bytes:
    """Return the body of a request, reading no more than allowed.

    Raises:
        InvalidInput: ``too_large``.
    """
    told = request.headers.get("content-length", "")
    size = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0  # noqa: PLR2004 - digits of 64 bits
    parts: list[bytes] = []
    read = 0
    if size <= most_bytes:
        async for part in request.stream():
            read += len(part)
            if read > most_bytes:
                break
            parts.append(part)
    if max(read, size) > most_bytes:
        hint = f"send at most {most_bytes // 1024 // 1024} MiB"
        raise InvalidInput("too_large", "the request is too large", hint=hint)
    return b"".join(parts)


def read_chat(raw: bytes, headers: Headers) -> ChatRequest:
    """Read a chat request; what two readers could read differently is refused.

    Headers go before members of the body. What says that a chat is temporary counts wherever it
    stands, also as an unclear value.

    Raises:
        InvalidInput: ``body_form``, ``media_type``, ``header_form`` or a code of `read_strict`.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "application/json":
        hint = "send content-type: application/json"
        raise InvalidInput("media_type", "a chat request is JSON", hint=hint)
    body = read_strict(raw, max_bytes=MOST_REQUEST_BYTES, max_depth=MOST_DEPTH)
    if not isinstance(body, dict) or not elements(body.get("messages")):
        hint = 'send {"model": ..., "messages": [...]}'
        raise InvalidInput("body_form", "the request has no messages", hint=hint)
    metadata = members(body.get("metadata"))
    signals = {read_signal(body), read_signal(metadata)}
    return ChatRequest(
        raw=raw,
        body=body,
        subject=header(headers, SUBJECT) or first_string(body, "safety_identifier", "user"),
        conversation=header(headers, CONVERSATION),
        temporary=is_true(headers, TEMPORARY) or Signal.TEMPORARY in signals,
        purpose=header(headers, PURPOSE) or string(metadata.get("volens_purpose")),
    )


def header(headers: Headers, name: str) -> str:
    """Return one header as text; names that are not ASCII are sent as UTF-8.

    Raises:
        InvalidInput: ``header_form`` if it stands twice, is too long or can't be printed.
    """
    given = headers.getlist(name)
    if len(given) > 1:
        raise InvalidInput("header_form", f"the header {name} stands twice", hint="send it once")
    if not given:
        return ""
    try:
        text = given[0].strip().encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = "\0"
    if len(text) > MOST_NAME_CHARACTERS or not text.isprintable():
        hint = f"at most {MOST_NAME_CHARACTERS} printable characters, as UTF-8"
        raise InvalidInput("header_form", f"the header {name} can't be read", hint=hint)
    return text


def is_true(headers: Headers, name: str) -> bool:
    """Read a yes or no.

    Raises:
        InvalidInput: ``header_form`` if it is neither: what was meant must not be guessed.
    """
    word = header(headers, name).casefold()
    if word not in _TRUE | _FALSE:
        raise InvalidInput("header_form", f"{name} is not true or false", hint="send true or false")
    return word in _TRUE
