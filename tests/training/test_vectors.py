"""The vectors of the page about plans are what the code writes."""

from tests.docs.pages import vectors
from tests.support.training import plan_of, run_id
from volens.crypto.keystore import Holder
from volens.gate.artefacts import artefact_binding, holder_of
from volens.training.model import order_of, stage_inputs
from volens.training.planning import encode_plan, parse_plan, plan_digest, without

LEAVES = [bytes([0, 0]) + bytes([number]) * 30 for number in range(3)]
PLAN = without(plan_of(LEAVES, shards=1, slices=2), LEAVES[:1], run_id(2))


def test_the_vectors_are_what_the_code_writes() -> None:
    told = vectors("training-plan")
    assert encode_plan(PLAN).decode() == told["plan"]
    assert parse_plan(told["plan"].encode()) == PLAN
    assert plan_digest(PLAN).hex() == told["plan_digest"]
    assert PLAN.recipe.digest.hex() == told["recipe_digest"]
    leaves = order_of(PLAN.seed, LEAVES[1:])
    first = stage_inputs(PLAN.recipe.digest, PLAN.seed, bytes(32), leaves, 0, 0)
    assert first.hex() == told["stage"]


def test_the_keys_of_a_family_are_what_the_format_page_says() -> None:
    told = vectors("training-run")
    family, name = bytes.fromhex(told["run"]), bytes.fromhex(told["name"])
    assert holder_of(family) == Holder(number=int(told["number"]), raw=family)
    assert artefact_binding(family, name).hex() == told["binding"]
