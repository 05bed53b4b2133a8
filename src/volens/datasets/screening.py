"""Which turns of a conversation become a training record, and why a conversation becomes none.

Two forms of one rule: `screen` over turns, and `screen_batch` over many packed payloads at once,
without making an object for each turn. Both give the same answers.

A limit to know: a dropped third-party turn takes its words along, but the answer that follows it
may quote them. Screening cannot see that; redaction sees it only where the quote holds personal
data.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import InvalidInput
from volens.vault.model import MAGIC, MAX_TEXT_BYTES, MAX_TURNS, ROOT, Role, Turn, TurnFlag

_DROPPED = (
    TurnFlag.THIRD_PARTY
    | TurnFlag.HIDDEN
    | TurnFlag.REASONING
    | TurnFlag.OFF_PATH
    | TurnFlag.INCOMPLETE
)
_KNOWN_FLAGS = _DROPPED
_ROLE_NAMES = {Role.SYSTEM: "system", Role.USER: "user", Role.ASSISTANT: "assistant"}


class Exclusion(StrEnum):
    """Why a conversation becomes no record; the first that applies is given."""

    THIRD_PARTY_ONLY = "third_party_only"
    """What the person's turns hold is other people's content only."""
    NO_USER_TURN = "no_user_turn"
    NO_ASSISTANT_TURN = "no_assistant_turn"
    ATTACHMENT_MISSING = "attachment_missing"
    """A file was attached, and its bytes were never captured: the answers refer to the unseen."""
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"


EXCLUSIONS: tuple[Exclusion | None, ...] = (None, *Exclusion)
"""What the numbers of `ScreenedBatch.reasons` mean."""
_NUMBER = {exclusion: number for number, exclusion in enumerate(EXCLUSIONS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a record must satisfy. Sizes are bytes of UTF-8 over all turns kept."""

    least_text_bytes: int = 2
    most_text_bytes: int = 1024 * 1024
    with_attachments: bool = False
    """Whether conversations with attached files (never captured) may become records."""


DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """The turns of a record in order, or the reason why there is none. `repr` shows no text."""

    turns: list[tuple[str, str]] = field(repr=False)
    """Role (``system``, ``user``, ``assistant``) and text; empty if there is a reason."""
    reason: Exclusion | None


def screen(
    turns: Sequence[Turn], *, attachments: Sequence[str] = (), rules: Rules = DEFAULT_RULES
) -> Screened:
    """Keep the turns that a person wrote or was shown as the answer, on the path they ended on.

    Tool turns, third-party, hidden, reasoning, off-path and incomplete turns are dropped, and turns
    without text. A record has at least one turn of the person and one of the assistant.
    """
    kept = [turn for turn in turns if _keeps(turn)]
    reason = _reason(turns, kept, attached=bool(attachments), rules=rules)
    if reason is not None:
        return Screened(turns=[], reason=reason)
    return Screened(turns=[(_ROLE_NAMES[turn.role], turn.text) for turn in kept], reason=None)


def _keeps(turn: Turn) -> bool:
    return turn.role in _ROLE_NAMES and not turn.flags and not _blank(turn.text)


def _blank(text: str) -> bool:
    return not text or text.isspace()


def _reason(
    turns: Sequence[Turn], kept: Sequence[Turn], *, attached: bool, rules: Rules
) -> Exclusion | None:
    roles = {turn.role for turn in kept}
    if Role.USER not in roles:
        foreign = any(
            turn.role is Role.USER and TurnFlag.THIRD_PARTY in turn.flags for turn in turns
        )
        return Exclusion.THIRD_PARTY_ONLY if foreign else Exclusion.NO_USER_TURN
    if Role.ASSISTANT not in roles:
        return Exclusion.NO_ASSISTANT_TURN
    if attached and not rules.with_attachments:
        return Exclusion.ATTACHMENT_MISSING
    size = sum(len(turn.text.encode("utf-8")) for turn in kept)
    if size < rules.least_text_bytes:
        return Exclusion.TOO_SHORT
    return Exclusion.TOO_LONG if size > rules.most_text_bytes else None


# --- the same over packed payloads --------------------------------------

