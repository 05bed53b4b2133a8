"""What people wrote, shown to others so that it can do nothing: no markup, nothing invisible.

A conversation may hold anything: tags, control characters, marks that turn the direction of
reading round, letters that nobody can see. Whoever reviews it has to see what is there, and nothing
in it may change how the rest of the page reads.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from markupsafe import Markup, escape

_PLAIN: Final = frozenset("\n\t")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Part of how some scripts and emoji are written; kept between letters of such."""
_SHOWN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""General categories (Unicode, 4.5) of which every character is shown by its number."""
_MOST_MARKS: Final = 3
"""How many combining marks may stand on one letter; further ones are shown by their number."""
_ASCII: Final = 128


def harmless(text: str) -> Markup:
    """Return `text` as markup in which every character is either plainly seen or named.

    Names look like ``U+202E``. Lines and tabs stay; the page keeps them with ``pre-wrap``.
    """
    made: list[str] = []
    marks = 0
    plain = text.replace("\r\n", "\n")
    for place, letter in enumerate(plain):
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        if marks > _MOST_MARKS or _hidden(plain, place):
            made.append(f'<code class="escape">U+{ord(letter):04X}</code>')
        else:
            made.append(str(escape(letter)))
    return Markup("".join(made))  # noqa: S704 - each letter was escaped above


def _hidden(text: str, place: int) -> bool:
    letter = text[place]
    if letter in _PLAIN:
        return False
    if letter in _JOINERS:
        return not (_joins(text, place - 1) and _joins(text, place + 1))
    return unicodedata.category(letter) in _SHOWN or letter in "\u115f\u1160\u3164\uffa0\u2800"


def _joins(text: str, place: int) -> bool:
    """Say whether a letter beside a joiner is one that joiners are written with."""
    if not 0 <= place < len(text) or ord(text[place]) < _ASCII:
        return False
    return unicodedata.category(text[place])[0] in "LMS"
