"""Which groups are missing from a sample, how many people each, and what may stand in; pure.

Only people of a group speak for it. Everything else that can fill a gap is labelled as what it is,
and may stand for a part of the group at most. The parts are this product's judgement, written here
so that it can be argued with; no law and no study names them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from volens.insight.disclosure import STEP, PeopleTable, rounded
from volens.insight.weighting import MOST

TOLERANCE: Final = Fraction(4, 5)
"""A group is missing people if its share is below this part of its share of everybody."""
STAND_IN: Final = Fraction(1, 4)
"""Text that nobody of the group wrote stands for no more than this part of what is missing."""


class FillerKind(StrEnum):
    """What can fill a gap; those that bring records have the keys of the policy's sources (R12)."""

    CONTRIBUTORS = "contributors"
    REWEIGHTING = "reweighting"
    PUBLIC_TEXT = "public_text"
    SYNTHETIC = "synthetic"
    CURATED = "curated"
    PRINCIPLE_BASED = "principle_based"
    SMALL_DATA = "small_data"


WITHOUT_RECORDS: Final = frozenset({FillerKind.REWEIGHTING, FillerKind.SMALL_DATA})
"""They bring no records: what is trained on keeps the labels it has."""

WHY: Final[Mapping[FillerKind, str]] = {
    FillerKind.CONTRIBUTORS: (
        "people of the group speak for it; each gives a yes and can take it back"
    ),
    FillerKind.REWEIGHTING: "the same people count more; nobody new is heard",
    FillerKind.PUBLIC_TEXT: "written for everybody, not to an assistant; a quarter at most",
    FillerKind.SYNTHETIC: (
        "repeats who is there already and loses the rare first; a quarter at most, with public "
        "text, and no more than the people it is made after"
    ),
    FillerKind.CURATED: "chosen from people who said yes already: nobody new",
    FillerKind.PRINCIPLE_BASED: "teaches how to behave; tells nothing of a group",
    FillerKind.SMALL_DATA: (
        "adapters, fewer steps, stronger regularisation, a score for each group; no records"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A provenance label of the policy: what records may be called."""

    key: str
    needs_grant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """One way to fill a gap, and for how many people it may stand."""

    kind: FillerKind
    people: int
    """At most; 0 if it can't stand for any of them. A multiple of `STEP`."""
    named: bool
    """The policy has this label, or none is needed. What it doesn't name may not be used."""
    needs_grant: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A group that has too small a part of the sample."""

    variable: str
    group: str
    missing: int
    """How many more of its people are needed, with those of the variable's other gaps added too;
    rounded up to `STEP`."""
    others: int
    """How many of its people may not be used now, rounded. Among them are those who said no."""
    fillers: tuple[Filler, ...]


def find_gaps(
    table: PeopleTable, sources: Iterable[Source], *, weights_recommended: bool
) -> tuple[Gap, ...]:
    """Return the groups that are missing people, variable by variable, the largest gap first.

    Args:
        table: what may be shown; only its sums are looked at.
        sources: the provenance labels that the policy has.
        weights_recommended: whether weights lower the error; otherwise they fill nothing.
    """
    known = {source.key: source for source in sources}
    found = []
    for place, variable in enumerate(table.variables):
        everybody, used = (counts.tolist() for counts in table.sums(place))
        gaps = []
        for at, count in enumerate(needed(everybody, used)):
            if count:
                missing = math.ceil(count / STEP) * STEP
                gaps.append(
                    Gap(
                        variable=variable.name,
                        group=variable.groups[at],
                        missing=missing,
                        others=rounded(everybody[at] - used[at]),
                        fillers=_fillers(
                            missing, rounded(used[at]), known, weighted=weights_recommended
                        ),
                    )
                )
        found += sorted(gaps, key=lambda gap: -gap.missing)
    return tuple(found)


def needed(
    everybody: Sequence[int], used: Sequence[int], *, tolerance: Fraction = TOLERANCE
) -> list[int]:
    """Return the fewest people to add to each group so that none is below `tolerance`.

    A group is below it if its part of those used is less than `tolerance` times its part of
    everybody. Adding to one group makes the others' parts smaller; that is counted in.

    Args:
        everybody: how many people there are in each group; one at least in all.
        used: how many of each are used.
        tolerance: below 1.
    """
    total, people = sum(used), sum(everybody)
    added = [0] * len(used)
    while True:
        now = total + sum(added)
        wanted = [
            max(0, math.ceil(tolerance * count * now / people) - have)
            for count, have in zip(everybody, used, strict=True)
        ]
        if wanted == added:
            return added
        added = wanted


def _fillers(
    missing: int, used: int, known: Mapping[str, Source], *, weighted: bool
) -> tuple[Filler, ...]:
    stand_ins = int(missing * STAND_IN) // STEP * STEP
    people = {
        FillerKind.CONTRIBUTORS: missing,
        FillerKind.REWEIGHTING: min(missing, int((MOST - 1) * used)) if weighted else 0,
        FillerKind.PUBLIC_TEXT: stand_ins,
        FillerKind.SYNTHETIC: min(stand_ins, used),
    }
    made = []
    for kind in FillerKind:
        source = known.get(kind.value)
        named = kind in WITHOUT_RECORDS or source is not None
        made.append(
            Filler(
                kind=kind,
                people=people.get(kind, 0) if named else 0,
                named=named,
                needs_grant=source is not None and source.needs_grant,
                why=WHY[kind] if named else "this policy has no such label: it may not be used",
            )
        )
    return tuple(made)
