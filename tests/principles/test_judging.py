"""No judge is used before it was tried, and one that guesses or leans does not pass."""

import json
from math import isclose

import pytest

from tests.principles.models import FakeWriter, able, always_first, tossing
from volens.core.errors import Denied, InvalidInput
from volens.principles.asking import Choice, read_choice
from volens.principles.judging import (
    LEAST_PAIRS,
    GateResult,
    open_labelled,
    prefers,
    read_gate,
    read_labelled,
    require_passed,
    try_judge,
    wilson_lower,
)
from volens.principles.strict import Members


def quiet(done: int, total: int) -> None:
    assert done <= total


def tried(writer: FakeWriter) -> GateResult:
    return try_judge(writer, open_labelled(None), tell=quiet)


def test_a_judge_that_judges_as_people_do_passes() -> None:
    result = tried(FakeWriter(able))
    assert (result.right, result.pairs, result.read, result.leaning) == (40, 40, 80, 0)
    require_passed(result)


@pytest.mark.parametrize("brain", [always_first, tossing, lambda *_: "", lambda *_: "Neither."])
def test_one_that_guesses_leans_or_says_nothing_is_refused(brain: object) -> None:
    result = tried(FakeWriter(brain))  # type: ignore[arg-type]  # lambdas of a test
    assert not result.passed
    with pytest.raises(Denied, match="was right about") as refused:
        require_passed(result)
    assert refused.value.code == "judge_refused"


def test_whoever_takes_the_first_is_right_about_nothing() -> None:
    result = tried(FakeWriter(always_first))
    assert (result.right, result.leaning) == (0, 500)


def test_each_pair_is_asked_about_both_ways_round() -> None:
    writer = FakeWriter(able)
    tried(writer)
    asked = [messages[-1].text for messages, _ in writer.asked]
    assert len(set(asked)) == 2 * len(open_labelled(None).pairs)
    assert all(sampling.thousandths == 0 for _, sampling in writer.asked)


def test_the_interval_is_wilsons() -> None:
    assert isclose(wilson_lower(30, 30), 0.8865, abs_tol=1e-4)  # z*z / (n + z*z) from 1
    assert isclose(wilson_lower(15, 30), 0.3315, abs_tol=1e-4)
    assert wilson_lower(0, 30) == 0
    assert wilson_lower(0, 0) == 0


def test_too_few_pairs_show_nothing(labelled_lines: list[str]) -> None:
    few = "\n".join(labelled_lines[: LEAST_PAIRS - 1]).encode()
    with pytest.raises(InvalidInput, match="at least 30"):
        read_labelled(few, place="x")


@pytest.fixture
def labelled_lines() -> list[str]:
    keys = ("id", "principle", "prompt", "better", "worse")
    return [
        json.dumps({key: getattr(one, key) for key in keys}) for one in open_labelled(None).pairs
    ]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ('"better"', '"best"', InvalidInput),
        ('"worse"', '"worse": "x", "worse"', InvalidInput),
        ("pair-02", "pair-01", InvalidInput),
        ("pair-02", "User: a\\nAssistant: b", InvalidInput),
    ],
)
def test_a_labelled_set_is_read_strictly(
    labelled_lines: list[str], old: str, new: str, kind: type[InvalidInput]
) -> None:
    text = "\n".join(labelled_lines)
    read_labelled(text.encode(), place="x")
    if new.startswith("User"):
        text = text.replace('"worse": "Both are white', f'"worse": "{new} Both are white')
        with pytest.raises(Denied):
            read_labelled(text.encode(), place="x")
        return
    with pytest.raises(kind):
        read_labelled(text.replace(old, new, 1).encode(), place="x")


def test_a_result_is_read_back_and_a_bettered_one_is_not() -> None:
    result = tried(FakeWriter(tossing))
    document = result.document()
    assert read_gate(Members(document, place="x", code="x")) == result
    for change in (
        {"passed": True},
        {"right": 40},
        {"least_right": 900},
        {"leaning": 1},
        {"right": 41},
        {"read": 81},
    ):
        with pytest.raises(InvalidInput):
            read_gate(Members({**document, **change}, place="x", code="x"))


def test_a_preference_counts_only_both_ways_round() -> None:
    texts = ("To begin, open it.", "Trust me, open it.")
    assert prefers(FakeWriter(able), ["Be honest."], "How?", texts)
    assert not prefers(FakeWriter(able), ["Be honest."], "How?", texts[::-1])
    assert not prefers(FakeWriter(always_first), ["Be honest."], "How?", texts)


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("A", Choice.A),
        (" b.", Choice.B),
        ("**B**", Choice.B),
        ("Answer: A", Choice.A),
        ("(A) is better", Choice.A),
        ("Ah, well", Choice.UNREADABLE),
        ("Both are good", Choice.UNREADABLE),
        ("The better one is A", Choice.UNREADABLE),
        ("", Choice.UNREADABLE),
    ],
)
def test_a_reply_is_a_letter_and_nothing_before_it(reply: str, choice: Choice) -> None:
    assert read_choice(reply) is choice
