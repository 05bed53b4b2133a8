"""Writes a model for use: the merged adapter, what it is, and a bill of materials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from volens import __version__
from volens.app.home import Home
from volens.app.runs import runs_of
from volens.core.canonical import Json
from volens.core.time import format_moment
from volens.datasets.durable import claim_staging, discard, publish
from volens.training.bundle import model_digest
from volens.training.model import Plan
from volens.training.runs import KeptRun

ADAPTER = "adapter.safetensors"
CARD = "README.md"
BOM = "bom.cdx.json"


def export_model(
    home: Home, kept: KeptRun, plan: Plan, adapters: Sequence[bytes], out: Path
) -> list[tuple[str, str]]:
    """Write a model to the folder `out`, all at once; return name and SHA-256 of each file.

    That a copy leaves is in the log, and kept with the run, before it does.

    Raises:
        InvalidInput: ``nothing_to_merge``, ``out_exists``, ``out_parent``.
        Unavailable: if torch is not installed; ``staging_in_use``.
    """
    from volens.training.aggregate import merge  # noqa: PLC0415 - takes torch

    merged = merge(adapters)
    checkpoint = (home.folder / "log" / "checkpoint").read_text("utf-8")
    facts = _facts(home, kept, plan, merged)
    files = {
        ADAPTER: merged,
        CARD: _card(facts, checkpoint).encode("utf-8"),
        BOM: json.dumps(_bom(home, plan, facts), indent=2).encode("utf-8"),
    }
    staged, lock = claim_staging(out)
    try:
        adapter = sha256(merged).digest()
        runs_of(home).give(kept, model_digest(kept.stages), adapter, home.clock.now())
        for name, data in files.items():
            (staged / name).write_bytes(data)
        publish(staged, out)
    finally:
        discard(staged, lock)
    return [(name, sha256(data).hexdigest()) for name, data in files.items()]


def _facts(home: Home, kept: KeptRun, plan: Plan, merged: bytes) -> dict[str, str]:
    policy = home.policy.ref
    return {
        "run": kept.run,
        "made": format_moment(kept.at),
        "model": model_digest(kept.stages).hex(),
        "adapter": sha256(merged).hexdigest(),
        "base": plan.recipe.base.hex(),
        "dataset": plan.dataset,
        "manifest_root": plan.manifest_root.hex(),
        "records": str(len(plan.leaves)),
        "shape": f"{plan.shards} shards of {plan.slices} slices",
        "rank": str(plan.recipe.rank),
        "profile": plan.recipe.profile,
        "policy": f"{policy.name} {policy.version}",
        "policy_sha256": policy.hash,
        "log": home.identity.origin,
        "planned": str(kept.planned),
        "repairs": plan.revises or "nothing",
    }


def _card(facts: dict[str, str], checkpoint: str) -> str:
    rows = "\n".join(f"| {name} | `{value}` |" for name, value in facts.items())
    return (
        "# An adapter, trained on what people said yes to\n\n"
        "| | |\n|---|---|\n"
        f"{rows}\n\n"
        "The adapter is the mean of what the shards learned (B A), in one safetensors file. It was "
        "given out while everybody in it still said yes. When somebody takes that back, this copy "
        "does not change by itself: ask for the repaired one.\n\n"
        "What can't be known from it: what the base model was trained on.\n\n"
        "The log when it was written:\n\n"
        f"```\n{checkpoint}```\n"
    )


def _bom(home: Home, plan: Plan, facts: dict[str, str]) -> Json:
    """Return a bill of materials (CycloneDX 1.6, ECMA-424, with its model card)."""
    properties: list[Json] = [
        {"name": f"volens:{name}", "value": facts[name]}
        for name in ("model", "policy", "policy_sha256", "log", "planned", "profile")
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": format_moment(home.clock.now()),
            "tools": {
                "components": [{"type": "application", "name": "volens", "version": __version__}]
            },
            "component": {
                "type": "machine-learning-model",
                "bom-ref": facts["run"],
                "name": facts["run"],
                "hashes": [{"alg": "SHA-256", "content": facts["adapter"]}],
                "modelCard": {
                    "modelParameters": {
                        "task": "text-generation",
                        "datasets": [{"ref": plan.dataset}],
                    }
                },
                "properties": properties,
            },
        },
        "components": [
            {
                "type": "machine-learning-model",
                "bom-ref": "base",
                "name": "base model",
                "hashes": [{"alg": "SHA-256", "content": facts["base"]}],
            },
            {
                "type": "data",
                "bom-ref": plan.dataset,
                "name": plan.dataset,
                "hashes": [{"alg": "SHA-256", "content": facts["manifest_root"]}],
                "data": [{"type": "dataset", "name": plan.dataset}],
            },
        ],
        "dependencies": [{"ref": facts["run"], "dependsOn": ["base", plan.dataset]}],
    }
