"""The port to a model that writes or judges, and what every adapter of it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from volens.core.canonical import Json
from volens.core.errors import InvalidInput

MOST_TOKENS: Final = 8_192
MOST_ANSWER: Final = 100_000
"""Characters of an answer; what is longer counts as cut off."""
_MOST_MESSAGES = 16
_MOST_SENT = 200_000


class Speaker(StrEnum):
    """Who a message is from, as chat models are told."""

    SYSTEM = "system"
    ASKING = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to a model. `repr` shows no text."""

    speaker: Speaker
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a model draws its answer.

    Attributes:
        seed: 0 to 2**31 - 1; equal seeds give equal answers where the model allows it.
        thousandths: the temperature in thousandths, 0 to 2000; 0 takes the likeliest token.
        most_tokens: where the answer is cut off, 1 to 8192.
    """

    seed: int
    thousandths: int
    most_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model wrote. `repr` shows no text.

    Attributes:
        text: the answer, without white space around it; may be empty.
        finished: False if it was cut off, by its length or by a filter.
    """

    text: str = field(repr=False)
    finished: bool


class WriterKind(StrEnum):
    """How a model is reached."""

    ENDPOINT = "endpoint"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLabel:
    """What names a model in records.

    Attributes:
        kind: how it is reached.
        model: its name, as its keeper calls it; for an endpoint, nothing proves it.
        digest: SHA-256 of its files in hexadecimal digits; empty for an endpoint.
    """

    kind: WriterKind
    model: str
    digest: str = ""

    def document(self) -> dict[str, Json]:
        """Return it as manifests show it."""
        return {"kind": self.kind.value, "model": self.model, "digest": self.digest}


class Writer(Protocol):
    """A model. It keeps nothing from one call to the next; no call is logged."""

    @property
    def label(self) -> WriterLabel:
        """What names it; the same for as long as it lives."""
        ...

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Return the model's next message.

        Raises:
            InvalidInput: ``asked_form`` as `check_asked`.
            Unavailable: if no answer can be had now; nothing is half done.
            VerificationFailed: ``writer_reply`` if what came back is no answer.
        """
        ...


def check_asked(messages: Sequence[Message], sampling: Sampling) -> None:
    """Refuse what no adapter may send.

    Raises:
        InvalidInput: ``asked_form``: no messages or more than 16, the last one not from whoever
            asks, an empty text, more than 200,000 characters, or a sampling out of bounds.
    """
    sent = sum(len(one.text) for one in messages)
    fits = (
        1 <= len(messages) <= _MOST_MESSAGES
        and messages[-1].speaker is Speaker.ASKING
        and all(one.text.strip() for one in messages)
        and sent <= _MOST_SENT
        and 0 <= sampling.seed < 2**31
        and 0 <= sampling.thousandths <= 2_000  # noqa: PLR2004 - as the attribute says
        and 1 <= sampling.most_tokens <= MOST_TOKENS
    )
    if not fits:
        raise InvalidInput("asked_form", "that can't be asked of a model")


def completed(text: str, *, finished: bool) -> Completion:
    """Return an answer within its bounds."""
    clean = text.strip().replace("\x00", "")
    return Completion(text=clean[:MOST_ANSWER], finished=finished and len(clean) <= MOST_ANSWER)
