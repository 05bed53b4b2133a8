"""``/v1/traces``: OTLP over HTTP, for products that tell of their chats with GenAI spans.

Only JSON is read (OTLP 1.x, "OTLP/HTTP", JSON encoding). Spans come after the fact, beside the
chat: they are captured before the answer, so 200 means that what may be kept is kept.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from volens.app.home import Home
from volens.capture import openai_chat
from volens.capture.model import DEFAULT
from volens.capture.threads import Context
from volens.core.canonical import Json, read_strict
from volens.core.errors import Denied, InvalidInput
from volens.door.doorway import Doorway
from volens.gateway.capturing import SOURCE, keep
from volens.gateway.counters import Counters, Outcome
from volens.gateway.identifying import identifying
from volens.gateway.refusing import check_declared, refuse_recognised
from volens.gateway.requests import MOST_DEPTH, MOST_REQUEST_BYTES, read_body
from volens.gateway.spans import SpanChat, read_span, spans_of
from volens.vault.model import Conversation

MOST_SPANS = 10_000


async def receive_spans(request: Request, doorway: Doorway, counters: Counters) -> Response:
    """Capture the chats of an export, as far as people's settings allow.

    A span that can't be read, or that is for a prohibited use, is rejected and counted; the others
    are taken. What settings don't allow is no rejection: the exporter is not told who chose what.

    Raises:
        InvalidInput: ``media_type``, ``too_large``, ``body_form`` or a code of `read_strict`.
        Unavailable: if the home can't take it now; the exporter tries again.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "application/json":
        hint = "set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json; protobuf is not read here"
        raise InvalidInput("media_type", "spans are read as OTLP/JSON only", hint=hint)
    body = read_strict(
        _inflated(await read_body(request), request.headers.get("content-encoding", "")),
        max_bytes=MOST_REQUEST_BYTES,
        max_depth=MOST_DEPTH,
    )
    spans = list(spans_of(body))
    if len(spans) > MOST_SPANS:
        hint = f"send at most {MOST_SPANS:,} spans at once"
        raise InvalidInput("too_large", "too many spans at once", hint=hint)
    rejected = 0
    for shared, span in spans:
        try:
            chat = read_span(shared, span)
            if chat is not None:
                outcome = await _take(doorway, chat)
                counters.chats[outcome] += 1
        except InvalidInput:
            counters.chats[Outcome.MALFORMED] += 1
            rejected += 1
        except Denied as error:
            counters.refused[error.code] += 1
            rejected += 1
    answer: dict[str, Json] = {}
    if rejected:
        message = f"{rejected} spans were not readable, or for a use that is not permitted"
        answer["partialSuccess"] = {"rejectedSpans": str(rejected), "errorMessage": message}
    return Response(json.dumps(answer), media_type="application/json")


async def _take(doorway: Doorway, chat: SpanChat) -> Outcome:
    purpose = identifying({"messages": list(chat.messages)})
    if purpose is not None:
        await doorway.run(lambda home: refuse_recognised(home, purpose))
    if chat.purpose:
        await doorway.run(lambda home: check_declared(home, chat.purpose, chat.subject))
    if chat.temporary or not chat.subject:
        return Outcome.TEMPORARY if chat.temporary else Outcome.ANONYMOUS
    conversation = conversation_of(chat)

    def act(home: Home) -> Outcome:
        return keep(home, chat.subject, conversation)

    return await doorway.run(act)


def conversation_of(chat: SpanChat) -> Conversation:
    """Return a span's chat as a conversation.

    Raises:
        InvalidInput: if nothing in it can be read, or it is over a limit.
    """
    record: dict[str, Json] = {"messages": _merged(chat.messages)}
    if chat.conversation:
        record["id"] = chat.conversation
    try:
        read = openai_chat.read_record(record, Context(), DEFAULT).conversation
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        raise InvalidInput("span_form", "the span's messages are not of a known form") from None
    source_id = chat.conversation or read.source_id
    return Conversation(source=SOURCE, source_id=source_id, turns=read.turns, signal=read.signal)


def _merged(messages: Iterable[object]) -> list[Json]:
    return [message for message in messages if isinstance(message, dict)]


def _inflated(data: bytes, encoding: str) -> bytes:
    """Return a body that may be packed with gzip, within the limit on one that is not.

    Raises:
        InvalidInput: ``media_type``, ``too_large`` or ``body_form``.
    """
    word = encoding.strip().casefold()
    if word in {"", "identity"}:
        return data
    if word != "gzip":
        raise InvalidInput("media_type", "the body is packed in an unknown way", hint="use gzip")
    unpacking = zlib.decompressobj(wbits=31)  # gzip only
    try:
        found = unpacking.decompress(data, MOST_REQUEST_BYTES)
    except zlib.error:
        raise InvalidInput("body_form", "the body is not gzip", hint="send it again") from None
    if unpacking.unconsumed_tail:
        hint = f"send at most {MOST_REQUEST_BYTES // 1024 // 1024} MiB"
        raise InvalidInput("too_large", "the request is too large", hint=hint)
    if not unpacking.eof:
        raise InvalidInput("body_form", "the gzip body is cut short", hint="send it again")
    return found
