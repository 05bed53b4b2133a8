"""The file operations around a new checkpoint; each may be repeated after a stop."""

from __future__ import annotations

from collections.abc import Mapping

from volens.log.files import TEMPORARY, Files, replace_durably
from volens.log.pending import pending_header
from volens.log.tiles import TILE_HEIGHT, TILE_LEVELS, TileName

CHECKPOINT = "checkpoint"
PENDING = "pending"


def write_tiles(files: Files, tiles: Mapping[str, bytes]) -> None:
    """Write the tiles of a tree that is not published yet, each in one step, and their names."""
    files.write_each({path + TEMPORARY: data for path, data in tiles.items()})
    for path in tiles:
        files.replace(path + TEMPORARY, path)
    for folder in sorted({path.rpartition("/")[0] for path in tiles}):
        files.sync_folder(folder)


def finish_publishing(files: Files, *, base: int, size: int) -> None:
    """Do what follows the checkpoint of `size`; `base` is the size before it.

    1. Remove the partial tiles of those tiles that are full now (tlog-tiles, "Partial Tiles":
    only then may they go). 2. Start a new pending file, which drops the published entries.
    """
    for level in (None, *range(TILE_LEVELS)):
        height = TILE_HEIGHT * ((level or 0) + 1)
        if base >> height < size >> height:
            _remove_partials(files, TileName(level=level, index=base >> height).full_path + ".p")
    replace_durably(files, PENDING, pending_header(size))


def _remove_partials(files: Files, folder: str) -> None:
    if names := files.list(folder):
        for name in names:
            files.remove(f"{folder}/{name}")
        files.sync_folder(folder)
        files.remove(folder)
        files.sync_folder(folder.rpartition("/")[0])
