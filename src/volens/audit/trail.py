"""The log as an audit reads it: recomputed in full, every entry parsed, sorted by kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from volens.core.errors import VerificationFailed
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.note import Verifier
from volens.log.verify import LogReport, verify_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Every entry of a log that verifies, in order."""

    entries: Sequence[Entry] = field(repr=False)
    """Published ones first, then those that are durable and wait for the next checkpoint."""
    hashes: Sequence[bytes] = field(repr=False)
    """The leaf hash of each entry."""
    report: LogReport

    def of(self, *kinds: EntryKind) -> Iterator[tuple[int, Entry]]:
        """Yield (index, entry) of every entry of these kinds, in order."""
        wanted = frozenset(kinds)
        for index, entry in enumerate(self.entries):
            if entry.kind in wanted:
                yield index, entry

    def at(self, index: int) -> Entry | None:
        """Return the entry at `index`, or None if the log does not reach it."""
        return self.entries[index] if 0 <= index < len(self.entries) else None

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        return MerkleTree(self.hashes[:size]).root()


def read_trail(folder: Path, verifier: Verifier) -> Trail:
    """Read and verify the log in `folder` in one pass: no hash in it is believed.

    Raises:
        VerificationFailed: at the first difference (`volens.log.verify`).
    """
    entries: list[Entry] = []
    hashes: list[bytes] = []

    def take(data: bytes) -> Entry:
        entry = parse_entry(data)
        entries.append(entry)
        hashes.append(leaf_hash(data))
        return entry

    report = verify_directory(folder, [verifier], entry=take, allow_unknown_signatures=True)
    if len(entries) != report.checkpoint.size + report.pending:
        raise VerificationFailed("log_entry", "the log was read with gaps")
    return Trail(entries=entries, hashes=hashes, report=report)
