"""Strict reading of the members of a JSON object: every member is known, present and in range."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ids import DatasetId, IdKind, parse_id
from volens.core.purposes import PROHIBITED, Purpose

MAX_TEXT = 2000
WORD = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,99}")
_HEX = re.compile(r"[0-9a-f]{64}")

_Value = TypeVar("_Value")


class Members:
    """One JSON object on its way to a value; every error names the member and carries the code."""

    __slots__ = ("_code", "_place", "raw")

    def __init__(self, value: Json, place: str, code: str) -> None:
        """Take the value that stands at `place`.

        Raises:
            InvalidInput: if it is no object.
        """
        self._place, self._code = place, code
        if not isinstance(value, Mapping):
            raise InvalidInput(code, f"{place} is not an object")
        self.raw: Mapping[str, Any] = value

    def member(self, name: str) -> Any:  # noqa: ANN401 - JSON that nobody looked at yet
        """Return a member as it came."""
        if name not in self.raw:
            raise self.wrong(name, "is missing")
        return self.raw[name]

    def wrong(self, name: str, what: str) -> InvalidInput:
        """Make the error that says what is wrong with a member."""
        return InvalidInput(self._code, f"{self._place}.{name[:80]} {what}")

    def exactly(self, names: str) -> None:
        """Refuse missing and unknown members; `names` are separated by spaces."""
        odd = sorted(set(names.split()) ^ set(self.raw))
        if odd:
            raise self.wrong(odd[0], "is unknown" if odd[0] in self.raw else "is missing")

    def object(self, name: str) -> Members:
        """Read an object."""
        return Members(self.member(name), f"{self._place}.{name}", self._code)

    def parsed(self, name: str, parse: Callable[[str], _Value]) -> _Value:
        """Read a string through `parse`."""
        value = self.string(name)
        try:
            return parse(value)
        except (InvalidInput, ValueError) as error:
            raise self.wrong(name, f"is not known or not well-formed: {value[:40]!r}") from error

    def string(self, name: str) -> str:
        """Read any string."""
        value = self.member(name)
        if not isinstance(value, str):
            raise self.wrong(name, "is not a string")
        return value

    def text(self, name: str) -> str:
        """Read a string of at most `MAX_TEXT` printable characters."""
        value = self.string(name)
        if len(value) > MAX_TEXT or not value.isprintable():
            raise self.wrong(name, f"is longer than {MAX_TEXT} or not printable")
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Read a string that `pattern` covers in full."""
        value = self.string(name)
        if not pattern.fullmatch(value):
            raise self.wrong(name, f"is not well-formed: {value[:40]!r}")
        return value

    def word(self, name: str) -> str:
        """Read a short fixed word."""
        return self.matching(name, WORD)

    def constant(self, name: str, value: str) -> None:
        """Demand one string."""
        if self.member(name) != value:
            raise self.wrong(name, f"is not {value!r}")

    def number(self, name: str) -> int:
        """Read an integer from 0 to 2^53-1."""
        value = self.member(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, "is not a whole number from 0 on")
        return value

    def numbers(self, names: re.Pattern[str]) -> dict[str, int]:
        """Read the whole object as counts, each under a name that `names` covers in full."""
        for name in self.raw:
            if not names.fullmatch(name):
                raise self.wrong(name, "is not a name that can stand here")
        return {name: self.number(name) for name in self.raw}

    def digest(self, name: str) -> bytes:
        """Read 32 bytes written as 64 lower-case hexadecimal digits."""
        return bytes.fromhex(self.matching(name, _HEX))

    def digests(self, name: str) -> tuple[bytes, ...]:
        """Read a list of digests."""
        values = self.member(name)
        if not isinstance(values, list) or not all(
            isinstance(value, str) and _HEX.fullmatch(value) for value in values
        ):
            raise self.wrong(name, "is not a list of 64 hexadecimal digits each")
        return tuple(bytes.fromhex(value) for value in values)

    def base64(self, name: str) -> bytes:
        """Read bytes in the one spelling of standard base64 (RFC 4648, 4)."""
        value = self.string(name)
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.wrong(name, "is not base64") from error
        if base64.b64encode(data).decode("ascii") != value:
            raise self.wrong(name, "is not the one spelling of its base64")
        return data

    def dataset(self, name: str) -> DatasetId:
        """Read a dataset id."""
        self.parsed(name, lambda text: parse_id(IdKind.DATASET, text))
        return DatasetId(self.string(name))

    def purpose(self, name: str) -> Purpose:
        """Read a purpose; prohibited ones can't stand in anything we read or write (R49-R54)."""
        purpose = self.parsed(name, Purpose)
        if purpose in PROHIBITED:
            raise self.wrong(name, f"is prohibited: {purpose.value}")
        return purpose
