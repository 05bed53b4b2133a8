"""Reads texts the way a person reads them, without losing the place of any character.

Patterns run over a *reading* of the text: digits of all scripts become ASCII digits, full-width and
mathematical letters become plain ones, invisible characters disappear, placeholders that already
stand in the text become `BARRIER`s that nothing can be found across. Most texts are their own
reading; only the others pay.
"""

# ruff: noqa: RUF001 - full-width marks are data here
from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from volens.datasets.redaction.profiles import Entity
from volens.datasets.redaction.scan import has_controls

BARRIER = "\x00"
_GAP = BARRIER * 8
"""Between two texts of a batch: wider than any gap that joins digits to one cluster."""
_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(Entity)})\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LAST_LOOKED_AT = 0x20000
_PLAIN_FIRST = 0x21

# Same length, so no positions move; common in ordinary prose, so not worth the slow path.
_LOOKALIKES = (
    ("\u00a0", " "), ("\u2007", " "), ("\u2009", " "), ("\u202f", " "), ("\u3000", " "),
    ("\u2010", "-"), ("\u2011", "-"), ("\u2012", "-"), ("\u2013", "-"), ("\u2212", "-"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A batch of texts as one string, with the way back."""

    text: str
    view: bytes
    """One byte for each character of `text`; ``?`` for those above U+00FF."""
    folded: bytes
    """`view` with ASCII letters in lower case."""
    starts: list[int]
    """Where each text begins in `text`."""
    ways_back: dict[int, list[int]]
    """For a text whose reading has fewer characters: the original place of each one."""

    def place(self, start: int, end: int) -> tuple[int, int, int]:
        """Return which text a span of the reading lies in, and its span in the original."""
        index = bisect_right(self.starts, start) - 1
        start -= self.starts[index]
        end -= self.starts[index]
        way = self.ways_back.get(index)
        if way is not None:
            return index, way[start], way[end - 1] + 1
        return index, start, end


def read(texts: Sequence[str]) -> Reading:
    """Join texts to one reading. Texts that are all ASCII make the cheapest batch."""
    joined = _GAP.join(texts)
    kinds = 0 if joined.isascii() else _kinds(joined)
    if kinds & _LOOKALIKE:
        for char, stand_in in _LOOKALIKES:
            joined = joined.replace(char, stand_in)
    ways: dict[int, list[int]] = {}
    barriers = max(0, len(texts) - 1) * len(_GAP)
    view = joined.encode("latin-1", "replace")
    if kinds & _UNUSUAL or has_controls(view, barriers):
        joined, ways, lengths = _slowly(texts)
        view = b""
    else:
        lengths = [len(text) for text in texts]
    if "]" in joined:
        covered = _PLACEHOLDER.sub(lambda hit: BARRIER * len(hit.group()), joined)
        view = view if covered is joined or covered == joined else b""
        joined = covered
    starts, at = [], 0
    for length in lengths:
        starts.append(at)
        at += length + len(_GAP)
    view = view or joined.encode("latin-1", "replace")
    return Reading(text=joined, view=view, folded=view.lower(), starts=starts, ways_back=ways)


def _slowly(texts: Sequence[str]) -> tuple[str, dict[int, list[int]], list[int]]:
    """Read each text by itself, character by character where it holds anything unusual."""
    readings: list[str] = []
    ways: dict[int, list[int]] = {}
    plain = _plain_characters()
    for index, text in enumerate(texts):
        kinds = 0 if text.isascii() else _kinds(text)
        reading = text
        if kinds & _LOOKALIKE:
            for char, stand_in in _LOOKALIKES:
                reading = reading.replace(char, stand_in)
        if kinds & _UNUSUAL or _CONTROL.search(reading):
            parts = [plain.get(char, char) for char in reading]
            reading = "".join(parts)
            if len(reading) != len(text):
                ways[index] = [at for at, part in enumerate(parts) if part]
        readings.append(reading)
    return _GAP.join(readings), ways, [len(reading) for reading in readings]


_LOOKALIKE, _UNUSUAL = 1, 2


def _kinds(text: str) -> int:
    """Tell which kinds of character a reading changes stand in `text`, controls apart."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    kinds = _kind_of()[codes[codes >= 0x80]]  # noqa: PLR2004 - past ASCII
    return int(np.bitwise_or.reduce(kinds, initial=0))


@cache
def _kind_of() -> NDArray[np.uint8]:
    kinds = np.zeros(sys.maxunicode + 1, dtype=np.uint8)
    kinds[[ord(char) for char in _plain_characters()]] = _UNUSUAL
    kinds[[ord(char) for char, _ in _LOOKALIKES]] = _LOOKALIKE
    return kinds


@cache
def _plain_characters() -> dict[str, str]:
    """Map each unusual character to one plain character, or to nothing if it is invisible."""
    plain = {chr(code): "" for code in range(0x20) if chr(code) not in "\t\n\r"}
    plain["\x7f"] = ""
    for code in [*range(0x80, _LAST_LOOKED_AT), *range(0xE0000, 0xE0200)]:
        char = chr(code)
        category = unicodedata.category(char)
        if category == "Cf" or 0xFE00 <= code <= 0xFE0F or code >= 0xE0100:  # noqa: PLR2004 - variation selectors
            plain[char] = ""
        elif category == "Nd":
            plain[char] = str(unicodedata.digit(char))
        elif category[0] in "LPSN" and (code >= 0xFF00 or code == 0xFE6B):  # noqa: PLR2004 - full-width forms, maths letters
            folded = unicodedata.normalize("NFKC", char)
            if len(folded) == 1 and _PLAIN_FIRST <= ord(folded) < 0x7F:  # noqa: PLR2004 - visible ASCII
                plain[char] = folded
    for char in _HARMLESS:
        plain.pop(char, None)
    return plain


_HARMLESS = "，：；！？（）"
"""Full-width punctuation of ordinary Chinese and Japanese text; no pattern needs it plain."""
