"""Numbers that a state gives to one person, as a table: shape, check digit, words beside it.

Where the check digit or the shape is strong, a number counts wherever it stands; where it is weak
(one check digit, or none), it counts only near a word that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from volens.datasets.redaction.checkdigits import (
    luhn,
    mod11_2,
    mod11_10,
    month_and_day,
    verhoeff,
    weighted,
)
from volens.datasets.redaction.found import ALONE_AFTER, ALONE_BEFORE, Found, before, in_word
from volens.datasets.redaction.profiles import Entity

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CF_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)  # fmt: skip


def dni(text: str) -> bool:
    """Check a Spanish DNI or NIE: the letter is the number modulo 23 (RD 1553/2005; INT/2058/2008)."""
    first = "XYZ".find(text[0])
    number = int(text[:-1] if first < 0 else f"{first}{text[1:-1]}")
    return _DNI_LETTERS[number % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Check the last letter of an Italian codice fiscale (DM 12 March 1974; DM 345/1976)."""
    total = 0
    for index, char in enumerate(text[:15]):
        value = int(char) if char.isdigit() else ord(char) - 65
        total += value if index & 1 else _CF_ODD[value]
    return chr(65 + total % 26) == text[15]


def steuer_id(digits: str) -> bool:
    """Check a German tax id: ISO 7064 MOD 11,10, and one digit of ten stands two or three times."""
    most = max(digits[:10].count(digit) for digit in set(digits[:10]))
    return most in {2, 3} and digits[0] != "0" and mod11_10(digits)


def nir(text: str) -> bool:
    """Check a French NIR with its key: 97 minus the number modulo 97; Corsica's letters count as digits."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and int(text[13:]) == 97 - int(number) % 97


def resident_id(text: str) -> bool:
    """Check a Chinese resident id: birth date and ISO 7064 MOD 11-2 (GB 11643-1999)."""
    return (
        text[6:8] in {"18", "19", "20"}
        and month_and_day(text[10:12], text[12:14])
        and mod11_2(text)
    )


def my_number(digits: str) -> bool:
    """Check a Japanese individual number (Ministry of Internal Affairs ordinance 85 of 2014, art. 5)."""
    rest = weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), 11)
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def cpf(digits: str) -> bool:
    """Check both digits of a Brazilian CPF; eleven equal digits are no CPF."""
    if len(set(digits)) == 1:
        return False
    for size in (9, 10):
        rest = weighted(digits[:size], range(size + 1, 1, -1), 11)
        if int(digits[size]) != (0 if rest <= 1 else 11 - rest):
            return False
    return True


def bsn(digits: str) -> bool:
    """Check a Dutch BSN: the eleven test, with minus one for the last digit."""
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), 11) == 0


def pesel(digits: str) -> bool:
    """Check a Polish PESEL: the weighted sum ends in zero; the month carries the century."""
    holds = weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10) == 0
    return holds and month_and_day(f"{int(digits[2:4]) % 20:02}", digits[4:6])


def personnummer(digits: str) -> bool:
    """Check a Swedish personal or coordination number (SKV 704): Luhn over ten digits, and a date."""
    ten = digits[-10:]
    return luhn(ten) and month_and_day(ten[2:4], f"{int(ten[4:6]) % 60:02}")


def hetu(text: str) -> bool:
    """Check a Finnish identity code: nine digits modulo 31 name the last character."""
    digits = text[:6] + text[7:10]
    return month_and_day(text[2:4], text[:2]) and _HETU_LETTERS[int(digits) % 31] == text[10]


def nhs_number(digits: str) -> bool:
    """Check a British NHS number: modulus 11, a rest of 10 is never issued."""
    rest = 11 - weighted(digits[:9], range(10, 1, -1), 11)
    return int(digits[9]) == rest % 11


def tax_file_number(digits: str) -> bool:
    """Check an Australian tax file number of nine digits."""
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10), 11) == 0


def rijksregister(digits: str) -> bool:
    """Check a Belgian national number: 97 minus nine digits modulo 97; a 2 goes before from 2000 on."""
    return int(digits[9:]) in {97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97}


def tckn(digits: str) -> bool:
    """Check both last digits of a Turkish identity number."""
    odd, even = sum(map(int, digits[0:9:2])), sum(map(int, digits[1:8:2]))
    tenth = (odd * 7 - even) % 10
    return int(digits[9]) == tenth and sum(map(int, digits[:10])) % 10 == int(digits[10])


def resident_registration(digits: str) -> bool:
    """Check the date in a Korean registration number; its check digit ended in October 2020."""
    return month_and_day(digits[2:4], digits[4:6])


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One kind of number."""

    name: str
    shape: re.Pattern[str]
    digits: int
    """A cluster with fewer digits cannot hold one."""
    holds: Callable[[str], bool] = _always
    """Asked with the separators taken out, in upper case."""
    words: re.Pattern[str] | None = None
    """One of these must stand before it; `None` where shape and check are enough."""


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{ALONE_BEFORE}(?:{pattern}){ALONE_AFTER}", re.IGNORECASE)


