"""How well a model knows records: the loss of each."""

from __future__ import annotations

from collections.abc import Sequence

from volens.training.base import Base
from volens.training.model import Example, Recipe
from volens.training.profile import the_torch
from volens.training.stage import adapted, load, losses, rows_of


def losses_of(
    base: Base, recipe: Recipe, adapter: bytes | None, examples: Sequence[Example]
) -> list[float]:
    """Return each record's mean loss over its learned tokens, in nats; 0 if it has none.

    Args:
        base: the base model.
        recipe: what the adapter was trained by.
        adapter: one shard's, or a merged one; None for the base alone.
        examples: the records.
    """
    torch = the_torch()
    found: list[float] = []
    with torch.no_grad(), adapted(base, recipe, {} if adapter is None else load(adapter)):
        for at in range(0, len(examples), recipe.batch):
            some = examples[at : at + recipe.batch]
            summed, counted = losses(base, *rows_of(base, recipe, some, len(some)))
            found += (summed / counted.clamp(min=1.0)).tolist()
    return found
