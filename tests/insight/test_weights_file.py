"""The weights file: as its page says, strict, and good for the groups it names only."""

import json
from typing import Any

import pytest

from tests.docs.pages import vectors
from volens.core.errors import InvalidInput, NotFound
from volens.core.purposes import Purpose
from volens.core.time import parse_moment
from volens.insight.disclosure import table_of
from volens.insight.representation import represent_people
from volens.insight.weights_file import WeightsFile, read_weights, weights_file
from volens.policy.model import PolicyRef

COUNTED = {
    ("free", "4 turns or fewer"): (700, 80),
    ("free", "5 to 10 turns"): (500, 60),
    ("pro", "4 turns or fewer"): (200, 60),
    ("pro", "5 to 10 turns"): (600, 40),
}
REF = PolicyRef(name="consent-first", version="tiers-2025-05", hash="ab" * 32)


def made(counted: dict[tuple[str, ...], tuple[int, int]]) -> WeightsFile:
    found = represent_people(table_of(("plan", "length"), counted), [])
    at = parse_moment("2026-01-31T09:30:00.000Z")
    return weights_file(found, purpose=Purpose.BATCH_TRAINING, at=at, policy=REF)


def test_a_file_is_written_as_the_page_says_and_read_again() -> None:
    page = vectors("weights")
    data = made(COUNTED).encode()
    assert data.decode() == page["file"]
    file = read_weights(data)
    assert file == made(COUNTED)
    values = {"plan": page["plan"], "length": page["length"], "region": "eu"}
    assert f"{file.weight(values):.4f}" == page["weight"]


def test_the_factors_meet_the_margins_within_their_rounding() -> None:
    file = made(COUNTED)
    held = {
        key: used * file.weight(dict(zip(("plan", "length"), key, strict=True)))
        for key, (_, used) in COUNTED.items()
    }
    total = sum(held.values())
    assert total == pytest.approx(240, rel=0.02)
    for place in range(2):
        for group in {key[place] for key in COUNTED}:
            share = sum(weight for key, weight in held.items() if key[place] == group) / total
            people = sum(count for key, (count, _) in COUNTED.items() if key[place] == group)
            assert share == pytest.approx(people / 2000, abs=0.01)


def test_who_is_in_no_group_has_no_weight() -> None:
    with pytest.raises(NotFound, match="no group of plan has 'gov'"):
        made(COUNTED).weight({"plan": "gov", "length": "4 turns or fewer"})


def test_no_weight_is_larger_than_the_bound() -> None:
    counted = {("a",): (500, 300), ("b",): (500, 75)}
    file = weights_file(
        represent_people(table_of(("plan",), counted), []),
        purpose=Purpose.BATCH_TRAINING,
        at=parse_moment("2026-01-31T09:30:00.000Z"),
        policy=REF,
    )
    raised = json.loads(file.encode())
    raised["variables"][0]["groups"][1]["factor_hundredths"] = 99_999
    assert read_weights(_canonical(raised)).weight({"plan": "b"}) == 5


def test_weights_that_miss_a_margin_are_not_written() -> None:
    with pytest.raises(InvalidInput) as refused:
        made({("a", "x"): (500, 490), ("b", "x"): (5000, 10)})
    assert refused.value.code == "weights_missed"


def test_without_a_grouping_there_are_no_weights() -> None:
    with pytest.raises(InvalidInput) as refused:
        made({("a", "x"): (500, 400)})
    assert refused.value.code == "weights_missed"


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("version", "volens-weights/v2"),
        ("purpose", "identification"),
        ("at", "2026-01-31"),
        ("policy", {"name": "consent-first", "version": "1"}),
        ("most", 0),
        ("people", 243),
        ("effective", "200"),
        ("recommended", 1),
        ("variables", []),
        ("more", 1),
    ],
)
def test_other_members_are_refused(member: str, value: object) -> None:
    document = json.loads(made(COUNTED).encode())
    document[member] = value
    with pytest.raises(InvalidInput) as refused:
        read_weights(_canonical(document))
    assert refused.value.code == "weights_form"


@pytest.mark.parametrize(
    "group",
    [
        {"name": "free", "values": ["free"], "factor_hundredths": 0},
        {"name": "free", "values": [], "factor_hundredths": 1},
        {"name": "free", "values": ["free", "else"], "factor_hundredths": 1},
        {"name": "free", "values": ["pro"], "factor_hundredths": 1},
        {"name": "pro", "values": ["free"], "factor_hundredths": 1},
        {"name": "free", "values": ["free"]},
    ],
)
def test_other_groups_are_refused(group: dict[str, object]) -> None:
    document = json.loads(made(COUNTED).encode())
    document["variables"][0]["groups"][0] = group
    with pytest.raises(InvalidInput) as refused:
        read_weights(_canonical(document))
    assert refused.value.code == "weights_form"
