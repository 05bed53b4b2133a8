"""Numbers that a state gives to one person, as a table: shape, check digit, words beside it.

Where the check digit or the shape is strong, a number counts wherever it stands; where it is weak
(one check digit, or none), it counts only near a word that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from volens.datasets.redaction.checkdigits import luhn, verhoeff
from volens.datasets.redaction.found import ALONE_AFTER, ALONE_BEFORE, Found, before, in_word
from volens.datasets.redaction.nationalchecks import (
    bsn,
    codice_fiscale,
    cpf,
    dni,
    hetu,
    my_number,
    nhs_number,
    nir,
    personnummer,
    pesel,
    resident_id,
    resident_registration,
    rijksregister,
    steuer_id,
    tax_file_number,
    tckn,
)
from volens.datasets.redaction.profiles import Entity


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
    # SSA, "Social Security Number Randomization": no area 000, 666 or 9xx, no group 00, no 0000.
    Identifier(
        name="us_ssn",
        digits=9,
        shape=_shape(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}"),
    ),
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
        name="gb_nhs",
        digits=10,
        shape=_shape(r"\d{3}[ -]?\d{3}[ -]?\d{4}"),
        holds=nhs_number,
        words=re.compile(r"\bnhs\b"),
    ),
    Identifier(
        name="es_dni",
        digits=7,
        shape=_shape(r"\d{8}[ -]?[A-Z]|[XYZ][ -]?\d{7}[ -]?[A-Z]"),
        holds=dni,
    ),
    Identifier(
        name="it_codice_fiscale",
        digits=5,
        shape=_shape(
            r"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}"
            r" ?[A-Z][0-9LMNP-V]{3}[A-Z]"
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
        name="ca_sin",
        digits=9,
        shape=_shape(r"[1-79]\d{2}[ -]?\d{3}[ -]?\d{3}|0\d\d[ -]\d{3}[ -]\d{3}"),
        holds=luhn,
        words=re.compile(r"\bsin\b|\bnas\b|social insurance|assurance sociale"),
    ),
    Identifier(
        name="cn_resident_id", digits=17, shape=_shape(r"[1-9]\d{16}[0-9X]"), holds=resident_id
    ),
    Identifier(
        name="jp_my_number",
        digits=12,
        shape=_shape(r"\d{4}[ -]?\d{4}[ -]?\d{4}"),
        holds=my_number,
        words=re.compile(r"my ?number|マイナンバー|個人番号|individual number"),
    ),
    Identifier(name="br_cpf", digits=11, shape=_shape(r"\d{3}\.?\d{3}\.?\d{3}-?\d\d"), holds=cpf),
    Identifier(
        name="in_aadhaar", digits=12, shape=_shape(r"[2-9]\d{3}([ -])\d{4}\1\d{4}"), holds=verhoeff
    ),
    Identifier(
        name="in_aadhaar_bare",
        digits=12,
        shape=_shape(r"[2-9]\d{11}"),
        holds=verhoeff,
        words=re.compile(_ID_WORDS),
    ),
    Identifier(
        name="nl_bsn",
        digits=9,
        shape=_shape(r"\d{4}[ .]?\d{2}[ .]?\d{3}|\d{3}[ .]\d{3}[ .]\d{3}"),
        holds=bsn,
        words=re.compile(r"\bbsn\b|burgerservice|sofi"),
    ),
    Identifier(
        name="pl_pesel", digits=11, shape=_shape(r"\d{11}"), holds=pesel, words=re.compile(r"pesel")
    ),
    Identifier(
        name="se_personnummer",
        digits=10,
        shape=_shape(r"(?:19|20)?\d{6}[-+]\d{4}"),
        holds=personnummer,
    ),
    Identifier(
        name="fi_hetu", digits=9, shape=_shape(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"), holds=hetu
    ),
    Identifier(
        name="be_rijksregister",
        digits=11,
        shape=_shape(r"\d\d[. ]?\d\d[. ]?\d\d[ -]\d{3}[. ]\d\d"),
        holds=rijksregister,
    ),
    Identifier(
        name="tr_tckn",
        digits=11,
        shape=_shape(r"[1-9]\d{10}"),
        holds=tckn,
        words=re.compile(r"\bt\.?c\.?\b|kimlik|tckn"),
    ),
    Identifier(
        name="kr_rrn", digits=13, shape=_shape(r"\d{6}-[1-8]\d{6}"), holds=resident_registration
    ),
    Identifier(
        name="au_tfn",
        digits=9,
        shape=_shape(r"\d{3}[ -]?\d{3}[ -]?\d{3}"),
        holds=tax_file_number,
        words=re.compile(r"\btfn\b|tax file"),
    ),
)
_SEPARATORS = str.maketrans("", "", " .-")
_KEEPS_SIGN = {"fi_hetu"}
_REACH = 12
"""Letters of an identifier that stand before its first digit or after its last one."""


_ANY_WORDS = re.compile(
    "|".join(kind.words.pattern for kind in IDENTIFIERS if kind.words is not None)
)
_WORD_REACH = 60


def nationals(text: str, start: int, end: int, digits: int) -> Iterator[Found]:
    """Find identifiers in and around a cluster of `digits` digits."""
    low, high = max(0, start - _REACH), end + _REACH
    named = _ANY_WORDS.search(text[max(0, start - _WORD_REACH) : end].lower()) is not None
    for kind in IDENTIFIERS:
        if digits < kind.digits or (kind.words is not None and not named):
            continue
        for hit in kind.shape.finditer(text, low, high):
            if _holds(kind, hit.group()) and (
                kind.words is None or kind.words.search(before(text, hit.start()))
            ):
                yield Found(hit.start(), hit.end(), Entity.NATIONAL_ID)


def _holds(kind: Identifier, text: str) -> bool:
    bare = text.upper()
    if kind.name not in _KEEPS_SIGN:
        bare = bare.translate(_SEPARATORS)
    return bare.isascii() and kind.holds(bare)


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
    r"(?:passport|driver'?s?,? licen[cs]e|driving licen[cs]e|licen[cs]e number"
    r"|führerschein(?:nummer)?|reisepass(?:nummer)?|pasaporte|passeport|permis de conduire|护照"
    r"|パスポート|national id|id card"
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
