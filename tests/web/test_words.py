"""Every language says everything, with its own plurals, dates and numbers."""

import json
import re
from datetime import UTC, datetime

import pytest

from volens.web.words import CATALOGUES, LANGUAGES, PLURALS, category, choose_language, words_of

PLACES = re.compile(r"\{([a-z_]+)\}")
PARTS = sorted(path.name for path in (CATALOGUES / "en").glob("*.json"))
STAFF_PARTS = {"console.json"}
"""Words of the staff console, which speaks English and German; others read it in English."""
STAFF_LANGUAGES = {"en", "de"}
SAID = [
    (language, part)
    for language in sorted(LANGUAGES)
    for part in PARTS
    if part not in STAFF_PARTS or language in STAFF_LANGUAGES
]
AT = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)


def places(text: str | dict[str, str]) -> set[str]:
    """Return the placeholders of a text, of its fullest plural form."""
    return set(PLACES.findall(text if isinstance(text, str) else text["other"]))


@pytest.mark.parametrize(("language", "part"), SAID)
def test_every_key_is_there_in_every_language_with_the_same_placeholders(
    language: str, part: str
) -> None:
    english = json.loads((CATALOGUES / "en" / part).read_text("utf-8"))
    other = json.loads((CATALOGUES / language / part).read_text("utf-8"))
    assert list(other) == list(english)
    for key, text in other.items():
        assert places(text) == places(english[key]), key
        assert isinstance(text, str) == isinstance(english[key], str), key
        for said in [text] if isinstance(text, str) else text.values():
            assert said.strip(), key
            assert "<" not in said, f"{key}: texts hold no markup"
        if not isinstance(text, str):
            assert set(text) == PLURALS[language], key


def test_no_key_is_in_two_parts() -> None:
    keys = [key for part in PARTS for key in json.loads((CATALOGUES / "en" / part).read_text())]
    assert len(keys) == len(set(keys))


def test_no_language_has_a_part_of_its_own() -> None:
    for language in LANGUAGES:
        parts = {path.name for path in (CATALOGUES / language).iterdir()}
        wanted = set(PARTS) if language in STAFF_LANGUAGES else set(PARTS) - STAFF_PARTS
        assert parts == wanted


# Unicode CLDR, plural rules, cardinals: the samples of the Arabic categories
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "zero"),
        (1, "one"),
        (2, "two"),
        (3, "few"),
        (10, "few"),
        (11, "many"),
        (99, "many"),
        (100, "other"),
        (102, "other"),
        (103, "few"),
        (111, "many"),
    ],
)
def test_arabic_has_six_plural_forms(number: int, expected: str) -> None:
    assert category("ar", number) == expected


@pytest.mark.parametrize(
    ("language", "date", "number"),
    [
        ("en", "3 November 2026", "12,345"),
        ("de", "3. November 2026", "12.345"),
        ("es", "3 de noviembre de 2026", "12.345"),
        ("ja", "2026年11月3日", "12,345"),
        ("ar", "٣ نوفمبر ٢٠٢٦", "١٢٬٣٤٥"),
    ],
)
def test_dates_and_numbers_are_written_as_the_language_does(
    language: str, date: str, number: str
) -> None:
    words = words_of(language)
    assert words.date(AT) == date
    assert words.number(12_345) == number


def test_spanish_groups_from_five_digits_on() -> None:
    assert words_of("es").number(1234) == "1234"


@pytest.mark.parametrize(
    ("chosen", "accepted", "expected"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        (None, "fr,ja;q=0.4,es;q=0.7", "es"),
        (None, "fr", "en"),
        (None, "de;q=nonsense", "en"),
        ("ar", "de", "ar"),
        ("xx", "de", "de"),
    ],
)
def test_the_chosen_language_goes_before_the_accepted_one(
    chosen: str | None, accepted: str, expected: str
) -> None:
    assert choose_language(chosen, accepted) == expected


def test_only_arabic_runs_from_right_to_left() -> None:
    found = [name for name in LANGUAGES if words_of(name).direction == "rtl"]
    assert found == ["ar"]
