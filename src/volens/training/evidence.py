"""What a model still gives away about records: measured from losses, with numbers and confidence.

This is evidence about a model, beside the proof that it was trained without the records. It can
show that something was remembered; it can't show that nothing was. Smaller losses: better known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from volens.core.errors import InvalidInput

FEWEST: Final = 2
"""Records on each side, below which no interval can be given."""
BLIND: Final = 0.5
"""The area of guessing blindly."""
_NORMAL_95: Final = 1.959963984540054  # the 97.5 % point of the standard normal distribution

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well losses tell members of a training set from others.

    Attributes:
        area: the area under the ROC curve of guessing "member" from a small loss, 0 to 1; one half
            is what guessing blindly gives.
        low: lower end of its 95 % confidence interval.
        high: upper end.
        members: how many members were measured.
        others: how many others.
    """

    area: float
    low: float
    high: float
    members: int
    others: int

    @property
    def at_chance(self) -> bool:
        """Say whether the interval holds one half: no telling apart was found."""
        return self.low <= BLIND <= self.high


def separate(members: Sequence[float], others: Sequence[float]) -> Separation:
    """Return how well the losses of members stand apart from those of others.

    The area is the Mann-Whitney statistic, ties counted by half; the interval is that of Hanley and
    McNeil, "The Meaning and Use of the Area under a ROC Curve" (Radiology 143, 1982). Where no pair
    is out of order theirs has no width; then it reaches three over the smaller number, which is
    what none among n can't rule out ("rule of three"; Hanley and Lippman-Hand, JAMA 249, 1983).

    Raises:
        InvalidInput: ``too_few_losses`` below `FEWEST` on a side; ``loss_form``.
    """
    inside, outside = _losses(members), _losses(others)
    count_in, count_out = len(inside), len(outside)
    if min(count_in, count_out) < FEWEST:
        message = f"{count_in} members and {count_out} others were measured"
        hint = f"measure {FEWEST} or more of each; some dozens say something"
        raise InvalidInput("too_few_losses", message, hint=hint)
    ordered = np.sort(outside)
    smaller = np.searchsorted(ordered, inside, side="left")
    not_greater = np.searchsorted(ordered, inside, side="right")
    worse = count_out - (smaller + not_greater) / 2
    area = float(worse.sum() / (count_in * count_out))
    both_in, both_out = area / (2 - area), 2 * area * area / (1 + area)
    spread = (
        area * (1 - area)
        + (count_in - 1) * (both_in - area * area)
        + (count_out - 1) * (both_out - area * area)
    ) / (count_in * count_out)
    whole = area in {0.0, 1.0}
    reach = 3 / min(count_in, count_out) if whole else _NORMAL_95 * sqrt(spread)
    return Separation(
        area=area,
        low=max(0.0, area - reach),
        high=min(1.0, area + reach),
        members=count_in,
        others=count_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How far a planted secret stands out among secrets of its kind that were never trained on.

    Attributes:
        bits: log2 of the number of candidates, the secret among them, over its rank; 0 if it is the
            least likely of them. A secret that was never seen has `bits` above b with a chance
            of 2^-b.
        rank: its place by loss, from 1; it stands before those with an equal loss.
        candidates: how many were compared, the secret among them.
    """

    bits: float
    rank: int
    candidates: int

    @property
    def most(self) -> float:
        """The most bits that so many candidates can show."""
        return log2(self.candidates)

    @property
    def chance(self) -> float:
        """The chance that a secret that was never seen ranks as high: rank over candidates."""
        return self.rank / self.candidates


def expose(secret: float, unseen: Sequence[float]) -> Exposure:
    """Return the exposure of a secret with this loss among unseen candidates of the same form.

    Carlini et al., "The Secret Sharer" (USENIX Security 2019), section 4, by ranking a random
    sample of the candidates.

    Raises:
        InvalidInput: ``too_few_losses`` below `FEWEST` candidates; ``loss_form``.
    """
    others = _losses(unseen)
    own = float(_losses([secret])[0])
    if len(others) < FEWEST:
        message = f"{len(others)} candidates were measured beside the secret"
        raise InvalidInput("too_few_losses", message, hint=f"measure {FEWEST} or more")
    # Among equal losses the secret comes first: exposure is never shown as too little.
    rank = 1 + int(np.count_nonzero(others < own))
    candidates = len(others) + 1
    return Exposure(bits=log2(candidates / rank), rank=rank, candidates=candidates)


def _losses(values: Sequence[float]) -> Losses:
    losses = np.asarray(values, dtype=np.float64)
    if losses.ndim != 1 or not bool(np.isfinite(losses).all()):
        raise InvalidInput("loss_form", "a loss is not a number")
    return losses
