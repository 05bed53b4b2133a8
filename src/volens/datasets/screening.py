"""Which turns of a conversation become a training record, and why a conversation becomes none.

Two forms of one rule: `screen` over turns, and `screen_batch` over many packed payloads at once,
without making an object for each turn. Both give the same answers.

A limit to know: a dropped third-party turn takes its words along, but the answer that follows it
may quote them. Screening cannot see that; redaction sees it only where the quote holds personal
data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from volens.vault.blocks import Columns
from volens.vault.model import Role, Turn, TurnFlag

_DROPPED = (
    TurnFlag.THIRD_PARTY
    | TurnFlag.HIDDEN
    | TurnFlag.REASONING
    | TurnFlag.OFF_PATH
    | TurnFlag.INCOMPLETE
)
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


# --- the same over columns ----------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenedBatch:
    """What `screen_batch` decides."""

    keep: NDArray[np.bool_]
    """For each turn: whether it becomes part of a record. False for all of an excluded one."""
    reasons: NDArray[np.uint8]
    """For each conversation: an index into `EXCLUSIONS`; 0 if it becomes a record."""


_BLANK_PROBE = 16


def screen_batch(batch: Columns, *, rules: Rules = DEFAULT_RULES) -> ScreenedBatch:
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


def _count(batch: Columns, values: np.ndarray) -> NDArray[np.int64]:
    """Add up `values` (one for each turn) over each conversation."""
    running = np.zeros(values.size + 1, dtype=np.int64)
    np.cumsum(values, out=running[1:])
    counted: NDArray[np.int64] = np.diff(running[batch.turn_starts])
    return counted


_MAY_BE_SPACE = np.zeros(256, dtype=np.bool_)
_MAY_BE_SPACE[[chr(code).encode()[0] for code in range(0x3001) if chr(code).isspace()]] = True


def _blanks(batch: Columns) -> NDArray[np.bool_]:
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
