"""Holds said to people and to programs: turns, states, documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from volens.cli.output import WARN, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind, format_id
from volens.core.time import format_moment
from volens.holds.model import REVIEW_EVERY, Hold
from volens.holds.register import HoldAct
from volens.log.kinds import HoldClass
from volens.vault.model import MAX_TURNS

_TURNS = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


def parse_turns(text: str) -> tuple[int, ...]:
    """Read a list of turns such as ``1,2-4``: indexes from 0, and ranges with both ends in.

    Raises:
        InvalidInput: ``turns_form``.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _TURNS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < MAX_TURNS:
            hint = "write them like 0,2-4; the first turn is 0"
            raise InvalidInput("turns_form", f"not turns: {part[:40]!r}", hint=hint)
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def state_of(hold: Hold, now: datetime) -> str:
    """Return ``in_force``, ``released`` or ``expired``."""
    if hold.in_force(now):
        return "in_force"
    return "released" if hold.released else "expired"


def state_words(hold: Hold, now: datetime, *, to_subject: bool = False) -> str:
    """Say how a hold stands; to its person nothing that is the reviewers' own."""
    words = [state_of(hold, now).replace("_", " ")]
    if hold.in_force(now) and not to_subject:
        words += ["not told"] * (not hold.told(now)) + ["to review"] * hold.review_due(now)
    return ", ".join(words[1:] or words)


def scope_words(hold: Hold) -> str:
    """Say in a few words what a hold keeps."""
    (name, turns), *others = hold.conversations.items()
    if others:
        return f"{len(hold.conversations):,} conversations"
    return f"{name}, turns {turn_words(turns)}" if turns else name


def held_lines(holds: Iterable[Hold], chats: Iterable[bytes], now: datetime) -> list[Text]:
    """Say how many of `chats` (raw ids) holds keep for now; nothing of a hold under a gag."""
    wanted = {format_id(IdKind.CONVERSATION, raw) for raw in chats}
    told = [one for one in holds if one.told(now) and not wanted.isdisjoint(one.conversations)]
    if not told:
        return []
    count = len(wanted & {name for one in told for name in one.conversations})
    last = max(one.until for one in told)
    noun = "1 chat is" if count == 1 else f"{count:,} chats are"
    text = f"{noun} kept under a hold until {minute(last)}: what it names goes by itself then."
    return [line(text, WARN)]


def minute(moment: datetime) -> str:
    """Write a moment for people."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def turn_words(turns: tuple[int, ...]) -> str:
    """Write turns as `parse_turns` reads them."""
    if not turns:
        return "all"
    runs: list[list[int]] = []
    for turn in turns:
        if runs and turn == runs[-1][1] + 1:
            runs[-1][1] = turn
        else:
            runs.append([turn, turn])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def act_document(act: HoldAct) -> Json:
    """Describe one act on a hold."""
    return {"act": act.act.value, "at": format_moment(act.at), "log_index": act.log_index}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)


def hold_document(hold: Hold, now: datetime, *, to_subject: bool = False) -> dict[str, Json]:
    """Describe a hold; to its person without what is the reviewers' own."""
    scope: list[Json] = [{"id": name, "turns": [*t]} for name, t in hold.conversations.items()]
    document: dict[str, Json] = {
        "id": hold.id,
        "class": hold.hold_class.value,
        "state": state_of(hold, now),
        "subject": hold.subject,
        "conversations": scope,
        "authority": hold.authority,
        "placed": format_moment(hold.placed),
        "until": format_moment(hold.until),
        "released": _moment(hold.released),
    }
    if to_subject:
        return document
    safety = hold.hold_class is HoldClass.SAFETY and hold.in_force(now)
    return {
        **document,
        "told": hold.told(now),
        "gag_until": _moment(hold.gag_until),
        "counted_from": _moment(hold.counted_from),
        "reviewer": hold.reviewer,
        "reviewed": _moment(hold.reviewed),
        "review_by": _moment((hold.reviewed or hold.placed) + REVIEW_EVERY) if safety else None,
    }
