"""What losses give away: areas and exposures by hand, then properties."""

from math import inf, log2, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput
from volens.training.evidence import expose, separate

LOSS = st.floats(min_value=0.0, max_value=20.0)
SOME = st.lists(LOSS, min_size=2, max_size=40)


def test_losses_that_all_differ_are_told_apart_wholly() -> None:
    found = separate([0.1] * 50, [2.0] * 60)
    assert found.area == 1.0
    assert not found.at_chance
    assert (found.members, found.others) == (50, 60)


def test_the_area_counts_pairs_and_half_of_ties() -> None:
    # Pairs (member, other): 1<2, 1<3, 2=2 (half), 2<3: three and a half of four.
    assert separate([1.0, 2.0], [2.0, 3.0]).area == 3.5 / 4


def test_the_interval_is_that_of_hanley_and_mcneil() -> None:
    # By hand, 3 of 4 pairs in order: area .75, Q1 = .75/1.25 = .6, Q2 = 1.125/1.75 = .642857.
    # Two on each side: (.1875 + .0375 + .080357)/4 = .0763393, root .276296; the end is cut at 1.
    few = separate([1.0, 3.0], [2.0, 4.0])
    assert few.area == 0.75
    assert few.low == pytest.approx(0.75 - 1.959964 * 0.276296, abs=1e-5)
    assert few.high == 1.0
    # 400 on each side: (.1875 + 399 * (.0375 + .080357))/160000 = .000295078, root .0171778.
    many = separate([1.0, 3.0] * 200, [2.0, 4.0] * 200)
    assert many.high - many.area == pytest.approx(1.959964 * 0.0171778, abs=1e-5)


def test_few_records_without_overlap_prove_little() -> None:
    assert separate([0.1, 0.1], [2.0, 2.0]).at_chance
    assert not separate([0.1] * 20, [2.0] * 20).at_chance


@given(SOME, SOME)
def test_the_sides_mirror_each_other(members: list[float], others: list[float]) -> None:
    one, two = separate(members, others), separate(others, members)
    assert one.area + two.area == pytest.approx(1.0)
    assert 0.0 <= one.low <= one.area <= one.high <= 1.0


@given(SOME)
def test_equal_sides_are_at_chance(losses: list[float]) -> None:
    found = separate(losses, losses)
    assert found.area == pytest.approx(0.5)
    assert found.at_chance


def test_the_best_known_of_1024_stands_out_by_ten_bits() -> None:
    found = expose(0.5, [1.0] * 1023)
    assert (found.bits, found.rank, found.candidates, found.most) == (10.0, 1, 1024, 10.0)
    assert found.chance == 1 / 1024


def test_the_least_known_does_not_stand_out() -> None:
    assert expose(5.0, [1.0] * 1023).bits == 0.0


@given(LOSS, SOME)
def test_a_smaller_loss_never_shows_less(secret: float, unseen: list[float]) -> None:
    found = expose(secret, unseen)
    assert found.bits == log2(found.candidates / found.rank)
    assert 0.0 <= found.bits <= found.most
    assert expose(secret / 2, unseen).bits >= found.bits


@pytest.mark.parametrize("bad", [nan, inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(InvalidInput, match="not a number"):
        separate([1.0, bad], [1.0, 2.0])
    with pytest.raises(InvalidInput, match="not a number"):
        expose(bad, [1.0, 2.0])


def test_too_few_are_refused() -> None:
    with pytest.raises(InvalidInput, match="1 members and 2 others"):
        separate([1.0], [1.0, 2.0])
    with pytest.raises(InvalidInput, match="1 candidates"):
        expose(1.0, [2.0])
