"""Verify a dataset folder offline, from its bytes and the public key of the log alone.

`verify_dataset` believes nothing that it can recompute; the steps are listed there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from volens.core.errors import InvalidInput, NotFound, VerificationFailed
from volens.core.ids import DatasetId
from volens.core.purposes import Purpose
from volens.datasets.attachments import Attachments, verify_attachments
from volens.datasets.durable import digest_file
from volens.datasets.jsonl import scan_lines
from volens.datasets.leaves import LeafTree, first_disorder, sort_in_place
from volens.datasets.manifest import (
    CHECKPOINT_FILE,
    DONE_ENTRY_FILE,
    DONE_PROOF_FILE,
    LEAVES_FILE,
    MANIFEST_FILE,
    OWN_FILES,
    STATEMENT_FILE,
    Counts,
    Manifest,
    verify_manifest_form,
)
from volens.datasets.model import LEAF_BYTES, Format
from volens.datasets.parquet import scan_parquet
from volens.datasets.sealed import DATA_FILE, INDEX_FILE, SealedReader
from volens.datasets.shards import Tally
from volens.log.note import Verifier

DATA_FOLDER = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """What was verified."""

    dataset: DatasetId
    purpose: Purpose
    format: Format
    counts: Counts
    merkle_root: bytes
    created: datetime
    done_at: datetime
    """When the log says that the dataset was done."""
    done_index: int
    signed_by: str
    stated_only: tuple[str, ...]
    """Members of the manifest that the signer states and bytes can't show."""


def verify_dataset(folder: Path, verifier: Verifier) -> DatasetReport:
    """Recompute everything in `folder` and check it against the signatures.

    1. `manifest.json` is a manifest in its one form.
    2. Statement, checkpoint and the entry ``dataset.done`` hold and fit it.
    3. The folder holds the files it names and nothing else.
    4. Every file has its digest and size.
    5. The leaves are sorted, none twice, and have the root.
    6. The rows of the data files carry these very leaves, and add up to the counts.

    Raises:
        VerificationFailed: naming file and place.
        NotFound: ``no_dataset`` if there is no such folder.
        Unavailable: ``pyarrow_missing`` if the form needs pyarrow and it is not installed.
    """
    if not folder.is_dir():
        hint = f"name the folder that holds {MANIFEST_FILE}"
        raise NotFound("no_dataset", f"no folder {folder}", hint=hint)
    try:
        manifest = verify_manifest_form(_read(folder, MANIFEST_FILE))
        attachments = Attachments(
            statement=_read(folder, STATEMENT_FILE),
            checkpoint=_read(folder, CHECKPOINT_FILE),
            done_entry=_read(folder, DONE_ENTRY_FILE),
            done_proof=_read(folder, DONE_PROOF_FILE),
        )
        _, done = verify_attachments(manifest, attachments, verifier)
        _verify_names(folder, manifest)
        _verify_files(folder, manifest)
        leaves = _verify_leaves(folder, manifest)
        _verify_rows(folder, manifest, leaves)
    except (InvalidInput, OSError) as error:  # fail closed: what can't be read is not verified
        raise VerificationFailed("dataset_unreadable", f"{folder}: {error}") from error
    stated = ("excluded", "languages", "redaction", "software")
    return DatasetReport(
        dataset=manifest.dataset,
        purpose=manifest.purpose,
        format=manifest.format,
        counts=manifest.counts,
        merkle_root=manifest.merkle_root,
        created=manifest.created,
        done_at=done.entry.at,
        done_index=done.index,
        signed_by=verifier.name,
        stated_only=(*stated, "turns") if manifest.format is Format.SEALED else stated,
    )


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise VerificationFailed("dataset_files", f"{name}: missing, or not a plain file")
    return path.read_bytes()


def _verify_names(folder: Path, manifest: Manifest) -> None:
    """Check that the folder holds exactly the files it should, all of them plain."""
    wanted = OWN_FILES | manifest.files.keys()
    found = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or name == DATA_FOLDER):
            raise VerificationFailed("dataset_files", f"{name}: not a plain file")
        if path.is_file():
            found.add(name)
    for name in sorted(wanted ^ found):
        what = "missing" if name in wanted else "not named in the manifest"
        raise VerificationFailed("dataset_files", f"{name}: {what}")
    expected = {
        f"{DATA_FOLDER}/{DATA_FILE}",
        f"{DATA_FOLDER}/{INDEX_FILE}",
    }
    data = {name for name in found if name.startswith(f"{DATA_FOLDER}/")}
    if manifest.format is Format.SEALED and data != expected:
        raise VerificationFailed(
            "dataset_files", "a sealed dataset has one data file and its index"
        )


def _verify_files(folder: Path, manifest: Manifest) -> None:
    for name, ref in sorted(manifest.files.items()):
        path = folder / name
        size = path.stat().st_size
        if size != ref.size_bytes:
            raise VerificationFailed(
                "file_size", f"{name}: {size} bytes, the manifest says {ref.size_bytes}"
            )
        if digest_file(path) != ref.sha256:
            raise VerificationFailed("file_digest", f"{name}: other bytes than the manifest says")


def _verify_leaves(folder: Path, manifest: Manifest) -> bytes:
    """Return the leaves, checked."""
    path = folder / LEAVES_FILE
    leaves = path.read_bytes()
    if len(leaves) != manifest.counts.records * LEAF_BYTES:
        records = manifest.counts.records
        raise VerificationFailed("leaves", f"{LEAVES_FILE}: {len(leaves)} bytes, {records} records")
    if digest_file(path) != manifest.leaves_sha256:
        raise VerificationFailed("leaves", f"{LEAVES_FILE}: other bytes than the manifest says")
    disorder = first_disorder(leaves)
    if disorder is not None:
        what = f"leaf {disorder} does not come after the one before it"
        raise VerificationFailed("leaves", f"{LEAVES_FILE}: {what}")
    if LeafTree(leaves).root() != manifest.merkle_root:
        raise VerificationFailed("leaves", f"{LEAVES_FILE}: another root than the manifest says")
    return leaves


def _verify_rows(folder: Path, manifest: Manifest, leaves: bytes) -> None:
    """Check that the rows carry these leaves, each once, and add up."""
    found = bytearray()
    turns = payload = 0
    for tally in _tallies(folder, manifest):
        found += tally.leaves
        turns += tally.turns
        payload += tally.payload_bytes
    sort_in_place(np.frombuffer(found, dtype="S32"))
    if found != leaves:
        raise VerificationFailed("rows", f"{DATA_FOLDER}: the rows are not those of {LEAVES_FILE}")
    counts = manifest.counts
    if manifest.format is not Format.SEALED and turns != counts.turns:
        what = f"{turns} turns, the manifest says {counts.turns}"
        raise VerificationFailed("rows", f"{DATA_FOLDER}: {what}")
    if payload != counts.payload_bytes:
        what = f"{payload} bytes of content, the manifest says {counts.payload_bytes}"
        raise VerificationFailed("rows", f"{DATA_FOLDER}: {what}")


def _tallies(folder: Path, manifest: Manifest) -> Iterator[Tally]:
    data = folder / DATA_FOLDER
    match manifest.format:
        case Format.SEALED:
            reader = SealedReader(data)
            yield Tally(leaves=reader.leaves(), turns=0, payload_bytes=reader.envelope_bytes)
        case Format.HF:
            for path in sorted(data.glob("*.parquet")):
                yield from scan_parquet(path)
        case Format.TRL | Format.OPENAI | Format.SHAREGPT:
            for path in sorted(data.glob("*.jsonl")):
                yield from scan_lines(path, manifest.format)
