"""What may be shown about people in groups, so that no person's answer follows from it; pure.

The answer is whether somebody may be used for a purpose. A table says of people by plan, region and
the like how many there are and how many may be used. Shown are the sums for each group of each
variable, never how the groups lie across one another. The rule:

1. *Enough on both sides.* A group is shown if at least `FEWEST` of its people may be used and at
   least `FEWEST` may not. Until that is so, the two groups of a variable with the fewest people are
   shown as one. Then no group is left to be found by subtraction, and merging looks at answers only
   to know when to stop. A variable of which one group remains is left out; if the people of one
   answer are too few altogether, nothing is shown.
2. *No answer by taking differences.* Groups of two variables can lie so across one another that a
   difference of their sums speaks of one person. So for everybody there has to be another world in
   which that person's answer is the other one and each sum is the same: a change of two answers in
   the same place of all variables, or of four that cancel out. Where there is none, the last
   variable is left out, too.
3. *Coarse numbers.* What is printed is rounded to `STEP`: it seldom moves if one person does.

The rule holds against somebody who knows everybody's groups and nobody's answer, and solves for the
answers; with one variable also if that somebody reasons about why groups were merged. It is no
guarantee against somebody who knows all answers but one, or who compares reports before and after
a single change, and reasoning about why a variable was left out can tell answers in tables of a
few people: docs/representation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from volens.core.errors import InvalidInput

FEWEST: Final = 10
"""The fewest people that a number is shown about."""
STEP: Final = 5
"""What is printed is a multiple of it."""
TOGETHER: Final = "(others)"
"""The name of groups shown together; no plan and no region is called so."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One thing that people are grouped by."""

    name: str
    groups: tuple[str, ...]
    """What each group is shown as; each once."""
    members: tuple[tuple[str, ...], ...]
    """For each group, the values that belong to it; each value in one group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTable:
    """People counted by some variables at once; one axis of the counts for each variable."""

    variables: tuple[Variable, ...]
    everybody: Counts
    used: Counts
    """How many of them may be used; never more than `everybody`."""

    def sums(self, place: int) -> tuple[Counts, Counts]:
        """Return everybody and those used, for each group of one variable."""
        return margin(self.everybody, place), margin(self.used, place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What may be shown of a table."""

    table: PeopleTable
    """Only the variables shown, in groups that may be; its sums may be shown, its cells may not."""
    left_out: tuple[str, ...]
    """Variables of which no two groups may be shown."""
    alike: tuple[str, ...]
    """Variables of which everybody has one value: there is nothing to compare."""


def table_of(
    names: Iterable[str], counted: Mapping[tuple[str, ...], tuple[int, int]]
) -> PeopleTable:
    """Return a table from how many there are, and are used, for each combination of values."""
    wanted = tuple(names)
    values = [sorted({key[place] for key in counted}) for place in range(len(wanted))]
    at = [{value: number for number, value in enumerate(known)} for known in values]
    shape = tuple(len(known) for known in values)
    everybody, used = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for key, (count, of_them) in counted.items():
        cell = tuple(places[value] for places, value in zip(at, key, strict=True))
        everybody[cell] += count
        used[cell] += of_them
    variables = tuple(
        Variable(name=name, groups=tuple(known), members=tuple((value,) for value in known))
        for name, known in zip(wanted, values, strict=True)
    )
    return PeopleTable(variables=variables, everybody=everybody, used=used)


def disclose(table: PeopleTable, *, fewest: int = FEWEST) -> Shown:
    """Return what may be shown of `table` under the rule of this module.

    Which groups are merged next follows from how many people they have, never from how many of them
    are used: that only says when to stop. Otherwise the merging itself would tell answers.

    Raises:
        InvalidInput: ``sample_small`` if fewer than `fewest` may be used, or may not.
    """
    used = int(table.used.sum())
    if min(used, int(table.everybody.sum()) - used) < fewest:
        # One message for both: which of the two it is would be told by nothing else.
        hint = "so few people are never shown, nor are the others beside them"
        message = f"fewer than {fewest} people may be used, or fewer than {fewest} may not"
        raise InvalidInput("sample_small", message, hint=hint)
    alike = tuple(one.name for one in table.variables if len(one.groups) == 1)
    names = [one.name for one in table.variables if len(one.groups) > 1]
    for place in range(len(table.variables)):
        while len(table.variables[place].groups) > 1 and not _enough(table, place, fewest):
            table = _merge_smallest(table, place)
    for place in reversed(range(len(table.variables))):
        if len(table.variables[place].groups) == 1:
            table = _without(table, place)
    while without_alternative(table.everybody, table.used).any():
        table = _without(table, len(table.variables) - 1)
    shown = {variable.name for variable in table.variables}
    left_out = tuple(name for name in names if name not in shown)
    return Shown(table=table, left_out=left_out, alike=alike)


