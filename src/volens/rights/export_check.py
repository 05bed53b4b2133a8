"""A person's copy with every proof in it, checked: the file, its receipts, its accesses."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from volens.consent.receipts import verify_receipt
from volens.core.canonical import Json
from volens.core.errors import VerificationFailed
from volens.core.ids import SubjectId
from volens.log.checkpoint import open_checkpoint
from volens.log.note import Verifier
from volens.rights.accesses import verify_access
from volens.rights.export_manifest import ExportManifest, verify_export

ACCESSES = "accesses.jsonl"
RECEIPTS = "receipts/"
_MOST_BYTES = 1 << 20  # a proof is a few kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCopy:
    """What holds in a copy."""

    manifest: ExportManifest
    receipts: int
    accesses: int


def verify_copy(path: Path, verifier: Verifier) -> CheckedCopy:
    """Check an export with every proof in it.

    1. The file is what its signed manifest says (`verify_export`).
    2. The access that it was made by stands under the checkpoint in the manifest, and is told.
    3. Every receipt holds and is this person's.
    4. Every access holds and is about this person.

    Raises:
        VerificationFailed: ``export_form``, ``export_part``, ``export_proof``, or a code of the
            receipt, the access or the log.
    """
    manifest = verify_export(path, verifier)
    facts = manifest.facts
    checkpoint = open_checkpoint(facts.checkpoint.encode("utf-8"), [verifier]).checkpoint
    if facts.access >= checkpoint.size:
        raise _refused("its own access is not under its checkpoint")
    names = [part.name for part in manifest.parts]
    if ACCESSES not in names:
        raise _refused(f"it has no {ACCESSES}")
    receipts = [name for name in names if name.startswith(RECEIPTS)]
    with zipfile.ZipFile(path) as archive:
        for name in receipts:
            receipt = verify_receipt(_small(archive, name), verifier)
            if receipt.event.subject != facts.subject:
                raise _refused(f"{name} is somebody else's")
        told = _accesses(archive, facts.subject, verifier)
    if facts.access not in told:
        raise _refused("its own access is not told")
    return CheckedCopy(manifest=manifest, receipts=len(receipts), accesses=len(told))


def _accesses(archive: zipfile.ZipFile, subject: SubjectId, verifier: Verifier) -> list[Json]:
    """Return the log indexes of the accesses told, each checked."""
    told = []
    with archive.open(ACCESSES) as lines:
        while line := lines.readline(_MOST_BYTES):
            shown = verify_access(line.rstrip(b"\n"), verifier)
            if shown["subject"] != subject:
                raise _refused("an access in it is about somebody else")
            told.append(shown["log_index"])
    return told


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise _refused(f"{name} is too large for what it claims to be")
    return data


def _refused(what: str) -> VerificationFailed:
    return VerificationFailed("export_proof", f"export: {what}")
