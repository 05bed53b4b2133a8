"""Floors that a set keeps, or is refused: it has to help, and to say more than one thing.

All shares are per mille, rounded down, so that measuring again gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Final

from volens.core.canonical import Json
from volens.core.errors import Denied
from volens.principles.wording import near_duplicates, stems, tokens

LEAST_PAIRS: Final = 10
MOST_REFUSALS: Final = 100
LEAST_LENGTH: Final = 300
MOST_LENGTH: Final = 3_000
LEAST_TO_THE_POINT: Final = 800
LEAST_DISTINCT: Final = 300
MOST_REPEATED: Final = 100
_WINDOW: Final = 64
_WHOLE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is measured of one record. `repr` shows no text."""

    prompt: str = field(repr=False)
    chosen: str = field(repr=False)
    rejected: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What was measured of a set.

    Attributes:
        pairs: how many pairs are in it.
        refusals: share of chosen answers that begin like a refusal.
        length: the middle one of all lengths of chosen answers over those of rejected ones.
        to_the_point: share of chosen answers that take up a word of their request.
        distinct: distinct pairs of words among all pairs of words of the chosen answers, over 64
            answers each, on average (Li et al., "A Diversity-Promoting Objective Function for
            Neural Conversation Models", NAACL 2016).
        repeated: share of pairs that were left out because they nearly repeat an earlier one.
    """

    pairs: int
    refusals: int
    length: int
    to_the_point: int
    distinct: int
    repeated: int

    def document(self) -> dict[str, Json]:
        """Return them as manifests show them."""
        return asdict(self)


def leave_out_repeats(pairs: Sequence[Pair]) -> list[int]:
    """Return the indexes of pairs whose chosen answer nearly repeats an earlier one."""
    return near_duplicates([one.chosen for one in pairs])


def measure(pairs: Sequence[Pair], repeated: int, refuses: Callable[[str], bool]) -> Measures:
    """Measure the pairs that are left, of which `repeated` more were left out as repeats."""
    count = len(pairs)
    lengths = sorted(_WHOLE * len(one.chosen) // max(1, len(one.rejected)) for one in pairs)
    return Measures(
        pairs=count,
        refusals=_share(sum(refuses(one.chosen) for one in pairs), count),
        length=lengths[count // 2] if lengths else 0,
        to_the_point=_share(
            sum(bool(stems(one.prompt) & stems(one.chosen)) for one in pairs), count
        ),
        distinct=_distinct([one.chosen for one in pairs]),
        repeated=_share(repeated, count + repeated),
    )


def require_floors(measures: Measures) -> None:
    """Refuse a set that is below a floor.

    Raises:
        Denied: ``below_floor``, naming every floor with its number.
    """
    one = measures
    shares = (
        ("of the chosen answers refuse", one.refusals, 0, MOST_REFUSALS),
        ("of the rejected answers' length", one.length, LEAST_LENGTH, MOST_LENGTH),
        ("take up a word of their request", one.to_the_point, LEAST_TO_THE_POINT, _WHOLE),
        ("of all pairs of words are distinct", one.distinct, LEAST_DISTINCT, _WHOLE),
        ("nearly repeat others", one.repeated, 0, MOST_REPEATED),
    )
    below = [
        f"{_percent(value)} {what} ({_percent(least)} to {_percent(most)} are allowed)"
        for what, value, least, most in shares
        if not least <= value <= most
    ]
    if one.pairs < LEAST_PAIRS:
        below.insert(0, f"{one.pairs} pairs, at least {LEAST_PAIRS}")
    if below:
        hint = "more and more varied prompts, a better writer, or other principles"
        raise Denied("below_floor", f"the set is refused: {'; '.join(below)}", hint=hint)


def _distinct(texts: Sequence[str]) -> int:
    shares = []
    for at in range(0, len(texts), _WINDOW):
        found = [pair for text in texts[at : at + _WINDOW] for pair in pairwise(tokens(text))]
        shares.append(_share(len(set(found)), len(found)))
    return sum(shares) // len(shares) if shares else 0


def _share(part: int, of: int) -> int:
    return _WHOLE * part // of if of else 0


def _percent(per_mille: int) -> str:
    return f"{per_mille / 10:.1f}%"
