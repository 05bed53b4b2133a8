"""What several holds add up to: which goes first, which turns stay, who may open them. Pure.

Legal goes before safety, both before the schedule (R41); of one class, the one that ends last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from volens.core.ids import ConversationId, HoldId
from volens.core.purposes import Purpose
from volens.core.time import to_millis
from volens.holds.model import Hold
from volens.log.kinds import HoldClass

PURPOSE_OF = {
    HoldClass.LEGAL: Purpose.LEGAL_ORDER,
    HoldClass.SAFETY: Purpose.SAFETY_REVIEW,
}
"""The one purpose for which what a hold keeps may be opened once its access has ended."""
_RANK = {HoldClass.LEGAL: 0, HoldClass.SAFETY: 1}


class Ruler(StrEnum):
    """What says how long a conversation stays; the first that applies."""

    LEGAL_HOLD = "legal_hold"
    SAFETY_HOLD = "safety_hold"
    SCHEDULE = "schedule"


class HeldReason(StrEnum):
    """Why held content may, or may not, be opened."""

    NOT_HELD = "not_held"
    """No hold is in force on it: what is erased is nobody's."""
    OTHER_PURPOSE = "other_purpose"
    """It is kept for something else than what it would be opened for."""
    HELD_FOR_THIS = "held_for_this"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVerdict:
    """Whether held content may be opened for one purpose, as far as holds have a say.

    A permit here is a condition, not a permission: the policy's own decision has to permit too.
    """

    permit: bool
    reason: HeldReason
    holds: tuple[HoldId, ...] = ()
    """The holds that keep it for this purpose, strongest first; an exception has to name one."""
    turns: tuple[int, ...] = ()
    """The turns that may be opened, rising; no others may leave the gate."""


def order_of(hold: Hold) -> tuple[int, int, str]:
    """Return the key by which holds are ordered, strongest first; no two holds share one."""
    return _RANK[hold.hold_class], -to_millis(hold.until), hold.id


def on(holds: Iterable[Hold], conversation: ConversationId, at: datetime) -> list[Hold]:
    """Return the holds in force on a conversation, or on turns of it, strongest first."""
    found = [hold for hold in holds if conversation in hold.conversations and hold.in_force(at)]
    return sorted(found, key=order_of)


def strongest(holds: Iterable[Hold], conversation: ConversationId, at: datetime) -> Hold | None:
    """Return the hold that goes first on a conversation, or None if nothing holds it."""
    return next(iter(on(holds, conversation, at)), None)


def by_conversation(holds: Iterable[Hold], at: datetime) -> dict[ConversationId, Hold]:
    """Return, for each conversation that anything holds, the hold that goes first."""
    found: dict[ConversationId, Hold] = {}
    for hold in sorted((hold for hold in holds if hold.in_force(at)), key=order_of):
        for name in hold.conversations:
            found.setdefault(name, hold)
    return found


def ruler_of(holds: Iterable[Hold], conversation: ConversationId, at: datetime) -> Ruler:
    """Return what says how long a conversation stays."""
    hold = strongest(holds, conversation, at)
    if hold is None:
        return Ruler.SCHEDULE
    return Ruler.LEGAL_HOLD if hold.hold_class is HoldClass.LEGAL else Ruler.SAFETY_HOLD


def kept_turns(
    holds: Iterable[Hold], conversation: ConversationId, at: datetime, turn_count: int
) -> tuple[int, ...]:
    """Return the turns (by index, rising) that an erasure at `at` must leave; the rest goes.

    The union over the holds in force. A hold that names no turns keeps all of them.
    """
    kept: set[int] = set()
    for hold in on(holds, conversation, at):
        turns = hold.conversations[conversation] or range(turn_count)
        kept.update(turn for turn in turns if turn < turn_count)
    return tuple(sorted(kept))


def held_until(
    holds: Iterable[Hold], conversation: ConversationId, at: datetime
) -> datetime | None:
    """Return when the last hold in force on a conversation ends by itself; None if none is."""
    return max((hold.until for hold in on(holds, conversation, at)), default=None)


def told_until(
    holds: Iterable[Hold], conversation: ConversationId, at: datetime
) -> datetime | None:
    """Return the same of the holds that the person may know of: what a receipt may say."""
    return held_until([hold for hold in holds if hold.told(at)], conversation, at)


def decide_held(
    holds: Iterable[Hold],
    conversation: ConversationId,
    purpose: Purpose,
    at: datetime,
    turn_count: int,
) -> HeldVerdict:
    """Decide whether a conversation whose access has ended may be opened for `purpose`.

    Only for the purpose of a hold that is in force, and only the turns which holds of that purpose
    keep: a legal order does not see what a safety review keeps, nor the other way round.

    Args:
        holds: all holds of the conversation's person.
        conversation: one whose erasure was asked for or is due.
        purpose: what it would be opened for.
        at: now.
        turn_count: how many turns it has.
    """
    found = on(holds, conversation, at)
    if not found:
        return HeldVerdict(permit=False, reason=HeldReason.NOT_HELD)
    fit = [hold for hold in found if PURPOSE_OF[hold.hold_class] is purpose]
    turns = kept_turns(fit, conversation, at, turn_count)
    if not turns:
        return HeldVerdict(permit=False, reason=HeldReason.OTHER_PURPOSE)
    return HeldVerdict(
        permit=True,
        reason=HeldReason.HELD_FOR_THIS,
        holds=tuple(hold.id for hold in fit),
        turns=turns,
    )
