"""Lists in pages: a cursor is a place in a list, signed, and good for that list only."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Annotated, Final

from fastapi import Query

from volens.app.home import Home
from volens.core.errors import InvalidInput

MOST: Final = 200
_TAG_BYTES: Final = 12
_PLACE_BYTES: Final = 8

Limit = Annotated[int, Query(ge=1, le=MOST, description="The most to return.")]
Cursor = Annotated[
    str | None,
    Query(max_length=64, description="`next` of the page before; nobody else makes one."),
]


def write_cursor(home: Home, of: str, place: int) -> str:
    """Return the cursor that leads to what comes after `place` in the list `of`."""
    raw = place.to_bytes(_PLACE_BYTES, "big")
    return base64.urlsafe_b64encode(raw + _tag(home, of, raw)).decode("ascii")


def read_cursor(home: Home, of: str, cursor: str | None) -> int:
    """Return the place that a cursor stands for; 0 without one.

    Raises:
        InvalidInput: ``cursor_form`` if it was not made here, or is of another list.
    """
    if cursor is None:
        return 0
    try:
        data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        data = b""
    raw, tag = data[:_PLACE_BYTES], data[_PLACE_BYTES:]
    if not hmac.compare_digest(tag, _tag(home, of, raw)):
        hint = "take `next` as it came, for the same list"
        raise InvalidInput("cursor_form", "the cursor is not one of this list", hint=hint)
    return int.from_bytes(raw, "big")


def _tag(home: Home, of: str, raw: bytes) -> bytes:
    return home.sealer.lookup(b"cursor", of.encode() + b"\x00" + raw)[:_TAG_BYTES]
