"""Tiles: a log's tree and entries as a finite set of files (C2SP tlog-tiles v1).

A tile holds up to 256 neighbouring hashes of one tile level (tree level = 8 x tile level); an
entry bundle holds the entries below one tile of level 0. The rightmost ones may be partial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.merkle import HASH_BYTES, parent_level

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_ENTRY_BYTES = 2**16 - 1
MAX_LEVEL = 63
TILE_LEVELS = 8
"""As many as a tree of 2^63 leaves has."""
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9]\d?)/(?P<index>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileName:
    """Which tile: its level (None for an entry bundle), index in the level, and width."""

    level: int | None
    index: int
    width: int = TILE_WIDTH
    """How many hashes or entries it holds: 256 when full, 1-255 when partial."""

    @property
    def path(self) -> str:
        """The path below the log's folder (tlog-tiles, "Merkle Tree", "Log entries")."""
        tail = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"{self.full_path}{tail}"

    @property
    def full_path(self) -> str:
        """The path this tile has, or will have, when full."""
        level = "entries" if self.level is None else self.level
        return f"tile/{level}/{_index_path(self.index)}"


def parse_tile_path(path: str) -> TileName:
    """Read a tile's path; each tile has exactly one.

    Raises:
        InvalidInput: ``tile_path`` on any other spelling.
    """
    found = _PATH.fullmatch(path)
    if found:
        level = None if found["level"] == "entries" else int(found["level"])
        index = int(found["index"].replace("x", "").replace("/", ""))
        name = TileName(level=level, index=index, width=int(found["width"] or TILE_WIDTH))
        if name.path == path and (level or 0) <= MAX_LEVEL and name.width <= TILE_WIDTH:
            return name
    raise InvalidInput("tile_path", f"not the path of a tile: {path[:80]!r}")


def level_tiles(level: int | None, count: int) -> Iterator[TileName]:
    """Return the tiles of a level that holds `count` hashes (or entries), in order."""
    for index in range(count // TILE_WIDTH):
        yield TileName(level=level, index=index)
    if count % TILE_WIDTH:
        yield TileName(level=level, index=count // TILE_WIDTH, width=count % TILE_WIDTH)


def tile_levels(packed: bytes) -> tuple[bytes, ...]:
    """Return the eight levels inside a tile, packed, from its own hashes upwards.

    Level i holds the hashes of the complete subtrees of height i; a partial tile has fewer.
    """
    levels = [packed]
    for _ in range(TILE_HEIGHT - 1):
        levels.append(parent_level(levels[-1]))
    return tuple(levels)


def tile_root(levels: tuple[bytes, ...]) -> bytes:
    """Return the hash of a full tile: one hash of the level above."""
    return parent_level(levels[-1])


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write entries one after the other, each behind its length (16 bits, big-endian).

    Raises:
        InvalidInput: ``entry_size`` if an entry is larger than 65,535 bytes.
    """
    try:
        return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])
    except OverflowError as error:
        message = f"an entry has at most {MAX_ENTRY_BYTES} bytes"
        raise InvalidInput("entry_size", message) from error


def decode_bundle(data: bytes) -> list[bytes]:
    """Read entries as `encode_bundle` writes them.

    Raises:
        VerificationFailed: ``bundle_form`` if the lengths don't add up.
    """
    entries: list[bytes] = []
    at, stop = 0, len(data)
    while at < stop:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != stop:
        raise VerificationFailed("bundle_form", "an entry bundle breaks off inside an entry")
    return entries


def _index_path(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
