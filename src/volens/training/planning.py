"""Which record goes into which stage: made once from a manifest, and made again without some.

A plan is kept as one canonical JSON document (docs/formats/training-plan.md). It names leaves,
which say nothing about whose they are to anybody without the conversations' secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from volens.core.canonical import MAX_BYTES, Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput
from volens.core.ids import DatasetId, IdKind, RunId, parse_id
from volens.core.members import WORD, Members
from volens.training.model import (
    DEFAULT_SHARDS,
    DEFAULT_SLICES,
    DIGEST_BYTES,
    MOST_SHARDS,
    MOST_SLICES,
    Plan,
    Recipe,
    Slice,
    order_of,
)

VERSION: Final = "volens-plan/v1"
_CODE: Final = "plan_form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a record is trained on."""

    shard: int
    number: int
    """Its slice, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a run trains on: a dataset, by its id and the Merkle root of its manifest."""

    dataset: DatasetId
    manifest_root: bytes


def make_plan(
    run: RunId,
    source: Source,
    leaves: Collection[bytes],
    place: Callable[[bytes], Placement],
    recipe: Recipe,
    *,
    seed: bytes,
    shards: int = DEFAULT_SHARDS,
    slices: int = DEFAULT_SLICES,
) -> Plan:
    """Place every leaf, and order each slice by `order_of`.

    Args:
        run: the run's id.
        source: the dataset.
        leaves: what may be trained on, 32 bytes each.
        place: says where a leaf belongs; all of one person's in one shard.
        recipe: how every stage trains.
        seed: 32 random bytes.
        shards: 1 to `MOST_SHARDS`.
        slices: 1 to `MOST_SLICES`.

    Raises:
        InvalidInput: ``plan_form`` if a number is out of its range, or a leaf has another size or
            stands twice, or is placed outside.
    """
    _check_shape(shards, slices)
    parts: list[list[bytes]] = [[] for _ in range(shards * slices)]
    for leaf in leaves:
        where = place(leaf)
        if not (0 <= where.shard < shards and 0 <= where.number < slices):
            raise InvalidInput(_CODE, f"a record is placed outside of {shards} x {slices}")
        parts[where.shard * slices + where.number].append(leaf)
    plan = Plan(
        run=run,
        dataset=source.dataset,
        manifest_root=source.manifest_root,
        recipe=recipe,
        seed=seed,
        shards=shards,
        slices=slices,
        parts=_in_order(parts, seed, slices),
    )
    _check(plan)
    return plan


def without(plan: Plan, forget: Collection[bytes], run: RunId) -> Plan:
    """Return the plan of `run`, which repairs `plan`: the same but for the leaves in `forget`.

    Every other leaf keeps its shard, its slice and its place among the others.

    Raises:
        InvalidInput: ``not_in_plan`` if a leaf is not in the plan, or none is named.
    """
    gone = frozenset(forget)
    unknown = gone - frozenset(plan.leaves)
    if unknown or not gone:
        raise InvalidInput("not_in_plan", f"{len(unknown)} of {len(gone)} records are not in it")
    return Plan(
        run=run,
        dataset=plan.dataset,
        manifest_root=plan.manifest_root,
        recipe=plan.recipe,
        seed=plan.seed,
        shards=plan.shards,
        slices=plan.slices,
        parts=tuple(
            Slice(
                shard=part.shard,
                number=part.number,
                leaves=tuple(leaf for leaf in part.leaves if leaf not in gone),
            )
            for part in plan.parts
        ),
        revises=plan.run,
    )


def encode_plan(plan: Plan) -> bytes:
    """Write a plan in its one form.

    Raises:
        InvalidInput: ``plan_form``; what the reader refuses is never written.
    """
    _check(plan)
    parts: list[Json] = [{"leaves": [leaf.hex() for leaf in part.leaves]} for part in plan.parts]
    data = canonical_json(
        {
            "version": VERSION,
            "run": plan.run,
            "dataset": plan.dataset,
            "manifest_root": plan.manifest_root.hex(),
            "recipe": plan.recipe.document(),
            "seed": plan.seed.hex(),
            "shards": plan.shards,
            "slices": plan.slices,
            "parts": parts,
            "revises": plan.revises or "",
        }
    )
    if len(data) > MAX_BYTES:
        raise InvalidInput(_CODE, f"the plan takes {len(data)} bytes, more than {MAX_BYTES}")
    return data


