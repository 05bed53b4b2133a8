"""The bundle that proves a repair, and every forgery of it, each refused with its reason."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_training import RECIPE, SHAPE, train
from tests.support.homes import place
from tests.support.leased import LeasedHome, leased_home
from volens.app.training import Training, Where
from volens.app.unlearning import Unlearned, unlearn
from volens.core.canonical import canonical_json
from volens.core.errors import VerificationFailed
from volens.log.dsse import sign_envelope
from volens.log.entries import parse_entry
from volens.log.kinds import EntryKind
from volens.log.note import Signer
from volens.training.bundle import PAYLOAD_TYPE, model_digest, verify_bundle
from volens.training.model import Plan, Slice, order_of
from volens.training.planning import encode_plan, parse_plan, plan_digest
from volens.training.runs import Origin

Document = dict[str, Any]


@dataclass(frozen=True)
class Forged:
    """A bundle, taken apart, and what its statement says."""

    bundle: Document
    said: Document


@dataclass(frozen=True)
class Proven:
    """A home whose run was repaired twice."""

    there: LeasedHome
    first: Unlearned
    second: Unlearned
    signer: Signer


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Proven:
    where = place(tmp_path_factory.mktemp("proven"))
    where.create()
    there = leased_home(where, people=9, chats=2)
    desk = Training(Where(folder=where.folder, environment=where.environment, clock=where.clock))
    origin = Origin(base="tiny:1", data=str(there.dataset))
    run = desk.train(desk.begin(origin, RECIPE, SHAPE), train).kept.run
    there.withdraw(100, there.people[2])
    first = unlearn(desk, run, [], train)
    there.withdraw(200, there.people[5])
    second = unlearn(desk, run, [], train)
    with where.open(writing=False) as home:
        signer = home.signer
    return Proven(there=there, first=first, second=second, signer=signer)


def test_it_verifies_with_the_logs_key_alone(proven: Proven) -> None:
    found = verify_bundle(proven.first.bundle, proven.signer.verifier)
    assert found.forgotten == 2
    assert found.model == model_digest(proven.first.after.stages)
    assert (found.before.run, found.after.run) == (
        proven.first.before.run,
        proven.first.after.run,
    )


def test_its_digest_is_in_the_log(proven: Proven) -> None:
    with proven.there.where.open() as home:
        log = home.owned_log()
        found = [parse_entry(log.entry(index)) for index in range(log.size)]
    done = [dict(entry.fields) for entry in found if entry.kind is EntryKind.UNLEARNING_DONE]
    assert [one["bundle"] for one in done] == [
        hashlib.sha256(one.bundle).digest() for one in (proven.first, proven.second)
    ]
    assert [one["forgotten"] for one in done] == [2, 2]


def test_the_bundles_of_two_repairs_make_a_chain(proven: Proven) -> None:
    first = verify_bundle(proven.first.bundle, proven.signer.verifier)
    second = verify_bundle(proven.second.bundle, proven.signer.verifier)
    assert plan_digest(first.after) == plan_digest(second.before)


def test_an_old_certificate_does_not_speak_for_the_new_model(proven: Proven) -> None:
    newest = model_digest(proven.second.after.stages)
    verify_bundle(proven.second.bundle, proven.signer.verifier, model=newest)
    with pytest.raises(VerificationFailed) as refusal:
        verify_bundle(proven.first.bundle, proven.signer.verifier, model=newest)
    assert refusal.value.code == "other_model"


def test_another_signer_is_refused(proven: Proven) -> None:
    other = Signer(name=proven.signer.verifier.name, seed=bytes(32))
    with pytest.raises(VerificationFailed):
        verify_bundle(proven.first.bundle, other.verifier)


def test_every_changed_byte_is_found(proven: Proven) -> None:
    data = proven.first.bundle
    for at in range(0, len(data), 97):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(VerificationFailed):
            verify_bundle(changed, proven.signer.verifier)


def _after(forged: Forged, change: Callable[[Plan], Plan]) -> None:
    plan = parse_plan(forged.bundle["after"]["plan"].encode())
    forged.bundle["after"]["plan"] = encode_plan(change(plan)).decode()


def kept_record(forged: Forged) -> None:
    """Put a forgotten record back into the plan after."""
    before = parse_plan(forged.bundle["before"]["plan"].encode())

    def keep(after: Plan) -> Plan:
        gone = next(leaf for leaf in before.leaves if leaf not in after.leaves)
        return replace(
            after,
            parts=tuple(
                replace(two, leaves=one.leaves) if gone in one.leaves else two
                for one, two in zip(before.parts, after.parts, strict=True)
            ),
        )

    _after(forged, keep)


def other_seed(forged: Forged) -> None:
    def change(plan: Plan) -> Plan:
        seed = bytes(32)
        parts = tuple(
            Slice(shard=p.shard, number=p.number, leaves=tuple(order_of(seed, p.leaves)))
            for p in plan.parts
        )
        return replace(plan, seed=seed, parts=parts)

    _after(forged, change)


def other_base(forged: Forged) -> None:
    _after(forged, lambda p: replace(p, recipe=replace(p.recipe, base=b"x" * 32)))


def other_order(forged: Forged) -> None:
    plan = json.loads(forged.bundle["after"]["plan"])
    part = next(one for one in plan["parts"] if len(one["leaves"]) > 1)
    part["leaves"].reverse()
    forged.bundle["after"]["plan"] = canonical_json(plan).decode()


def other_output(forged: Forged) -> None:
    forged.said["predicate"]["after"]["stages"][0]["output"] = "00" * 32


def missing_stage(forged: Forged) -> None:
    forged.said["predicate"]["after"]["stages"].pop()


def nothing_destroyed(forged: Forged) -> None:
    forged.said["predicate"]["destroyed"] = []


def no_replay(forged: Forged) -> None:
    forged.said["predicate"]["replay"]["stages"] = 0


def no_limits(forged: Forged) -> None:
    forged.said["predicate"]["limits"] = []


def other_count(forged: Forged) -> None:
    forged.said["predicate"]["forgotten"]["count"] += 1


def other_subject(forged: Forged) -> None:
    forged.said["subject"][0]["digest"]["sha256"] = "00" * 32


def other_entry(forged: Forged) -> None:
    forged.bundle["after"]["entry"], forged.bundle["after"]["proof"] = (
        forged.bundle["before"]["entry"],
        forged.bundle["before"]["proof"],
    )


FORGERIES: dict[Callable[[Forged], None], str] = {
    kept_record: "other_plan",
    other_seed: "other_plan",
    other_base: "other_plan",
    other_order: "plan_form",
    other_output: "other_stage",
    missing_stage: "other_stage",
    nothing_destroyed: "not_destroyed",
    no_replay: "not_replayed",
    no_limits: "unlearning_form",
    other_count: "not_forgotten",
    other_subject: "other_model",
    other_entry: "other_plan",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda one: one.__name__)
def test_a_forger_who_has_the_key_is_refused_all_the_same(
    proven: Proven, forge: Callable[[Forged], None]
) -> None:
    bundle = json.loads(proven.first.bundle)
    said = json.loads(base64.b64decode(json.loads(bundle["statement"])["payload"]))
    forge(Forged(bundle=bundle, said=said))
    bundle["statement"] = sign_envelope(PAYLOAD_TYPE, canonical_json(said), proven.signer).decode()
    with pytest.raises(VerificationFailed) as refusal:
        verify_bundle(canonical_json(bundle), proven.signer.verifier)
    assert refusal.value.code == FORGERIES[forge]


def test_the_file_that_the_home_keeps_is_the_bundle(proven: Proven) -> None:
    kept = proven.first.after
    folder = Path(proven.there.where.folder) / "runs" / kept.family
    assert (folder / f"{kept.run}.unlearning.json").read_bytes() == proven.first.bundle
