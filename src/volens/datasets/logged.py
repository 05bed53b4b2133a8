"""An entry with its proof from the log: what it says, where it stands, under which checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.checkpoint import Checkpoint, open_checkpoint
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind
from volens.log.merkle import leaf_hash, verify_inclusion
from volens.log.note import Verifier, from_base64

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


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
    index, path, note = _parse_proof(proof)
    checkpoint = open_checkpoint(note, [verifier]).checkpoint
    size, root = checkpoint.size, checkpoint.root
    verify_inclusion(leaf_hash(entry), index=index, size=size, proof=path, root=root)
    try:
        found = parse_entry(entry)
    except InvalidInput as error:
        raise VerificationFailed("logged_entry", f"not a log entry: {error.message}") from error
    if found.kind is not kind:
        wanted = f"the entry is {found.kind.value}, not {kind.value}"
        raise VerificationFailed("logged_entry", wanted)
    return Logged(entry=found, index=index, checkpoint=checkpoint)


def _parse_proof(data: bytes) -> tuple[int, tuple[bytes, ...], bytes]:
    """Return index, inclusion proof and checkpoint of a tlog-proof (C2SP tlog-proof v1)."""
    head, blank, note = data.partition(b"\n\n")
    try:
        first, index, *path = head.decode("ascii").split("\n")
        number = int(index.removeprefix("index "))
        if not blank or first != _FIRST_LINE or index != f"index {number}":
            raise ValueError("not a proof")  # noqa: TRY301 - one door out
        return number, tuple(from_base64(part) for part in path), note
    except ValueError as error:
        raise VerificationFailed("logged_entry", f"not a tlog-proof: {error}") from error
