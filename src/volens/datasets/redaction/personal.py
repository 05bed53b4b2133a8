"""Birth dates beside words that say so; and, for the strict profile, streets and long numbers."""

# ruff: noqa: RUF001 - typographic apostrophes are data here
from __future__ import annotations

import re
from collections.abc import Iterator

from volens.datasets.redaction.found import Found, before
from volens.datasets.redaction.profiles import Entity

_MONTH = (
    r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|ene|abr|ago|dic|janv|févr|avr|juin|juil"
    r"|août|déc|gen|mag|giu|lug|set|ott|fev|mai|out)[^\W\d_]{0,8}\.?"
)
_DATE = re.compile(
    rf"(?<![\d])(?:\d{{1,2}}([-/. ])\d{{1,2}}\1\d{{2,4}}|(?:19|20)\d\d([-/.])\d{{1,2}}\2\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|\.|º)?(?: of| de| di)?[ -]{_MONTH}(?: de| del)?,?[ -]\d{{4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    r"|(?:19|20)\d\d ?年 ?\d{1,2} ?月 ?\d{1,2} ?日)(?!\d)",
    re.IGNORECASE,
)
_BIRTH_WORDS = (
    "born", "birth", "dob", "d.o.b", "b-day", "bday", "geboren", "geburts", "geb.",
    "naissance", "né le", "née le", "nacid", "nacimiento", "nato ", "nata ", "nascita", "nascid",
    "nascimento", "geboorte",
    "urodz", "рожден", "родил", "生日", "出生", "誕生", "생년", "ميلاد",
)  # fmt: skip
_REACH = 48
_BEFORE_YEAR = 24


def birth_dates(text: str, start: int, end: int) -> Iterator[Found]:
    """Find a full date at or just before `start`..`end`, within reach of a word for birth."""
    low = max(0, start - _BEFORE_YEAR)
    window = before(text, start, _REACH + _BEFORE_YEAR)
    if not any(word in window for word in _BIRTH_WORDS):
        return
    for hit in _DATE.finditer(text, low, end + 12):
        near = before(text, hit.start(), _REACH)
        if any(word in near for word in _BIRTH_WORDS):
            yield Found(hit.start(), hit.end(), Entity.BIRTH_DATE)


_WORD = r"[^\W\d_][\w'’.-]{0,30}"
_UNIT = r"(?:,?[ \n]{1,2}(?:Apt|Suite|Unit|Flat|Floor|#)\.?[ ]?\w{1,6})?"
_STREETS = (
    re.compile(
        rf"(?<![\w])\d{{1,5}}[A-Za-z]?(?: \d{{1,4}})? (?:{_WORD} ){{1,4}}"
        r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Way|Terrace"
        rf"|Crescent|Close|Parkway|Pkwy|Highway|Hwy|Circle|Trail)\b\.?{_UNIT}"
    ),
    re.compile(
        r"(?<![\w])(?:\d{1,5} )?[^\W\d_][\w-]{2,30}"
        r"(?:straße|strasse|str\.|weg|gasse|platz|allee|gatan|vägen|katu|tie"
        rf"|gade|vej|straat|laan|gata|veien|utca) \d{{1,4}}[a-z]?\b{_UNIT}",
    ),
    re.compile(
        r"(?<![\w])(?:Rue|Via|Viale|Piazza|Calle|Avenida|Rua|Plaza|Paseo|Carrer|Corso|Chemin|ul\.|Ulica|Rruga)"
        rf" (?:{_WORD},? ){{1,5}}\d{{1,5}}\b"
    ),
    re.compile(
        r"(?<![\w])\d{1,4},? (?:bis |ter )?"
        r"(?:rue|avenue|boulevard|chemin|place|impasse|quai|cours|allée)"
        rf"(?: {_WORD}){{1,5}}",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w])P\.? ?O\.? ?Box \d{1,6}\b", re.IGNORECASE),
)


def streets(text: str) -> Iterator[Found]:
    """Find what looks like a street with a number. Misses many; used by the strict profile only."""
    for shape in _STREETS:
        for hit in shape.finditer(text):
            yield Found(hit.start(), hit.end(), Entity.ADDRESS)


_LONG_NUMBER = re.compile(r"\d{6,}+|\d(?:[ -]?\d){7,}+")


def long_numbers(text: str, start: int, end: int) -> Iterator[Found]:
    """Find runs of six digits or more, or eight with single spaces or hyphens between."""
    for hit in _LONG_NUMBER.finditer(text, start, end):
        yield Found(hit.start(), hit.end(), Entity.NUMBER)
