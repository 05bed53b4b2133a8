"""Looking for bytes in every file of a folder, in every spelling; nothing of the product helps."""

import base64
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet

MIN_BYTES = 12
"""Shorter things turn up by chance."""
_SQLITE = b"SQLite format 3\x00"
_PARQUET = b"PAR1"


def spellings(needle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield how a needle may be written: as it is, in two hexes, two base64s, two UTF-16s."""
    assert len(needle) >= MIN_BYTES
    yield "raw", needle
    yield "hex", needle.hex().encode()
    yield "HEX", needle.hex().upper().encode()
    for shift in range(3):  # what stands before it decides how its bytes fall into letters
        first, last = (0, 2, 3)[shift], -1 if (len(needle) + shift) % 3 else None
        for name, altchars in (("base64", None), ("base64url", b"-_")):
            text = base64.b64encode(bytes(shift) + needle, altchars).rstrip(b"=")
            yield name, text[first:last]
    words = needle.decode("latin-1")
    yield "utf-16-le", words.encode("utf-16-le")
    yield "utf-16-be", words.encode("utf-16-be")


class Needles:
    """Many things to look for at once, by their first eight bytes."""

    def __init__(self, needles: Mapping[str, bytes]) -> None:
        self._by_start: dict[int, list[tuple[str, bytes]]] = {}
        for name, needle in needles.items():
            for _, written in spellings(needle):
                start = int.from_bytes(written[:8], "little")
                self._by_start.setdefault(start, []).append((name, written))
        self._starts = np.array(sorted(self._by_start), dtype="<u8")

    def found_in(self, data: bytes) -> set[str]:
        """Return the names of what is in some bytes."""
        return {
            name
            for shift in range(min(8, len(data) - 7))
            for name, written, place in self._starting(data, shift)
            if data.startswith(written, place)
        }

    def _starting(self, data: bytes, shift: int) -> Iterator[tuple[str, bytes, int]]:
        """Yield what begins as one of the needles does, at every eighth byte from `shift` on."""
        count = (len(data) - shift) // 8
        windows = np.frombuffer(data, dtype="<u8", count=count, offset=shift)
        for at in np.flatnonzero(np.isin(windows, self._starts)).tolist():
            for name, written in self._by_start[int(windows[at])]:
                yield name, written, at * 8 + shift


def look(folders: Iterable[Path], wanted: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Return, for each file below the folders that has any, the names of the needles in it.

    Hidden files too, file names too; zips and Parquet are unpacked, what a database keeps in pieces
    is put together.
    """
    needles = Needles(wanted)
    found: dict[str, set[str]] = {}
    for folder in folders:
        assert folder.is_dir(), folder
        for path in sorted(folder.rglob("*")):
            names = needles.found_in(str(path.relative_to(folder)).encode())
            for data in _contents(path):
                names |= needles.found_in(data)
            found |= {str(path): names} if names else {}
    return found


def _contents(path: Path) -> Iterator[bytes]:
    if not path.is_file() or path.is_symlink():
        return
    data = path.read_bytes()
    yield data
    if data.startswith(_SQLITE):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield from _values(database)
    elif data.startswith(_PARQUET):
        table = pyarrow.parquet.read_table(path)
        yield json.dumps(table.to_pylist(), default=repr, ensure_ascii=False).encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())


def _values(database: sqlite3.Connection) -> Iterator[bytes]:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    for (table,) in database.execute(query).fetchall():
        rows = database.execute(f'SELECT * FROM "{table}"')
        for value in (value for row in rows for value in row):
            if isinstance(value, str | bytes):
                yield value.encode() if isinstance(value, str) else value
