"""How long data is kept: the times of a pack, and what an organisation may make shorter.

The classes are fixed words (R32-R35). A pack gives each a number of days, never more than the
longest that is promised here; an organisation gives fewer, or none (R14, R37).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from volens.core.errors import InvalidInput
from volens.policy.pack import Row


class RetentionClass(StrEnum):
    """What is kept for a time of its own."""

    ACTIVE_CONVERSATIONS = "active_conversations"
    """Chats of an account that exists (R32); counted from a chat's last message."""
    DELETED_CHATS = "deleted_chats"
    """Chats on their way out (R33); counted from the request."""
    CLOSED_ACCOUNTS = "closed_accounts"
    """Accounts on their way out, with all they hold (R34); counted from the request."""
    SAFETY_INVESTIGATIONS = "safety_investigations"
    """Turns under a safety hold (R35); counted from the hold's beginning."""


MOST_DAYS: Final = 36_500
"""A hundred years: a time that nobody lives to see the end of is none."""

Days = Mapping[RetentionClass, int]
"""Days for each class; 0 stands for no end of its own."""

LONGEST: Final[Days] = {
    RetentionClass.ACTIVE_CONVERSATIONS: 0,
    RetentionClass.DELETED_CHATS: 30,
    RetentionClass.CLOSED_ACCOUNTS: 90,
    RetentionClass.SAFETY_INVESTIGATIONS: 365,
}
"""What holds at the most, whatever a pack says (R32-R35)."""
_SAYABLE: Final[Days] = {**LONGEST, RetentionClass.DELETED_CHATS: 90}
"""What a pack may say at the most: the policy of 2023 promised deleted chats less than we do."""
ERASURE_DAYS: Final = 22
"""What erasing takes without a cool-off: at most 7 days to the end of a key epoch, at most 14 to
its destruction, and one for a run that comes a day late. Nothing shorter could be kept."""
SHORTEST: Final[Days] = {
    RetentionClass.ACTIVE_CONVERSATIONS: 1,
    RetentionClass.DELETED_CHATS: ERASURE_DAYS,
    RetentionClass.CLOSED_ACCOUNTS: ERASURE_DAYS,
    RetentionClass.SAFETY_INVESTIGATIONS: 1,
}
"""What no pack and no organisation may go below, since it could not be kept."""


def days_of(rows: Sequence[Row]) -> Days:
    """Return the days that hold under a pack's section: what it says, `LONGEST` at the most."""
    given = {RetentionClass(row.key): _whole(row.values["days"]) for row in rows}
    return strictest(LONGEST, given)


def section_fault(key: str, days: int, *, describing: bool) -> tuple[str, str] | None:
    """Return what is wrong with one row of a pack's section, and what to do; None if nothing is.

    Args:
        key: the row's key.
        days: its days.
        describing: the pack is for comparison only, and may tell of any times.
    """
    if key not in set(RetentionClass):
        return "is no class that is kept", f"use one of {', '.join(RetentionClass)}"
    one = RetentionClass(key)
    if describing or (days == 0 and LONGEST[one] == 0):
        return None
    if _SAYABLE[one] and not 0 < days <= _SAYABLE[one]:
        return f"says {days} days", f"write at most {LONGEST[one]}, and not 0"
    if days > MOST_DAYS:
        return f"says {days} days", f"write at most {MOST_DAYS}"
    if days < SHORTEST[one]:
        return f"says {days} days, which erasing can't keep", f"write at least {SHORTEST[one]}"
    return None


def check_shorter(wanted: Days, pack: Days) -> None:
    """Pass if an organisation may ask for these times.

    Raises:
        InvalidInput: ``retention_too_long`` if the pack allows less, ``retention_too_short`` if
            erasing takes longer; the message names the class.
    """
    for one, days in wanted.items():
        most = pack[one] or MOST_DAYS
        if not 0 < days <= most:
            raise InvalidInput(
                "retention_too_long",
                f"{one} would be kept for {_said(days)}; the policy allows {most} days at most",
                hint="an organisation may only shorten times",
            )
        if days < SHORTEST[one]:
            raise InvalidInput(
                "retention_too_short",
                f"{one} can't be gone within {days} days: erasing takes longer",
                hint=f"ask for {SHORTEST[one]} days or more",
            )


def strictest(pack: Days, overlay: Days) -> Days:
    """Return the times that hold: for each class the shorter of the two."""
    return {one: _shorter(pack[one], overlay.get(one, 0)) for one in RetentionClass}


def write_days(overlay: Days) -> str:
    """Write an overlay as ``class=days`` words, sorted; nothing for none."""
    return " ".join(f"{one.value}={days}" for one, days in sorted(overlay.items()))


def read_days(text: str) -> Days:
    """Read what `write_days` wrote.

    Raises:
        InvalidInput: ``retention_form`` on anything else.
    """
    found: dict[RetentionClass, int] = {}
    try:
        for word in text.split():
            key, _, days = word.partition("=")
            found[RetentionClass(key)] = int(days)
    except ValueError as error:
        raise InvalidInput("retention_form", f"not a list of times: {text[:80]!r}") from error
    if write_days(found) != text or any(days < 1 for days in found.values()):
        raise InvalidInput("retention_form", f"not a list of times: {text[:80]!r}")
    return found


def _shorter(days: int, other: int) -> int:
    return min(days, other) if days and other else days or other


def _said(days: int) -> str:
    return f"{days} days" if days else "ever"


def _whole(days: object) -> int:
    assert isinstance(days, int)
    return days
