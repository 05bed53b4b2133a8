"""Turns of a conversation under a look, as harmless markup: folded, named, nothing hidden."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from volens.safety.model import SeenTurn
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