_SSN_WORDS = r"\bssn\b|social security|\bitin\b|taxpayer id"
_ID_WORDS = r"aadha?ar|\buid(?:ai)?\b|आधार"

IDENTIFIERS: tuple[Identifier, ...] = (
    # SSA, "Social Security Number Randomization": no area 000, 666 or 9xx, no group 00, no serial 0000.
    Identifier(name="us_ssn", digits=9, shape=_shape(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}")),
    Identifier(
        name="us_ssn_itin",
        digits=9,
        shape=_shape(r"(?!000)\d{3}[ .-]?\d\d[ .-]?\d{4}"),
        words=re.compile(_SSN_WORDS),
    ),
    # HMRC, National Insurance Manual NIM39110.
    Identifier(
        name="gb_nino",
        digits=6,
        shape=_shape(
            r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
            r"(?: ?\d\d){3} ?[A-D]"
        ),
    ),
    Identifier(
        name="gb_nhs", digits=10, shape=_shape(r"\d{3}[ -]?\d{3}[ -]?\d{4}"), holds=nhs_number,
        words=re.compile(r"\bnhs\b"),
    ),
    Identifier(name="es_dni", digits=7, shape=_shape(r"\d{8}[ -]?[A-Z]|[XYZ][ -]?\d{7}[ -]?[A-Z]"), holds=dni),
    Identifier(
        name="it_codice_fiscale",
        digits=5,
        shape=_shape(
            r"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2} ?[A-Z][0-9LMNP-V]{3}[A-Z]"
        ),
        holds=codice_fiscale,
    ),
    Identifier(
        name="de_steuer_id",
        digits=11,
        shape=_shape(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"),
        holds=steuer_id,
        words=re.compile(r"steuer|\bidnr|\bst-?id|tax id|\btin\b|identifikationsnummer"),
    ),
    Identifier(
        name="fr_nir",
        digits=13,
        shape=_shape(
            r"[12378] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d"
        ),
        holds=nir,
    ),
    Identifier(
        name="ca_sin", digits=9, shape=_shape(r"[1-79]\d{2}[ -]?\d{3}[ -]?\d{3}|0\d\d[ -]\d{3}[ -]\d{3}"),
        holds=luhn, words=re.compile(r"\bsin\b|\bnas\b|social insurance|assurance sociale"),
    ),
    Identifier(name="cn_resident_id", digits=17, shape=_shape(r"[1-9]\d{16}[0-9X]"), holds=resident_id),
    Identifier(
        name="jp_my_number", digits=12, shape=_shape(r"\d{4}[ -]?\d{4}[ -]?\d{4}"), holds=my_number,
        words=re.compile(r"my ?number|マイナンバー|個人番号|individual number"),
    ),
    Identifier(name="br_cpf", digits=11, shape=_shape(r"\d{3}\.?\d{3}\.?\d{3}-?\d\d"), holds=cpf),
    Identifier(name="in_aadhaar", digits=12, shape=_shape(r"[2-9]\d{3}([ -])\d{4}\1\d{4}"), holds=verhoeff),
    Identifier(
        name="in_aadhaar_bare", digits=12, shape=_shape(r"[2-9]\d{11}"), holds=verhoeff,
        words=re.compile(_ID_WORDS),
    ),
    Identifier(
        name="nl_bsn", digits=9, shape=_shape(r"\d{4}[ .]?\d{2}[ .]?\d{3}|\d{3}[ .]\d{3}[ .]\d{3}"), holds=bsn,
        words=re.compile(r"\bbsn\b|burgerservice|sofi"),
    ),
    Identifier(name="pl_pesel", digits=11, shape=_shape(r"\d{11}"), holds=pesel, words=re.compile(r"pesel")),
    Identifier(name="se_personnummer", digits=10, shape=_shape(r"(?:19|20)?\d{6}[-+]\d{4}"), holds=personnummer),
    Identifier(
        name="fi_hetu", digits=9, shape=_shape(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"), holds=hetu
    ),
    Identifier(
        name="be_rijksregister", digits=11, shape=_shape(r"\d\d[. ]?\d\d[. ]?\d\d[ -]\d{3}[. ]\d\d"),
        holds=rijksregister,
    ),
    Identifier(
        name="tr_tckn", digits=11, shape=_shape(r"[1-9]\d{10}"), holds=tckn,
        words=re.compile(r"\bt\.?c\.?\b|kimlik|tckn"),
    ),
    Identifier(name="kr_rrn", digits=13, shape=_shape(r"\d{6}-[1-8]\d{6}"), holds=resident_registration),
    Identifier(
        name="au_tfn", digits=9, shape=_shape(r"\d{3}[ -]?\d{3}[ -]?\d{3}"), holds=tax_file_number,
        words=re.compile(r"\btfn\b|tax file"),
    ),
)  # fmt: skip
_SEPARATORS = str.maketrans("", "", " .-")
_KEEPS_SIGN = {"fi_hetu"}
_REACH = 12
"""Letters of an identifier that stand before its first digit or after its last one."""


def nationals(text: str, start: int, end: int, digits: int) -> Iterator[Found]:
    """Find identifiers in and around a cluster of `digits` digits."""
    low, high = max(0, start - _REACH), end + _REACH
    for kind in IDENTIFIERS:
        if digits < kind.digits:
            continue
        for hit in kind.shape.finditer(text, low, high):
            bare = hit.group().upper()
            if kind.name not in _KEEPS_SIGN:
                bare = bare.translate(_SEPARATORS)
            if not bare.isascii() or not kind.holds(bare):
                continue
            if kind.words is None or kind.words.search(before(text, hit.start())):
                yield Found(hit.start(), hit.end(), Entity.NATIONAL_ID)


_PAN = re.compile(r"[A-Za-z]{3}[ABCFGHLJPTabcfghljpt][A-Za-z]\d{4}[A-Za-z]" + ALONE_AFTER)
_PAN_WORDS = re.compile(r"\bpan\b|income tax|permanent account")


def pan_at(text: str, at: int) -> Found | None:
    """Find an Indian PAN (Income-tax Rules, rule 114): the fourth letter P is a person."""
    hit = _PAN.match(text, at)
    if hit is None or in_word(text, at - 1):
        return None
    if text[at + 3] == "P" or _PAN_WORDS.search(before(text, at)):
        return Found(hit.start(), hit.end(), Entity.NATIONAL_ID)
    return None


_DOCUMENT_WORDS = re.compile(
    r"(?:passport|driver'?s?,? licen[cs]e|driving licen[cs]e|licen[cs]e number|führerschein(?:nummer)?"
    r"|reisepass(?:nummer)?|pasaporte|passeport|permis de conduire|护照|パスポート|national id|id card"
    r"|personalausweis(?:nummer)?|patente di guida|identity card|medicare|medicaid)"
    r"(?: ?(?:number|no\.?|nr\.?|num\.?|id))?[\s:#=-]{0,4}(?:is|was|ist|es|est|è)?[\s:#\"'-]{0,4}$"
)
_DOCUMENT = re.compile(r"[A-Z0-9](?:-?[A-Z0-9]){4,19}" + ALONE_AFTER, re.IGNORECASE)
_DOCUMENT_DIGITS = 5


def documents(text: str, start: int) -> Iterator[Found]:
    """Find a passport, licence or insurance number: a token right after the words that name it."""
    at = start
    while at and text[at - 1].isascii() and (text[at - 1].isalnum() or text[at - 1] == "-"):
        at -= 1
        if start - at > _REACH:
            return
    hit = _DOCUMENT.match(text, at)
    if hit is None or sum(char.isdigit() for char in hit.group()) < _DOCUMENT_DIGITS:
        return
    if _DOCUMENT_WORDS.search(before(text, at, 60)):
        yield Found(hit.start(), hit.end(), Entity.NATIONAL_ID)
