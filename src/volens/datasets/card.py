"""The card: what a dataset is, in plain words, written from its manifest alone.

The header follows the dataset-card metadata that hubs read (YAML between two lines of dashes); the
text says what is in, what was left out and why, and what the dataset does not promise.
"""

from __future__ import annotations

from volens.core.time import format_moment
from volens.datasets.manifest import Manifest
from volens.datasets.model import Format

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
_HUGE = "n>1B"

_FORMS = {
    Format.SEALED: "sealed records: they can be read only with keys that are given out one use at "
    "a time, and a record whose owner takes the yes back can no longer be opened",
    Format.HF: "Parquet files with the columns `record` and `messages`",
    Format.TRL: "JSON Lines with the members `messages` and `record`",
    Format.OPENAI: "JSON Lines with the member `messages`, for fine-tuning services",
    Format.SHAREGPT: "JSON Lines with the members `conversations` and `id`",
}

LIMITS = (
    (
        "The records show who said yes, not everybody: people who say yes may differ from those "
        "who don't in language, place, age and subject. Shares in here are not shares among all."
    ),
    "Removing names and numbers by machine misses some. Treat every record as personal data.",
    (
        "The proofs say that a conversation is, or is not, in this manifest under one capture. "
        "They do not say that the same words never came in another way."
    ),
    "What was learned from a record stays in a model after the record is gone.",
)


def render_card(manifest: Manifest) -> str:
    """Return the card as Markdown with a YAML header; the same manifest gives the same text."""
    return f"{_header(manifest)}\n{_body(manifest)}"


def _header(manifest: Manifest) -> str:
    lines = ["---", f'pretty_name: "{title(manifest)}"', "license: other"]
    named = sorted(tag for tag in manifest.languages if tag != "other")
    if named:
        lines += ["language:", *(f'- "{tag}"' for tag in named)]  # "no" is a language, not false
    lines += ["size_categories:", f"- {_size(manifest.counts.records)}"]
    lines += ["task_categories:", "- text-generation"]
    lines += ["tags:", "- conversational", "- consent", "- volens"]
    suffix = _suffix(manifest.format)
    if suffix:
        lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train"]
        lines += [f"    path: data/train-*{suffix}"]
    else:
        lines += ["viewer: false"]
    return "\n".join([*lines, "---", ""])


def _body(manifest: Manifest) -> str:
    counts = manifest.counts
    parts = [
        f"# {title(manifest)}\n",
        (
            f"Conversations for the purpose `{manifest.purpose.value}`, chosen under the policy "
            f"`{manifest.policy.name}` version `{manifest.policy.version}`. A record is here only "
            f"if the rules in force at the time permitted this purpose.\n"
        ),
        *_revised(manifest),
        "## What is in it\n",
        _table(
            ("what", "how much"),
            [
                ("records", f"{counts.records}"),
                ("turns", f"{counts.turns}"),
                ("bytes of content", f"{counts.payload_bytes}"),
                ("made", format_moment(manifest.created)),
                ("redaction profile", f"`{manifest.redaction}`"),
                ("made with", f"`{manifest.software}`"),
            ],
        ),
        f"Form: {_FORMS[manifest.format]}.\n",
        _languages(manifest),
        "## What was left out, and why\n",
        _excluded(manifest),
        "## Limits\n",
        "".join(f"- {limit}\n" for limit in LIMITS),
    ]
    if manifest.discloses:
        parts += ["## Your duty\n", f"{manifest.recall}\n"]
    parts += [
        "## Check it\n",
        (
            "`manifest.json` binds every file. `volens verify FOLDER --key KEY` recomputes all of "
            "it offline, with nothing but this folder and the public key of the log "
            f"`{manifest.log.origin}`.\n"
        ),
        f"- dataset: `{manifest.dataset}`\n- Merkle root: `{manifest.merkle_root.hex()}`\n",
    ]
    return "\n".join(parts)


def _revised(manifest: Manifest) -> list[str]:
    if manifest.revises is None:
        return []
    return [f"This is a new version of `{manifest.revises}`, to be used in its place.\n"]


def title(manifest: Manifest) -> str:
    """Return the name of a dataset for people."""
    return f"Consented conversations {manifest.dataset}"


def _languages(manifest: Manifest) -> str:
    if not manifest.languages:
        return "Languages: not recorded.\n"
    rows = [
        ("other or unknown" if tag == "other" else f"`{tag}`", f"{count}")
        for tag, count in sorted(manifest.languages.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _table(("language, as the source said", "records"), rows)


def _excluded(manifest: Manifest) -> str:
    if not manifest.excluded:
        return "Nothing was left out.\n"
    rows = [
        (f"`{reason}`", f"{count}")
        for reason, count in sorted(manifest.excluded.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _table(("reason", "conversations"), rows)


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows), ""])


def _size(records: int) -> str:
    return next((name for limit, name in _SIZES if records < limit), _HUGE)


def _suffix(form: Format) -> str:
    return {Format.SEALED: "", Format.HF: ".parquet"}.get(form, ".jsonl")
