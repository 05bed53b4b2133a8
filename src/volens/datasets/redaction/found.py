"""What a detector hands back, and how it looks at the words around a number."""

from __future__ import annotations

from typing import NamedTuple

from volens.datasets.redaction.profiles import Entity
from volens.datasets.redaction.reading import BARRIER


class Found(NamedTuple):
    """A span of the reading that holds one piece of personal data."""

    start: int
    end: int
    entity: Entity


def before(text: str, at: int, reach: int = 40) -> str:
    """Return up to `reach` characters before `at`, lower case, never across a barrier."""
    window = text[max(0, at - reach) : at]
    return window[window.rfind(BARRIER) + 1 :].lower()


def after(text: str, at: int, reach: int = 16) -> str:
    """Return up to `reach` characters from `at` on, lower case, never across a barrier."""
    window = text[at : at + reach]
    cut = window.find(BARRIER)
    return (window if cut < 0 else window[:cut]).lower()
