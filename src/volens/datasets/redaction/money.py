"""Payment cards, IBANs and account numbers that the text names as such."""

from __future__ import annotations

import re
from collections.abc import Iterator

from volens.datasets.redaction.checkdigits import luhn, mod97_10
from volens.datasets.redaction.found import ALONE_AFTER, Found, before, in_word
from volens.datasets.redaction.profiles import Entity

CARD_DIGITS = 12
_MOST_CARD_DIGITS = 19
_SURE_DIGITS = 14
_CARD_WORDS = re.compile(
    r"card|\bcc\b|credit|debit|visa|maestro|amex|karte|\bcarte\b|tarjeta|cart[aã]o|carta\b"
    r"|карт|信用卡|银行卡|カード|카드"
)
_GROUP = re.compile(r"\d+")
_SMALLEST_GROUP, _LARGEST_GROUP = 3, 7

# ISO/IEC 7812 issuer ranges as the networks publish them: first and last prefix, lengths.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)), ("2221", "2720", (16,)),  # Mastercard
    ("34", "34", (15,)), ("37", "37", (15,)),  # American Express
    ("6011", "6011", (16, 17, 18, 19)), ("644", "659", (16, 17, 18, 19)),  # Discover
    ("300", "305", (14, 16)), ("3095", "3095", (14, 16)), ("36", "36", (14, 16)),  # Diners
    ("38", "39", (14, 16)),
    ("3528", "3589", (16, 17, 18, 19)), ("2131", "2131", (15,)), ("1800", "1800", (15,)),  # JCB
    ("62", "62", (16, 17, 18, 19)), ("81", "81", (16, 17, 18, 19)),  # UnionPay
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("60", "60", (16,)), ("508", "508", (16,)), ("353", "353", (16,)),  # RuPay
    ("50", "50", tuple(range(12, 20))), ("56", "58", tuple(range(12, 20))),  # Maestro
    ("63", "63", tuple(range(12, 20))), ("67", "67", tuple(range(12, 20))),
)  # fmt: skip


def issued(digits: str) -> bool:
    """Tell whether a network issues cards that begin like this and are this long."""
    return any(
        len(digits) in lengths and first <= digits[: len(first)] <= last
        for first, last, lengths in _ISSUERS
    )


def cards(text: str, start: int, end: int, digits: int) -> Iterator[Found]:
    """Find card numbers in a cluster of `digits` digits.

    Numbers may be in groups joined by one space, hyphen or dot. The Luhn digit must hold; and
    either a network issues numbers of that range and length, or the words before speak of a card.
    For 12 or 13 digits only the words will do.
    """
    if digits < CARD_DIGITS:
        return
    groups = [hit.span() for hit in _GROUP.finditer(text, start, end)]
    index = 0
    while index < len(groups):
        last = _card_from(text, groups, index)
        if last < 0:
            index += 1
            continue
        yield Found(groups[index][0], groups[last][1], Entity.CARD)
        index = last + 1


def _card_from(text: str, groups: list[tuple[int, int]], index: int) -> int:
    """Return the last group of the longest card that begins with group `index`, or -1."""
    first = groups[index][0]
    if in_word(text, first - 1):
        return -1
    digits, best = "", -1
    for at in range(index, len(groups)):
        begin, stop = groups[at]
        joined = at == index or (begin - groups[at - 1][1] == 1 and text[begin - 1] in " -.")
        if not joined or len(digits) + stop - begin > _MOST_CARD_DIGITS:
            break
        if at > index and not _SMALLEST_GROUP - 1 <= stop - begin <= _LARGEST_GROUP:
            break
        digits += text[begin:stop]
        if len(digits) < CARD_DIGITS or in_word(text, stop):
            continue
        if at > index and groups[index][1] - first < _SMALLEST_GROUP:
            break
        if luhn(digits) and _credible(text, first, digits):
            best = at
    return best


def _credible(text: str, at: int, digits: str) -> bool:
    """Tell whether a network issues such numbers, or the words before speak of a card."""
    if len(digits) >= _SURE_DIGITS and issued(digits):
        return True
    return len(set(digits)) > 1 and _CARD_WORDS.search(before(text, at)) is not None


# Lengths by country: SWIFT IBAN Registry (ISO 13616).
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_IBAN_SHAPE = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,29}")
_BETWEEN = re.compile(r"[ -]")


def iban_at(text: str, at: int) -> Found | None:
    """Find an IBAN that begins at `at`: the country's length and the check digits must agree."""
    length = IBAN_LENGTHS.get(text[at : at + 2].upper())
    if length is None:
        return None
    shape = _IBAN_SHAPE.match(text, at)
    if shape is None:
        return None
    taken, end = 0, at
    for end in range(at, shape.end()):
        taken += text[end] not in " -"
        if taken == length:
            break
    if taken != length or in_word(text, end + 1):
        return None
    bare = _BETWEEN.sub("", text[at : end + 1]).upper()
    if not bare.isascii() or not mod97_10(bare[4:] + bare[:4]):  # ISO 13616-1, 7: moved to the end
        return None
    return Found(at, end + 1, Entity.IBAN)


_ACCOUNT_WORDS = re.compile(
    r"(?:\b(?:bank|checking|savings)\s(?:account|acct)|\baccount (?:no|num|#)|\bacct\b|\brouting"
    r"|\bsort code|kontonummer|numéro de compte|número de cuenta|numero di conto"
    r"|num[eé]ro de conta|银行账号|口座番号)"
    r"[^\d\n]{0,20}$"
)
_ACCOUNT = re.compile(rf"(?<![\w.,])\d(?:[ -]?\d){{5,17}}{ALONE_AFTER}(?![.,]\d)")


def accounts(text: str, start: int, end: int) -> Iterator[Found]:
    """Find account numbers right after words that say so."""
    for hit in _ACCOUNT.finditer(text, start, end):
        if _ACCOUNT_WORDS.search(before(text, hit.start())):
            yield Found(hit.start(), hit.end(), Entity.ACCOUNT)
