"""No answer follows from what is shown: attackers who solve for it, and the rule by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from volens.core.errors import InvalidInput
from volens.insight.disclosure import (
    FEWEST,
    STEP,
    TOGETHER,
    PeopleTable,
    Shown,
    disclose,
    rounded,
    table_of,
    without_alternative,
)

SHAPES = ((3,), (4,), (2, 2), (2, 3), (3, 2), (2, 2, 2))
MOST = {(3,): 9, (4,): 6, (2, 2): 6, (2, 3): 3, (3, 2): 3, (2, 2, 2): 2}


def table(everybody: np.ndarray, used: np.ndarray) -> PeopleTable:
    cells = {
        tuple(map(str, cell)): (int(everybody[cell]), int(used[cell]))
        for cell in np.ndindex(everybody.shape)
    }
    return table_of((f"v{axis}" for axis in range(everybody.ndim)), cells)


def sums(shown: Shown) -> tuple[object, ...]:
    """What a reader has, unrounded: groups, members, and their sums."""
    return tuple(
        (one.name, one.members, tuple(shown.table.sums(place)[1].tolist()))
        for place, one in enumerate(shown.table.variables)
    )


def worlds(everybody: np.ndarray) -> list[np.ndarray]:
    """Every way in which some of these people may be used."""
    cells = [range(count + 1) for count in everybody.ravel().tolist()]
    return [np.array(world).reshape(everybody.shape) for world in product(*cells)]


def told(everybody: np.ndarray, fewest: int, used: np.ndarray) -> object:
    """Everything that a reader has who knows the program, refusals too."""
    try:
        shown = disclose(table(everybody, used), fewest=fewest)
    except InvalidInput as error:
        return error.message
    return shown.left_out, sums(shown)


def someone_determined(everybody: np.ndarray, possible: list[np.ndarray]) -> bool:
    """Say whether anybody has the same answer in all of these worlds."""
    all_worlds = np.array(possible)
    none, every = (all_worlds == 0).all(axis=0), (all_worlds == everybody).all(axis=0)
    return bool(((none | every) & (everybody > 0)).any())


@st.composite
def small_tables(draw: st.DrawFn, shapes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    shape = draw(st.sampled_from(shapes))
    return draw(arrays(np.int64, shape, elements=st.integers(0, MOST[shape])))


@settings(max_examples=25, deadline=None)
@given(small_tables(((3,), (4,))), st.sampled_from((2, 3)))
def test_who_knows_the_program_and_all_groups_finds_nobodys_answer_in_one_variable(
    everybody: np.ndarray, fewest: int
) -> None:
    readings: dict[object, list[np.ndarray]] = {}
    for world in worlds(everybody):
        readings.setdefault(told(everybody, fewest, world), []).append(world)
    for possible in readings.values():
        assert not someone_determined(everybody, possible)


@settings(max_examples=25, deadline=None)
@given(small_tables(SHAPES), st.sampled_from((2, 3)), st.data())
def test_who_solves_the_shown_sums_of_several_variables_finds_nobodys_answer(
    everybody: np.ndarray, fewest: int, data: st.DataObject
) -> None:
    """The attacker has the whole population by all variables at once, and tries all worlds."""
    every = worlds(everybody)
    secret = data.draw(st.sampled_from(every))
    try:
        shown = disclose(table(everybody, secret), fewest=fewest)
    except InvalidInput:
        return
    possible = [world for world in every if _agrees(shown, everybody, world)]
    assert any((world == secret).all() for world in possible)
    assert not someone_determined(everybody, possible)


def _agrees(shown: Shown, everybody: np.ndarray, world: np.ndarray) -> bool:
    names = [f"v{axis}" for axis in range(everybody.ndim)]
    for place, one in enumerate(shown.table.variables):
        axis = names.index(one.name)
        whole = world.sum(axis=tuple(at for at in range(world.ndim) if at != axis))
        values = sorted(value for some in one.members for value in some)
        wanted = shown.table.sums(place)[1].tolist()
        held = [sum(whole[values.index(value)] for value in some) for some in one.members]
        if held != wanted:
            return False
    return True


@given(
    arrays(np.int64, (4, 3), elements=st.integers(0, 60)),
    arrays(np.float64, (4, 3), elements=st.floats(0, 1)),
)
def test_every_shown_group_has_enough_people_on_both_sides(
    everybody: np.ndarray, share: np.ndarray
) -> None:
    used = np.floor(everybody * share).astype(np.int64)
    whole = table(everybody, used)
    if min(used.sum(), everybody.sum() - used.sum()) < FEWEST:
        with pytest.raises(InvalidInput, match="fewer than 10"):
            disclose(whole)
        return
    shown = disclose(whole)
    for place, one in enumerate(shown.table.variables):
        all_of, of_them = shown.table.sums(place)
        assert len(one.groups) == len(set(one.groups)) >= 2
        assert (of_them >= FEWEST).all()
        assert (all_of - of_them >= FEWEST).all()
        assert all_of.sum() == everybody.sum()
        assert sum(map(len, one.members)) == everybody.shape[int(one.name[1:])]
    assert {one.name for one in shown.table.variables} | set(shown.left_out) == {"v0", "v1"}


def test_a_group_all_but_one_of_whom_said_yes_is_not_shown_alone() -> None:
    """Twelve people, eleven of them used, would tell of the twelfth."""
    counted = {("a",): (12, 11), ("b",): (60, 30), ("c",): (60, 30)}
    shown = disclose(table_of(("plan",), counted)).table
    assert shown.variables[0].groups == (TOGETHER, "c")
    assert shown.variables[0].members == (("a", "b"), ("c",))
    assert shown.sums(0)[1].tolist() == [41, 30]


def test_a_small_group_is_not_left_to_be_found_by_subtraction() -> None:
    """Were only `a` hidden, it would be the total less the others."""
    counted = {("a",): (3, 1), ("b",): (40, 20), ("c",): (50, 20)}
    (variable,) = disclose(table_of(("plan",), counted)).table.variables
    assert variable.members == (("a", "b"), ("c",))


def test_a_group_without_anybody_who_said_yes_is_not_shown_alone_however_large() -> None:
    counted = {("a",): (9000, 0), ("b",): (60, 30), ("c",): (9999, 500)}
    (variable,) = disclose(table_of(("plan",), counted)).table.variables
    assert variable.members == (("a", "b"), ("c",))


def test_two_variables_that_differ_by_one_person_are_not_both_shown() -> None:
    """All of region x are on plan a but one: plan less region would be that person's answer."""
    counted = {("a", "x"): (40, 20), ("b", "x"): (1, 1), ("b", "y"): (40, 20)}
    both = table_of(("plan", "region"), counted)
    assert without_alternative(both.everybody, both.used)[1, 0]
    shown = disclose(both)
    assert [one.name for one in shown.table.variables] == ["plan"]
    assert shown.left_out == ("region",)


def test_two_variables_that_lie_well_across_one_another_are_both_shown() -> None:
    counted = {
        ("a", "x"): (40, 20),
        ("b", "x"): (1, 1),
        ("b", "y"): (40, 20),
        ("a", "y"): (40, 20),
    }
    assert not disclose(table_of(("plan", "region"), counted)).left_out


@pytest.mark.parametrize(("used", "everybody"), [(9, 500), (491, 500), (0, 0)])
def test_with_too_few_on_one_side_nothing_is_shown(used: int, everybody: int) -> None:
    half = {("a",): (everybody // 2, used // 2)}
    rest = {("b",): (everybody - everybody // 2, used - used // 2)}
    with pytest.raises(InvalidInput) as refused:
        disclose(table_of(("plan",), half | rest))
    assert refused.value.code == "sample_small"
    assert refused.value.message == "fewer than 10 people may be used, or fewer than 10 may not"


@given(st.integers(0, 10_000))
def test_a_printed_number_is_a_multiple_and_never_far(count: int) -> None:
    assert rounded(count) % STEP == 0
    assert abs(rounded(count) - count) <= STEP // 2 + STEP % 2
