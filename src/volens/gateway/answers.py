"""From the bytes of an answer, streamed or not, to the message that the person saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from volens.capture.values import elements, members, string
from volens.core.canonical import Json

_DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The first choice of an answer, as a chat message. `repr` shows no content."""

    message: Mapping[str, Json] = field(repr=False)
    complete: bool
    """Whether the upstream said that it ended."""


def read_answer(data: bytes, media_type: str) -> Answer | None:
    """Return what the assistant said, or None if these bytes are no answer.

    Args:
        data: as the upstream sent them; a stream may be broken off anywhere.
        media_type: of the answer.
    """
    if media_type.partition(";")[0].strip().casefold() == "text/event-stream":
        return _streamed(data)
    choice = _first(_value(data.decode("utf-8", "replace")))
    message = members(choice.get("message"))
    if not message:
        return None
    return Answer(message=message, complete=True)


def _streamed(data: bytes) -> Answer | None:
    text: list[str] = []
    refusal: list[str] = []
    reasoning: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    ended = found = False
    for event in events(data):
        if event.strip() == _DONE:
            ended = True
            break
        choice = _first(_value(event))
        delta = members(choice.get("delta"))
        found = found or bool(choice)
        ended = ended or bool(string(choice.get("finish_reason")))
        text.append(string(delta.get("content")))
        refusal.append(string(delta.get("refusal")))
        reasoning.append(string(delta.get("reasoning_content")) or string(delta.get("reasoning")))
        for value in elements(delta.get("tool_calls")):
            _add_call(calls, members(value))
    if not found:
        return None
    message: dict[str, Json] = {"role": "assistant", "content": "".join(text)}
    if any(refusal):
        message["refusal"] = "".join(refusal)
    if any(reasoning):
        message["reasoning_content"] = "".join(reasoning)
    if calls:
        message["tool_calls"] = [{"function": calls[place]} for place in sorted(calls)]
    return Answer(message=message, complete=ended)


def _add_call(calls: dict[int, dict[str, str]], value: Mapping[str, Json]) -> None:
    place = value.get("index")
    function = members(value.get("function"))
    call = calls.setdefault(place if isinstance(place, int) else 0, {"name": "", "arguments": ""})
    call["name"] += string(function.get("name"))
    call["arguments"] += string(function.get("arguments"))


def events(data: bytes) -> Iterator[str]:
    """Yield the data of each server-sent event (WHATWG HTML, 9.2.6); the last may be cut off."""
    lines: list[str] = []
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _value(text: str) -> Mapping[str, Json]:
    try:
        return members(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _first(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the first of the choices; a product that asks for several shows one of them."""
    for item in elements(value.get("choices")):
        choice = members(item)
        if choice.get("index", 0) == 0:
            return choice
    return {}
