"""The log of one home: durable appends, published checkpoints, checked reads.

A folder holds `checkpoint` (a signed note), `pending` (entries not yet under it) and `tile/` (the
public files of C2SP tlog-tiles). Nothing here deletes an entry. What is true after a stop at any
point stands in `docs/formats/log.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from volens.core.errors import InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign_checkpoint
from volens.log.files import TEMPORARY, DirectoryFiles, Files, replace_durably
from volens.log.merkle import EMPTY_ROOT, consistency_path, inclusion_path
from volens.log.note import KeyType, Signer, Verifier, format_note, open_note
from volens.log.pending import Pending, parse_pending, pending_header, pending_record
from volens.log.proof import TlogProof, format_tlog_proof
from volens.log.publishing import CHECKPOINT, PENDING, finish_publishing, write_tiles
from volens.log.tiles import TILE_WIDTH
from volens.log.tree import TileTree, load_tree, read_known
from volens.log.verify import LogReport, verify_log


class TransparencyLog:
    """An append-only log in one folder, with one writer. Safe to share between threads.

    After a failed write the object refuses everything (`Unavailable`, ``log_failed``), because
    what reached the disk is unknown; opening the folder again settles it.
    """

    def __init__(self, files: Files, *, signer: Signer, tree: TileTree, note: bytes) -> None:
        """Take settled parts; use `create` or `open`."""
        self._files = files
        self._signer = signer
        self._tree = tree
        self._note = note
        self._pending: list[bytes] = []
        self._failed = False
        self._lock = threading.RLock()

    @classmethod
    def create(
        cls, directory: Path, *, signer: Signer, origin: str, files: Files | None = None
    ) -> TransparencyLog:
        """Make an empty log in `directory` and publish its checkpoint of size 0.

        Args:
            directory: the folder; made if need be.
            signer: the log's key; its name must be `origin`.
            origin: what the checkpoints call this log, for example ``example.org/volens``.
            files: the file operations; the file system by default.

        Raises:
            InvalidInput: ``log_exists`` if there is a log; ``log_origin`` if the names differ.
            Unavailable: ``log_in_use``.
        """
        _check_origin(signer, origin)
        files = files or DirectoryFiles(directory)
        try:
            _check_unused(files)
            empty = Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
            replace_durably(files, PENDING, pending_header(0))
            replace_durably(files, CHECKPOINT, sign_checkpoint(empty, signer))
            return cls._settled(files, signer)
        except BaseException:
            files.close()
            raise

    @classmethod
    def open(
        cls, directory: Path, *, signer: Signer, origin: str, files: Files | None = None
    ) -> TransparencyLog:
        """Open the log in `directory`, finishing whatever a stop left unfinished.

        Every entry that was acknowledged is there and, on return, published.

        Raises:
            NotFound: ``no_log`` if there is none.
            VerificationFailed: if the checkpoint, the right edge of the tree or the pending
                entries were changed. Nothing is written then.
            Unavailable: ``log_in_use``.
        """
        _check_origin(signer, origin)
        files = files or DirectoryFiles(directory)
        try:
            return cls._settled(files, signer)
        except BaseException:
            files.close()
            raise

    @classmethod
    def _settled(cls, files: Files, signer: Signer) -> TransparencyLog:
        try:
            note = files.read(CHECKPOINT)
        except FileNotFoundError as error:
            raise NotFound("no_log", "there is no log in this folder", hint="create it") from error
        published = open_checkpoint(note, [signer.verifier]).checkpoint
        tree = load_tree(files.read, size=published.size, root=published.root)
        pending = parse_pending(read_known(files.read, PENDING))
        fresh = _check_against(tree, pending)
        log = cls(files, signer=signer, tree=tree, note=note)
        for name in files.list(""):
            if name.endswith(TEMPORARY):
                files.remove(name)
        if not fresh and (pending.base < tree.size or pending.torn_bytes):
            # it was stopped between the checkpoint and what follows it
            finish_publishing(files, base=pending.base, size=tree.size)
        log._pending = fresh
        log.publish()
        return log

    def close(self) -> None:
        """Let another process open the log. Entries not yet published stay durable."""
        with self._lock:
            self._failed = True
            self._files.close()

    @property
    def origin(self) -> str:
        """The name of the log in its checkpoints."""
        return self._signer.name

    @property
    def verifier(self) -> Verifier:
        """The log's public key."""
        return self._signer.verifier

    @property
    def size(self) -> int:
        """The number of durable entries, published or not."""
        with self._lock:
            return self._tree.size + len(self._pending)

    @property
    def published_size(self) -> int:
        """The number of entries under the latest checkpoint; proofs reach this far."""
        return self._tree.size

    @property
    def checkpoint(self) -> bytes:
        """The latest published checkpoint, a signed note."""
        return self._note

    def root(self) -> bytes:
        """Return the root of the published tree."""
        return self._tree.root()

    def append(self, entries: Sequence[bytes]) -> range:
        """Make `entries` durable and return their indexes. One fdatasync for the group.

        They stand under a checkpoint after the next `publish`.

        Raises:
            InvalidInput: ``entry_size`` if one is larger than 65,535 bytes; nothing is written.
            Unavailable: ``log_failed``.
        """
        with self._lock:
            start = self.size
            if entries:
                record = pending_record(start, entries)
                with self._writing():
                    self._files.append(PENDING, record)
                    self._files.sync(PENDING)
                self._pending += entries
            return range(start, start + len(entries))

    def publish(self) -> Checkpoint:
        """Put every durable entry under a new signed checkpoint and return it.

        1. Write the new tiles, each in one step. 2. Replace the checkpoint. 3. Remove the partial
        tiles of tiles that are now full. 4. Start a new pending file. A stop before step 2 leaves
        the old checkpoint true and all entries pending; after it, the new one. Publishing again
        (which `open` does) gives the same bytes.

        Raises:
            Unavailable: ``log_failed``.
        """
        with self._lock:
            if not self._pending:
                return self._published()
            grown, tiles = self._tree.grow(self._pending)
            checkpoint = Checkpoint(origin=self.origin, size=grown.size, root=grown.root())
            note = sign_checkpoint(checkpoint, self._signer)
            base = self._tree.size
            with self._writing():
                write_tiles(self._files, tiles)
                replace_durably(self._files, CHECKPOINT, note)
                self._tree, self._note, self._pending = grown, note, []
                finish_publishing(self._files, base=base, size=grown.size)
            return checkpoint

    def add_cosignatures(self, data: bytes, witnesses: Sequence[Verifier]) -> SignedCheckpoint:
        """Add the cosignatures of known witnesses in the note `data` to the checkpoint.

        Raises:
            Unavailable: ``checkpoint_moved`` if `data` is not the latest checkpoint any more.
            VerificationFailed: if a known cosignature does not hold, or there is none.
        """
        with self._lock:
            cosigners = [one for one in witnesses if one.key_type is KeyType.COSIGNATURE]
            given = open_note(data, cosigners)
            own = open_note(self._note, [self.verifier])
            if given.text != own.text:
                raise Unavailable("checkpoint_moved", "the log has published a newer checkpoint")
            new = [one.signature for one in given.verified]
            keys = {(one.name, one.key_id) for one in new}
            kept = [one for one in own.signatures if (one.name, one.key_id) not in keys]
            note = format_note(own.text, [*kept, *new])
            signed = open_checkpoint(note, [self.verifier, *cosigners])
            with self._writing():
                replace_durably(self._files, CHECKPOINT, note)
                self._note = note
            return signed

    def entry(self, index: int) -> bytes:
        """Return one entry, checked against the tree if it is published.

        Raises:
            NotFound: ``no_entry``.
            VerificationFailed: ``log_file``.
        """
        with self._lock:
            if not 0 <= index < self.size:
                raise NotFound("no_entry", f"the log has {self.size} entries, no {index}")
            if index >= self._tree.size:
                return self._pending[index - self._tree.size]
            return self._tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH]

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the entries from `start` up to, not including, `stop`; checked like `entry`."""
        for index in range(start, stop):
            yield self.entry(index)

    def inclusion_proof(self, index: int, *, size: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that entry `index` is in the tree of `size`, by default the published.

        Raises:
            InvalidInput: if there is no such leaf or tree.
        """
        with self._lock:
            return inclusion_path(index, self._size_or(size), self._tree.subtree)

    def consistency_proof(self, old_size: int, *, size: int | None = None) -> tuple[bytes, ...]:
        """Return the proof that the tree of `size` starts with the tree of `old_size`.

        Raises:
            InvalidInput: if there is no such tree.
        """
        with self._lock:
            return consistency_path(old_size, self._size_or(size), self._tree.subtree)

    def prove(self, index: int, *, extra: bytes | None = None) -> bytes:
        """Return the ``.tlog-proof`` of a published entry under the latest checkpoint.

        Raises:
            InvalidInput: ``no_leaf`` if the entry is not published.
        """
        with self._lock:
            path = self.inclusion_proof(index)
            proof = TlogProof(index=index, path=path, checkpoint=self._note, extra=extra)
            return format_tlog_proof(proof)

    def check(self, *, deep: bool = False) -> LogReport | None:
        """Read the folder again and compare it with what this object holds.

        Args:
            deep: recompute everything from the entries (`verify_log`), and return its report.

        Raises:
            VerificationFailed: at the first difference.
        """
        with self._lock:
            if self._files.read(CHECKPOINT) != self._note:
                raise VerificationFailed("log_file", "the log's file checkpoint was changed")
            load_tree(self._files.read, size=self._tree.size, root=self.root())
            pending = parse_pending(self._files.read(PENDING))
            if pending.base != self._tree.size or list(pending.entries) != self._pending:
                raise VerificationFailed("log_file", "the log's file pending was changed")
            if not deep:
                return None
            return verify_log(self._files, [self.verifier], allow_unknown_signatures=True)

    def _published(self) -> Checkpoint:
        return Checkpoint(origin=self.origin, size=self._tree.size, root=self.root())

    def _size_or(self, size: int | None) -> int:
        wanted = self._tree.size if size is None else size
        if wanted > self._tree.size:
            raise InvalidInput("tree_size", f"the published tree has {self._tree.size} leaves")
        return wanted

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._failed:
            hint = "open it again; everything acknowledged is kept"
            raise Unavailable("log_failed", "the log is closed or a write failed", hint=hint)
        self._failed = True
        try:
            yield
        except OSError as error:
            hint = "see that the disk has space, and open the log again; what it took is kept"
            message = f"the log can't be written: {error.strerror or error}"
            raise Unavailable("log_failed", message, hint=hint) from error
        self._failed = False


