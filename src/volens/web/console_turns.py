"""Turns of a conversation under a look, as harmless markup: folded, named, nothing hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from markupsafe import Markup

from volens.core.errors import InvalidInput
from volens.safety.model import Look, SeenTurn
from volens.web.harmless import harmless


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTurn:
    """One turn as it is shown. `repr` shows nothing that was said."""

    number: int
    speaker: str
    own: bool
    """Whether the person wrote it."""
    at: datetime | None
    said: Markup = field(repr=False)
    flags: tuple[str, ...]


def seen_turns(turns: Iterable[SeenTurn]) -> tuple[ShownTurn, ...]:
    """Return turns that were opened as they may stand on a page."""
    return tuple(
        ShownTurn(
            number=turn.index,
            speaker=turn.role,
            own=turn.role == "user",
            at=turn.at,
            said=harmless(turn.text),
            flags=turn.flags,
        )
        for turn in turns
    )


def look_values(look: Look, now: datetime, *, done: str, over: str) -> dict[str, object]:
    """Return what the page of a look is made from.

    Args:
        look: what was opened.
        now: for how much of the lease is left.
        done: where the form that ends the look goes to.
        over: the page that takes the place of this one when the lease ends.
    """
    left = max(1, (look.ends - now) // timedelta(seconds=1))
    return {
        "look": look,
        "turns": seen_turns(look.turns),
        "seconds": left,
        "minutes": min(15, -(-left // 60)),
        "done": done,
        "over": over,
    }


def lease_number(form: Mapping[str, str]) -> int:
    """Return which lease a form ends.

    Raises:
        InvalidInput: ``lease_form``.
    """
    text = form.get("lease", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):  # noqa: PLR2004 - below 2^53
        raise InvalidInput("lease_form", "not the number of a lease")
    return int(text)
