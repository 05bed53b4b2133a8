"""Floors of what redaction finds in the gold set, and what it must leave alone."""

import os
from pathlib import Path

import pytest

from volens.bench.redaction import NEGATIVES, clean_texts, read_gold, run, score
from volens.core.errors import NotFound
from volens.datasets.redaction.profiles import STANDARD, STRICT, Entity
from volens.datasets.redaction.redactor import Redactor

DATA = Path(
    os.environ.get("VOLENS_TEST_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)
needs_gold = pytest.mark.skipif(
    not (DATA / "presidio-research").is_dir(), reason="the presidio-research gold set is not here"
)

# Measured: 1.0 for each; the rules were tuned on this set, so the floors allow for little.
RECALL_FLOORS = {
    "EMAIL_ADDRESS": 1.0,
    "IBAN_CODE": 1.0,
    "US_SSN": 1.0,
    "IP_ADDRESS": 1.0,
    "CREDIT_CARD": 0.99,
    "PHONE_NUMBER": 0.97,
    "US_DRIVER_LICENSE": 1.0,
}


@needs_gold
def test_recall_and_precision_on_the_gold_set_do_not_fall() -> None:
    scored = score(read_gold(DATA), STANDARD)
    for label, floor in RECALL_FLOORS.items():
        assert scored.recall(label) >= floor, label
    for entity in (Entity.EMAIL, Entity.IBAN, Entity.CARD, Entity.IP, Entity.NATIONAL_ID):
        assert scored.precision(entity) == 1.0, entity
    assert scored.precision(Entity.PHONE) >= 0.98


@needs_gold
def test_streets_in_the_gold_set_are_mostly_missed_and_names_are_not_claimed() -> None:
    scored = score(read_gold(DATA), STRICT)
    assert 0.2 <= scored.recall("STREET_ADDRESS") <= 0.6
    assert scored.found["PERSON"] == 0
    assert any(line.startswith("PERSON") for line in scored.missed)


def test_of_the_negatives_one_is_taken_wrongly() -> None:
    redactor = Redactor(STANDARD)
    taken = [text[span.start : span.end] for text in NEGATIVES for span in redactor.find(text)]
    assert taken == ["10.2.3.4"]


def test_clean_texts_are_clean_even_for_the_strict_profile() -> None:
    assert not any(Redactor(STRICT).find(text) for text in clean_texts(10))


def test_without_data_the_bench_prints_false_positives_and_speed() -> None:
    lines: list[str] = []
    result = run(lines.append, None)
    assert set(result) == {"false_positives", "clean_speed"}
    assert any("wrongly taken" in line for line in lines)


def test_a_missing_gold_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no gold set at"):
        run(print, tmp_path)
