"""Who may be used beside everybody: what of it may be shown, and what follows from that; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from volens.insight.disclosure import STEP, TOGETHER, PeopleTable, Shown, disclose, rounded
from volens.insight.gap import Gap, Source, find_gaps
from volens.insight.weighting import Advice, Raked, advise, rake


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One group: everybody in it and those used, in numbers that may be printed."""

    group: str
    values: tuple[str, ...]
    """What the group is made of; more than one where groups are shown together."""
    everybody: int
    used: int
    share: float
    """Of everybody, from the rounded numbers; so is the next."""
    share_used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """One purpose's sample beside everybody with chats."""

    shown: Shown
    everybody: int
    """All people, rounded; so are those used."""
    used: int
    effective: int
    """How many equally weighted people tell as much, to two digits and rounded; never 0."""
    raked: Raked
    advice: Advice
    gaps: tuple[Gap, ...]

    def compared(self, place: int) -> tuple[Compared, ...]:
        """Return the groups of one shown variable, those shown together last."""
        variable = self.shown.table.variables[place]
        everybody, used = (
            [rounded(count) for count in counts.tolist()] for counts in self.shown.table.sums(place)
        )
        found = (
            Compared(
                group=group,
                values=values,
                everybody=everybody[at],
                used=used[at],
                share=everybody[at] / sum(everybody),
                share_used=used[at] / sum(used),
            )
            for at, (group, values) in enumerate(
                zip(variable.groups, variable.members, strict=True)
            )
        )
        return tuple(sorted(found, key=lambda one: one.group.startswith(TOGETHER)))


def represent_people(table: PeopleTable, sources: Iterable[Source]) -> Representation:
    """Compare those used with everybody, as far as that may be shown.

    Args:
        table: everybody by all variables, as counted.
        sources: the provenance labels of the policy.

    Raises:
        InvalidInput: ``sample_small`` (`disclose`).
    """
    shown = disclose(table)
    sample, population = shown.table.used, shown.table.everybody
    raked = rake(sample, population)
    advice = advise(sample, population, raked)
    return Representation(
        shown=shown,
        everybody=rounded(int(population.sum())),
        used=rounded(int(sample.sum())),
        effective=max(STEP, rounded(two_digits(advice.effective))),
        raked=raked,
        advice=advice,
        gaps=find_gaps(shown.table, sources, weights_recommended=advice.recommended),
    )


def two_digits(number: float) -> int:
    """Return a positive number to its first two digits; whole below 100."""
    scale = 1
    while number / scale >= 100:  # noqa: PLR2004 - two digits
        scale *= 10
    return round(number / scale) * scale
