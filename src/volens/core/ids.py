"""Random identifiers: 128 bits, written as ``prefix_`` and 26 lower-case base32 characters.

An id says what it names and nothing about whom. Randomness is an argument.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import NewType

from volens.core.errors import InvalidInput

SubjectId = NewType("SubjectId", str)
ConversationId = NewType("ConversationId", str)
DatasetId = NewType("DatasetId", str)
EventId = NewType("EventId", str)
TenantId = NewType("TenantId", str)
ErasureId = NewType("ErasureId", str)
HoldId = NewType("HoldId", str)
RequestId = NewType("RequestId", str)

ID_BYTES = 16


class IdKind(StrEnum):
    """What an id names; the value is its prefix."""

    SUBJECT = "sub"
    CONVERSATION = "cnv"
    DATASET = "dst"
    EVENT = "evt"
    TENANT = "ten"
    ERASURE = "era"
    HOLD = "hld"
    REQUEST = "req"


def format_id(kind: IdKind, raw: bytes) -> str:
    """Write 16 random bytes as an id.

    Raises:
        InvalidInput: if `raw` is not 16 bytes long.
    """
    if len(raw) != ID_BYTES:
        raise InvalidInput("id_length", f"an id takes {ID_BYTES} bytes, not {len(raw)}")
    return f"{kind.value}_{base64.b32encode(raw).decode('ascii').rstrip('=').lower()}"


def parse_id(kind: IdKind, text: str) -> bytes:
    """Return the 16 bytes of an id; each id has exactly one spelling.

    Raises:
        InvalidInput: if `text` is not the one spelling of an id of this kind.
    """
    prefix, _, body = text.partition("_")
    try:
        raw = base64.b32decode(body.upper() + "======")
    except (binascii.Error, ValueError):
        raw = b""
    if prefix != kind.value or len(raw) != ID_BYTES or format_id(kind, raw) != text:
        hint = f"it looks like {kind.value}_ and 26 characters a-z, 2-7"
        raise InvalidInput("id_form", f"not a {kind.name.lower()} id: {text[:40]!r}", hint=hint)
    return raw
