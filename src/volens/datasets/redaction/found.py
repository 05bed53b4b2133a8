"""What a detector hands back, and how it looks at the words around a number."""

from __future__ import annotations

import re
from typing import NamedTuple

from volens.datasets.redaction.profiles import Entity
from volens.datasets.redaction.reading import BARRIER

# Scripts that write words without spaces, or glue particles to numbers, do not shield a number:
# only a letter of a spaced alphabet, a digit or an underscore makes it part of a word.
_WORD = "0-9A-Za-z_\u00c0-\u024f\u0370-\u052f"
ALONE_BEFORE = f"(?<![{_WORD}])"
ALONE_AFTER = f"(?![{_WORD}])"
_WORD_CHARACTER = re.compile(f"[{_WORD}]")


def in_word(text: str, at: int) -> bool:
    """Tell whether the character at `at` (which may lie outside of the text) is part of a word."""
    return 0 <= at < len(text) and _WORD_CHARACTER.match(text, at) is not None


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
