"""One conversation as values, and its payload: the bytes that are sealed.

The payload (docs/formats/payload.md) is laid out for bulk reading: a fixed-width table of turns,
then metadata, then all texts end to end, so that a batch of opened payloads becomes columns without
parsing each text.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, IntFlag

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.core.purposes import Signal
from volens.core.time import from_millis, to_millis

MAGIC = b"VCP1"
_HEADER = struct.Struct("<4sII")  # magic, number of turns, bytes of metadata
_TURN = struct.Struct("<BBbBiqI")  # role, flags, rating, pad, parent, moment, bytes of text
_NO_MOMENT = -(2**63)
MAX_TURNS = 100_000
MAX_TEXT_BYTES = 16 * 1024 * 1024
ROOT = -1


class Role(IntEnum):
    """Who speaks in a turn."""

    SYSTEM = 0
    USER = 1
    ASSISTANT = 2
    TOOL = 3


class TurnFlag(IntFlag):
    """What is special about a turn; screening reads these."""

    NONE = 0
    THIRD_PARTY = 1
    """Other people's content (a tool result, a quoted page, an attachment): never used."""
    HIDDEN = 2
    """Not shown in the product (custom instructions, memory, hidden context)."""
    REASONING = 4
    """A model's working, not its answer."""
    OFF_PATH = 8
    """On a branch that is not the conversation's current one."""
    INCOMPLETE = 16
    """Broken off or marked as an error by the source."""


_ALL_FLAGS = int(~TurnFlag.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message. `repr` shows no text."""

    role: Role
    text: str = field(repr=False)
    flags: TurnFlag = TurnFlag.NONE
    parent: int = ROOT
    """Index of the turn this one answers; `ROOT` for a first turn."""
    at: datetime | None = None
    rating: int = 0
    """The person's rating: -1, 0 (none) or 1. Content like any other: never a consent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation as captured, before sealing. `repr` shows no text."""

    source: str
    """The importer or door it came through: a short fixed word."""
    source_id: str
    """The source's own id of it; makes a second import of the same thing a no-op."""
    turns: tuple[Turn, ...] = field(repr=False)
    title: str = field(default="", repr=False)
    created: datetime | None = None
    updated: datetime | None = None
    signal: Signal = Signal.NONE
    language: str = ""
    """BCP 47, where the source says so; empty otherwise."""
    attachments: tuple[str, ...] = field(default=(), repr=False)
    """Names of attached files; their bytes are not captured."""


def pack_payload(conversation: Conversation) -> bytes:
    """Write a conversation as the bytes to be sealed.

    Raises:
        InvalidInput: on too many turns, too long a text, or a parent that does not come before.
    """
    turns = conversation.turns
    if len(turns) > MAX_TURNS:
        raise InvalidInput("too_many_turns", f"{len(turns)} turns, at most {MAX_TURNS}")
    meta: dict[str, Json] = {
        "attachments": list(conversation.attachments),
        "language": conversation.language,
        "title": conversation.title,
    }
    meta_bytes = canonical_json(meta)
    table = bytearray()
    texts = []
    for index, turn in enumerate(turns):
        try:
            text = turn.text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput("lone_surrogate", f"turn {index} holds a lone surrogate") from error
        if len(text) > MAX_TEXT_BYTES:
            raise InvalidInput("text_size", f"turn {index} has {len(text)} bytes of text")
        if not ROOT <= turn.parent < index:
            raise InvalidInput("turn_order", f"turn {index} answers turn {turn.parent}")
        if turn.rating not in {-1, 0, 1}:
            raise InvalidInput("rating", f"turn {index} has the rating {turn.rating}")
        moment = _NO_MOMENT if turn.at is None else to_millis(turn.at)
        table += _TURN.pack(turn.role, turn.flags, turn.rating, 0, turn.parent, moment, len(text))
        texts.append(text)
    header = _HEADER.pack(MAGIC, len(turns), len(meta_bytes))
    return b"".join((header, table, meta_bytes, *texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What `unpack_payload` gives back: the content, without the vault's columns."""

    turns: tuple[Turn, ...] = field(repr=False)
    title: str = field(repr=False)
    language: str
    attachments: tuple[str, ...] = field(repr=False)


def unpack_payload(data: bytes) -> Payload:
    """Read a payload strictly: any byte too many, too few or out of range is refused.

    Raises:
        InvalidInput: ``payload_form`` if `data` is not what `pack_payload` writes.
    """
    try:
        return _unpack(data)
    except (struct.error, ValueError, OverflowError, KeyError, TypeError) as error:
        raise InvalidInput("payload_form", f"not a conversation payload: {error}") from error


def _unpack(data: bytes) -> Payload:
    magic, count, meta_bytes = _HEADER.unpack_from(data)
    if magic != MAGIC or count > MAX_TURNS:
        raise ValueError("unknown version or too many turns")
    at_text = _HEADER.size + count * _TURN.size + meta_bytes
    meta = read_canonical(data[at_text - meta_bytes : at_text])
    if not isinstance(meta, dict) or set(meta) != {"attachments", "language", "title"}:
        raise ValueError("metadata has other members")
    turns = []
    for index in range(count):
        role, flags, rating, pad, parent, moment, size = _TURN.unpack_from(
            data, _HEADER.size + index * _TURN.size
        )
        known = not pad and not flags & ~_ALL_FLAGS and rating in {-1, 0, 1}
        if not known or at_text + size > len(data) or not ROOT <= parent < index:
            raise ValueError(f"turn {index} is out of range")
        turns.append(
            Turn(
                role=Role(role),
                text=data[at_text : at_text + size].decode("utf-8"),
                flags=TurnFlag(flags),
                parent=parent,
                at=None if moment == _NO_MOMENT else from_millis(moment),
                rating=rating,
            )
        )
        at_text += size
    if at_text != len(data):
        raise ValueError("bytes follow the last turn")
    return Payload(
        turns=tuple(turns),
        title=str(meta["title"]),
        language=str(meta["language"]),
        attachments=tuple(str(name) for name in meta["attachments"]),
    )
