"""Any row of acts leads to what a simple model, kept beside the register, says."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.holds.holding import DAY, TURNS, Register, hold_id
from tests.support.stores import START
from volens.core.errors import InvalidInput, NotFound
from volens.holds.precedence import kept_turns
from volens.holds.tables import HOLD, HOLD_ACT, HOLD_SCOPE
from volens.log.kinds import HoldClass

YEAR = 365 * DAY
STEPS = st.one_of(
    st.tuples(
        st.just("place"),
        st.integers(0, 9),
        st.sampled_from(HoldClass),
        st.integers(0, 2),
        st.sampled_from([(), (0,), (1, 2), (2, 5)]),
        st.integers(1, 400),
    ),
    st.tuples(st.just("extend"), st.integers(0, 9), st.integers(1, 400)),
    st.tuples(st.just("release"), st.integers(0, 9)),
    st.tuples(st.just("expire")),
    st.tuples(st.just("wait"), st.integers(1, 60)),
)


@dataclass
class Simple:
    """One hold of the model."""

    hold_class: HoldClass
    place: int
    turns: frozenset[int]
    first: datetime
    until: datetime
    over: bool = False
    settled: bool = False

    def keeps(self, now: datetime) -> bool:
        return not self.over and now < self.until


class Twins:
    """The register and the model; every act is done to both, and both refuse or neither does."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self.simple: dict[int, Simple] = {}

    @property
    def now(self) -> datetime:
        return self.register.now()

    def place(
        self, number: int, hold_class: HoldClass, place: int, turns: tuple[int, ...], days: int
    ) -> None:
        if number in self.simple:
            return
        kept = frozenset(turns or range(TURNS))
        rows = [one.first for one in self.simple.values() if self._same(one, place, kept)]
        safety = hold_class is HoldClass.SAFETY
        first = min([self.now, *rows]) if safety else self.now
        until = self.now + days * DAY
        chat = self.register.chats[place]
        if safety and until > first + YEAR:
            with pytest.raises(InvalidInput):
                self.register.place(number, chat, hold_class=hold_class, days=days, turns=turns)
        else:
            self.register.place(number, chat, hold_class=hold_class, days=days, turns=turns)
            self.simple[number] = Simple(hold_class, place, kept, first, until)

    @staticmethod
    def _same(one: Simple, place: int, kept: frozenset[int]) -> bool:
        row = one.hold_class is HoldClass.SAFETY and not one.settled
        return row and one.place == place and bool(one.turns & kept)

    def extend(self, number: int, days: int) -> None:
        until = self.now + days * DAY
        one = self.simple.get(number)
        fits = one is not None and one.keeps(self.now) and until >= one.until
        if one is not None and one.hold_class is HoldClass.SAFETY:
            fits = fits and until <= one.first + YEAR
        if one is None or not fits:
            with pytest.raises((InvalidInput, NotFound)):
                self.register.holds.extend(hold_id(number), self.now, until=until)
        else:
            self.register.holds.extend(hold_id(number), self.now, until=until)
            one.until = until

    def release(self, number: int) -> None:
        if number in self.simple:
            self.register.holds.release(hold_id(number), self.now)
            self.simple[number].over = True

    def expire(self) -> None:
        freed = self.register.holds.expire(self.now)
        over = {
            number: one
            for number, one in self.simple.items()
            if not one.keeps(self.now) and not one.settled
        }
        assert set(freed.holds) == {hold_id(number) for number in over}
        places = {one.place for one in over.values()}
        held = {one.place for one in self.simple.values() if one.keeps(self.now)}
        chats = self.register.chats
        assert set(freed.free) == {chats[place] for place in places - held}
        assert set(freed.narrowed) == {chats[place] for place in places & held}
        self.register.holds.settle(freed, self.now)
        for one in over.values():
            one.over = one.settled = True

    def wait(self, days: int) -> None:
        self.register.clock.step(days * DAY)

    def agree(self) -> None:
        """Compare everything that can be asked."""
        now, holds = self.now, self.register.holds
        keeping = {number: one for number, one in self.simple.items() if one.keeps(now)}
        assert {one.id for one in holds.active(now)} == {hold_id(number) for number in keeping}
        for place, name in enumerate(self.register.chats[:3]):
            on = {number: one for number, one in keeping.items() if one.place == place}
            kept = frozenset[int]().union(*(one.turns for one in on.values()))
            assert kept_turns(holds.all(), name, now, TURNS) == tuple(sorted(kept))
            first = holds.holding(name, now)
            legal = {n: one for n, one in on.items() if one.hold_class is HoldClass.LEGAL} or on
            last = max((one.until for one in legal.values()), default=None)
            assert (first and first.until) == last
            assert first is None or first.id in {hold_id(number) for number in legal}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(STEPS, max_size=14))
def test_any_row_of_acts_leads_to_what_a_simple_model_says(
    register: Register, steps: list[tuple[object, ...]]
) -> None:
    with register.engine.begin() as db:
        for table in (HOLD, HOLD_SCOPE, HOLD_ACT):
            db.execute(table.delete())
    register.clock.moment = START
    twins = Twins(register)
    for word, *given_words in steps:
        getattr(twins, str(word))(*given_words)
        twins.agree()


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path)
