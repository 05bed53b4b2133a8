"""Check a log's folder from nothing but its files and the keys of those who must have signed.

Everything is recomputed from the entries: no hash tile is believed. Each file must be one that
the checkpoint implies, byte for byte, so a changed, dropped, swapped or added byte is found. Two
things no folder can show by itself: that whole pending groups or the newest checkpoints were cut
off (a witness or anybody's older checkpoint shows that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.checkpoint import Checkpoint, SignedCheckpoint, check_witnesses, open_checkpoint
from volens.log.entries import parse_entry
from volens.log.files import DirectoryReader, FileReader
from volens.log.merkle import HASH_BYTES, leaf_hash
from volens.log.note import Verifier
from volens.log.pending import parse_pending
from volens.log.publishing import CHECKPOINT, PENDING
from volens.log.tiles import (
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TileName,
    decode_bundle,
    level_tiles,
    parse_tile_path,
    tile_levels,
    tile_root,
)
from volens.log.tree import Levels, TileTree, changed_file, read_known

ParseEntry = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a whole check found to hold."""

    checkpoint: Checkpoint
    cosigned: tuple[str, ...]
    """The witnesses whose cosignatures hold."""
    unknown: tuple[str, ...]
    """The names on signatures that nobody checked."""
    pending: int
    """Entries that are durable and well-formed but under no checkpoint yet: promised by nobody's
    signature, so they count as nothing but a note of what is to come."""
    files: int


def verify_directory(
    directory: Path,
    verifiers: Sequence[Verifier],
    *,
    witnesses: int = 0,
    entry: ParseEntry = parse_entry,
    allow_unknown_signatures: bool = False,
) -> LogReport:
    """Check the log in `directory`; as `verify_log`."""
    return verify_log(
        DirectoryReader(directory),
        verifiers,
        witnesses=witnesses,
        entry=entry,
        allow_unknown_signatures=allow_unknown_signatures,
    )


def verify_log(
    files: FileReader,
    verifiers: Sequence[Verifier],
    *,
    witnesses: int = 0,
    entry: ParseEntry = parse_entry,
    allow_unknown_signatures: bool = False,
) -> LogReport:
    """Check a settled log (one that no writer is in the middle of publishing).

    Args:
        files: the log's folder.
        verifiers: the log's key and those of its witnesses.
        witnesses: how many different known witnesses must have cosigned the checkpoint.
        entry: raises `InvalidInput` unless the bytes are an entry; strict by default.
        allow_unknown_signatures: pass over signatures of keys that are not given.

    Raises:
        VerificationFailed: at the first difference, naming the file and the place.
    """
    signed = open_checkpoint(read_known(files.read, CHECKPOINT), verifiers)
    check_witnesses(signed, witnesses)
    unknown = tuple(one.name for one in signed.note.unknown)
    if unknown and not allow_unknown_signatures:
        hint = "give the keys of the witnesses, or allow unknown signatures"
        message = f"the checkpoint carries unknown signatures: {', '.join(unknown)}"
        raise VerificationFailed("unknown_keys", message, hint=hint)
    known = {CHECKPOINT, PENDING}
    known.update(_check_tree(files, signed.checkpoint, entry))
    pending = _check_pending(files, signed.checkpoint.size, entry)
    older = [name for name in files.names() if name not in known]
    for name in sorted(older):
        _check_older(files, name, signed.checkpoint.size)
    return _report(signed, unknown, pending, len(known) + len(older))


def _report(
    signed: SignedCheckpoint, unknown: tuple[str, ...], pending: int, files: int
) -> LogReport:
    return LogReport(
        checkpoint=signed.checkpoint,
        cosigned=signed.cosigned,
        unknown=unknown,
        pending=pending,
        files=files,
    )


def _check_tree(files: FileReader, checkpoint: Checkpoint, entry: ParseEntry) -> set[str]:
    """Recompute the tree from the bundles; return the names of the files that were checked."""
    known: set[str] = set()
    edges: list[Levels] = []
    count, above = checkpoint.size, b""
    while count:
        level, below, roots, edge = len(edges), above, [], b""
        for tile in level_tiles(level, count):
            if level == 0:
                packed = _check_bundle(files, tile, entry)
                known.add(TileName(level=None, index=tile.index, width=tile.width).path)
            else:
                packed = below[tile.index * TILE_BYTES :][: tile.width * HASH_BYTES]
            _compare(tile.path, read_known(files.read, tile.path), packed)
            known.add(tile.path)
            if tile.width == TILE_WIDTH:
                roots.append(tile_root(tile_levels(packed)))
            else:
                edge = packed
        edges.append(tile_levels(edge))
        count, above = count // TILE_WIDTH, b"".join(roots)
    tree = TileTree(files.read, edges=edges, tail=(), size=checkpoint.size)
    if tree.root() != checkpoint.root:
        message = f"the entries don't lead to the root that was signed for size {checkpoint.size}"
        raise VerificationFailed("log_root", message)
    return known


def _check_bundle(files: FileReader, tile: TileName, entry: ParseEntry) -> bytes:
    """Check the entries below a tile of level 0; return their hashes, packed."""
    path = TileName(level=None, index=tile.index, width=tile.width).path
    entries = decode_bundle(read_known(files.read, path))
    if len(entries) != tile.width:
        message = f"{path} holds {len(entries)} entries, not {tile.width}"
        raise VerificationFailed("log_file", message)
    _check_entries(path, tile.index * TILE_WIDTH, entries, entry)
    return b"".join([leaf_hash(one) for one in entries])


def _check_pending(files: FileReader, size: int, entry: ParseEntry) -> int:
    pending = parse_pending(read_known(files.read, PENDING))
    if pending.base != size or pending.torn_bytes:
        hint = "the log was stopped while writing; open it once, then check again"
        message = "the pending entries are not settled"
        raise VerificationFailed("log_unsettled", message, hint=hint)
    _check_entries(PENDING, size, pending.entries, entry)
    return len(pending.entries)


def _check_entries(path: str, first: int, entries: Sequence[bytes], entry: ParseEntry) -> None:
    for index, data in enumerate(entries, start=first):
        try:
            entry(data)
        except InvalidInput as error:
            message = f"entry {index} in {path} is not a log entry: {error.message}"
            raise VerificationFailed("log_entry", message) from error


def _check_older(files: FileReader, name: str, size: int) -> None:
    """Check a partial tile of an earlier checkpoint: it must start the present one."""
    try:
        tile = parse_tile_path(name)
    except InvalidInput as error:
        message = f"the file {name[:200]} does not belong to the log"
        raise VerificationFailed("log_file", message) from error
    count = size >> (TILE_HEIGHT * (tile.level or 0))
    if tile.index != count // TILE_WIDTH or tile.width >= count % TILE_WIDTH:
        raise VerificationFailed("log_file", f"the file {name} is no tile of a log of {size}")
    data = files.read(name)
    now = TileName(level=tile.level, index=tile.index, width=count % TILE_WIDTH)
    _compare(name, data, read_known(files.read, now.path)[: len(data)])
    held = len(decode_bundle(data)) if tile.level is None else len(data) / HASH_BYTES
    if held != tile.width:
        raise changed_file(name)


def _compare(path: str, data: bytes, wanted: bytes) -> None:
    if data != wanted:
        pairs = enumerate(zip(data, wanted, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), min(len(data), len(wanted)))
        message = f"the log's file {path} differs from its entries at byte {at}"
        raise VerificationFailed("log_file", message)
