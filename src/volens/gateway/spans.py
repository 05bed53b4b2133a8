"""From GenAI spans (OpenTelemetry semantic conventions) to chats.

Read are, in this order: the attributes ``gen_ai.system_instructions``, ``gen_ai.input.messages``
and ``gen_ai.output.messages`` (conventions 1.37 and later, as JSON text or structured); the span
events ``gen_ai.*.message`` and ``gen_ai.choice`` (1.28 to 1.36); the numbered attributes
``gen_ai.prompt.0.content`` (before). Everything else of a span is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from volens.capture.values import account_id, elements, first_string, members, string
from volens.core.canonical import Json, read_strict
from volens.core.errors import InvalidInput

SUBJECT_NAMES = ("volens.subject", "enduser.id", "user.id")
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,4})\.(role|content)")
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
_MOST_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanChat:
    """One call of a model as a span tells it. `repr` shows no content."""

    subject: str = field(repr=False)
    conversation: str = field(repr=False)
    temporary: bool
    purpose: str
    messages: tuple[Mapping[str, Json], ...] = field(repr=False)
    """In the form of chat completions."""


def spans_of(body: Json) -> Iterator[tuple[Mapping[str, Json], Mapping[str, Json]]]:
    """Yield (attributes of the resource, span) of an ``ExportTraceServiceRequest``.

    Raises:
        InvalidInput: ``body_form`` if it is not one.
    """
    if not isinstance(body, dict) or not isinstance(body.get("resourceSpans", []), list):
        raise InvalidInput("body_form", "the request has no resourceSpans", hint="send OTLP/JSON")
    for value in elements(body.get("resourceSpans")):
        group = members(value)
        shared = attributes(members(group.get("resource")).get("attributes"))
        for scope in elements(group.get("scopeSpans")):
            for span in elements(members(scope).get("spans")):
                yield shared, members(span)


def read_span(shared: Mapping[str, Json], span: Mapping[str, Json]) -> SpanChat | None:
    """Return the chat that a span tells of, or None if it tells of none.

    Raises:
        InvalidInput: ``span_form`` if what should be messages can't be read.
    """
    own = attributes(span.get("attributes"))
    messages = _current(own) or list(_events(elements(span.get("events")))) or list(_numbered(own))
    if not messages:
        return None
    temporary = own.get("volens.temporary", shared.get("volens.temporary", False))
    return SpanChat(
        subject=next(
            (
                found
                for name in SUBJECT_NAMES
                for place in (own, shared)
                if (found := account_id(place.get(name))) is not None
            ),
            "",
        ),
        conversation=string(own.get("gen_ai.conversation.id"))[:256],
        temporary=temporary is not False,  # what is unclear counts as yes
        purpose=string(own.get("volens.purpose")),
        messages=tuple(messages),
    )


def attributes(value: Json) -> dict[str, Json]:
    """Return a list of ``{key, value}`` as one object; of a key that stands twice, the last."""
    return {
        string(pair.get("key")): _any(pair.get("value")) for pair in map(members, elements(value))
    }


def _any(value: Json, depth: int = 0) -> Json:
    """Return what an AnyValue holds (opentelemetry-proto, common.proto)."""
    if depth > _MOST_DEPTH:
        raise InvalidInput("span_form", "an attribute is nested too deeply")
    found = members(value)
    if "stringValue" in found:
        return string(found["stringValue"])
    if "boolValue" in found:
        return found["boolValue"]
    if "arrayValue" in found:
        return [
            _any(one, depth + 1) for one in elements(members(found["arrayValue"]).get("values"))
        ]
    if "kvlistValue" in found:
        pairs = map(members, elements(members(found["kvlistValue"]).get("values")))
        return {string(one.get("key")): _any(one.get("value"), depth + 1) for one in pairs}
    return found.get("intValue", found.get("doubleValue"))


def _current(own: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    said: list[Mapping[str, Json]] = []
    system = [*_parts(_structured(own.get("gen_ai.system_instructions")))]
    said += [{"role": "system", "content": text} for kind, text in system if kind == "text"]
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        for value in elements(_structured(own.get(name))):
            message = members(value)
            said += _message(string(message.get("role")), message)
    return said


def _message(role: str, message: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    for kind, text in _parts(message.get("parts")) or ():
        if kind == "text":
            yield {"role": role, "content": text}
        elif kind == "reasoning":
            yield {"role": "assistant", "reasoning_content": text}
        elif kind == "tool_call":
            yield {"role": "assistant", "tool_calls": [{"function": {"arguments": text}}]}
        elif kind == "tool_call_response":
            yield {"role": "tool", "content": text}
    if isinstance(message.get("content"), str):
        yield {"role": role, "content": message["content"]}


def _parts(value: Json) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of the parts of a message; blobs, files and links have no text here."""
    for item in elements(value):
        part = members(item)
        kind = string(part.get("type"))
        if kind in {"text", "reasoning"}:
            yield kind, first_string(part, "content", "text")
        elif kind == "tool_call":
            yield kind, string(part.get("name"))
        elif kind == "tool_call_response":
            given = part.get("response", part.get("result"))
            yield kind, given if isinstance(given, str) else ""


def _structured(value: Json) -> Json:
    """Return a structured attribute, which older exporters write as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return read_strict(value.encode())
    except (InvalidInput, UnicodeEncodeError):
        raise InvalidInput("span_form", "an attribute of messages is not JSON") from None


def _events(events: object) -> Iterator[Mapping[str, Json]]:
    for value in elements(events):  # type: ignore[arg-type]  # the elements of a list
        event = members(value)
        role = _EVENT_ROLES.get(string(event.get("name")))
        if role is None:
            continue
        own = attributes(event.get("attributes"))
        message = members(_structured_or_none(own.get("message")))
        text = first_string(own, "content", "gen_ai.event.content") or string(
            message.get("content")
        )
        yield {"role": role, "content": text}


def _structured_or_none(value: Json) -> Json:
    try:
        return _structured(value)
    except InvalidInput:
        return None


def _numbered(own: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    found: dict[tuple[int, int], dict[str, Json]] = {}
    for name, value in own.items():
        match = _NUMBERED.fullmatch(name)
        if match:
            place = (int(match[1] == "completion"), int(match[2]))
            role = "assistant" if place[0] else "user"
            found.setdefault(place, {"role": role})[match[3]] = string(value)
    for place in sorted(found):
        yield found[place]
