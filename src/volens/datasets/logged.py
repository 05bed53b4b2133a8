"""An entry with its proof from the log: what it says, where it stands, under which checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.checkpoint import Checkpoint
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind
from volens.log.note import Verifier
from volens.log.proof import parse_tlog_proof, verify_tlog_proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An entry that a signed checkpoint covers."""

    entry: Entry
    index: int
    checkpoint: Checkpoint


def verify_logged(entry: bytes, proof: bytes, *, kind: EntryKind, verifier: Verifier) -> Logged:
    """Check that the log of `verifier` holds an entry of this kind.

    Args:
        entry: the entry as logged.
        proof: its ``.tlog-proof`` (C2SP tlog-proof v1).
        kind: the kind wanted.
        verifier: the key of the log.

    Raises:
        VerificationFailed: ``logged_entry`` or a code of `volens.log`.
    """
    parsed = parse_tlog_proof(proof)
    if parsed.extra is not None:
        raise VerificationFailed("logged_entry", "the proof carries data that nobody signed")
    checkpoint = verify_tlog_proof(entry, proof, [verifier])
    try:
        found = parse_entry(entry)
    except InvalidInput as error:
        raise VerificationFailed("logged_entry", f"not a log entry: {error.message}") from error
    if found.kind is not kind:
        wanted = f"the entry is {found.kind.value}, not {kind.value}"
        raise VerificationFailed("logged_entry", wanted)
    return Logged(entry=found, index=parsed.index, checkpoint=checkpoint)
