"""What proves that a run was repaired: a signed statement, both plans, and their log entries.

Whoever has the bundle and the log's key can check all of it but the replay (docs/formats/
unlearning.md): that seed and order stood in the log before, that what is retained is what was there
without the forgotten, that every stage follows from its inputs, that untouched shards are the same,
and that everything tainted is among what was destroyed. What no bundle shows: what the base model
knows, what was given out before, and what somebody did who went round the gate.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.members import Members
from volens.core.time import format_moment, parse_moment
from volens.datasets.logged import Logged, verify_logged
from volens.gate.leasing import used_root
from volens.log.dsse import sign_envelope, verify_envelope
from volens.log.kinds import EntryKind
from volens.log.note import Signer, Verifier
from volens.training.model import DIGEST_BYTES, Plan, stage_inputs
from volens.training.planning import encode_plan, parse_plan, plan_digest
from volens.training.runner import StageDone
from volens.training.runs import KeptRun, seed_digest
from volens.training.unlearning import touched_shards, verify_forgotten

VERSION: Final = "volens-unlearning/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "tag:volens.example,2026:exact-unlearning/v1"
SUBJECT: Final = "adapters"
LIMITS: Final = ("base_model", "released_copies", "outside_the_gate", "replay_needs_inputs")
"""What the bundle does not show; each is explained in docs/formats/unlearning.md."""
_CODE: Final = "unlearning_form"
_NOTHING: Final = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A run before or after, with what the log says of its plan."""

    plan: Plan
    stages: Sequence[StageDone]
    planned: int
    entry: bytes
    """The entry ``run.planned``."""
    proof: bytes
    """Its ``.tlog-proof``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """An independent replay: the touched shards, from their first stage."""

    stages: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was verified."""

    before: Plan
    after: Plan
    forgotten: int
    destroyed: int
    model: bytes
    """What names the repaired model (`model_digest`)."""
    replayed: Replayed
    planned_at: datetime
    """When the log got the plan before, with its seed and order."""
    repaired_at: datetime


def model_digest(stages: Sequence[StageDone]) -> bytes:
    """Return what names a model: SHA-256 over the last checkpoint's digest of each shard, in order.

    A shard without records has none and does not count.
    """
    last = {one.shard: one.output for one in stages}
    made = sha256(b"volens/model/v1\x00")
    for shard in sorted(last):
        made.update(shard.to_bytes(4, "big") + last[shard])
    return made.digest()


def make_bundle(
    before: Side, after: Side, destroyed: Sequence[bytes], replayed: Replayed, signer: Signer
) -> bytes:
    """Return the bundle, as canonical JSON."""
    forgotten = sorted(frozenset(before.plan.leaves).difference(after.plan.leaves))
    statement = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": SUBJECT, "digest": {"sha256": model_digest(after.stages).hex()}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "before": _said(before),
                "after": _said(after),
                "forgotten": {"count": len(forgotten), "root": used_root(forgotten).hex()},
                "destroyed": [name.hex() for name in sorted(set(destroyed))],
                "replay": {"stages": replayed.stages, "at": format_moment(replayed.at)},
                "limits": list(LIMITS),
            },
        }
    )
    return canonical_json(
        {
            "version": VERSION,
            "statement": sign_envelope(PAYLOAD_TYPE, statement, signer).decode("utf-8"),
            "before": _shown(before),
            "after": _shown(after),
        }
    )


def verify_bundle(data: bytes, verifier: Verifier, *, model: bytes | None = None) -> Checked:
    """Check a bundle by its bytes and the log's key; with `model`, that it is about that one.

    Raises:
        VerificationFailed: ``unlearning_form``, ``bad_signature``; ``other_plan`` if a plan is not
            the one the statement or the log names; ``other_stage`` if a stage does not follow from
            its inputs; ``not_destroyed`` if something tainted is not among what was destroyed;
            ``not_replayed``; ``other_model`` if it is about another model; as `verify_forgotten`
            and `verify_logged`.
    """
    try:
        return _verify(data, verifier, model)
    except InvalidInput as error:
        raise VerificationFailed(error.code, f"unlearning bundle: {error.message}") from error


def _verify(data: bytes, verifier: Verifier, model: bytes | None) -> Checked:
    top = Members(read_canonical(data), "bundle", _CODE)
    top.exactly("version statement before after")
    top.constant("version", VERSION)
    said = _statement(top, verifier)
    predicate = said.object("predicate")
    predicate.exactly("before after forgotten destroyed replay limits")
    before, planned = _side(top.object("before"), predicate.object("before"), verifier)
    after, repaired = _side(top.object("after"), predicate.object("after"), verifier)
    if repaired.entry.fields.get("revises") != planned.index or planned.index >= repaired.index:
        raise VerificationFailed("other_plan", "the log does not say that it repairs the other")
    replayed = _verify_repair(before, after, predicate)
    found = model_digest(after.stages)
    _verify_subject(said, found)
    if model is not None and model != found:
        message = "the bundle is about another model than the one shown"
        raise VerificationFailed("other_model", message, hint="ask for the newest bundle")
    return Checked(
        before=before.plan,
        after=after.plan,
        forgotten=len(before.plan.leaves) - len(after.plan.leaves),
        destroyed=len(predicate.digests("destroyed")),
        model=found,
        replayed=replayed,
        planned_at=planned.entry.at,
        repaired_at=repaired.entry.at,
    )


def _statement(top: Members, verifier: Verifier) -> Members:
    envelope = top.string("statement").encode("utf-8")
    payload = verify_envelope(envelope, PAYLOAD_TYPE, verifier, code=_CODE)
    said = Members(read_canonical(payload), "statement", _CODE)
    said.exactly("_type subject predicateType predicate")
    said.constant("_type", STATEMENT_TYPE)
    said.constant("predicateType", PREDICATE_TYPE)
    return said


