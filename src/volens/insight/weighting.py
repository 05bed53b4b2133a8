"""Weights that make a sample look like its population, what they cost, and whether they pay; pure.

Raking (iterative proportional fitting): W. E. Deming and F. F. Stephan, "On a least squares
adjustment of a sampled frequency table when the expected marginal totals are known", Annals of
Mathematical Statistics 11(4), 1940. Effective sample size and design effect: L. Kish, Survey
Sampling, Wiley 1965, 11.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from volens.insight.disclosure import margin

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
MOST: Final = 5.0
"""No weight is larger."""
EXPLAINED: Final = 0.01
"""How much of what is measured the groups are taken to explain: a share of its variance.

An assumption, low on purpose: plan, region and length seldom say more about what people write.
"""
FEW: Final = 500
"""A sample of fewer people gets the warning that its weights are themselves uncertain."""
_ROUNDS: Final = 500
_NEAR: Final = 1e-6
"""The largest difference of a share from its target that counts as met."""
_FARTHEST: Final = 1e6
"""No factor is larger, and none smaller than one divided by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raked:
    """Factors, one for each group of each variable; a weight is their product, bounded."""

    factors: tuple[Floats, ...]
    weights: Floats
    """The weight of each cell, also of cells that nobody is in."""
    converged: bool
    """Every margin is met."""
    rounds: int
    off: float
    """The largest difference of a weighted share from its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What weighting gains and costs. The measure is standardised: its variance is 1."""

    people: int
    effective: float
    """How many equally weighted people tell as much, after weighting."""
    bias_before: float
    """Expected squared error from who is in the sample, if the groups explained everything."""
    bias_after: float
    variance_before: float
    """Expected squared error from there being so few people, if the groups explained nothing."""
    variance_after: float
    pays_from: float
    """The share explained from which weights lower the error; 1 if they never do."""
    converged: bool

    @property
    def recommended(self) -> bool:
        """Say whether weights lower the expected squared error if `EXPLAINED` is right."""
        return self.converged and self.pays_from < EXPLAINED


def rake(sample: Counts, population: Counts, *, most: float = MOST) -> Raked:
    """Return weights under which each margin of `sample` has the shares of `population`.

    Weights are factors multiplied, one for each group of each variable, and at most `most`. Their
    mean over the sample is 1 if they have converged. They have not if a group that the population
    has is empty in the sample, or if the bound is in the way.

    Args:
        sample: how many people are in each cell; at least one person.
        population: the same cells; at least one person.
        most: the bound, at least 1.
    """
    total = float(sample.sum())
    targets = [
        margin(population, axis) / population.sum() * total for axis in range(population.ndim)
    ]
    factors = [np.ones(size, dtype=np.float64) for size in sample.shape]
    weights = np.ones(sample.shape, dtype=np.float64)
    rounds, off = 0, _furthest(sample, weights, targets)
    while off > _NEAR and rounds < _ROUNDS:
        for axis, wanted in enumerate(targets):
            held = _weighted(sample, weights, axis)
            ratio = np.divide(wanted, held, out=np.ones_like(held), where=held > 0)
            factors[axis] = np.clip(factors[axis] * ratio, 1 / _FARTHEST, _FARTHEST)
            weights = np.minimum(_product(factors), most)
        rounds, off = rounds + 1, _furthest(sample, weights, targets)
    return Raked(
        factors=tuple(factors), weights=weights, converged=off <= _NEAR, rounds=rounds, off=off
    )


def effective_size(sample: Counts, weights: Floats) -> float:
    """Return (sum w)^2 / sum w^2: how many equally weighted people tell as much (Kish 1965)."""
    return float((sample * weights).sum() ** 2 / (sample * np.square(weights)).sum())


def imbalance(sample: Counts, population: Counts, weights: Floats) -> float:
    """Return how far the weighted sample's margins are from the population's, 0 if alike.

    For each variable: the sum over groups of (share - target)^2 / target, divided by the number of
    groups less one; the mean over variables. It is the expected squared bias of a measure with
    variance 1 that the groups explain fully, if nothing more is known of how; an even sample of n
    people drawn by chance has 1/n.
    """
    total = float((sample * weights).sum())
    found = []
    for axis in range(sample.ndim):
        target = margin(population, axis) / population.sum()
        there = target > 0
        off = np.square(_weighted(sample, weights, axis) / total - target)
        groups = int(there.sum())
        if groups > 1:
            found.append(float((off[there] / target[there]).sum()) / (groups - 1))
    return sum(found) / len(found) if found else 0.0


def advise(sample: Counts, population: Counts, raked: Raked) -> Advice:
    """Return what the weights gain and cost, and from which share explained they pay.

    With r the share of the measure's variance that the groups explain, the expected squared error
    is r * bias + (1 - r) * variance; variance is 1/n, and 1/effective size with weights.
    """
    people = int(sample.sum())
    even = np.ones(sample.shape, dtype=np.float64)
    effective = effective_size(sample, raked.weights)
    before, after = (imbalance(sample, population, one) for one in (even, raked.weights))
    gain, cost = before - after, max(0.0, 1 / effective - 1 / people)
    return Advice(
        people=people,
        effective=effective,
        bias_before=before,
        bias_after=after,
        variance_before=1 / people,
        variance_after=1 / effective,
        pays_from=cost / (cost + gain) if gain > 0 else 1.0,
        converged=raked.converged,
    )


def _product(factors: Sequence[Floats]) -> Floats:
    made = np.ones((1,) * len(factors), dtype=np.float64)
    for axis, one in enumerate(factors):
        made = made * one.reshape([-1 if at == axis else 1 for at in range(len(factors))])
    return made


def _weighted(sample: Counts, weights: Floats, axis: int) -> Floats:
    others = tuple(at for at in range(sample.ndim) if at != axis)
    return np.asarray((sample * weights).sum(axis=others), dtype=np.float64)


def _furthest(sample: Counts, weights: Floats, targets: Sequence[Floats]) -> float:
    total = float(sample.sum())
    return max(
        (
            float(np.abs(_weighted(sample, weights, axis) - wanted).max()) / total
            for axis, wanted in enumerate(targets)
        ),
        default=0.0,
    )
