"""The signed and logged parts of a dataset folder, and how they must fit its manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from volens.core.errors import VerificationFailed
from volens.datasets.logged import Logged, verify_logged
from volens.datasets.manifest import (
    CHECKPOINT_FILE,
    DONE_ENTRY_FILE,
    DONE_PROOF_FILE,
    MANIFEST_FILE,
    STATEMENT_FILE,
    Manifest,
)
from volens.datasets.model import Format
from volens.datasets.statement import Statement, statement_of, verify_statement
from volens.log.checkpoint import open_checkpoint
from volens.log.kinds import DatasetFormat, EntryKind
from volens.log.note import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """What the caller adds when the manifest is known."""

    statement: bytes = field(repr=False)
    """`sign_statement` of the manifest."""
    checkpoint: bytes = field(repr=False)
    """The signed note whose size and root the manifest's `log` names."""
    done_entry: bytes = field(repr=False)
    """The entry ``dataset.done`` as logged."""
    done_proof: bytes = field(repr=False)
    """Its ``.tlog-proof``, under any later checkpoint."""


def logged_format(form: Format) -> DatasetFormat:
    """Return the word under which the log knows a form."""
    match form:
        case Format.SEALED:
            return DatasetFormat.SEALED
        case Format.HF:
            return DatasetFormat.PARQUET
        case Format.TRL | Format.OPENAI | Format.SHAREGPT:
            return DatasetFormat.JSONL


def verify_attachments(
    manifest: Manifest, attachments: Attachments, verifier: Verifier
) -> tuple[Statement, Logged]:
    """Check every signed and logged part against the manifest.

    1. The statement is signed and says what the manifest says.
    2. The checkpoint is signed and is the one the manifest names.
    3. The entry ``dataset.done`` is in the same log (one key signs for one origin), after that
       checkpoint, and says the same.

    Raises:
        VerificationFailed: naming the part.
    """
    statement = verify_statement(attachments.statement, verifier)
    if statement != statement_of(manifest):
        _refuse(STATEMENT_FILE, f"speaks of another {MANIFEST_FILE}")
    signed = open_checkpoint(attachments.checkpoint, [verifier]).checkpoint
    log = manifest.log
    if (signed.origin, signed.size, signed.root) != (log.origin, log.size, log.root):
        _refuse(CHECKPOINT_FILE, "is not the checkpoint that the manifest names")
    done = verify_logged(
        attachments.done_entry,
        attachments.done_proof,
        kind=EntryKind.DATASET_DONE,
        verifier=verifier,
    )
    if done.index < log.size:
        _refuse(DONE_PROOF_FILE, f"entry {done.index} is older than the checkpoint of {log.size}")
    _verify_done(manifest, done)
    return statement, done


def _verify_done(manifest: Manifest, done: Logged) -> None:
    wanted = {
        "intent": manifest.log.intent,
        "manifest_root": manifest.merkle_root,
        "manifest_hash": sha256(manifest.to_bytes()).digest(),
        "records": manifest.counts.records,
        "format": logged_format(manifest.format),
        "policy_hash": manifest.policy.sha256,
        "disclosure": manifest.discloses,
    }
    for name, value in wanted.items():
        if done.entry.fields.get(name) != value:
            _refuse(DONE_ENTRY_FILE, f"{name} is not what the manifest says")


def _refuse(name: str, what: str) -> None:
    raise VerificationFailed("dataset_parts", f"{name}: {what}")
