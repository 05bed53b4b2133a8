"""Proofs from the published files of a log, for whoever doesn't own the home."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from volens.core.errors import Unavailable
from volens.holds.evidence import Evidence
from volens.lifecycle.receipt import prove_steps
from volens.lifecycle.receipt_form import Logged
from volens.log.checkpoint import open_checkpoint
from volens.log.files import DirectoryReader
from volens.log.merkle import inclusion_path
from volens.log.note import Verifier
from volens.log.proof import TlogProof, format_tlog_proof
from volens.log.publishing import CHECKPOINT
from volens.log.tiles import TILE_WIDTH
from volens.log.tree import TileTree, load_tree

_TRIES = 5


class PublishedLog:
    """The log as its files show it: what is not published yet is not there."""

    def __init__(self, reader: DirectoryReader, verifier: Verifier) -> None:
        """Read the checkpoint and the tree's right edge.

        Raises:
            VerificationFailed: if the files don't hold.
        """
        self._note = reader.read(CHECKPOINT)
        checkpoint = open_checkpoint(self._note, [verifier]).checkpoint
        self._tree: TileTree = load_tree(reader.read, size=checkpoint.size, root=checkpoint.root)

    @property
    def size(self) -> int:
        """How many entries are published."""
        return self._tree.size

    def entry(self, index: int) -> bytes:
        """Return the bytes of one published entry, checked against the tree."""
        return self._tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH]

    def prove(self, index: int) -> bytes:
        """Return its ``.tlog-proof`` under the checkpoint."""
        path = inclusion_path(index, self._tree.size, self._tree.subtree)
        return format_tlog_proof(TlogProof(index=index, path=path, checkpoint=self._note))


def prove_published(folder: Path, verifier: Verifier, evidence: Evidence) -> list[Logged]:
    """Return what the published log in `folder` says about an erasure, and nothing else.

    The owner of the home may be writing meanwhile.

    Raises:
        VerificationFailed: if the files don't hold.
        Unavailable: ``log_moving`` if it went on too fast to be read.
    """
    reader = DirectoryReader(folder)
    for attempt in range(_TRIES):
        before = reader.read(CHECKPOINT)
        try:
            log = PublishedLog(reader, verifier)
            steps = tuple(step for step in evidence.steps if step.index < log.size)
            return prove_steps(replace(evidence, steps=steps), log)
        except Exception:
            # A partial tile goes away when its successor is published: read the newer one.
            if reader.read(CHECKPOINT) == before or attempt == _TRIES - 1:
                raise
    raise Unavailable("log_moving", "the log goes on too fast to be read", hint="try again")