def _verify_repair(before: Side, after: Side, predicate: Members) -> Replayed:
    gone = sorted(frozenset(before.plan.leaves).difference(after.plan.leaves))
    verify_forgotten(before.plan, after.plan, gone)
    forgotten = predicate.object("forgotten")
    forgotten.exactly("count root")
    if (forgotten.number("count"), forgotten.digest("root")) != (len(gone), used_root(gone)):
        raise VerificationFailed("not_forgotten", "the statement names other forgotten records")
    destroyed = frozenset(predicate.digests("destroyed"))
    _verify_destroyed(before, after, destroyed)
    replayed = _replayed(predicate.object("replay"))
    touched = set(touched_shards(before.plan, gone))
    if replayed.stages != sum(one.shard in touched for one in after.stages):
        raise VerificationFailed("not_replayed", "not every touched stage was replayed")
    if predicate.member("limits") != list(LIMITS):
        raise VerificationFailed(_CODE, "the statement does not name its limits")
    return replayed


def _side(shown: Members, said: Members, verifier: Verifier) -> tuple[Side, Logged]:
    shown.exactly("plan entry proof")
    said.exactly("run plan planned stages")
    plan = parse_plan(shown.string("plan").encode("utf-8"))
    entry, proof = shown.base64("entry"), shown.base64("proof")
    logged = verify_logged(entry, proof, kind=EntryKind.RUN_PLANNED, verifier=verifier)
    wanted: Mapping[str, object] = {
        "plan": plan_digest(plan),
        "seed": seed_digest(plan.seed),
        "manifest_root": plan.manifest_root,
        "records": len(plan.leaves),
        "shards": plan.shards,
        "slices": plan.slices,
    }
    for name, value in wanted.items():
        if logged.entry.fields.get(name) != value:
            raise VerificationFailed("other_plan", f"the log names another {name} than the plan")
    if (said.digest("plan"), said.string("run"), said.number("planned")) != (
        plan_digest(plan),
        plan.run,
        logged.index,
    ):
        raise VerificationFailed("other_plan", "the statement names another plan")
    stages = said.member("stages")
    if not isinstance(stages, list):
        raise said.wrong("stages", "is not a list")
    done = tuple(_stage(Members(one, "stage", _CODE)) for one in stages)
    _verify_chain(plan, done)
    side = Side(plan=plan, stages=done, planned=logged.index, entry=entry, proof=proof)
    return side, logged


def _verify_chain(plan: Plan, stages: Sequence[StageDone]) -> None:
    """Pass if every stage is named by its inputs, and none is missing or too many."""
    claimed = iter(stages)
    previous = _NOTHING
    for part in plan.parts:
        if part.number == 0:
            previous = _NOTHING
        if not part.leaves:
            continue
        found = next(claimed, None)
        name = stage_inputs(
            plan.recipe.digest, plan.seed, previous, part.leaves, part.shard, part.number
        )
        if found is None or (found.shard, found.number, found.name) != (
            part.shard,
            part.number,
            name,
        ):
            where = f"shard {part.shard}, slice {part.number}"
            raise VerificationFailed("other_stage", f"{where} does not follow from its inputs")
        previous = found.output
    if next(claimed, None) is not None:
        raise VerificationFailed("other_stage", "there are more stages than the plan has")


def _verify_destroyed(before: Side, after: Side, destroyed: frozenset[bytes]) -> None:
    kept = {one.name: one.output for one in after.stages}
    for one in before.stages:
        where = f"shard {one.shard}, slice {one.number}"
        if one.name not in kept and one.name not in destroyed:
            raise VerificationFailed("not_destroyed", f"{where} is tainted and was not destroyed")
        if kept.get(one.name, one.output) != one.output:
            raise VerificationFailed("other_stage", f"{where} gave other bytes from equal inputs")
    if destroyed.intersection(kept):
        raise VerificationFailed("not_destroyed", "a checkpoint is destroyed and kept")


def _verify_subject(said: Members, model: bytes) -> None:
    subjects = said.member("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise said.wrong("subject", "is not one model")
    subject = Members(subjects[0], "statement.subject", _CODE)
    subject.exactly("name digest")
    subject.constant("name", SUBJECT)
    digest = subject.object("digest")
    digest.exactly("sha256")
    if digest.digest("sha256") != model:
        raise VerificationFailed("other_model", "the statement is about another model")


def _replayed(found: Members) -> Replayed:
    found.exactly("stages at")
    return Replayed(stages=found.number("stages"), at=parse_moment(found.string("at")))


def _stage(found: Members) -> StageDone:
    found.exactly("shard slice inputs output")
    return StageDone(
        shard=found.number("shard"),
        number=found.number("slice"),
        name=found.digest("inputs"),
        output=found.digest("output"),
    )


def _said(side: Side) -> dict[str, Json]:
    stages: list[Json] = [
        {
            "shard": one.shard,
            "slice": one.number,
            "inputs": one.name.hex(),
            "output": one.output.hex(),
        }
        for one in side.stages
    ]
    return {
        "run": side.plan.run,
        "plan": plan_digest(side.plan).hex(),
        "planned": side.planned,
        "stages": stages,
    }


def _shown(side: Side) -> dict[str, Json]:
    return {
        "plan": encode_plan(side.plan).decode("utf-8"),
        "entry": base64.b64encode(side.entry).decode("ascii"),
        "proof": base64.b64encode(side.proof).decode("ascii"),
    }


def bundle_file(kept: KeptRun) -> str:
    """Return the name of the file in which a family keeps the bundle of a repair."""
    return f"{kept.run}.unlearning.json"
