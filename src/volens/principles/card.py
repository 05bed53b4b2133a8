"""The card of a set, written from its provenance alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from volens.core.time import format_moment
from volens.principles.constitution import Constitution
from volens.principles.provenance import PAIRS, SFT, Provenance

_LIMITS = (
    (
        "No chat went into this set. A model that was trained on chats may still repeat them, and "
        "nothing here can show that it does not."
    ),
    "Who says where a prompt is from is whoever wrote the prompt file.",
    "Answers were written by a model. They may be wrong, and carry its habits and its language.",
    "Rules notice phrases and lengths, not meaning.",
)


def render_card(provenance: Provenance, constitution: Constitution) -> str:
    """Return the card as Markdown with a YAML header; the same input gives the same text."""
    title = f"Synthetic pairs after the principles {constitution.id}"
    head = [
        "---",
        f"pretty_name: {json.dumps(title)}",
        "license: other",
        "language:",
        f'- "{constitution.language}"',
        "task_categories:",
        "- text-generation",
        "tags:",
        "- synthetic",
        "- principle-based",
        "- volens",
        "configs:",
        "- config_name: preference",
        f"  data_files: {PAIRS}",
        "- config_name: sft",
        f"  data_files: {SFT}",
        "---",
        "",
    ]
    body = [
        f"# {title}\n",
        "**Synthetic**: written by a model from a set of principles; no chats in it.\n",
        _table("what", "how much", _facts(provenance)),
        "## Principles\n",
        "".join(f"- `{one.id}`: {one.text}\n" for one in constitution.principles),
        "## What was thrown away, and why\n",
        _dropped(provenance),
        "## Limits\n",
        "".join(f"- {limit}\n" for limit in _limits(provenance)),
        "## Check it\n",
        (
            "`volens principles check FOLDER` recomputes every number and digest. It shows that "
            "the folder agrees with itself; it is not signed.\n"
        ),
        f"- digest: `{hashlib.sha256(provenance.encode()).hexdigest()}`\n",
    ]
    return "\n".join([*head, *body])


def _facts(provenance: Provenance) -> list[tuple[str, str]]:
    measures = provenance.measures
    prompts = ", ".join(f"{count} {source}" for source, count in provenance.sources.items())
    return [
        ("pairs", str(measures.pairs)),
        ("prompts, by their own label", prompts),
        ("principles", f"`{provenance.constitution}`"),
        ("writer", f"`{provenance.writer.model}` ({provenance.writer.kind.value})"),
        ("judge", _judge(provenance)),
        ("chosen answers that refuse", _percent(measures.refusals)),
        ("middle length, chosen over rejected", _percent(measures.length)),
        ("chosen answers that take up a word of the request", _percent(measures.to_the_point)),
        ("distinct pairs of words", _percent(measures.distinct)),
        ("left out as near repeats", _percent(measures.repeated)),
        ("made", format_moment(provenance.made)),
        ("made with", f"`{provenance.software}`"),
    ]


def _judge(provenance: Provenance) -> str:
    gate = provenance.gate
    if gate is None:
        return "none: rules only"
    return f"`{gate.judge.model}`, right about {gate.right} of {gate.pairs} labelled pairs"


def _dropped(provenance: Provenance) -> str:
    if not provenance.dropped:
        return "Nothing was thrown away.\n"
    rows = [(f"`{reason}`", str(count)) for reason, count in provenance.dropped.items()]
    return _table("reason", "prompts", rows)


def _limits(provenance: Provenance) -> tuple[str, ...]:
    if provenance.gate is not None:
        return _LIMITS
    return (*_LIMITS, "No judge compared the answers: the chosen ones may not be better.")


def _table(first: str, second: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {first} | {second} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows), ""])


def _percent(per_mille: int) -> str:
    return f"{per_mille / 10:.1f}%"