def plan_digest(plan: Plan) -> bytes:
    """Return the SHA-256 of a plan's one form; 32 bytes."""
    return hashlib.sha256(encode_plan(plan)).digest()


def parse_plan(data: bytes) -> Plan:
    """Read a plan strictly: what is unknown, missing, misspelt, doubled or out of order is refused.

    Raises:
        InvalidInput: ``plan_form`` naming the member, or as `read_canonical`.
    """
    top = Members(read_canonical(data), "plan", _CODE)
    top.exactly("version run dataset manifest_root recipe seed shards slices parts revises")
    top.constant("version", VERSION)
    shards, slices = top.number("shards"), top.number("slices")
    parts = top.member("parts")
    if not isinstance(parts, list) or len(parts) != shards * slices:
        raise top.wrong("parts", f"does not hold {shards} times {slices} slices")
    plan = Plan(
        run=_run(top, "run"),
        dataset=top.dataset("dataset"),
        manifest_root=top.digest("manifest_root"),
        recipe=_recipe(top.object("recipe")),
        seed=top.digest("seed"),
        shards=shards,
        slices=slices,
        parts=tuple(_part(part, at, slices) for at, part in enumerate(parts)),
        revises=None if top.member("revises") == "" else _run(top, "revises"),
    )
    _check(plan)
    return plan


def _in_order(parts: Sequence[Sequence[bytes]], seed: bytes, slices: int) -> tuple[Slice, ...]:
    return tuple(
        Slice(shard=at // slices, number=at % slices, leaves=tuple(order_of(seed, leaves)))
        for at, leaves in enumerate(parts)
    )


def _part(value: Json, at: int, slices: int) -> Slice:
    part = Members(value, f"plan.parts[{at}]", _CODE)
    part.exactly("leaves")
    return Slice(shard=at // slices, number=at % slices, leaves=part.digests("leaves"))


def _recipe(recipe: Members) -> Recipe:
    recipe.exactly("base profile rank alpha targets learning_rate epochs batch length")
    targets = recipe.member("targets")
    if not isinstance(targets, list) or not all(
        isinstance(name, str) and WORD.fullmatch(name) for name in targets
    ):
        raise recipe.wrong("targets", "is not a list of names")
    return Recipe(
        base=recipe.digest("base"),
        profile=recipe.text("profile"),
        rank=recipe.number("rank"),
        alpha=recipe.number("alpha"),
        targets=tuple(targets),
        learning_rate=recipe.number("learning_rate"),
        epochs=recipe.number("epochs"),
        batch=recipe.number("batch"),
        length=recipe.number("length"),
    )


def _run(top: Members, name: str) -> RunId:
    top.parsed(name, lambda text: parse_id(IdKind.RUN, text))
    return RunId(top.string(name))


def _check_shape(shards: int, slices: int) -> None:
    if not (1 <= shards <= MOST_SHARDS and 1 <= slices <= MOST_SLICES):
        message = f"{shards} shards of {slices} slices"
        hint = f"1 to {MOST_SHARDS} shards, 1 to {MOST_SLICES} slices"
        raise InvalidInput(_CODE, message, hint=hint)


def _check(plan: Plan) -> None:
    _check_shape(plan.shards, plan.slices)
    places = [divmod(at, plan.slices) for at in range(plan.shards * plan.slices)]
    if [(part.shard, part.number) for part in plan.parts] != places:
        raise InvalidInput(_CODE, "a slice is missing, too many, or stands at another's place")
    _recipe(Members(plan.recipe.document(), "plan.recipe", _CODE))
    if len(plan.seed) != DIGEST_BYTES or len(plan.manifest_root) != DIGEST_BYTES:
        raise InvalidInput(_CODE, f"seed and manifest root take {DIGEST_BYTES} bytes each")
    leaves = plan.leaves
    if any(len(leaf) != DIGEST_BYTES for leaf in leaves) or len(set(leaves)) != len(leaves):
        raise InvalidInput(_CODE, "a leaf has another size than 32 bytes, or stands twice")
    for part in plan.parts:
        if list(part.leaves) != order_of(plan.seed, part.leaves):
            message = f"the records of shard {part.shard}, slice {part.number} are out of order"
            raise InvalidInput(_CODE, message)
