"""What fills a gap, by hand and by its properties."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.insight.disclosure import STEP, table_of
from volens.insight.gap import (
    STAND_IN,
    TOLERANCE,
    WITHOUT_RECORDS,
    FillerKind,
    Gap,
    Source,
    find_gaps,
    needed,
)

SOURCES = [
    Source(key=kind.value, needs_grant=kind is FillerKind.CONTRIBUTORS)
    for kind in FillerKind
    if kind not in WITHOUT_RECORDS
]
COUNTED = {("free",): (800, 100), ("pro",): (1200, 30)}


def gap(*, sources: list[Source] = SOURCES, weighted: bool = False) -> Gap:
    (found,) = find_gaps(table_of(["plan"], COUNTED), sources, weights_recommended=weighted)
    return found


def stands(found: Gap) -> dict[FillerKind, int]:
    return {filler.kind: filler.people for filler in found.fillers}


def test_what_is_missing_is_counted_as_by_hand() -> None:
    """30 of 130 have to become 0.48 of all: (30 + x) / (130 + x) = 0.48, so x is 62 and a bit."""
    assert needed([800, 1200], [100, 30]) == [0, 63]
    found = gap()
    assert (found.variable, found.group, found.missing, found.others) == ("plan", "pro", 65, 1170)


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), min_size=1, max_size=6).filter(
        lambda groups: sum(count for count, _ in groups) > 0
    )
)
def test_with_what_is_missing_nobody_is_below_and_with_one_less_somebody_is(
    groups: list[tuple[int, int]],
) -> None:
    everybody = [count for count, _ in groups]
    used = [min(pair) for pair in groups]
    added = needed(everybody, used)

    def fine(more: list[int]) -> bool:
        now = [have + extra for have, extra in zip(used, more, strict=True)]
        return all(
            have >= TOLERANCE * Fraction(count * sum(now), sum(everybody))
            for have, count in zip(now, everybody, strict=True)
        )

    assert fine(added)
    for place, extra in enumerate(added):
        if extra:
            assert not fine([*added[:place], extra - 1, *added[place + 1 :]])


def test_only_people_of_the_group_stand_for_all_of_it() -> None:
    found = stands(gap())
    assert found[FillerKind.CONTRIBUTORS] == 65
    assert all(
        count <= STAND_IN * 65
        for kind, count in found.items()
        if kind is not FillerKind.CONTRIBUTORS
    )
    assert found[FillerKind.CURATED] == found[FillerKind.PRINCIPLE_BASED] == 0


def test_weights_fill_only_where_they_are_recommended_and_up_to_the_bound() -> None:
    assert stands(gap())[FillerKind.REWEIGHTING] == 0
    assert stands(gap(weighted=True))[FillerKind.REWEIGHTING] == 65


def test_synthetic_text_is_never_more_than_the_people_it_is_made_after() -> None:
    counted = {("free",): (800, 500), ("pro",): (1200, 10)}
    (found,) = find_gaps(table_of(["plan"], counted), SOURCES, weights_recommended=False)
    assert stands(found)[FillerKind.PUBLIC_TEXT] > 100
    assert stands(found)[FillerKind.SYNTHETIC] == 10


def test_what_the_policy_does_not_name_fills_nothing() -> None:
    found = gap(sources=[source for source in SOURCES if source.key != "synthetic"])
    synthetic = next(one for one in found.fillers if one.kind is FillerKind.SYNTHETIC)
    assert (synthetic.named, synthetic.people) == (False, 0)
    assert "may not be used" in synthetic.why


def test_who_must_say_yes_is_said_for_each_source() -> None:
    assert {one.kind for one in gap().fillers if one.needs_grant} == {FillerKind.CONTRIBUTORS}


@pytest.mark.parametrize("weighted", [False, True])
def test_every_number_is_a_multiple(weighted: bool) -> None:
    found = gap(weighted=weighted)
    numbers = [found.missing, found.others, *stands(found).values()]
    assert all(number % STEP == 0 for number in numbers)


def test_a_sample_like_its_population_has_no_gaps() -> None:
    counted = {("free",): (800, 80), ("pro",): (1200, 120)}
    assert find_gaps(table_of(["plan"], counted), SOURCES, weights_recommended=False) == ()