def margin(counts: Counts, place: int) -> Counts:
    """Return the sums over all axes but one."""
    others = tuple(axis for axis in range(counts.ndim) if axis != place)
    return np.asarray(counts.sum(axis=others), dtype=np.int64)


def rounded(count: int) -> int:
    """Return the nearest multiple of `STEP`, a half rounded up."""
    return (2 * count + STEP) // (2 * STEP) * STEP


def without_alternative(everybody: Counts, used: Counts) -> npt.NDArray[np.bool_]:
    """Return which cells hold people whose answer follows from the sums, as far as swaps can tell.

    A cell where some may be used and some may not is safe: two of them could change places. In
    another, somebody at (s, t) with answer x is safe if there are people at (s, t') with the other
    answer, at (s', t') with x and at (s', t) with the other: if all four change, every sum is the
    same. s stands for some of the variables, t for the rest of them, all divisions are tried.
    """
    yes, no = used > 0, everybody > used
    unsafe = yes ^ no
    for left in _divisions(used.ndim):
        order = (*left, *(axis for axis in range(used.ndim) if axis not in left))
        size = int(np.prod([used.shape[axis] for axis in left]))
        ones, others = (
            side.transpose(order).reshape(size, -1).astype(np.int64) for side in (yes, no)
        )
        safe = ((ones > 0) & _round_trip(others, ones)) | ((others > 0) & _round_trip(ones, others))
        turned = safe.reshape([used.shape[axis] for axis in order])
        unsafe &= ~turned.transpose(np.argsort(order))
    return unsafe


def _round_trip(other: Counts, same: Counts) -> npt.NDArray[np.bool_]:
    """Say for each (s, t) whether there are `other` (s, t'), `same` (s', t'), `other` (s', t)."""
    first = ((other @ same.T) > 0).astype(np.int64)
    return np.asarray((first @ other) > 0, dtype=np.bool_)


def _divisions(count: int) -> Iterator[tuple[int, ...]]:
    """Yield each way to divide axes in two, by the part that holds the first."""
    for size in range(count - 1):
        for rest in combinations(range(1, count), size):
            yield (0, *rest)


def _enough(table: PeopleTable, place: int, fewest: int) -> bool:
    everybody, used = table.sums(place)
    return bool((np.minimum(used, everybody - used) >= fewest).all())


def _without(table: PeopleTable, place: int) -> PeopleTable:
    return PeopleTable(
        variables=table.variables[:place] + table.variables[place + 1 :],
        everybody=np.asarray(table.everybody.sum(axis=place)),
        used=np.asarray(table.used.sum(axis=place)),
    )


def _merge_smallest(table: PeopleTable, place: int) -> PeopleTable:
    """Merge the two groups of a variable with the fewest people."""
    variable = table.variables[place]
    sizes = margin(table.everybody, place).tolist()
    by_size = sorted(range(len(sizes)), key=lambda at: (sizes[at], variable.members[at]))
    first, second = sorted(by_size[:2])

    def merge(counts: Counts) -> Counts:
        moved = np.moveaxis(counts, place, 0).copy()
        moved[first] += moved[second]
        return np.moveaxis(np.delete(moved, second, axis=0), 0, place)

    groups, members = list(variable.groups), list(variable.members)
    del groups[second]
    groups[first] = TOGETHER
    members[first] = tuple(sorted((*members[first], *members.pop(second))))
    merged = Variable(name=variable.name, groups=_apart(groups), members=tuple(members))
    return PeopleTable(
        variables=(*table.variables[:place], merged, *table.variables[place + 1 :]),
        everybody=merge(table.everybody),
        used=merge(table.used),
    )


def _apart(groups: list[str]) -> tuple[str, ...]:
    """Return the names, with a number at each merged group after the first."""
    merged, named = 0, []
    for group in groups:
        together = group.startswith(TOGETHER)
        merged += together
        named.append(f"{TOGETHER} {merged}" if together and merged > 1 else group)
    return tuple(named)
