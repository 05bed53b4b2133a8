"""Raking by published numbers, by hand and by its properties; what weights cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from volens.insight.disclosure import margin
from volens.insight.weighting import (
    EXPLAINED,
    MOST,
    advise,
    effective_size,
    imbalance,
    rake,
)

SEED = np.array([[40, 30, 20, 10], [35, 50, 100, 75], [30, 80, 70, 120], [20, 30, 40, 50]])
ROWS, COLUMNS = np.array([150, 300, 400, 150]), np.array([200, 300, 400, 100])
PUBLISHED = np.array(
    [
        [64.61, 46.28, 35.42, 3.83],
        [49.95, 68.15, 156.49, 25.37],
        [56.70, 144.40, 145.06, 53.76],
        [28.74, 41.18, 63.03, 17.03],
    ]
)


def tables(most: int, least: int = 0) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.int64, (3, 2), elements=st.integers(least, most))


def test_a_table_is_raked_as_published() -> None:
    population = np.outer(ROWS, COLUMNS) // 1000
    raked = rake(SEED, population)
    assert raked.converged
    assert np.abs(SEED * raked.weights * 1000 / SEED.sum() - PUBLISHED).max() < 0.06


def test_one_margin_is_met_as_by_hand() -> None:
    sample, population = np.array([3, 1]), np.array([50, 50])
    raked = rake(sample, population)
    assert raked.weights == pytest.approx([2 / 3, 2])
    assert raked.converged
    assert effective_size(sample, raked.weights) == pytest.approx(3)


def test_a_sample_like_its_population_keeps_weight_one() -> None:
    raked = rake(np.array([[1, 2], [3, 4]]), np.array([[10, 20], [30, 40]]))
    assert raked.weights.tolist() == [[1, 1], [1, 1]]
    assert (raked.rounds, raked.converged) == (0, True)


def test_a_group_that_nobody_stands_for_is_never_called_met() -> None:
    raked = rake(np.array([1, 1, 0]), np.array([1, 1, 1]))
    assert not raked.converged
    assert raked.off == pytest.approx(1 / 3)


def test_a_bound_that_is_in_the_way_is_said() -> None:
    raked = rake(np.array([99, 1]), np.array([1, 1]))
    assert not raked.converged
    assert raked.weights.max() <= MOST


def test_a_bound_is_kept_and_the_margins_are_still_met_where_that_can_be() -> None:
    sample, population = np.array([[30, 5], [10, 8]]), np.array([[50, 30], [10, 10]])
    free, bound = rake(sample, population, most=100), rake(sample, population, most=2.4)
    assert free.weights.max() > 2.7
    assert bound.weights.max() == pytest.approx(2.4)
    assert bound.converged


def test_imbalance_is_as_by_hand_and_gone_after_raking() -> None:
    sample, population = np.array([3, 1]), np.array([50, 50])
    even = np.ones(2)
    assert imbalance(sample, population, even) == pytest.approx(0.25)  # (1/4)^2 / (1/2), twice
    assert imbalance(sample, population, rake(sample, population).weights) < 1e-9
    assert imbalance(np.array([4]), np.array([9]), np.ones(1)) == 0


@given(tables(20, least=1), tables(20, least=1))
def test_weights_are_positive_and_bounded_and_margins_are_met_if_it_says_so(
    sample: np.ndarray, population: np.ndarray
) -> None:
    raked = rake(sample, population)
    assert (raked.weights > 0).all()
    assert raked.weights.max() <= MOST
    assert effective_size(sample, raked.weights) <= sample.sum() + 1e-6
    if raked.converged:
        assert (sample * raked.weights).sum() == pytest.approx(sample.sum())
        for axis in range(2):
            held = (sample * raked.weights).sum(axis=1 - axis) / sample.sum()
            assert held == pytest.approx(margin(population, axis) / population.sum(), abs=1e-5)


@given(tables(20, least=1), tables(20, least=1))
def test_a_weight_is_the_product_of_its_groups_factors_up_to_the_bound(
    sample: np.ndarray, population: np.ndarray
) -> None:
    raked = rake(sample, population)
    product = np.minimum(np.outer(*raked.factors), MOST)
    assert raked.weights == pytest.approx(product)


def test_many_skewed_people_are_weighted_and_few_even_ones_are_not() -> None:
    population = np.array([5000, 5000])
    many, few = np.array([3000, 1000]), np.array([22, 18])
    assert advise(many, population, rake(many, population)).recommended
    advice = advise(few, population, rake(few, population))
    assert not advice.recommended
    assert advice.pays_from > EXPLAINED


def test_without_convergence_weights_are_never_recommended() -> None:
    sample, population = np.array([9000, 1000, 0]), np.array([1000, 1000, 1000])
    assert not advise(sample, population, rake(sample, population)).recommended


@pytest.mark.parametrize(
    ("explained", "sample"), [(0.01, (70, 30)), (0.4, (70, 30)), (0.2, (52, 48))]
)
def test_the_expected_error_is_what_drawing_again_and_again_shows(
    explained: float, sample: tuple[int, int]
) -> None:
    """Two groups of one size; their means lie apart so that they explain a share of variance 1."""
    counts, population = np.array(sample), np.array([500, 500])
    weights = rake(counts, population).weights
    advice = advise(counts, population, rake(counts, population))
    draw = np.random.default_rng(7)
    means = np.array([1, -1]) * np.sqrt(explained)
    noise = draw.normal(0, np.sqrt(1 - explained), (20_000, counts.sum()))
    values = noise + np.repeat(means, counts)
    errors = {}
    for name, each in (("before", np.ones(2)), ("after", weights)):
        spread = np.repeat(each, counts)
        errors[name] = float(np.mean(np.square(values @ spread / spread.sum())))
    for name, bias, variance in (
        ("before", advice.bias_before, advice.variance_before),
        ("after", advice.bias_after, advice.variance_after),
    ):
        assert explained * bias + (1 - explained) * variance == pytest.approx(
            errors[name], rel=0.05
        )
    assert (errors["after"] < errors["before"]) == (advice.pays_from < explained)
