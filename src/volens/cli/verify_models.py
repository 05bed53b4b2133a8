"""What ``volens verify`` says of proofs about models."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from volens.core.time import format_moment
from volens.log.note import Verifier
from volens.training.bundle import verify_bundle
from volens.training.certificate import verify_certificate

Facts = list[tuple[str, str]]
_MAX_FILE_BYTES = 64 * 1024 * 1024


def unlearning(path: Path, verifier: Verifier) -> tuple[str, Facts]:
    """Check the proof of a repair."""
    found = verify_bundle(path.read_bytes(), verifier)
    return "exact unlearning", [
        ("forgotten", f"{found.forgotten:,} of {len(found.before.leaves):,} records"),
        ("destroyed", f"{found.destroyed:,} checkpoints"),
        ("model", found.model.hex()),
        ("run before", f"{found.before.run}, planned {format_moment(found.planned_at)}"),
        ("run after", f"{found.after.run}, planned {format_moment(found.repaired_at)}"),
        (
            "replayed",
            f"{found.replayed.stages} stages on {format_moment(found.replayed.at)}: stated only",
        ),
        (
            "not shown",
            "what the base model knows, copies given out before, and what went round the gate",
        ),
    ]


def forgotten(path: Path, verifier: Verifier, beside: Iterable[Path]) -> tuple[str, Facts]:
    """Check a certificate, with the proof that it names if that is checked beside it."""
    data = path.read_bytes()
    found = verify_certificate(data, verifier)
    proof = next(
        (one for one in map(_read, beside) if one and sha256(one).digest() == found.bundle), None
    )
    if proof is not None:
        found = verify_certificate(data, verifier, bundle=proof)
    return "certificate of a model that forgot", [
        ("whose", found.subject),
        ("case", found.case),
        ("model", found.family),
        ("records", f"{found.records:,}"),
        ("case opened", format_moment(found.opened_at)),
        ("proven", format_moment(found.done_at)),
        (
            "the proof",
            "checked: none of the records is in the model now"
            if found.checked
            else f"not given: ask for the file with SHA-256 {found.bundle.hex()}",
        ),
        (
            "not shown",
            "what the base model knows, copies given out before, and what went round the gate",
        ),
    ]


def _read(path: Path) -> bytes:
    if not path.is_file() or path.stat().st_size > _MAX_FILE_BYTES:
        return b""
    return path.read_bytes()
