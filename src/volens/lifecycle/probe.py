"""An independent probe: looks in every byte of a home for things that should not be there.

It shares nothing with the code that erases: it knows no tables and no formats but SQLite's. Each
file is searched as raw bytes; each SQLite file, once more, value by value, since a long value lies
in pieces. It finds what is named, as it is and in the spellings in which bytes usually hide; it
can't find what is encrypted under a key it hasn't got, which is the point of erasing keys.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from volens.core.errors import InvalidInput, Unavailable

MIN_BYTES = 8
"""Shorter needles would be found by chance."""
_SQLITE = b"SQLite format 3\x00"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was looked for, and where it is."""

    name: str
    """What the needle was called; its bytes are not repeated."""
    spelling: str
    """How it was written: ``raw``, ``hex``, ``base64``, ``utf-16``, ``json``."""
    place: str
    """The file, from the folder searched, and the table and column if it is in one."""


def probe(folders: Iterable[Path], needles: Mapping[str, bytes]) -> list[Finding]:
    """Return where any of `needles` is in any file below `folders`, links not followed.

    Args:
        folders: homes, custody folders, or copies of them; they may be in use.
        needles: name to bytes: raw ids, digests, words of a conversation.

    Raises:
        InvalidInput: ``needle_short``.
        Unavailable: ``probe_unreadable`` if a file can't be read: not looking is not finding.
    """
    for name, needle in needles.items():
        if len(needle) < MIN_BYTES:
            raise InvalidInput(
                "needle_short", f"{name} has {len(needle)} bytes, at least {MIN_BYTES}"
            )
    wanted = [
        (name, spelling, data)
        for name, needle in needles.items()
        for spelling, data in _spellings(needle)
    ]
    found: dict[Finding, None] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                place = f"{folder.name}/{path.relative_to(folder)}"
                found.update(dict.fromkeys(_in_file(path, place, wanted)))
    return list(found)


_Wanted = list[tuple[str, str, bytes]]


def _spellings(needle: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", needle
    yield "hex", needle.hex().encode("ascii")
    for shift in range(3):  # base64 has three alignments; the outer letters mix with neighbours
        text = base64.b64encode(bytes(shift) + needle)
        inner = text[(0, 2, 3)[shift] :].rstrip(b"=")
        yield "base64", inner[: -1 if (len(needle) + shift) % 3 else None]
    try:
        words = needle.decode("utf-8")
    except UnicodeDecodeError:
        return
    yield "utf-16", words.encode("utf-16-le")
    escaped = json.dumps(words)[1:-1].encode("ascii")
    if escaped != needle:
        yield "json", escaped


def _in_file(path: Path, place: str, wanted: _Wanted) -> Iterator[Finding]:
    overlap = max((len(data) for *_, data in wanted), default=1) - 1
    try:
        with path.open("rb") as file:
            first = data = file.read(_CHUNK)
            while data:
                yield from _in_bytes(data, place, wanted)
                more = file.read(_CHUNK)
                data = data[-overlap:] + more if more and overlap else more
    except FileNotFoundError:
        return  # a temporary file that is gone by now
    except OSError as error:
        raise Unavailable("probe_unreadable", f"{place} can't be read: {error.strerror}") from error
    if first.startswith(_SQLITE):
        yield from _in_database(path, place, wanted)


def _in_bytes(data: bytes, place: str, wanted: _Wanted) -> Iterator[Finding]:
    for name, spelling, needle in wanted:
        if needle in data:
            yield Finding(name=name, spelling=spelling, place=place)


def _in_database(path: Path, place: str, wanted: _Wanted) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            for column, data in _values(db):
                yield from _in_bytes(data, f"{place} {column}", wanted)
    except sqlite3.Error as error:
        raise Unavailable("probe_unreadable", f"{place} can't be read: {error}") from error


def _values(db: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    """Yield ``TABLE.COLUMN`` and value of everything in a database that is not a number."""
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        quoted = table.replace('"', '""')
        rows = db.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name of its own
        columns = [f"{table}.{column[0]}" for column in rows.description]
        for column, value in (pair for row in rows for pair in zip(columns, row, strict=True)):
            if isinstance(value, str | bytes):
                yield column, value.encode() if isinstance(value, str) else value
