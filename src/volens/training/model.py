"""What a training run is: its recipe, its plan, the stages, and what each of them came from.

A run trains one adapter for each *shard*. A shard's records are cut into *slices*; a *stage* trains
on one slice, from the checkpoint of the stage before it. A stage is a pure function of its inputs,
so a record can be forgotten exactly by training its shard again from the stage before the slice it
was in (SISA training: Bourtoule et al., "Machine Unlearning", IEEE S&P 2021).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from volens.core.canonical import Json, canonical_json
from volens.core.errors import InvalidInput
from volens.core.ids import DatasetId, RunId

DIGEST_BYTES: Final = 32
DEFAULT_SHARDS: Final = 8
DEFAULT_SLICES: Final = 4
MOST_SHARDS: Final = 1024
MOST_SLICES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How every stage trains. Nothing in it is fitted to anybody's records.

    Attributes:
        base: SHA-256 over the base model's files, as `training.base` reads them; 32 bytes.
        profile: the instruction-set profile the bytes hold for, as `training.profile` names it.
        rank: of the adapter's matrices.
        alpha: the adapter's scale is alpha / rank.
        targets: names of the base's linear layers that get an adapter, sorted.
        learning_rate: constant within every stage, in units of 10^-6 (a whole number, so that the
            recipe has one spelling).
        epochs: how often a stage goes through its slice.
        batch: records in a step; the last step of a stage is filled up with rows of no weight.
        length: tokens in a row; longer records are cut, shorter ones filled up.
    """

    base: bytes
    profile: str
    rank: int = 8
    alpha: int = 16
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    learning_rate: int = 500
    epochs: int = 1
    batch: int = 4
    length: int = 256

    def __post_init__(self) -> None:
        """Refuse what no stage could be trained by.

        Raises:
            InvalidInput: ``recipe_form`` naming the attribute.
        """
        if len(self.base) != DIGEST_BYTES:
            raise _wrong_recipe("base", f"a digest of {DIGEST_BYTES} bytes")
        for name in ("rank", "alpha", "learning_rate", "epochs", "batch", "length"):
            if not 1 <= getattr(self, name) <= 10**6:
                raise _wrong_recipe(name, "a whole number from 1 to 1,000,000")
        if not self.targets or list(self.targets) != sorted(set(self.targets)):
            raise _wrong_recipe("targets", "names in order, none twice, at least one")

    def document(self) -> dict[str, Json]:
        """Return the recipe as JSON values."""
        return {
            "base": self.base.hex(),
            "profile": self.profile,
            "rank": self.rank,
            "alpha": self.alpha,
            "targets": list(self.targets),
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "batch": self.batch,
            "length": self.length,
        }

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the recipe's canonical JSON; 32 bytes."""
        return hashlib.sha256(canonical_json(self.document())).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One record, opened: what a stage trains on. `repr` shows no text.

    Attributes:
        leaf: its leaf in the dataset's manifest, 32 bytes.
        messages: (role, text) of its turns; roles ``system``, ``user``, ``assistant``.
    """

    leaf: bytes
    messages: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The records of one stage, by their leaves, in the order they are trained on."""

    shard: int
    number: int
    """From 0; within a shard, a later slice is trained after an earlier one."""
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which records go where, in which order: a pure function of a manifest and a seed.

    Attributes:
        run: the run's id.
        dataset: the dataset it trains on.
        manifest_root: the Merkle root of that dataset's manifest; 32 bytes.
        recipe: how.
        seed: 32 bytes, committed to in the log before anything is trained; all order and all
            initial weights come from it.
        shards: how many shards there are, also empty ones.
        slices: how many slices each shard has, also empty ones.
        parts: every slice, shard by shard, slice by slice: ``shards * slices`` of them.
        revises: the run that this one repairs, if it does.
    """

    run: RunId
    dataset: DatasetId
    manifest_root: bytes
    recipe: Recipe
    seed: bytes = field(repr=False)
    shards: int
    slices: int
    parts: tuple[Slice, ...] = field(repr=False)
    revises: RunId | None = None

    def part(self, shard: int, number: int) -> Slice:
        """Return one slice."""
        return self.parts[shard * self.slices + number]

    @property
    def leaves(self) -> list[bytes]:
        """All leaves, in rising order."""
        return sorted(leaf for part in self.parts for leaf in part.leaves)


def order_of(seed: bytes, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the leaves in the order in which they are trained on.

    The place of a leaf depends on the seed and on itself only, so leaving one out moves no other
    past another.
    """
    return sorted(
        leaves, key=lambda leaf: hmac.digest(seed, b"volens/order/v1\x00" + leaf, "sha256")
    )


def stage_inputs(
    recipe: bytes, seed: bytes, previous: bytes, leaves: Sequence[bytes], shard: int, number: int
) -> bytes:
    """Return the digest that names a stage: equal digests, equal checkpoints.

    Args:
        recipe: the recipe's digest.
        seed: the run's seed.
        previous: SHA-256 of the checkpoint before it; 32 zero bytes for the first stage.
        leaves: what it trains on, in order.
        shard: its shard.
        number: its slice.
    """
    place = shard.to_bytes(4, "big") + number.to_bytes(4, "big")
    made = hashlib.sha256(b"volens/stage/v1\x00" + recipe + seed + previous + place)
    made.update(len(leaves).to_bytes(8, "big"))
    for leaf in leaves:
        made.update(leaf)
    return made.digest()


def _wrong_recipe(name: str, wanted: str) -> InvalidInput:
    return InvalidInput("recipe_form", f"the recipe's {name} is not {wanted}")
