"""Members of a document, read strictly: each is known, of its kind and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from volens.core.errors import InvalidInput

_Word = TypeVar("_Word", bound=StrEnum)
MOST_TEXT = 65_536
"""Characters of one text, unless a member says less."""
_SHOWN = 60


class Members:
    """One object or TOML table. `close` refuses whatever was not read."""

    def __init__(self, value: object, *, place: str, code: str) -> None:
        """Read `value`, which stands at `place`; every error has the code `code`.

        Raises:
            InvalidInput: `code` if it is no object.
        """
        self._place = place
        self._code = code
        if not isinstance(value, Mapping):
            raise InvalidInput(code, f"{place} is not an object")
        self._values = value
        self._read: set[str] = set()

    def error(self, name: str, problem: str, hint: str = "") -> InvalidInput:
        """Return the error that names place, member and problem."""
        return InvalidInput(self._code, f"{self._place}: {name[:_SHOWN]} {problem}", hint=hint)

    def close(self) -> None:
        """Refuse members that nobody read.

        Raises:
            InvalidInput: naming the first.
        """
        unknown = sorted(str(name) for name in self._values if name not in self._read)
        if unknown:
            raise self.error(unknown[0], "is not a known member", "docs/formats/principles.md")

    def names(self) -> tuple[str, ...]:
        """Return the names of all members, in their order."""
        return tuple(str(name) for name in self._values)

    def has(self, name: str) -> bool:
        """Say whether a member is there."""
        return name in self._values

    def text(self, name: str, *, most: int = MOST_TEXT, least: int = 1) -> str:
        """Return a text of `least` to `most` characters.

        Raises:
            InvalidInput: if it is none.
        """
        return self._text(name, self._take(name), most, least)

    def texts(self, name: str, *, most: int = 1_000) -> tuple[str, ...]:
        """Return a list of texts, each standing once; empty if the member is missing.

        Raises:
            InvalidInput: if it is none, or has more than `most` members.
        """
        self._read.add(name)
        value = self._values.get(name, [])
        if not isinstance(value, list) or len(value) > most:
            raise self.error(name, f"is not a list of at most {most} texts")
        found = tuple(self._text(name, item, MOST_TEXT, 1) for item in value)
        if len(set(found)) != len(found):
            raise self.error(name, "lists something twice")
        return found

    def word(self, name: str, kind: type[_Word]) -> _Word:
        """Return a word of a closed list.

        Raises:
            InvalidInput: if it is none of them.
        """
        value = self.text(name)
        if value not in set(kind):
            problem = f"has the unknown word {value[:_SHOWN]!r}"
            raise self.error(name, problem, f"one of {', '.join(kind)}")
        return kind(value)

    def whole(self, name: str, *, default: int | None = None, most: int = 2**53 - 1) -> int:
        """Return a whole number from 0 to `most`.

        Raises:
            InvalidInput: if it is none.
        """
        value = self._take(name) if default is None or name in self._values else default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.error(name, f"is not a whole number from 0 to {most}")
        return value

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """Return true or false.

        Raises:
            InvalidInput: if it is neither.
        """
        value = self._take(name) if default is None or name in self._values else default
        if not isinstance(value, bool):
            raise self.error(name, "is not true or false")
        return value

    def digest(self, name: str) -> str:
        """Return a SHA-256 in 64 lower-case hexadecimal digits.

        Raises:
            InvalidInput: if it is none.
        """
        value = self.text(name)
        if len(value) != 64 or set(value) - set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256
            raise self.error(name, "is not 64 hexadecimal digits")
        return value

    def members(self, name: str) -> Members:
        """Return an object inside this one.

        Raises:
            InvalidInput: if it is none.
        """
        return Members(self._take(name), place=f"{self._place}.{name}", code=self._code)

    def each(self, name: str, *, most: int) -> tuple[Members, ...]:
        """Return the objects of a list of 1 to `most`.

        Raises:
            InvalidInput: if it is none.
        """
        value = self._take(name)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise self.error(name, f"is not a list of 1 to {most}")
        return tuple(
            Members(item, place=f"{self._place}.{name}[{number}]", code=self._code)
            for number, item in enumerate(value)
        )

    def counts(self, name: str) -> dict[str, int]:
        """Return an object of names and whole numbers.

        Raises:
            InvalidInput: if it is none.
        """
        inner = self.members(name)
        return {key: inner.whole(key) for key in inner.names()}

    def _take(self, name: str) -> object:
        self._read.add(name)
        if name not in self._values:
            raise self.error(name, "is missing", "docs/formats/principles.md lists the members")
        return self._values[name]

    def _text(self, name: str, value: object, most: int, least: int) -> str:
        if not isinstance(value, str) or not least <= len(value.strip()) <= len(value) <= most:
            raise self.error(name, f"is not a text of {least} to {most} characters")
        if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise self.error(name, "holds a character that is no text")
        return value