TURN_DTYPE = np.dtype(
    [
        ("role", "u1"),
        ("flags", "u1"),
        ("rating", "i1"),
        ("pad", "u1"),
        ("parent", "<i4"),
        ("at", "<i8"),
        ("size", "<u4"),
    ]
)
"""One row of a payload's turn table: 20 bytes, as `volens.vault.model` writes it."""
_HEADER = struct.Struct("<4sII")
_HEAD_DTYPE = np.dtype([("magic", "S4"), ("turns", "<u4"), ("meta_bytes", "<u4")])
_NO_ATTACHMENTS = b'{"attachments":[],'
_ATTACHMENTS = b'{"attachments":['
_NO_MOMENT = -(2**63)
_FIRST_MILLI, _LAST_MILLI = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999
_CONTINUES, _CONTINUES_MASK = 0x80, 0xC0  # RFC 3629, 3: bytes that continue a character
_BLANK_PROBE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """Many payloads as columns. `repr` shows no text."""

    turns: np.ndarray = field(repr=False)
    """All turn tables end to end, of `TURN_DTYPE`."""
    turn_starts: NDArray[np.int64] = field(repr=False)
    """Conversation `i` has the turns from ``turn_starts[i]`` up to ``turn_starts[i + 1]``."""
    texts: bytes = field(repr=False)
    """All texts end to end, valid UTF-8."""
    text_starts: NDArray[np.int64] = field(repr=False)
    """Turn `j` has the bytes from ``text_starts[j]`` up to ``text_starts[j + 1]``."""
    attached: NDArray[np.bool_] = field(repr=False)
    """Whether a conversation names attached files."""

    def text(self, turn: int) -> str:
        """Return the text of turn `turn`."""
        return self.texts[self.text_starts[turn] : self.text_starts[turn + 1]].decode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedBatch:
    """What `screen_batch` decides."""

    keep: NDArray[np.bool_]
    """For each turn: whether it becomes part of a record. False for all of an excluded one."""
    reasons: NDArray[np.uint8]
    """For each conversation: an index into `EXCLUSIONS`; 0 if it becomes a record."""


def read_batch(payloads: Sequence[bytes | memoryview]) -> PackedBatch:
    """Read payloads as columns and check every bound, without parsing metadata.

    Raises:
        InvalidInput: ``payload_form`` if one is not what `pack_payload` writes. Metadata beyond its
            place and its first member is not looked at; `unpack_payload` does that.
    """
    whole = [bytes(payload) for payload in payloads]
    sizes = np.array([len(payload) for payload in whole], dtype=np.int64)
    heads = _heads(whole, sizes)
    at_meta = _HEADER.size + heads["turns"].astype(np.int64) * TURN_DTYPE.itemsize
    at_text = at_meta + heads["meta_bytes"]
    wrong = (heads["magic"] != MAGIC) | (heads["turns"] > MAX_TURNS) | (at_text > sizes)
    if wrong.any():
        raise _malformed(int(np.argmax(wrong)), "has an unknown version or is cut short")
    meta_ends = np.minimum(at_text, at_meta + len(_NO_ATTACHMENTS)).tolist()
    metas, texts = at_meta.tolist(), at_text.tolist()
    firsts = [one[begin:end] for one, begin, end in zip(whole, metas, meta_ends, strict=True)]
    for index, first in enumerate(firsts):
        if not first.startswith(_ATTACHMENTS):
            raise _malformed(index, "has other metadata")
    tables = [one[_HEADER.size : end] for one, end in zip(whole, metas, strict=True)]
    turns = np.frombuffer(b"".join(tables), dtype=TURN_DTYPE)
    batch = PackedBatch(
        turns=turns,
        turn_starts=_starts(heads["turns"].astype(np.int64)),
        texts=b"".join([one[begin:] for one, begin in zip(whole, texts, strict=True)]),
        text_starts=_starts(turns["size"].astype(np.int64)),
        attached=np.array([first != _NO_ATTACHMENTS for first in firsts], dtype=np.bool_),
    )
    _check(batch, sizes - at_text)
    return batch


