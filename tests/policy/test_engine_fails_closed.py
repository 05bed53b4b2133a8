"""Whatever goes wrong inside the engine is a deny with an error, never an exception."""

import pytest

from tests.policy.packs import tiers_policy
from volens.policy.cedar import CONTEXT, Engine


def engine() -> Engine:
    policy = tiers_policy()
    return Engine(policy.pack.cedar, policy.pack.schema)


class Bad:
    """A value that no question can hold."""


@pytest.mark.parametrize(
    "context",
    [
        {},
        dict.fromkeys(CONTEXT, "no such value"),
        {**dict.fromkeys(CONTEXT, "none"), "more": "x"},
        dict.fromkeys(CONTEXT, 1),
        dict.fromkeys(CONTEXT),
        {"tier": Bad()},
    ],
    ids=["nothing", "unknown values", "too much", "numbers", "nulls", "no JSON"],
)
@pytest.mark.parametrize("action", ["batch_training", "no such action", ""])
def test_a_question_that_makes_no_sense_is_denied(action: str, context: dict[str, str]) -> None:
    answer = engine().ask_in_context(action, context)
    assert not answer.allowed
    assert answer.errors or answer.rules
