"""Table, Cedar and the reference rule give one answer: verdict and reasons."""

import random
import re
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.packs import AT, tiers_pack, tiers_policy
from volens.core.errors import InvalidInput
from volens.core.purposes import Purpose
from volens.policy.decision import Policy
from volens.policy.model import (
    CLASS_COUNT,
    DIGITS,
    PURPOSE_CLASSES,
    ClassAttributes,
    GrantState,
    ReasonCode,
    TierState,
    decode,
    encode,
    every_class,
)
from volens.policy.packs import list_packs, load_pack
from volens.policy.reference import decide_reference


def check_agreement(policy: Policy, attributes: ClassAttributes) -> None:
    decision = policy.decide_class(attributes)
    expected = decide_reference(policy.pack, attributes)
    assert (decision.permit, decision.reasons) == expected, attributes
    assert decision.reasons
    assert ReasonCode.POLICY_ERROR not in decision.reasons


@given(st.integers(0, CLASS_COUNT - 1))
def test_codes_and_attributes_are_one_to_one(code: int) -> None:
    assert encode(decode(code)) == code


def test_codes_of_one_purpose_are_consecutive() -> None:
    codes = [encode(attributes) for attributes in every_class(Purpose.BATCH_TRAINING)]
    assert codes == list(range(codes[0], codes[0] + PURPOSE_CLASSES))


def test_a_code_is_the_one_that_the_format_page_gives() -> None:
    attributes = ClassAttributes(
        purpose=Purpose.BATCH_TRAINING, tier=TierState.PUBLIC, grant=GrantState.ACTIVE
    )
    assert encode(attributes) == 594720
    page = (Path(__file__).parents[2] / "docs" / "formats" / "policy-pack.md").read_text("utf-8")
    assert "code 594720" in page
    assert f"{CLASS_COUNT:,} in all" in page
    assert f"has {PURPOSE_CLASSES:,} classes" in page
    for name, values in DIGITS[1:]:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` | `"))
        words = line.partition(" | ")[2].partition(";")[0].partition(":")[0]
        assert re.findall(r"`(\w+)`", words) == list(values)


@pytest.mark.parametrize("code", [-1, CLASS_COUNT])
def test_a_code_out_of_range_is_refused(code: int) -> None:
    with pytest.raises(InvalidInput):
        decode(code)


def test_a_seeded_sample_of_classes_agrees() -> None:
    rng = random.Random(7)
    for code in rng.sample(range(CLASS_COUNT), 4000):
        check_agreement(tiers_policy(), decode(code))


def test_every_pair_of_attribute_values_agrees_at_least_once() -> None:
    rng = random.Random(11)
    for (one, ones), (two, twos) in combinations(DIGITS, 2):
        for first, second in product(ones, twos):
            values = {name: rng.choice(options) for name, options in DIGITS}
            check_agreement(tiers_policy(), ClassAttributes(**{**values, one: first, two: second}))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, CLASS_COUNT - 1))
def test_the_table_repeats_what_cedar_says(code: int) -> None:
    policy = tiers_policy()
    asked = policy.decide_class(decode(code))
    assert policy.table().decision(code, AT) == asked
    assert policy.table().verdicts(np.array([code], dtype=np.int32), AT).tolist() == [asked.permit]


@pytest.mark.slow
@pytest.mark.parametrize("purpose", [*Purpose, None])
def test_every_class_agrees(purpose: Purpose | None) -> None:
    for attributes in every_class(purpose):
        check_agreement(tiers_policy(), attributes)


@pytest.mark.parametrize("listing", list_packs(), ids=lambda item: f"{item.name}-{item.version}")
def test_every_shipped_pack_agrees_on_a_sample(listing: object) -> None:
    policy = Policy(load_pack(listing.name, listing.version))  # type: ignore[attr-defined]
    rng = random.Random(3)
    for code in rng.sample(range(CLASS_COUNT), 1000):
        check_agreement(policy, decode(code))


def test_no_class_is_permitted_for_a_consent_purpose_without_an_active_grant() -> None:
    rng = random.Random(5)
    for attributes in rng.sample(list(every_class(Purpose.SAFETY_TRAINING)), 3000):
        permit, _ = decide_reference(tiers_pack(), attributes)
        assert not permit or attributes.grant.startswith("active")
