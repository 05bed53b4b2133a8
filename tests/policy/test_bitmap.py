"""The consent bitmap: every bit is the table's verdict, after any history of changes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.packs import AT, tiers_pack, tiers_policy
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import Purpose, Signal
from volens.core.time import from_millis, to_millis
from volens.policy.bitmap import NO_TIER, ConsentBitmap, Overrides
from volens.policy.boundaries import NEVER, BoundaryIndex
from volens.policy.classify import narrower
from volens.policy.decision import Policy
from volens.policy.model import (
    PERMIT_REASONS,
    Block,
    ClassAttributes,
    GrantState,
    ReasonCode,
    TierState,
    decode,
    encode,
)

PURPOSE = Purpose.BATCH_TRAINING
DAY = 24 * 3600 * 1000
START = to_millis(AT)
TIERS = list(TierState)
# A few classes of one purpose that differ in what overrides do to them.
CLASSES = [
    encode(ClassAttributes(purpose=PURPOSE, tier=tier, grant=grant, block=block))
    for tier in (TierState.PUBLIC, TierState.PRIVATE, TierState.RESTRICTED)
    for grant in (GrantState.NONE, GrantState.ACTIVE, GrantState.ACTIVE_NAMED_MATCH)
    for block in (Block.NONE, Block.ERASING)
]


@dataclass
class Naive:
    """The same thing, one conversation at a time."""

    counts: list[int]
    codes: list[int]
    ends: list[int]
    signals: dict[int, int]
    tiers: dict[int, int]

    def verdicts(self) -> list[bool]:
        found = []
        number = 0
        for count, code in zip(self.counts, self.codes, strict=True):
            for _ in range(count):
                found.append(tiers_policy().decide_class(self.attributes(code, number)).permit)
                number += 1
        return found

    def attributes(self, code: int, number: int) -> ClassAttributes:
        from dataclasses import replace  # noqa: PLC0415 - beside its one use

        mine = decode(code)
        if number in self.tiers:
            other = TIERS[self.tiers[number]]
            mine = replace(mine, tier=narrower(tiers_pack(), PURPOSE, mine.tier, other))
        if mine.block is Block.NONE and number in self.signals:
            mine = replace(mine, block=Block(list(Signal)[self.signals[number]]))
        return mine


@st.composite
def worlds(draw: st.DrawFn) -> Naive:
    counts = draw(st.lists(st.integers(0, 12), min_size=1, max_size=25))
    size, people = sum(counts), len(counts)
    numbers = st.integers(0, max(0, size - 1))
    empty: dict[int, int] = {}
    return Naive(
        counts=counts,
        codes=draw(st.lists(st.sampled_from(CLASSES), min_size=people, max_size=people)),
        ends=draw(
            st.lists(
                st.sampled_from([NEVER, START + DAY, START + 2 * DAY]),
                min_size=people,
                max_size=people,
            )
        ),
        signals=draw(st.dictionaries(numbers, st.integers(0, 3))) if size else empty,
        tiers=draw(st.dictionaries(numbers, st.integers(0, 5))) if size else empty,
    )


def built(world: Naive, policy: Policy | None = None) -> ConsentBitmap:
    marks = sorted({*world.signals, *world.tiers})
    return ConsentBitmap(
        policy or tiers_policy(),
        PURPOSE,
        codes=np.array(world.codes, dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(world.counts)]).astype(np.int64),
        ends=np.array(world.ends, dtype=np.int64),
        at=AT,
        overrides=Overrides(
            conversations=np.array(marks, dtype=np.int64),
            signals=np.array([world.signals.get(m, 0) for m in marks], dtype=np.uint8),
            tiers=np.array([world.tiers.get(m, NO_TIER) for m in marks], dtype=np.uint8),
        ),
    )


def bits(bitmap: ConsentBitmap) -> list[bool]:
    unpacked = np.unpackbits(bitmap.bits, bitorder="little").astype(bool).tolist()
    assert not any(unpacked[bitmap.size :])  # the padding stays 0
    return unpacked[: bitmap.size]


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_every_bit_is_the_verdict_of_its_conversation(world: Naive) -> None:
    bitmap = built(world)
    assert bits(bitmap) == world.verdicts()
    assert bitmap.permitted(AT) == sum(world.verdicts())


@settings(max_examples=150, deadline=None)
@given(worlds(), st.data())
def test_any_history_of_changes_gives_what_a_new_build_gives(
    world: Naive, data: st.DataObject
) -> None:
    bitmap = built(world)
    people = len(world.codes)
    for _ in range(data.draw(st.integers(1, 4))):
        changed = data.draw(st.lists(st.integers(0, people - 1), unique=True))
        codes = [data.draw(st.sampled_from(CLASSES)) for _ in changed]
        ends = [data.draw(st.sampled_from([NEVER, START + 3 * DAY])) for _ in changed]
        touched = bitmap.update(
            np.array(changed, dtype=np.int64),
            np.array(codes, dtype=np.int32),
            np.array(ends, dtype=np.int64),
            AT,
        )
        for subject, code, end in zip(changed, codes, ends, strict=True):
            world.codes[subject], world.ends[subject] = code, end
        assert touched <= 2 * len(bitmap.bits)
        fresh = built(world)
        assert bits(bitmap) == bits(fresh)
        assert bitmap.valid_until == fresh.valid_until
        assert bitmap.counts_by_reason(AT) == fresh.counts_by_reason(AT)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_crossing_a_boundary_classifies_anew_only_who_stands_behind_it(world: Naive) -> None:
    bitmap = built(world)
    later = AT + timedelta(days=1)
    expired = encode(
        ClassAttributes(purpose=PURPOSE, tier=TierState.PUBLIC, grant=GrantState.EXPIRED)
    )
    behind = [s for s, end in enumerate(world.ends) if end <= START + DAY]
    seen: list[int] = []

    def reclassify(
        due: "np.ndarray[tuple[int], np.dtype[np.int64]]", at: datetime
    ) -> tuple["np.ndarray", "np.ndarray"]:  # type: ignore[type-arg]
        assert at == later
        seen.extend(due.tolist())
        return np.full(len(due), expired, np.int32), np.full(len(due), NEVER, np.int64)

    if behind:
        with pytest.raises(Denied) as caught:
            bitmap.permitted(later)
        assert caught.value.code == "table_expired"
    assert bitmap.advance(later, reclassify) == len(behind)
    assert seen == behind
    for subject in behind:
        world.codes[subject], world.ends[subject] = expired, NEVER
    assert bits(bitmap) == world.verdicts()
    assert bitmap.permitted(later) == sum(world.verdicts())


def small() -> ConsentBitmap:
    granted = encode(
        ClassAttributes(purpose=PURPOSE, tier=TierState.PUBLIC, grant=GrantState.ACTIVE)
    )
    none = encode(ClassAttributes(purpose=PURPOSE, tier=TierState.PUBLIC))
    return built(
        Naive(counts=[9, 3], codes=[granted, none], ends=[NEVER, NEVER], signals={4: 3}, tiers={})
    )


def test_the_format_is_little_endian_bits() -> None:
    assert small().bits.tolist() == [0b11101111, 0b00000001]


def test_counts_by_reason_add_up() -> None:
    assert small().counts_by_reason(AT) == {
        ReasonCode.SIGNAL_EXCLUDED: 1,
        ReasonCode.NO_GRANT: 3,
        ReasonCode.GRANTED: 8,
    }


def test_selecting_keeps_only_what_is_permitted() -> None:
    wanted = np.array([0b00011000, 0b11111111], dtype=np.uint8)
    assert small().select(wanted, AT).tolist() == [0b00001000, 0b00000001]
    with pytest.raises(InvalidInput):
        small().select(wanted[:1], AT)


def test_a_change_raises_the_epoch_and_touches_only_its_bytes() -> None:
    bitmap = small()
    none = encode(ClassAttributes(purpose=PURPOSE, tier=TierState.PUBLIC))
    first, never = np.array([1]), np.array([NEVER])
    assert bitmap.update(first, np.array([none], dtype=np.int32), never, AT) == 0
    assert bitmap.epoch == 1
    granted = encode(
        ClassAttributes(purpose=PURPOSE, tier=TierState.PUBLIC, grant=GrantState.ACTIVE)
    )
    assert bitmap.update(first, np.array([granted], dtype=np.int32), never, AT) == 1
    assert bitmap.bits.tolist() == [0b11101111, 0b00001111]


def test_a_bitmap_ends_with_its_policy_version() -> None:
    policy = Policy(tiers_pack(), next_version_from=AT + timedelta(days=2))
    world = Naive(counts=[1], codes=[CLASSES[0]], ends=[NEVER], signals={}, tiers={})
    bitmap = built(world, policy)
    assert bitmap.valid_until == AT + timedelta(days=2)
    for act in (
        lambda: bitmap.require_fresh(AT + timedelta(days=2)),
        lambda: bitmap.counts_by_reason(AT + timedelta(days=2)),
        lambda: bitmap.update(
            np.array([0]),
            np.array(CLASSES[:1], dtype=np.int32),
            np.array([NEVER]),
            AT + timedelta(days=2),
        ),
    ):
        with pytest.raises(Denied):
            act()
    assert bitmap.epoch == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.array([0, 1], dtype=np.int64)},
        {"offsets": np.array([1, 1, 2], dtype=np.int64)},
        {"offsets": np.array([0, 2, 1], dtype=np.int64)},
        {"ends": np.array([NEVER], dtype=np.int64)},
        {
            "overrides": Overrides(
                conversations=np.array([9], dtype=np.int64),
                signals=np.array([1], dtype=np.uint8),
                tiers=np.array([NO_TIER], dtype=np.uint8),
            )
        },
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    good = {
        "codes": np.array(CLASSES[:2], dtype=np.int32),
        "offsets": np.array([0, 1, 2], dtype=np.int64),
        "ends": np.array([NEVER, NEVER], dtype=np.int64),
    }
    with pytest.raises(InvalidInput) as caught:
        ConsentBitmap(tiers_policy(), PURPOSE, at=AT, **{**good, **changes})  # type: ignore[arg-type]
    assert caught.value.code == "bitmap_form"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 30)), max_size=30),
    st.integers(0, 31),
)
def test_the_boundary_index_finds_what_a_scan_finds(
    moments: list[int], changes: list[tuple[int, int]], at: int
) -> None:
    def moment(value: int) -> int:
        return NEVER if value == 30 else value

    index = BoundaryIndex(np.array([moment(v) for v in moments], dtype=np.int64))
    plain = [moment(v) for v in moments]
    for subject, value in changes:
        if subject < len(plain):
            plain[subject] = moment(value)
            index.set(np.array([subject]), np.array([moment(value)], dtype=np.int64))
        assert index.next() == min(plain)
    assert index.due(at).tolist() == [s for s, value in enumerate(plain) if value <= at]
    assert from_millis(NEVER).year == 9999


def test_what_is_left_out_is_counted_once_and_with_what_is_permitted_makes_all() -> None:
    bitmap = small()
    left_out = bitmap.left_out(AT)
    assert sum(left_out.values()) + bitmap.permitted(AT) == bitmap.size
    assert set(left_out) <= set(bitmap.counts_by_reason(AT)) - PERMIT_REASONS
