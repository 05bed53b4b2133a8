"""Offline proofs that an entry is in a log (C2SP tlog-proof v1, ``.tlog-proof``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from volens.core.errors import VerificationFailed
from volens.log.checkpoint import Checkpoint, check_witnesses, open_checkpoint
from volens.log.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from volens.log.note import Verifier, from_base64, parse_note, to_base64

_HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA = "extra "
_INDEX = "index "
_MAX_PATH = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """An index, the inclusion proof, and the signed checkpoint it leads to. Nothing checked."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    """The log's signed note, as published."""
    extra: bytes | None = None
    """Data of the application's own; nobody vouches for it."""


def format_tlog_proof(proof: TlogProof) -> bytes:
    """Write a proof (tlog-proof, "Format")."""
    lines = [_HEADER]
    if proof.extra is not None:
        lines.append(_EXTRA + to_base64(proof.extra))
    lines.append(f"{_INDEX}{proof.index}")
    lines += [to_base64(part) for part in proof.path]
    return "\n".join([*lines, "", ""]).encode() + proof.checkpoint


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a proof without believing it; each proof has exactly one spelling.

    Raises:
        VerificationFailed: ``proof_form`` or ``note_form`` on any other spelling.
    """
    head, _, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        proof = _parse_head(lines, checkpoint)
    except (ValueError, IndexError) as error:
        raise VerificationFailed("proof_form", "not a transparency log proof") from error
    parse_note(checkpoint)
    if format_tlog_proof(proof) != data:
        raise VerificationFailed("proof_form", "not a transparency log proof in its one spelling")
    return proof


def verify_tlog_proof(
    entry: bytes,
    proof: bytes,
    verifiers: Sequence[Verifier],
    *,
    witnesses: int = 0,
    origin: str | None = None,
) -> Checkpoint:
    """Check that `entry` is in a log that a known key signed; return the log's checkpoint.

    Args:
        entry: the bytes of the entry.
        proof: the ``.tlog-proof``.
        verifiers: the keys of the log and of the witnesses that the reader trusts.
        witnesses: how many different known witnesses must have cosigned.
        origin: the log wanted; by default the name of the log key that signed.

    Raises:
        VerificationFailed: ``too_few_witnesses``, ``inclusion_proof``, ``proof_form``, and the
            codes of `open_checkpoint`.
    """
    parsed = parse_tlog_proof(proof)
    leaf = leaf_hash(entry)  # tlog-proof, "Verifying a tlog proof", step 1
    signed = open_checkpoint(parsed.checkpoint, verifiers, origin=origin)  # steps 2 and 3
    check_witnesses(signed, witnesses)
    checkpoint = signed.checkpoint
    verify_inclusion(  # step 4
        leaf, index=parsed.index, size=checkpoint.size, proof=parsed.path, root=checkpoint.root
    )
    return checkpoint


def _parse_head(lines: list[str], checkpoint: bytes) -> TlogProof:
    at = 2 if lines[1].startswith(_EXTRA) else 1
    path = tuple(from_base64(line) for line in lines[at + 1 :])
    digits = lines[at].removeprefix(_INDEX)
    if len(path) > _MAX_PATH or any(len(part) != HASH_BYTES for part in path):
        raise ValueError("not an inclusion proof")
    if not digits.isdigit() or len(digits) > len(str(2**63)):
        raise ValueError("not an index")
    extra = from_base64(lines[1].removeprefix(_EXTRA)) if at > 1 else None
    return TlogProof(index=int(digits), path=path, checkpoint=checkpoint, extra=extra)
