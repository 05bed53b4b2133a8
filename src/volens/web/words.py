"""The words on the pages: catalogues by language, with plural forms, dates and numbers.

A catalogue is ``catalogues/LANGUAGE/PART.json``: one object of texts by key. A text is a string, or
an object of plural forms (CLDR's categories) chosen by the value named ``count``. Placeholders are
``{name}``. Texts hold no markup: pages put them between their own tags, and escape them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "ja": "日本語",
    "ar": "العربية",
}
"""Each language, in its own name."""
RIGHT_TO_LEFT: Final = frozenset({"ar"})
DEFAULT: Final = "en"
CATALOGUES: Final = Path(__file__).parent / "catalogues"
PLURALS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset({"one", "other"}),
    "de": frozenset({"one", "other"}),
    "es": frozenset({"one", "other"}),
    "ja": frozenset({"other"}),
    "ar": frozenset({"zero", "one", "two", "few", "many", "other"}),
}
"""The categories of each language (Unicode CLDR, plural rules, cardinals)."""
MONTHS: Final[Mapping[str, Sequence[str]]] = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    "es": [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
    "ar": [
        "يناير",
        "فبراير",
        "مارس",
        "أبريل",
        "مايو",
        "يونيو",
        "يوليو",
        "أغسطس",
        "سبتمبر",
        "أكتوبر",
        "نوفمبر",
        "ديسمبر",
    ],
}
_DATES: Final[Mapping[str, str]] = {
    "en": "{day} {month} {year}",
    "de": "{day}. {month} {year}",
    "es": "{day} de {month} de {year}",
    "ja": "{year}年{number}月{day}日",
    "ar": "{day} {month} {year}",
}
_GROUPS: Final[Mapping[str, str]] = {"en": ",", "de": ".", "es": ".", "ja": ",", "ar": "٬"}
_DIGITS: Final[Mapping[str, str]] = {"ar": "٠١٢٣٤٥٦٧٨٩"}
_PLACE = re.compile(r"\{([a-z_]+)\}")

Text = str | Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """All texts of one language."""

    language: str
    texts: Mapping[str, Text] = field(repr=False)

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of `key`, with its placeholders filled.

        Whole numbers and moments are written as the language writes them; a plural form is chosen
        by ``count``. A key that is missing is shown as itself: a page is better than an error.
        """
        text = self.texts.get(key)
        if text is None:
            return key
        if not isinstance(text, str):
            count = values.get("count", 0)
            number = count if isinstance(count, int) else 0
            text = text.get(category(self.language, number)) or text["other"]
        return _PLACE.sub(lambda found: self._said(values.get(found[1], found[0])), text)

    def has(self, key: str) -> bool:
        """Say whether there is a text for `key`."""
        return key in self.texts

    def number(self, number: int) -> str:
        """Return a whole number as the language writes it."""
        plain = f"{number:,}"
        if self.language == "es" and abs(number) < 10_000:  # noqa: PLR2004 - CLDR: two digits first
            plain = f"{number}"
        return self._digits(plain.replace(",", _GROUPS.get(self.language, ",")))

    def date(self, moment: datetime) -> str:
        """Return the day of a moment, in UTC."""
        day = moment.astimezone(UTC)
        month = MONTHS[self.language][day.month - 1] if self.language in MONTHS else ""
        form = _DATES.get(self.language, _DATES[DEFAULT])
        said = form.format(day=day.day, month=month, year=day.year, number=day.month)
        return self._digits(said)

    def moment(self, moment: datetime) -> str:
        """Return a moment to the minute, in UTC."""
        time = self._digits(f"{moment.astimezone(UTC):%H:%M}")
        return f"{self.date(moment)}, {time} UTC"

    def size(self, size_bytes: int) -> str:
        """Return a size in kB or MB, rounded up."""
        if size_bytes >= 1_000_000:  # noqa: PLR2004 - a megabyte
            return f"{self.number(-(-size_bytes // 1_000_000))} MB"
        return f"{self.number(-(-size_bytes // 1000))} kB"

    def _said(self, value: object) -> str:
        if isinstance(value, bool):
            return str(value)
        if isinstance(value, int):
            return self.number(value)
        if isinstance(value, datetime):
            return self.date(value)
        return str(value)

    def _digits(self, text: str) -> str:
        digits = _DIGITS.get(self.language)
        return text.translate(str.maketrans("0123456789", digits)) if digits else text


def category(language: str, number: int) -> str:
    """Return the plural category of a whole number (Unicode CLDR, plural rules)."""
    if language == "ja":
        return "other"
    if language == "ar":
        return _arabic(number)
    return "one" if number == 1 else "other"


def _arabic(number: int) -> str:
    if number in {0, 1, 2}:
        return ("zero", "one", "two")[number]
    rest = number % 100
    if 3 <= rest <= 10:  # noqa: PLR2004 - CLDR: n % 100 = 3..10
        return "few"
    return "many" if rest >= 11 else "other"  # noqa: PLR2004 - CLDR: n % 100 = 11..99


@cache
def words_of(language: str) -> Words:
    """Return the words of a language; of the default one if it has no catalogue."""
    known = language if language in LANGUAGES else DEFAULT
    texts: dict[str, Text] = {}
    for path in sorted((CATALOGUES / known).glob("*.json")):
        texts.update(json.loads(path.read_text("utf-8")))
    return Words(language=known, texts=texts)


def choose_language(chosen: str | None, accepted: str) -> str:
    """Return the language to speak.

    Args:
        chosen: what the person chose before, from a cookie; None if nothing.
        accepted: the ``Accept-Language`` header (RFC 9110, 12.5.4).
    """
    if chosen in LANGUAGES:
        return str(chosen)
    best, most = DEFAULT, 0.0
    for part in accepted[:1000].split(","):
        name, _, parameter = part.strip().partition(";")
        language = name.split("-")[0].strip().lower()
        weight = _weight(parameter)
        if language in LANGUAGES and weight > most:
            best, most = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
