"""A source, a store and a training that are made of lists and hashes: quick, and exact."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from volens.core.errors import Denied
from volens.core.ids import DatasetId, IdKind, RunId, format_id
from volens.training.model import Example, Plan, Recipe
from volens.training.planning import Placement, Source, make_plan
from volens.training.runner import Stage

RECIPE = Recipe(base=b"b" * 32, profile="hashes")
SOURCE = Source(dataset=DatasetId(format_id(IdKind.DATASET, b"d" * 16)), manifest_root=b"m" * 32)
SEED = b"s" * 32


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"leaf %d" % number).digest()


def run_id(number: int) -> RunId:
    return RunId(format_id(IdKind.RUN, number.to_bytes(16, "big")))


def run_ids(start: int = 100) -> Callable[[], RunId]:
    numbers = iter(range(start, start + 10_000))
    return lambda: run_id(next(numbers))


def plan_of(
    leaves: Iterable[bytes], *, shards: int = 4, slices: int = 4, recipe: Recipe = RECIPE
) -> Plan:
    """Place leaves by their first two bytes."""

    def place(one: bytes) -> Placement:
        return Placement(shard=one[0] % shards, number=one[1] % slices)

    found = list(leaves)
    return make_plan(
        run_id(1), SOURCE, found, place, recipe, seed=SEED, shards=shards, slices=slices
    )


class ListSource:
    """Gives out examples; `take_back` is heard at once, like a withdrawal."""

    def __init__(self, text: Callable[[bytes], str] = lambda one: one.hex()) -> None:
        self.gone: set[bytes] = set()
        self.opened: list[bytes] = []
        self.looked = 0
        self.plans: dict[int, Iterable[bytes]] = {}
        """At which look somebody takes which leaves back."""
        self._text = text

    def taken_back(self) -> frozenset[bytes]:
        self.looked += 1
        self.gone.update(self.plans.pop(self.looked, ()))
        return frozenset(self.gone)

    def open(self, leaves: Sequence[bytes]) -> list[Example]:
        if not self.gone.isdisjoint(leaves):
            raise Denied("withdrawn_meanwhile", "one of them was taken back")
        self.opened += leaves
        return [
            Example(leaf=one, messages=(("user", "?"), ("assistant", self._text(one))))
            for one in leaves
        ]


def hash_train(stage: Stage) -> bytes:
    """Train by hashing: every record leaves its trace, and order counts."""
    made = stage.previous or b"first %d" % stage.part.shard
    for one in stage.examples:
        stage.on_step()
        made = hashlib.sha256(made + one.leaf).digest()
    return made
