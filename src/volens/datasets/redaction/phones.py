"""Telephone numbers by own rules: international, North American, trunk zero, or named as one."""

# ruff: noqa: RUF001 - words of other scripts are data here
from __future__ import annotations

import re
from collections.abc import Iterator

from volens.datasets.redaction.found import Found, after, before
from volens.datasets.redaction.profiles import Entity

_LEAST_INTERNATIONAL, _MOST_INTERNATIONAL = 7, 15  # ITU-T E.164, 6: at most 15 digits
_LEAST_TRUNK, _MOST_TRUNK = 9, 12
_EXTENSION = r"(?: ?(?:x|ext\.?|extension|#) ?\d{1,6})?"

# ITU-T E.164 country codes in use; a code is 1, 7, or two or three digits.
_COUNTRY_CODE = re.compile(
    r"1|7|2(?:[07]|1[1-36-8]|[2-6]\d|9[017-9])|3(?:[0-469]|5\d|7[0-8]|8[0-35-79])|4(?:[013-9]|2[0134])"
    r"|5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7[02-9]|8[0-35-9]|9[0-2])"
    r"|8(?:[1246]|5[02356]|7[0-48]|8[0-368])|9(?:[0-58]|6[0-8]|7[0-7]|9[2-68])"
)
_INTERNATIONAL = re.compile(
    r"(?<![0-9A-Za-z_+])(?:\+ ?|(?<![.,])00[ .-]?)[1-9](?:[ .\-/]{0,2}\(?\d\)?){6,15}(?!\d)"
    + _EXTENSION
)
_NORTH_AMERICAN = re.compile(
    r"(?<![0-9A-Za-z_.+/-])(?:1[ .-]?)?"
    r"(?:\([2-9]\d{2}\) ?\d{3}[ .-]\d{4}|[2-9]\d{2}([.-])\d{3}\1\d{4}"
    r"|[2-9]\d{2} [2-9]\d{2}[ -]\d{4}|[2-9]\d{2}-[2-9]\d{2} \d{4})(?!\d)" + _EXTENSION
)
_TRUNK = re.compile(
    r"(?<![0-9A-Za-z_.,+/-])(?:\(0[1-9]\d{0,3}\)[ -]?\d{2,4}(?:[ -]?\d{2,4}){1,3}"
    r"|0[1-9]\d{0,3}([ .\-/])\d{2,4}(?:\1\d{2,4}){1,3}|0[1-9]\d{1,3}[-/ ]\d{5,8}"
    r"|0[1-9]\d{1,2}/\d{3,4} \d{3,4})(?![\d/])"
)
_CHINESE_MOBILE = re.compile(r"(?<![0-9A-Za-z_.+-])1[3-9]\d([ -])\d{4}\1\d{4}(?![0-9A-Za-z_-])")
_NAMED = re.compile(r"(?<![0-9A-Za-z_.$€£¥])[+(]?\d(?:[ .\-/]?\(?\d\)?){5,14}(?!\d)" + _EXTENSION)
_DATE = re.compile(
    r"(?:19|20)\d\d([-/. ])(?:0?\d|1[0-2])\1[0-3]?\d(?!\d|\1\d)"
    r"|[0-3]?\d([-/. ])[0-3]?\d\2(?:19|20)?\d\d(?!\d|\2\d)"
)

_STRONG = re.compile(
    r"(?:\bphones?\b|\btelephone|\btel\b|\bmobile\b|\bcell(?:phone)?\b|\bfax\b|whats ?app"
    r"|\bhandy(?:nummer)?\b|telefon|\btél|\bm[oó]vil\b|celular|\bportable\b|teléfono|téléphone|телефон|\bтел\b|电话|手机|電話|携帯"
    r"|手機|전화|휴대폰|هاتف|جوال|फ़ोन|फोन|मोबाइल|\bdesk:|\bsms\b|\bphone ?(?:number|no)"
    r"|contact (?:number|no)|\bregistered\b)[^\d\n]{0,28}\n?[^\d\n]{0,6}$"
)
_WEAK = re.compile(
    r"\b(?:call|calling|text|reach|ring|dial|contact|messages?|answering|number)\b[^.\d\n]{0,18}"
    r"(?:\b(?:at|on|to|is|under)|:|\bme|\bus)\s{0,2}$"
)
_AFTER = re.compile(r"^[\s\-,(]{0,3}(?:office|fax|mobile|cell|home|work)\b")


def phones(text: str, start: int, end: int) -> Iterator[Found]:
    """Find telephone numbers in a cluster of digits.

    Without a word that names it, a number counts only in a form that little else has: a country
    code that exists, North American 3-3-4 groups, or a trunk zero with groups.
    """
    low, high = max(0, start - 3), end + 14
    for hit in _INTERNATIONAL.finditer(text, low, high):
        yield from _international(hit)
    for hit in _NORTH_AMERICAN.finditer(text, low, high):
        yield Found(hit.start(), hit.end(), Entity.PHONE)
    for hit in _TRUNK.finditer(text, low, high):
        digits = sum(char.isdigit() for char in hit.group())
        if _LEAST_TRUNK <= digits <= _MOST_TRUNK and not _DATE.match(hit.group()):
            yield Found(hit.start(), hit.end(), Entity.PHONE)
    for hit in _CHINESE_MOBILE.finditer(text, low, high):
        yield Found(hit.start(), hit.end(), Entity.PHONE)
    for hit in _NAMED.finditer(text, low, high):
        if not _DATE.match(hit.group()) and _named(text, hit.start(), hit.end()):
            yield Found(hit.start(), hit.end(), Entity.PHONE)


def _international(hit: re.Match[str]) -> Iterator[Found]:
    number = hit.group().replace("(0)", "")
    for mark in ("x", "e", "#"):
        number = number.partition(mark)[0]
    digits = "".join(char for char in number if char.isdigit())
    least = _LEAST_INTERNATIONAL
    if number[0] == "0":
        digits, least = digits[2:], _LEAST_TRUNK
    if not least <= len(digits) <= _MOST_INTERNATIONAL:
        return
    if _COUNTRY_CODE.match(digits):
        yield Found(hit.start(), hit.end(), Entity.PHONE)


def _named(text: str, start: int, end: int) -> bool:
    window = before(text, start)
    if _STRONG.search(window) or _WEAK.search(window):
        return True
    return _AFTER.match(after(text, end)) is not None