def _heads(payloads: Sequence[bytes], sizes: NDArray[np.int64]) -> np.ndarray:
    """Return the header of each payload as a row of `_HEAD_DTYPE`."""
    short = sizes < _HEADER.size
    if short.any():
        raise _malformed(int(np.argmax(short)), "is shorter than its header")
    heads = b"".join([payload[: _HEADER.size] for payload in payloads])
    return np.frombuffer(heads, dtype=_HEAD_DTYPE)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = np.zeros(lengths.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def _malformed(index: int, what: str) -> InvalidInput:
    return InvalidInput("payload_form", f"payload {index} of the batch {what}")


def _check(batch: PackedBatch, sizes: NDArray[np.int64]) -> None:
    turns = batch.turns
    lengths = np.diff(batch.turn_starts)
    place = np.arange(turns.size) - np.repeat(batch.turn_starts[:-1], lengths)
    dated = turns["at"] != _NO_MOMENT
    wrong = (
        (turns["role"] > Role.TOOL)
        | ((turns["flags"] & ~np.uint8(_KNOWN_FLAGS)) != 0)
        | (np.abs(turns["rating"].astype(np.int16)) > 1)
        | (turns["pad"] != 0)
        | (turns["parent"] < ROOT)
        | (turns["parent"] >= place)
        | (turns["size"] > MAX_TEXT_BYTES)
        | (dated & ((turns["at"] < _FIRST_MILLI) | (turns["at"] > _LAST_MILLI)))
    )
    if wrong.any():
        turn = int(np.argmax(wrong))
        index = int(np.searchsorted(batch.turn_starts, turn, side="right")) - 1
        raise _malformed(index, f"has turn {turn - int(batch.turn_starts[index])} out of range")
    held = batch.text_starts[batch.turn_starts]
    short = np.diff(held) != sizes
    if short.any():
        raise _malformed(int(np.argmax(short)), "has more or fewer bytes than its turns name")
    _check_text(batch)


def _check_text(batch: PackedBatch) -> None:
    """Check that all texts together are UTF-8 and that none begins inside a character."""
    if batch.texts.isascii():
        return
    places = batch.text_starts[batch.turn_starts].tolist()
    for index, (begin, end) in enumerate(pairwise(places)):
        text = batch.texts[begin:end]
        try:
            if not text.isascii():
                text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed(index, "holds text that is not UTF-8") from error
    starts = batch.text_starts[:-1][np.diff(batch.text_starts) > 0]
    firsts = np.frombuffer(batch.texts, dtype=np.uint8)[starts]
    inside = (firsts & _CONTINUES_MASK) == _CONTINUES
    if inside.any():
        turn = int(np.searchsorted(batch.text_starts, starts[np.argmax(inside)], side="right")) - 1
        index = int(np.searchsorted(batch.turn_starts, turn, side="right")) - 1
        raise _malformed(index, "has a text that begins inside a character")


def screen_batch(batch: PackedBatch, *, rules: Rules = DEFAULT_RULES) -> ScreenedBatch:
    """Decide as `screen` does, for all conversations of a batch at once."""
    role, flags = batch.turns["role"], batch.turns["flags"]
    keep = (role != Role.TOOL) & (flags == 0) & ~_blanks(batch)
    user = _count(batch, keep & (role == Role.USER))
    answer = _count(batch, keep & (role == Role.ASSISTANT))
    foreign = _count(batch, (role == Role.USER) & ((flags & TurnFlag.THIRD_PARTY) != 0))
    size = _count(batch, np.where(keep, batch.turns["size"].astype(np.int64), 0))
    attached = batch.attached & (not rules.with_attachments)
    conditions = [
        (user == 0) & (foreign > 0),
        user == 0,
        answer == 0,
        attached,
        size < rules.least_text_bytes,
        size > rules.most_text_bytes,
    ]
    numbers = [_NUMBER[exclusion] for exclusion in Exclusion]
    reasons = np.select(conditions, numbers, default=0).astype(np.uint8)
    keep &= np.repeat(reasons == 0, np.diff(batch.turn_starts))
    return ScreenedBatch(keep=keep, reasons=reasons)


def _count(batch: PackedBatch, values: np.ndarray) -> NDArray[np.int64]:
    """Add up `values` (one for each turn) over each conversation."""
    running = _starts(values.astype(np.int64))
    counted: NDArray[np.int64] = np.diff(running[batch.turn_starts])
    return counted


_MAY_BE_SPACE = np.zeros(256, dtype=np.bool_)
_MAY_BE_SPACE[[chr(code).encode()[0] for code in range(0x3001) if chr(code).isspace()]] = True


def _blanks(batch: PackedBatch) -> NDArray[np.bool_]:
    """Tell which turns hold no text or only white space; decodes only those that begin like it."""
    empty: NDArray[np.bool_] = batch.turns["size"] == 0
    filled = np.flatnonzero(~empty)
    firsts = np.frombuffer(batch.texts, dtype=np.uint8)[batch.text_starts[filled]]
    for turn in filled[_MAY_BE_SPACE[firsts]].tolist():
        start, end = int(batch.text_starts[turn]), int(batch.text_starts[turn + 1])
        probe = batch.texts[start : min(end, start + _BLANK_PROBE)].decode("utf-8", "ignore")
        if probe[:1].isspace() and batch.texts[start:end].decode("utf-8").isspace():
            empty[turn] = True
    return empty
