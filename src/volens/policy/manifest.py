"""`pack.toml`, read strictly: known keys, words from closed lists, nothing guessed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from volens.core.errors import InvalidInput

FORMAT = "volens-policy-pack/1"
LANGUAGES = frozenset({"en", "de"})
_Word = TypeVar("_Word", bound=StrEnum)


class Table:
    """One TOML table that remembers where it stands and which keys were read.

    `close` refuses whatever was not read, so that a misspelt key is never silently without effect.
    """

    def __init__(self, values: Mapping[str, object], *, file: str, path: str = "") -> None:
        self._values = values
        self._file = file
        self._path = path
        self._read: set[str] = set()

    def error(self, key: str, problem: str, hint: str) -> InvalidInput:
        """Return the error that names file, key and what to do."""
        place = f"{self._path}.{key}" if self._path else key
        return InvalidInput("pack_form", f"{self._file}: {place} {problem}", hint=hint)

    def close(self) -> None:
        """Refuse keys that nobody read.

        Raises:
            InvalidInput: ``pack_form`` naming the first such key.
        """
        unknown = sorted(set(self._values) - self._read)
        if unknown:
            raise self.error(unknown[0], "is not a known key", "remove it or correct its spelling")

    def names(self) -> tuple[str, ...]:
        """Return the keys in the order of the file."""
        return tuple(self._values)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a string member."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.error(key, "is not a text", "write it in quotes")
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Return a true or false member."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "is not true or false", "write true or false, without quotes")
        return value

    def whole(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value = self._take(key, None)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(key, "is not a whole number", "write 0 or more, without quotes")
        return value

    def moment(self, key: str) -> datetime:
        """Return a moment, in UTC."""
        value = self._take(key, None)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.error(key, "is not a moment with a zone", "write 2025-05-01T00:00:00Z")
        return value.astimezone(UTC)

    def words(self, key: str, *, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts, each standing once."""
        value = self._take(key, list(default) if default is not None else None)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, "is not a list of texts", 'write ["one", "two"]')
        if len(set(value)) != len(value):
            raise self.error(key, "lists something twice", "list each once")
        return tuple(value)

    def word(self, key: str, kind: type[_Word]) -> _Word:
        """Return a word of a closed list."""
        return self.known(key, self.text(key), kind)

    def known(self, key: str, word: str, kind: type[_Word]) -> _Word:
        """Return `word` as a member of `kind`, or refuse it by name."""
        if word not in set(kind):
            raise self.error(key, f"has the unknown word {word!r}", f"use one of {', '.join(kind)}")
        return kind(word)

    def said(self, key: str, *, needed: bool = True) -> dict[str, str]:
        """Return one text in several languages; English must be there."""
        table = self.table(key, needed=needed)
        text = {language: table.text(language) for language in table.names()}
        if set(text) - LANGUAGES or (text and not text.get("en")) or (needed and not text):
            raise self.error(key, "is not said in English", 'write { en = "...", de = "..." }')
        return text

    def table(self, key: str, *, needed: bool = True) -> Table:
        """Return a table member; an empty one if it is missing and not needed."""
        value = self._take(key, None if needed else {})
        return self._wrap(key, value)

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return an array of tables; empty if it is missing."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.error(key, "is not a list of tables", f"write [[{key}]]")
        return tuple(self._wrap(f"{key}[{index}]", item) for index, item in enumerate(value))

    def each(self, key: str, read: Callable[[str, Table], object], *, needed: bool = True) -> None:
        """Read each table inside the table `key`, closing each."""
        outer = self.table(key, needed=needed)
        for name in outer.names():
            inner = outer.table(name)
            read(name, inner)
            inner.close()

    def _wrap(self, key: str, value: object) -> Table:
        if not isinstance(value, dict):
            raise self.error(key, "is not a table", f"write [{key}] and its keys below")
        path = f"{self._path}.{key}" if self._path else key
        return Table(value, file=self._file, path=path)

    def _take(self, key: str, default: object) -> object:
        self._read.add(key)
        value = self._values.get(key, default)
        if value is None:
            raise self.error(
                key, "is missing", "add it; docs/formats/policy-pack.md lists the keys"
            )
        return value


def open_manifest(data: bytes, *, file: str) -> Table:
    """Parse TOML bytes into a strict table and check the format line.

    Raises:
        InvalidInput: ``pack_form`` if it is not TOML, or another format.
    """
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("pack_form", f"{file}: not TOML: {error}") from error
    manifest = Table(values, file=file)
    if manifest.text("format") != FORMAT:
        raise manifest.error("format", "is another format", f"this version reads {FORMAT}")
    return manifest
