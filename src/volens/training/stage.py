"""One stage of training: a low-rank adapter on a base model, as a pure function of its inputs.

LoRA (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022): a target layer W
gets W + (alpha / rank) B A. A starts from numbers of our own, B from zero. Adam (Kingma and Ba,
ICLR 2015) with a constant learning rate starts anew in each stage, so that nothing but the
checkpoint passes from stage to stage. An adapter is a safetensors file with a ``LAYER.a`` and a
``LAYER.b`` for each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from volens.core.errors import InvalidInput
from volens.training.base import Base, draw
from volens.training.model import Example, Recipe
from volens.training.profile import require_profile, the_torch
from volens.training.runner import Stage, Train

Tensors = Mapping[str, Any]
"""Name to tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How far a stage is.

    Attributes:
        step: the steps done, from 1.
        steps: how many there are.
        loss: mean loss of the step's learned tokens, in nats.
        tokens: how many learned tokens it had.
    """

    step: int
    steps: int
    loss: float
    tokens: int


def trainer(base: Base, on_step: Callable[[StepReport], None] | None = None) -> Train:
    """Return what trains stages on `base`, by their own recipe and seed.

    What it returns raises:
        InvalidInput: ``profile_differs``, ``other_base``, or ``no_target`` naming a layer that the
            base does not have.
    """

    def train(stage: Stage) -> bytes:
        recipe = stage.recipe
        require_profile(recipe.profile)
        if base.digest != recipe.base:
            raise InvalidInput("other_base", "the base model is not the one that the recipe names")
        if stage.previous is None:
            label = b"volens/adapter/v1\x00" + stage.seed + stage.part.shard.to_bytes(4, "big")
            tensors = _first(_layers(base, recipe), recipe.rank, label)
        else:
            tensors = load(stage.previous)
        return _train(base, tensors, stage, on_step)

    return train


def load(adapter: bytes) -> dict[str, Any]:
    """Read an adapter into tensors."""
    the_torch()
    from safetensors.torch import load as read  # noqa: PLC0415 - an extra

    found: dict[str, Any] = read(adapter)
    return found


def save(tensors: Tensors) -> bytes:
    """Write an adapter in its one spelling."""
    from safetensors.torch import save as write  # noqa: PLC0415 - an extra

    ordered = {name: tensors[name].detach().contiguous() for name in sorted(tensors)}
    made: bytes = write(ordered, metadata={"format": "volens-adapter/v1"})
    return made


@contextmanager
def adapted(base: Base, recipe: Recipe, tensors: Tensors) -> Iterator[None]:
    """Let the base model compute with an adapter, until the block ends; with none, as it is."""
    torch = the_torch()
    scale = recipe.alpha / recipe.rank
    kept = []
    for name, layer in _layers(base, recipe).items() if tensors else ():
        a, b = tensors[f"{name}.a"], tensors[f"{name}.b"]
        forward = layer.forward

        def through(x: Any, forward: Any = forward, a: Any = a, b: Any = b) -> Any:  # noqa: ANN401 - tensors of an optional library
            return forward(x) + torch.matmul(torch.matmul(x, a.t()), b.t()) * scale

        layer.forward = through
        kept.append(layer)
    try:
        yield
    finally:
        for layer in kept:
            del layer.forward  # the class's own shows again


def rows_of(base: Base, recipe: Recipe, examples: Sequence[Example], fill: int) -> tuple[Any, Any]:
    """Return tokens and weights of some records, filled up to `fill` rows; shapes fill x length."""
    torch = the_torch()
    rows = [base.tokens(one.messages, recipe.length) for one in examples]
    rows += [([0] * recipe.length, [0] * recipe.length)] * (fill - len(rows))
    ids = torch.tensor([ids for ids, _ in rows], dtype=torch.int64)
    weights = torch.tensor([weights for _, weights in rows], dtype=torch.float32)
    return ids, weights


def losses(base: Base, ids: Any, weights: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors of an optional library
    """Return, for each row, the sum of the losses of its learned tokens, and how many those are."""
    torch = the_torch()
    logits = base.model(input_ids=ids, use_cache=False).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
    ).reshape(len(ids), -1)
    counted = weights[:, 1:]
    return (each * counted).sum(dim=1), counted.sum(dim=1)


def _train(
    base: Base,
    start: Tensors,
    stage: Stage,
    on_step: Callable[[StepReport], None] | None,
) -> bytes:
    torch = the_torch()
    recipe = stage.recipe
    tensors = {name: start[name].clone().requires_grad_() for name in sorted(start)}
    adam = torch.optim.Adam(list(tensors.values()), lr=recipe.learning_rate / 1e6, foreach=False)
    batches = [
        stage.examples[at : at + recipe.batch]
        for _ in range(recipe.epochs)
        for at in range(0, len(stage.examples), recipe.batch)
    ]
    with adapted(base, recipe, tensors):
        for number, batch in enumerate(batches, 1):
            ids, weights = rows_of(base, recipe, batch, recipe.batch)
            summed, counted = losses(base, ids, weights)
            tokens = counted.sum()
            loss = summed.sum() / tokens.clamp(min=1.0)
            adam.zero_grad()
            loss.backward()
            adam.step()
            stage.on_step()
            if on_step is not None:
                report = StepReport(
                    step=number, steps=len(batches), loss=float(loss.detach()), tokens=int(tokens)
                )
                on_step(report)
    return save(tensors)


def _layers(base: Base, recipe: Recipe) -> dict[str, Any]:
    torch = the_torch()
    found = {
        name: layer
        for name, layer in base.model.named_modules()
        if name.rpartition(".")[2] in recipe.targets and isinstance(layer, torch.nn.Linear)
    }
    missing = set(recipe.targets) - {name.rpartition(".")[2] for name in found}
    if missing:
        raise InvalidInput("no_target", f"the base model has no linear layer {min(missing)}")
    return found


def _first(layers: Mapping[str, Any], rank: int, label: bytes) -> dict[str, Any]:
    torch = the_torch()
    tensors = {}
    for name, layer in layers.items():
        wide = layer.in_features
        drawn = draw(label + name.encode("utf-8"), (rank, wide)) / float(wide) ** 0.5
        tensors[f"{name}.a"] = torch.from_numpy(drawn).to(torch.float32)
        tensors[f"{name}.b"] = torch.zeros((layer.out_features, rank), dtype=torch.float32)
    return tensors