def _check_origin(signer: Signer, origin: str) -> None:
    if signer.name != origin:
        message = f"the key {signer.name} does not sign for {origin}"
        raise InvalidInput("log_origin", message, hint="name the key like the log")


def _check_unused(files: Files) -> None:
    """Refuse a folder that holds more than an interrupted `create` leaves."""
    names = set(files.names())
    entries = parse_pending(files.read(PENDING)).entries if PENDING in names else ()
    if entries or names - {PENDING, PENDING + TEMPORARY, CHECKPOINT + TEMPORARY}:
        raise InvalidInput("log_exists", "there is a log in this folder", hint="open it")


def _check_against(tree: TileTree, pending: Pending) -> list[bytes]:
    """Check pending entries that are already published; return the others.

    Raises:
        VerificationFailed: ``log_fork`` if they are not the entries of the tree.
    """
    known = tree.size - pending.base
    if known not in {0, len(pending.entries)}:  # a publish takes all or nothing
        raise VerificationFailed("log_fork", "the pending entries don't follow the checkpoint")
    for index, entry in enumerate(pending.entries[:known], start=pending.base):
        if tree.bundle(index // TILE_WIDTH)[index % TILE_WIDTH] != entry:
            raise VerificationFailed("log_fork", f"entry {index} was published with other bytes")
    return list(pending.entries[known:])
