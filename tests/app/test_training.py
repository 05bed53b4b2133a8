"""Runs of a home: planned in the log, sealed, resumed, repaired, and gone with who is erased."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.homes import place
from tests.support.leased import LeasedHome, leased_home
from volens.app.auditing import evidence_of
from volens.app.erasing import eraser_of
from volens.app.lineage import models_with
from volens.app.runs import runs_of
from volens.app.training import Shape, Trained, Training, Where
from volens.app.unlearning import unlearn
from volens.audit.model import Outcome
from volens.audit.run import run_audit
from volens.core.errors import Denied, InvalidInput, NotFound, VerificationFailed
from volens.core.ids import IdKind, parse_id
from volens.holds.erasure import new_erasure
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind, ErasureScope
from volens.training.bundle import verify_bundle
from volens.training.lineage import Standing
from volens.training.model import Recipe
from volens.training.planning import plan_digest
from volens.training.runner import Stage, Train, first_tainted
from volens.training.runs import Origin, SealedCheckpoints, seed_digest
from volens.vault.subjects import key_scope

RECIPE = Recipe(base=b"b" * 32, profile="hashes")
SHAPE = Shape(shards=3, slices=2)


def train(stage: Stage) -> bytes:
    """Return a hash of all that a stage is made from: as exact as training, and quicker."""
    made = hashlib.sha256(stage.seed + (stage.previous or b""))
    for example in stage.examples:
        made.update(json.dumps([example.leaf.hex(), *example.messages]).encode())
        stage.on_step()
    return made.digest() + bytes(100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LeasedHome:
    where = place(tmp_path_factory.mktemp("trained"))
    where.create()
    return leased_home(where, people=9, chats=2)


@pytest.fixture
def there(made: LeasedHome, tmp_path: Path) -> LeasedHome:
    return replace(made, where=made.where.copy(tmp_path))


def desk(there: LeasedHome) -> Training:
    where = there.where
    return Training(Where(folder=where.folder, environment=where.environment, clock=where.clock))


def trained(there: LeasedHome, by: Train = train) -> Trained:
    origin = Origin(base="tiny:1", data=str(there.dataset))
    running = desk(there).begin(origin, RECIPE, SHAPE)
    return desk(there).train(running, by)


def kinds(there: LeasedHome) -> list[tuple[EntryKind, dict[str, object]]]:
    with there.where.open() as home:
        log = home.owned_log()
        found = [parse_entry(log.entry(index)) for index in range(log.size)]
    return [(entry.kind, dict(entry.fields)) for entry in found]


class TestTraining:
    def test_a_run_trains_everybody_who_says_yes(self, there: LeasedHome) -> None:
        done = trained(there)
        assert len(done.result.plan.leaves) == 18
        with there.where.open(writing=False) as home:
            (kept,) = runs_of(home).all()
            assert kept == done.kept
            assert runs_of(home).plan_of(kept) == done.result.plan
        assert kept.stages == done.result.stages

    def test_one_persons_records_are_in_one_stage(self, there: LeasedHome) -> None:
        plan = trained(there).result.plan
        lease = there.lease()
        owners = [
            {lease.owner(row) for row in range(18) if lease.leaf(row) in part.leaves}
            for part in plan.parts
        ]
        assert sum(len(one) for one in owners) == 9

    def test_places_are_for_life(self, there: LeasedHome) -> None:
        first, second = trained(there).result.plan, trained(there).result.plan
        assert first.seed != second.seed
        assert [set(part.leaves) for part in first.parts] == [
            set(part.leaves) for part in second.parts
        ]

    def test_plan_and_seed_are_in_the_log_before_anything_is_trained(
        self, there: LeasedHome
    ) -> None:
        done = trained(there)
        found = kinds(there)
        kind, fields = found[done.kept.planned]
        assert kind is EntryKind.RUN_PLANNED
        assert fields["plan"] == plan_digest(done.result.plan)
        assert fields["seed"] == seed_digest(done.result.plan.seed)
        words = [kind for kind, _ in found[done.kept.planned :]]
        assert words[1 : 1 + len(done.result.stages)] == [EntryKind.STAGE_DONE] * len(
            done.result.stages
        )
        assert words[-2:] == [EntryKind.USE_RECORDED, EntryKind.ACCESS_DONE]

    def test_checkpoints_are_sealed(self, there: LeasedHome) -> None:
        done = trained(there)
        folder = there.where.folder / "runs" / done.kept.family
        files = sorted(folder.glob("*.ckpt"))
        assert len(files) == len(done.result.stages)
        assert not any(bytes(100) in path.read_bytes() for path in files)

    def test_a_run_that_was_stopped_goes_on_where_it_was(self, there: LeasedHome) -> None:
        calls: list[int] = []

        def dying(stage: Stage) -> bytes:
            calls.append(len(stage.examples))
            if len(calls) == 3:
                raise KeyboardInterrupt
            return train(stage)

        with pytest.raises(KeyboardInterrupt):
            trained(there, dying)
        with there.where.open(writing=False) as home:
            (kept,) = runs_of(home).all()
        assert not kept.done
        done = desk(there).train(desk(there).resume(kept.run), train)
        assert len(done.result.trained) == len(done.result.stages) - 2
        fresh = trained(there).result
        assert len(fresh.stages) == len(done.result.stages)

    def test_a_withdrawal_while_it_trains_makes_it_another_run(self, there: LeasedHome) -> None:
        calls: list[int] = []

        def told(stage: Stage) -> bytes:
            calls.append(len(stage.examples))
            if len(calls) == 4:
                there.withdraw(100, there.people[2])
            return train(stage)

        done = trained(there, told)
        assert len(done.result.plan.leaves) == 16
        with there.where.open(writing=False) as home:
            first, second = runs_of(home).all()
        assert (second.run, second.family, second.done) == (done.kept.run, first.run, True)
        assert kinds(there)[second.planned][1]["revises"] == first.planned

    def test_nothing_to_train_on_is_said(self, there: LeasedHome) -> None:
        there.withdraw(100, *there.people)
        with pytest.raises(InvalidInput, match="nothing in"):
            trained(there)

    def test_a_run_that_is_not_here_is_said(self, there: LeasedHome) -> None:
        with pytest.raises(NotFound, match="no run"):
            desk(there).resume("run_aaaaaaaaaaaaaaaaaaaaaaaaaa")


class TestUnlearning:
    def test_who_took_back_was_never_in_the_repaired_run(self, there: LeasedHome) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        found = unlearn(desk(there), done.kept.run, [], train)
        assert len(found.forgotten) == 2
        assert found.after.family == done.kept.family
        assert len(found.outcome.after.leaves) == 16
        # The same from scratch: a hash of the retained records in the same places and order.
        with there.where.open(writing=False) as home:
            folder = runs_of(home).folder(found.after.family)
            names = {path.stem for path in folder.glob("*.ckpt")}
        assert names == {one.name.hex() for one in found.after.stages}
        assert found.replayed == len(
            [
                one
                for one in found.after.stages
                if one.shard
                in {
                    part.shard
                    for part in done.result.plan.parts
                    if found.forgotten & set(part.leaves)
                }
            ]
        )

    def test_named_people_are_forgotten_though_they_say_yes(self, there: LeasedHome) -> None:
        done = trained(there)
        found = unlearn(desk(there), done.kept.run, [there.people[4].id], train)
        assert len(found.forgotten) == 2

    def test_what_is_destroyed_is_in_the_log_first(self, there: LeasedHome) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        unlearn(desk(there), done.kept.run, [], train)
        found = [kind for kind, _ in kinds(there)]
        assert EntryKind.ARTEFACTS_DESTROYED in found
        planned = [at for at, kind in enumerate(found) if kind is EntryKind.RUN_PLANNED]
        assert planned[1] < found.index(EntryKind.ARTEFACTS_DESTROYED)

    def test_a_repair_that_was_stopped_is_done_and_proven_by_the_next(
        self, there: LeasedHome
    ) -> None:
        def dying(stage: Stage) -> bytes:
            del stage
            raise KeyboardInterrupt

        done = trained(there)
        there.withdraw(100, there.people[2])
        with pytest.raises(KeyboardInterrupt):
            unlearn(desk(there), done.kept.run, [], dying)
        with pytest.raises(InvalidInput) as refusal:
            desk(there).resume(done.kept.run)
        assert refusal.value.code == "repair_stopped"
        with pytest.raises(Denied) as denied:
            desk(there).adapters(done.kept.run)
        assert "unlearn" in denied.value.hint
        there.withdraw(200, there.people[5])
        found = unlearn(desk(there), done.kept.run, [], train)
        assert found.before.run == done.kept.run
        assert len(found.forgotten) == 4
        with there.where.open(writing=False) as home:
            checked = verify_bundle(found.bundle, home.signer.verifier)
            kept = runs_of(home).latest(done.kept.run)
        assert checked.forgotten == 4
        kind, fields = kinds(there)[kept.proven or 0]
        assert kind is EntryKind.UNLEARNING_DONE
        assert fields["after"] == kept.planned

    def test_nothing_to_forget_is_said(self, there: LeasedHome) -> None:
        done = trained(there)
        with pytest.raises(InvalidInput, match="nothing to forget"):
            unlearn(desk(there), done.kept.run, [], train)


class TestPuttingToUse:
    def test_a_model_is_given_out_while_everybody_says_yes(self, there: LeasedHome) -> None:
        done = trained(there)
        _, _, adapters = desk(there).adapters(done.kept.run)
        last = {one.shard: one.output for one in done.result.stages}
        assert [hashlib.sha256(one).digest() for one in adapters] == list(last.values())

    def test_a_model_from_before_a_withdrawal_is_refused_until_it_is_repaired(
        self, there: LeasedHome
    ) -> None:
        done = trained(there)
        there.withdraw(100, there.people[2])
        with pytest.raises(Denied, match="may not be used"):
            desk(there).adapters(done.kept.run)
        unlearn(desk(there), done.kept.run, [], train)
        kept, plan, _ = desk(there).adapters(done.kept.run)
        assert kept.run != done.kept.run
        assert len(plan.leaves) == 16

    def test_an_unfinished_run_is_refused(self, there: LeasedHome) -> None:
        origin = Origin(base="tiny:1", data=str(there.dataset))
        kept = desk(there).begin(origin, RECIPE, SHAPE).kept
        with pytest.raises(Denied, match="not trained to its end"):
            desk(there).adapters(kept.run)


class TestErasing:
    def erase(self, there: LeasedHome, person: int) -> None:
        with there.where.open() as home:
            now = home.clock.now()
            asked = new_erasure(b"e" * 16, ErasureScope.ACCOUNT, there.people[person].id, now)
            home.erasures.request(asked)
            there.where.clock.step(timedelta(days=8))
            home.erasures.drain()
            eraser_of(home).run(home.clock.now())

    def tainted(self, done: Trained, there: LeasedHome, person: int) -> set[str]:
        lease = there.lease()
        raw = there.people[person].holder.raw
        leaves = {lease.leaf(row) for row in range(18) if lease.owner(row) == raw}
        first = first_tainted(done.result.plan, leaves)
        assert first
        return {
            one.name.hex() for one in done.result.stages if one.number >= first.get(one.shard, 9)
        }

    def test_what_was_trained_on_an_erased_person_is_destroyed(self, there: LeasedHome) -> None:
        done = trained(there)
        tainted = self.tainted(done, there, 3)
        folder = there.where.folder / "runs" / done.kept.family
        copies = {path.stem: path.read_bytes() for path in folder.glob("*.ckpt")}
        self.erase(there, 3)
        assert {path.stem for path in folder.glob("*.ckpt")} == set(copies) - tainted
        with there.where.open() as home:
            family = parse_id(IdKind.RUN, done.kept.family)
            for name, envelope in copies.items():
                opened = home.artefacts.open(family, bytes.fromhex(name), envelope)
                assert (opened is None) == (name in tainted)

    def test_the_run_is_refused_and_can_be_repaired(self, there: LeasedHome) -> None:
        done = trained(there)
        self.erase(there, 3)
        with pytest.raises(Denied, match="may not be used"):
            desk(there).adapters(done.kept.run)
        unlearn(desk(there), done.kept.run, [], train)
        _, plan, _ = desk(there).adapters(done.kept.run)
        assert len(plan.leaves) == 16

    def test_a_run_that_was_stopped_loses_it_too(self, there: LeasedHome) -> None:
        def dying(stage: Stage) -> bytes:
            if stage.part.shard == 2:
                raise KeyboardInterrupt
            return train(stage)

        with pytest.raises(KeyboardInterrupt):
            trained(there, dying)
        with there.where.open(writing=False) as home:
            (kept,) = runs_of(home).all()
            plan = runs_of(home).plan_of(kept)
        folder = there.where.folder / "runs" / kept.family
        before = len(list(folder.glob("*.ckpt")))
        lease = there.lease()
        part = next(part for part in plan.parts if part.leaves)
        person = next(
            number
            for number, one in enumerate(there.people)
            if any(
                lease.owner(row) == one.holder.raw and lease.leaf(row) in part.leaves
                for row in range(18)
            )
        )
        self.erase(there, person)
        later = [
            one
            for one in plan.parts
            if one.shard == part.shard and one.number >= part.number and one.leaves
        ]
        assert len(list(folder.glob("*.ckpt"))) == before - len(later)


class TestStops:
    def test_a_file_whose_key_is_gone_counts_for_nothing(self, there: LeasedHome) -> None:
        """As after a stop between the removal of a key and of its file."""
        done = trained(there)
        folder = there.where.folder / "runs" / done.kept.family
        last = done.result.stages[-1]
        path = folder / f"{last.name.hex()}.ckpt"
        envelope = path.read_bytes()
        with there.where.open() as home:
            store = SealedCheckpoints(folder, done.kept, home.artefacts, home.recorder)
            store.drop(last.name)
            path.write_bytes(envelope)
            assert store.get(last.name) is None
        again = desk(there).train(desk(there).resume(done.kept.run), train)
        assert [one.name for one in again.result.trained] == [last.name]
        assert again.result.stages == done.result.stages

    def test_a_changed_checkpoint_is_refused(self, there: LeasedHome) -> None:
        done = trained(there)
        folder = there.where.folder / "runs" / done.kept.family
        path = next(folder.glob("*.ckpt"))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(VerificationFailed):
            desk(there).train(desk(there).resume(done.kept.run), train)

    def test_a_plan_that_never_came_into_the_log_is_no_run(self, there: LeasedHome) -> None:
        done = trained(there)
        folder = there.where.folder / "runs" / done.kept.family
        (folder / f"{done.kept.run}.run.json").unlink()
        with there.where.open() as home:
            assert runs_of(home).all() == []
            report = run_audit(evidence_of(home), clock=home.clock)
        assert [one for one in report.results if one.outcome is not Outcome.HELD] == []


class TestKeys:
    def test_a_rotation_of_keys_leaves_a_run_as_it_is(self, there: LeasedHome) -> None:
        done = trained(there)
        with there.where.open() as home:
            scope = key_scope(home.identity.region, home.identity.realm)
            assert home.rotation.rotate(scope).moved
        _, _, adapters = desk(there).adapters(done.kept.run)
        assert len(adapters) == len({one.shard for one in done.result.stages})

    def test_an_audit_knows_whose_keys_they_are(self, there: LeasedHome) -> None:
        trained(there)
        with there.where.open() as home:
            report = run_audit(evidence_of(home), clock=home.clock)
        assert [one for one in report.results if one.outcome is not Outcome.HELD] == []


class TestLineage:
    def standing(self, there: LeasedHome, person: int) -> list[tuple[int, int, Standing]]:
        with there.where.open(writing=False) as home:
            found = models_with(home, there.people[person])
        return [(one.records, one.left, one.standing) for one in found]

    def test_a_model_goes_from_in_use_over_blocked_to_trained_again(
        self, there: LeasedHome
    ) -> None:
        assert self.standing(there, 2) == []
        done = trained(there)
        assert self.standing(there, 2) == [(2, 2, Standing.IN_USE)]
        there.withdraw(100, there.people[2])
        assert self.standing(there, 2) == [(2, 2, Standing.BLOCKED)]
        assert self.standing(there, 3) == [(2, 2, Standing.IN_USE)]
        unlearn(desk(there), done.kept.run, [], train)
        assert self.standing(there, 2) == [(2, 0, Standing.RETRAINED)]

    def test_who_withdraws_while_it_trains_was_left_out(self, there: LeasedHome) -> None:
        def told(stage: Stage) -> bytes:
            there.withdraw(100, there.people[2])
            return train(stage)

        trained(there, told)
        assert self.standing(there, 2) == [(2, 0, Standing.LEFT_OUT)]
