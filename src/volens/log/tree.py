"""The published tree over its tiles: reads are checked up to the checkpoint, growth is planned.

The right edge (the partial tile of each level) stays in memory and is checked against the root
when it is loaded. A full tile is checked against the hash one level up when it is read, so no
proof and no entry comes from a file that does not belong to the checkpoint.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.merkle import HASH_BYTES, leaf_hash, tree_root
from volens.log.tiles import (
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TileName,
    decode_bundle,
    encode_bundle,
    tile_levels,
    tile_root,
)

Levels = tuple[bytes, ...]
ReadFile = Callable[[str], bytes]
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")
_CACHED_TILES = 1024  # 16 MiB
_CACHED_BUNDLES = 64


class _Recent(Generic[_Key, _Value]):
    """The values asked for last, at most `limit`."""

    __slots__ = ("_limit", "_values")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key, make: Callable[[_Key], _Value]) -> _Value:
        if (found := self._values.get(key)) is not None:
            self._values.move_to_end(key)
            return found
        value = self._values[key] = make(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)
        return value


@dataclass(slots=True)
class _Caches:
    """Full tiles and bundles; they never change, so every later tree may use them."""

    tiles: _Recent[tuple[int, int], Levels] = field(default_factory=lambda: _Recent(_CACHED_TILES))
    bundles: _Recent[int, list[bytes]] = field(default_factory=lambda: _Recent(_CACHED_BUNDLES))


class TileTree:
    """The tree of the first `size` entries; one value for each size."""

    __slots__ = ("_caches", "_edges", "_read", "_tail", "size")

    def __init__(
        self, read: ReadFile, *, edges: Sequence[Levels], tail: Sequence[bytes], size: int
    ) -> None:
        """Take the parts as they are; use `load_tree` for what comes from files."""
        self._read = read
        self._edges = tuple(edges)
        self._tail = tuple(tail)
        self._caches = _Caches()
        self.size = size

    def root(self) -> bytes:
        """Return the root; needs the edge alone."""
        return tree_root(self.size, self.subtree)

    def subtree(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree at (`level`, `index`); checked.

        Raises:
            InvalidInput: if that subtree is not complete.
            VerificationFailed: ``log_file`` if a tile is missing or was changed.
        """
        tile_level, inside = divmod(level, TILE_HEIGHT)
        across = TILE_HEIGHT - inside
        levels = self._tile(tile_level, index >> across)
        at = (index & ((1 << across) - 1)) * HASH_BYTES
        found = levels[inside][at : at + HASH_BYTES]
        if not found:
            raise InvalidInput("no_subtree", f"no complete subtree {index} at level {level}")
        return found

    def bundle(self, index: int) -> Sequence[bytes]:
        """Return the entries of a bundle; the last one may have fewer than 256. Checked."""
        if index == self.size // TILE_WIDTH:
            return self._tail
        return self._caches.bundles.get(index, self._read_bundle)

    def grow(self, entries: Sequence[bytes]) -> tuple[TileTree, dict[str, bytes]]:
        """Return the tree with `entries` at its right, and the files that it adds.

        The files are the new full tiles and bundles and the new partial ones, by path.
        """
        files: dict[str, bytes] = {}
        bundles = [*self._tail, *entries]
        first = self.size // TILE_WIDTH
        for index, at in enumerate(range(0, len(bundles), TILE_WIDTH), start=first):
            part = bundles[at : at + TILE_WIDTH]
            files[TileName(level=None, index=index, width=len(part)).path] = encode_bundle(part)
        edges: list[Levels] = []
        new = b"".join([leaf_hash(entry) for entry in entries])
        count = self.size
        while new or count:
            old = self._edges[len(edges)] if len(edges) < len(self._edges) else tile_levels(b"")
            edge, new = _grow_level(len(edges), count // TILE_WIDTH, old, new, files)
            edges.append(edge)
            count //= TILE_WIDTH
        size = self.size + len(entries)
        tail = bundles[len(bundles) - size % TILE_WIDTH :]
        grown = TileTree(self._read, edges=edges, tail=tail, size=size)
        grown._caches = self._caches
        return grown, files

    def _tile(self, level: int, index: int) -> Levels:
        full = self.size >> (TILE_HEIGHT * (level + 1))
        if level < 0 or not 0 <= index <= full or level >= len(self._edges):
            raise InvalidInput("no_subtree", f"no tile {index} at level {level}")
        if index == full:
            return self._edges[level]
        return self._caches.tiles.get((level, index), self._read_tile)

    def _read_tile(self, place: tuple[int, int]) -> Levels:
        level, index = place
        path = TileName(level=level, index=index).path
        levels = tile_levels(read_known(self._read, path))
        above = self.subtree(TILE_HEIGHT * (level + 1), index)
        if len(levels[0]) != TILE_BYTES or tile_root(levels) != above:
            raise changed_file(path)
        return levels

    def _read_bundle(self, index: int) -> list[bytes]:
        path = TileName(level=None, index=index).path
        entries = decode_bundle(read_known(self._read, path))
        if b"".join([leaf_hash(entry) for entry in entries]) != self._tile(0, index)[0]:
            raise changed_file(path)
        return entries


def load_tree(read: ReadFile, *, size: int, root: bytes) -> TileTree:
    """Read the right edge of a tree and check it against `root`.

    Raises:
        VerificationFailed: ``log_file`` if a file of the edge is missing or misshapen,
            ``log_root`` if the edge does not lead to the root.
    """
    edges: list[Levels] = []
    count = size
    while count:
        width, packed = count % TILE_WIDTH, b""
        if width:
            path = TileName(level=len(edges), index=count // TILE_WIDTH, width=width).path
            packed = read_known(read, path)
            if len(packed) != width * HASH_BYTES:
                raise changed_file(path)
        edges.append(tile_levels(packed))
        count //= TILE_WIDTH
    tail: list[bytes] = []
    if size % TILE_WIDTH:
        path = TileName(level=None, index=size // TILE_WIDTH, width=size % TILE_WIDTH).path
        tail = decode_bundle(read_known(read, path))
        if b"".join([leaf_hash(entry) for entry in tail]) != edges[0][0]:
            raise changed_file(path)
    tree = TileTree(read, edges=edges, tail=tail, size=size)
    if tree.root() != root:
        raise VerificationFailed("log_root", f"the tiles don't lead to the root for size {size}")
    return tree


def read_known(read: ReadFile, path: str) -> bytes:
    """Read a file that must be there.

    Raises:
        VerificationFailed: ``log_file`` if it isn't.
    """
    try:
        return read(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise VerificationFailed("log_file", f"the log's file {path} is missing") from error


def changed_file(path: str) -> VerificationFailed:
    """Return the error for a file that does not belong to the checkpoint."""
    return VerificationFailed("log_file", f"the log's file {path} was changed")


def _grow_level(
    level: int, first: int, old: Levels, new: bytes, files: dict[str, bytes]
) -> tuple[Levels, bytes]:
    """Add packed hashes at the right of one tile level; return its edge and the next level's."""
    if not new:
        return old, b""
    packed, above = old[0] + new, []
    full = len(packed) // TILE_BYTES
    for number in range(full):
        tile = packed[number * TILE_BYTES : (number + 1) * TILE_BYTES]
        files[TileName(level=level, index=first + number).path] = tile
        above.append(tile_root(tile_levels(tile)))
    rest = packed[full * TILE_BYTES :]
    if rest:
        width = len(rest) // HASH_BYTES
        files[TileName(level=level, index=first + full, width=width).path] = rest
    return tile_levels(rest), b"".join(above)
