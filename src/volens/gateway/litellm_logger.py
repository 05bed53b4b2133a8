"""A logger for LiteLLM: what a product's proxy answered is handed to the client's `capture`.

LiteLLM is not needed to load this module. `litellm_logger` makes the object that its ``callbacks``
take; `ChatLogger` is what that object does, for whoever calls it without LiteLLM.

In ``metadata`` a caller may say ``volens_subject``, ``volens_conversation`` and
``volens_temporary``; without the first, the end user that LiteLLM knows is the person.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

from volens.capture import openai_chat
from volens.capture.model import DEFAULT
from volens.capture.signals import read_signal, strictest
from volens.capture.threads import Context, content_id
from volens.capture.values import account_id, elements, members
from volens.client.model import Conversation, Turn
from volens.core.canonical import Json
from volens.core.errors import VolensError
from volens.core.purposes import Signal
from volens.vault.model import Role, TurnFlag
from volens.vault.model import Turn as ReadTurn

_SUBJECTS: Final = ("volens_subject", "user_api_key_end_user_id", "user_id")
_COMPLETE: Final = ("async_complete_streaming_response", "complete_streaming_response")


class Capturing(Protocol):
    """What takes conversations; never waits. Adapters: both clients of `volens.client`."""

    def capture(self, subject: str, conversation: Conversation) -> bool:
        """Take one, or say that there was no room."""
        ...


class ChatLogger:
    """Hands on each chat that was answered. It never raises: logging must not break a chat."""

    def __init__(self, client: Capturing) -> None:
        """Hand chats to `client`."""
        super().__init__()
        self._client = client
        self.handed = 0
        """How many chats the client took."""
        self.left_out = 0
        """How many were nobody's, temporary, or not readable as a chat, or not taken."""

    def log_success_event(
        self,
        kwargs: Mapping[str, Any],
        response_obj: object,
        start_time: object,
        end_time: object,
    ) -> None:
        """Take in a call that was answered (LiteLLM's name and arguments)."""
        del start_time, end_time
        taken = False
        try:
            found = conversation_of(kwargs, response_obj)
            taken = found is not None and self._client.capture(*found)
        except (VolensError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            taken = False  # counted; the words of an error could hold what was said
        if taken:
            self.handed += 1
        else:
            self.left_out += 1

    async def async_log_success_event(
        self,
        kwargs: Mapping[str, Any],
        response_obj: object,
        start_time: object,
        end_time: object,
    ) -> None:
        """Take in a call that was answered, from an event loop."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)


def litellm_logger(client: Capturing) -> ChatLogger:
    """Return a logger that is also LiteLLM's own ``CustomLogger`` where LiteLLM is installed."""
    try:
        base = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
    except ModuleNotFoundError:
        return ChatLogger(client)
    made: ChatLogger = type("VolensLogger", (ChatLogger, base), {})(client)
    return made


def conversation_of(kwargs: Mapping[str, Any], response: object) -> tuple[str, Conversation] | None:
    """Return whose chat a call was, and the chat; None if nothing of it may be handed on.

    Reasoning, and whatever else was not shown, is left out.

    Raises:
        InvalidInput: over a limit, or nothing in it that can be read.
    """
    metadata = _metadata(kwargs)
    subject = _subject(kwargs, metadata)
    temporary = metadata.get("volens_temporary", False) is not False
    if subject is None or temporary:
        return None
    message = _answer(kwargs, response)
    if not message:
        return None
    messages = list(elements(_plain(kwargs.get("messages"))))
    record: dict[str, Json] = {"messages": [*messages, {**message, "role": "assistant"}]}
    read = openai_chat.read_record(record, Context(), DEFAULT).conversation
    signal = strictest(read.signal, read_signal(metadata))
    if signal is Signal.TEMPORARY:
        return None
    own = account_id(metadata.get("volens_conversation"))
    asked = [turn for turn in read.turns if turn.role is not Role.ASSISTANT]
    return subject, Conversation(
        source_id=own or content_id(asked, "asked"),
        turns=[_turn(turn) for turn in read.turns if not turn.flags & TurnFlag.REASONING],
        signal=signal,
    )


def _turn(turn: ReadTurn) -> Turn:
    return Turn(
        role=turn.role.name.lower(),
        text=turn.text,
        third_party=TurnFlag.THIRD_PARTY in turn.flags,
    )


def _metadata(kwargs: Mapping[str, Any]) -> Mapping[str, Json]:
    params = kwargs.get("litellm_params")
    inner = params.get("metadata") if isinstance(params, Mapping) else None
    found = inner if isinstance(inner, Mapping) else kwargs.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _subject(kwargs: Mapping[str, Any], metadata: Mapping[str, Json]) -> str | None:
    options = kwargs.get("optional_params")
    user = options.get("user") if isinstance(options, Mapping) else None
    for value in (*(metadata.get(name) for name in _SUBJECTS), kwargs.get("user"), user):
        found = account_id(value)
        if found is not None:
            return found
    return None


def _answer(kwargs: Mapping[str, Any], response: object) -> Mapping[str, Json]:
    """Return the first choice's message; of a stream, LiteLLM puts the whole answer together."""
    whole = next((kwargs[name] for name in _COMPLETE if kwargs.get(name) is not None), response)
    choices = elements(members(_plain(whole)).get("choices"))
    return members(members(choices[0]).get("message")) if choices else {}


def _plain(value: object) -> Json:
    """Return plain values of LiteLLM's objects, which are Pydantic's."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        plain: Json = dump()
        return plain
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) else None
