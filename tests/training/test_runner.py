"""Running and forgetting, with a training made of hashes: exactness for every order of events."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.training import (
    RECIPE,
    SEED,
    SOURCE,
    ListSource,
    hash_train,
    leaf,
    plan_of,
    run_id,
    run_ids,
)
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.training.model import Plan, Slice
from volens.training.placing import shard_of, slice_of
from volens.training.planning import (
    Placement,
    encode_plan,
    make_plan,
    parse_plan,
    plan_digest,
    without,
)
from volens.training.runner import RunResult, Stage, run_plan, stored_stages
from volens.training.unlearning import (
    MemoryStore,
    forget,
    replay,
    touched_shards,
    verify_forgotten,
)

LEAVES = [leaf(number) for number in range(200)]
NUMBERS = st.integers(min_value=0, max_value=199)


class Killed(Exception):
    """The process ends here."""


class MortalStore(MemoryStore):
    """A store whose process is killed when it has been changed so many times."""

    def __init__(self, kept: dict[bytes, bytes], changes: int) -> None:
        super().__init__()
        self.kept = kept
        self._left = changes

    def put(self, name: bytes, checkpoint: bytes) -> None:
        self._change()
        super().put(name, checkpoint)

    def drop(self, name: bytes) -> None:
        self._change()
        super().drop(name)

    def _change(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


def run(plan: Plan, source: ListSource, store: MemoryStore) -> RunResult:
    return run_plan(plan, source, hash_train, store, new_run=run_ids())


def from_scratch(plan: Plan) -> dict[bytes, bytes]:
    store = MemoryStore()
    run(plan, ListSource(), store)
    return store.kept


class TestPlan:
    def test_a_plan_has_one_spelling(self) -> None:
        plan = plan_of(LEAVES)
        assert parse_plan(encode_plan(plan)) == plan
        repaired = without(plan, LEAVES[:3], run_id(2))
        assert parse_plan(encode_plan(repaired)) == repaired
        assert plan_digest(repaired) != plan_digest(plan)

    def test_leaving_one_out_moves_no_other(self) -> None:
        plan = plan_of(LEAVES)
        after = without(plan, [LEAVES[7]], run_id(2))
        assert after.revises == plan.run
        for before, now in zip(plan.parts, after.parts, strict=True):
            assert now.leaves == tuple(one for one in before.leaves if one != LEAVES[7])

    @pytest.mark.parametrize("forgotten", [[], [leaf(999)], [LEAVES[0], leaf(999)]])
    def test_only_what_is_in_a_plan_can_be_left_out(self, forgotten: list[bytes]) -> None:
        with pytest.raises(InvalidInput, match="are not in it"):
            without(plan_of(LEAVES), forgotten, run_id(2))

    def test_what_is_doubled_misplaced_or_out_of_order_is_refused(self) -> None:
        plan = plan_of(LEAVES)
        first = plan.parts[0]
        turned = replace(first, leaves=tuple(reversed(first.leaves)))
        twice = Slice(shard=0, number=0, leaves=first.leaves * 2)
        for bad in (turned, twice, replace(first, leaves=(b"short",))):
            with pytest.raises(InvalidInput, match=r"leaf|order"):
                encode_plan(replace(plan, parts=(bad, *plan.parts[1:])))
        with pytest.raises(InvalidInput, match="0 shards"):
            plan_of([], shards=0)
        with pytest.raises(InvalidInput, match="outside"):
            make_plan(
                run_id(1),
                SOURCE,
                LEAVES,
                lambda _: Placement(shard=4, number=0),
                RECIPE,
                seed=SEED,
                shards=4,
                slices=4,
            )

    def test_what_the_reader_refuses_is_never_written(self) -> None:
        plan = plan_of(LEAVES)
        first, *others = plan.parts
        for bad in (
            replace(plan, parts=plan.parts[:-1]),
            replace(plan, parts=(replace(first, shard=3), *others)),
            replace(plan, recipe=replace(RECIPE, targets=("x y",))),
            replace(plan, recipe=replace(RECIPE, profile="a\nb")),
        ):
            with pytest.raises(InvalidInput):
                encode_plan(bad)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"shards":4', b'"shards":5'),
            (b'"slices":4', b'"slices":"4"'),
            (b'"version":"volens-plan/v1"', b'"version":"volens-plan/v2"'),
            (b'"targets":["q_proj","v_proj"]', b'"targets":["v_proj","q_proj"]'),
            (b'"rank":8', b'"rank":0'),
            (b'"revises":""', b'"revises":"run_x"'),
            (b',"seed":', b',"odd":1,"seed":'),
        ],
    )
    def test_a_changed_plan_is_refused(self, old: bytes, new: bytes) -> None:
        data = encode_plan(plan_of(LEAVES))
        assert old in data
        with pytest.raises(InvalidInput):
            parse_plan(data.replace(old, new))


class TestPlaces:
    @given(st.binary(min_size=16, max_size=16), st.integers(1, 64), st.integers(1, 16))
    def test_a_person_has_one_shard_for_life(self, who: bytes, shards: int, slices: int) -> None:
        secret = b"k" * 32
        assert shard_of(secret, who, shards) == shard_of(secret, who, shards) < shards
        assert 0 <= slice_of(secret, who, slices, may_leave=False) < slices
        assert slice_of(secret, who, slices, may_leave=True) == slices - 1

    def test_people_are_spread_evenly_and_by_the_secret(self) -> None:
        people = [number.to_bytes(16, "big") for number in range(8000)]
        counts = [0] * 8
        for who in people:
            counts[shard_of(b"k" * 32, who, 8)] += 1
        assert 900 < min(counts) <= max(counts) < 1100  # 1,000 each, sd 30
        moved = [
            who for who in people if shard_of(b"k" * 32, who, 8) != shard_of(b"l" * 32, who, 8)
        ]
        assert 6800 < len(moved) < 7200

    def test_a_short_secret_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="32 bytes"):
            shard_of(b"short", b"w" * 16, 4)


class TestRunning:
    def test_every_record_is_opened_once_in_the_order_of_the_plan(self) -> None:
        plan, source, store = plan_of(LEAVES), ListSource(), MemoryStore()
        result = run(plan, source, store)
        assert source.opened == [one for part in plan.parts for one in part.leaves]
        assert result.plan is plan
        assert result.trained == result.stages
        assert set(store.names()) == {one.name for one in result.stages}

    def test_a_second_run_trains_nothing(self) -> None:
        plan, source, store = plan_of(LEAVES), ListSource(), MemoryStore()
        first = run(plan, source, store)
        opened = len(source.opened)
        second = run(plan, source, store)
        assert second.trained == ()
        assert second.stages == first.stages
        assert len(source.opened) == opened

    def test_empty_slices_and_shards_are_passed_over(self) -> None:
        plan = plan_of(LEAVES[:3], shards=8, slices=8)
        result = run(plan, ListSource(), MemoryStore())
        assert 1 <= len(result.stages) <= 3
        assert sum(result.last(shard) is not None for shard in range(8)) <= 3

    @given(st.dictionaries(st.integers(1, 300), st.sets(NUMBERS, max_size=3), max_size=5))
    def test_whenever_somebody_withdraws_nothing_of_theirs_is_left(
        self, withdrawals: dict[int, set[int]]
    ) -> None:
        source, store = ListSource(), MemoryStore()
        source.plans = {look: [LEAVES[one] for one in gone] for look, gone in withdrawals.items()}
        result = run(plan_of(LEAVES), source, store)
        assert source.gone.isdisjoint(result.plan.leaves)
        assert store.kept == from_scratch(result.plan)

    @given(
        st.integers(0, 30),
        st.lists(NUMBERS, max_size=3),
        st.integers(0, 20),
        st.lists(NUMBERS, max_size=3),
    )
    def test_a_killed_run_goes_on_and_keeps_nothing_that_was_taken_back(
        self, first: int, gone: list[int], second: int, later: list[int]
    ) -> None:
        plan, source, store = plan_of(LEAVES), ListSource(), MemoryStore()
        for changes, taken in ((first, gone), (second, later)):
            with suppress(Killed):
                run(plan, source, MortalStore(store.kept, changes))
            source.gone.update(LEAVES[one] for one in taken)
        result = run(plan, source, store)
        assert result.plan.leaves == sorted(set(LEAVES) - source.gone)
        assert store.kept == from_scratch(result.plan)

    def test_a_run_killed_within_a_stage_leaves_nothing_of_that_stage(self) -> None:
        plan = plan_of(LEAVES)

        class Mortal(ListSource):
            def taken_back(self) -> frozenset[bytes]:
                if self.looked == 60:  # in the middle of a stage of about 12 steps
                    raise Killed
                return super().taken_back()

        source, store = Mortal(), MemoryStore()
        with pytest.raises(Killed):
            run(plan, source, store)
        opened = len(source.opened)
        begun = sum(len(part.leaves) for part in plan.parts[: len(store.kept)])
        assert begun < opened
        result = run(plan, ListSource(), store)
        assert result.records == len(LEAVES) - begun
        assert store.kept == from_scratch(plan)

    def test_what_came_to_nothing_is_counted_too(self) -> None:
        plan, source, store = plan_of(LEAVES), ListSource(), MemoryStore()
        source.plans = {40: [plan.part(0, 0).leaves[0]]}
        result = run(plan, source, store)
        assert result.records == len(source.opened) > len(LEAVES)

    def test_without_knowing_what_was_taken_back_nothing_is_trained(self) -> None:
        class Blind(ListSource):
            def taken_back(self) -> frozenset[bytes]:
                raise Unavailable("revocation_stale", "nobody knows")

        source, store = Blind(), MemoryStore()
        with pytest.raises(Unavailable, match="nobody knows"):
            run(plan_of(LEAVES), source, store)
        assert store.kept == {}
        assert source.opened == []


class TestForgetting:
    @given(st.lists(st.sets(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=5))
    def test_sequences_of_withdrawals_give_what_training_from_scratch_gives(
        self, people: list[set[int]]
    ) -> None:
        source, store = ListSource(), MemoryStore()
        plan = run(plan_of(LEAVES), source, store).plan
        new_run = run_ids()
        for records in people:
            leaves = {LEAVES[one] for one in records}.intersection(plan.leaves)
            if not leaves:
                continue
            kept = {
                done.shard: done
                for done, _ in stored_stages(plan, store)
                if done.shard not in touched_shards(plan, leaves)
            }
            found = forget(plan, leaves, source, hash_train, store, new_run=new_run)
            verify_forgotten(plan, found.after, leaves)
            assert store.kept == from_scratch(found.after)
            for shard, done in kept.items():
                assert found.repaired.last(shard) == done
            plan = found.after

    def test_one_of_many_costs_about_a_sixth_with_4_shards_of_4_slices(self) -> None:
        source, store = ListSource(), MemoryStore()
        plan = run(plan_of(LEAVES), source, store).plan
        shares = []
        for one in LEAVES:
            fresh = MemoryStore()
            fresh.kept = dict(store.kept)
            shares.append(forget(plan, [one], source, hash_train, fresh, new_run=run_ids()).share)
        mean = sum(shares) / len(shares)
        assert 0.125 < mean < 0.20  # (1/4) * (1 + 2 + 3 + 4)/16 of all, were all slices equal

    @given(st.sets(NUMBERS, max_size=3), st.dictionaries(st.integers(1, 60), NUMBERS, max_size=3))
    def test_who_withdraws_during_a_repair_is_forgotten_verifiably(
        self, pending: set[int], withdrawals: dict[int, int]
    ) -> None:
        source, store = ListSource(), MemoryStore()
        plan = run(plan_of(LEAVES), source, store).plan
        source.gone.update(LEAVES[one] for one in pending)
        source.plans = {source.looked + at: [LEAVES[one]] for at, one in withdrawals.items()}
        found = forget(plan, LEAVES[:1], source, hash_train, store, new_run=run_ids())
        gone = set(plan.leaves).difference(found.after.leaves)
        assert gone >= {LEAVES[0], *source.gone}
        verify_forgotten(plan, found.after, gone)
        assert store.kept == from_scratch(found.after)

    def test_many_are_forgotten_in_one_retraining(self) -> None:
        source, store = ListSource(), MemoryStore()
        plan = run(plan_of(LEAVES), source, store).plan
        together = forget(plan, LEAVES[:10], source, hash_train, store, new_run=run_ids())
        assert together.repaired.records <= len(together.after.leaves)
        assert store.kept == from_scratch(together.after)

    def test_a_stopped_repair_is_finished_by_asking_again(self) -> None:
        for changes in range(12):
            source, store = ListSource(), MemoryStore()
            plan = run(plan_of(LEAVES), source, store).plan
            mortal = MortalStore(store.kept, changes)
            try:
                forget(plan, LEAVES[:2], source, hash_train, mortal, new_run=run_ids())
            except Killed:
                forget(plan, LEAVES[:2], source, hash_train, store, new_run=run_ids())
            assert store.kept == from_scratch(without(plan, LEAVES[:2], run_id(2)))


class TestForgeries:
    PLAN = plan_of(LEAVES)
    AFTER = without(PLAN, LEAVES[:2], run_id(2))

    def refuse(self, after: Plan, code: str) -> None:
        with pytest.raises(VerificationFailed) as refused:
            verify_forgotten(self.PLAN, after, LEAVES[:2])
        assert refused.value.code == code

    def test_the_true_one_passes(self) -> None:
        verify_forgotten(self.PLAN, self.AFTER, LEAVES[:2])

    def test_each_forgery_is_refused_with_its_reason(self) -> None:
        recipe = self.PLAN.recipe
        self.refuse(replace(self.AFTER, seed=b"t" * 32), "other_seed")
        self.refuse(replace(self.AFTER, recipe=replace(recipe, base=b"x" * 32)), "other_recipe")
        self.refuse(replace(self.AFTER, recipe=replace(recipe, epochs=2)), "other_recipe")
        self.refuse(replace(self.AFTER, manifest_root=b"n" * 32), "other_dataset")
        self.refuse(plan_of(LEAVES[2:], shards=2), "other_shape")
        self.refuse(without(self.PLAN, LEAVES[1:2], run_id(2)), "not_forgotten")
        self.refuse(without(self.PLAN, LEAVES[:3], run_id(2)), "not_retained")
        self.refuse(replace(self.AFTER, revises=run_id(9)), "other_run")
        moved = list(self.AFTER.parts)
        moved[0], moved[1] = (
            replace(moved[0], leaves=moved[1].leaves),
            replace(moved[1], leaves=moved[0].leaves),
        )
        self.refuse(replace(self.AFTER, parts=tuple(moved)), "not_retained")

    def test_what_was_never_in_it_was_not_forgotten(self) -> None:
        with pytest.raises(VerificationFailed, match="1 of 1 forgotten"):
            verify_forgotten(self.PLAN, self.AFTER, [leaf(999)])


class TestReplay:
    def test_a_replay_compares_every_stage_of_the_touched_shards(self) -> None:
        source, store = ListSource(), MemoryStore()
        plan = run(plan_of(LEAVES), source, store).plan
        found = forget(plan, LEAVES[:1], source, hash_train, store, new_run=run_ids())
        shards = touched_shards(plan, LEAVES[:1])
        stages = found.repaired.stages
        assert replay(found.after, stages, shards, source, hash_train) == 4

    def test_other_bytes_a_missing_stage_or_other_training_are_found(self) -> None:
        source, store = ListSource(), MemoryStore()
        result = run(plan_of(LEAVES), source, store)
        plan, stages = result.plan, result.stages
        other = (replace(stages[0], output=b"o" * 32), *stages[1:])
        with pytest.raises(VerificationFailed, match="shard 0, slice 0 gives other bytes"):
            replay(plan, other, [0], source, hash_train)
        with pytest.raises(VerificationFailed, match="4 stages were trained again, 3"):
            replay(plan, stages[:3], [0], source, hash_train)

        def careless(stage: Stage) -> bytes:
            return hash_train(replace(stage, examples=stage.examples[1:]))

        with pytest.raises(VerificationFailed, match="gives other bytes"):
            replay(plan, stages, [0], source, careless)

    @pytest.mark.parametrize("shards", [[], [4], [-1], [0, 99]])
    def test_a_replay_of_nothing_is_no_replay(self, shards: list[int]) -> None:
        result = run(plan_of(LEAVES), ListSource(), MemoryStore())
        with pytest.raises(InvalidInput, match="of a plan with 4"):
            replay(result.plan, result.stages, shards, ListSource(), hash_train)

    def test_a_later_withdrawal_ends_what_can_be_replayed_and_says_so(self) -> None:
        source, store = ListSource(), MemoryStore()
        result = run(plan_of(LEAVES), source, store)
        source.gone.add(result.plan.part(0, 0).leaves[0])
        with pytest.raises(VerificationFailed, match="can't be replayed any more"):
            replay(result.plan, result.stages, [0], source, hash_train)
