"""Sets of people as bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from volens.vault.people import any_of, pack_people, without_people

ROWS = st.sets(st.integers(0, 500), max_size=40)


@given(ROWS, ROWS)
def test_it_holds_whom_it_was_made_of_and_nobody_else(here: set[int], others: set[int]) -> None:
    people = pack_people(np.array(sorted(here), dtype=np.int64))
    assert {n for n in range(520) if any_of(people, [n])} == here
    assert any_of(people, others) == bool(here & others)
    assert len(people) == (max(here) // 8 + 1 if here else 0)


@given(ROWS, ROWS)
def test_who_is_taken_out_is_gone_and_nobody_else(here: set[int], going: set[int]) -> None:
    people = pack_people(np.array(sorted(here), dtype=np.int64))
    left = without_people(people, going)
    assert {n for n in range(520) if any_of(left, [n])} == here - going
    assert len(left) == len(people)
