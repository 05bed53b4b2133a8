"""Random identifiers: 128 bits, written as ``prefix_`` and 26 lower-case base32 characters.

An id says what it names and nothing about whom. Randomness is an argument.
"""

from __future__ import annotations

import re
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
AccountId = NewType("AccountId", str)
TokenId = NewType("TokenId", str)
CaseId = NewType("CaseId", str)
FlagId = NewType("FlagId", str)
WebhookId = NewType("WebhookId", str)
RunId = NewType("RunId", str)
ImpactId = NewType("ImpactId", str)

ID_BYTES = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [high + low for high in _LETTERS for low in _LETTERS]
_SHIFTS = range(120, -1, -10)
_BODY = re.compile("[a-z2-7]{25}[aeimquy4]")  # 130 bits; the last two are zero
_DIGITS = bytes.maketrans(_LETTERS.encode(), b"0123456789abcdefghijklmnopqrstuv")


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
    ACCOUNT = "acc"
    TOKEN = "tok"  # noqa: S105 - a prefix, not a secret
    CASE = "cas"
    FLAG = "flg"
    WEBHOOK = "whk"
    RUN = "run"
    IMPACT = "imp"


def format_id(kind: IdKind, raw: bytes) -> str:
    """Write 16 random bytes as an id.

    Raises:
        InvalidInput: if `raw` is not 16 bytes long.
    """
    if len(raw) != ID_BYTES:
        raise InvalidInput("id_length", f"an id takes {ID_BYTES} bytes, not {len(raw)}")
    bits = int.from_bytes(raw, "big") << 2
    return f"{kind.value}_{''.join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])}"


def parse_id(kind: IdKind, text: str) -> bytes:
    """Return the 16 bytes of an id; each id has exactly one spelling.

    Raises:
        InvalidInput: if `text` is not the one spelling of an id of this kind.
    """
    prefix, _, body = text.partition("_")
    if prefix != kind.value or _BODY.fullmatch(body) is None:
        hint = f"it looks like {kind.value}_ and 26 characters a-z, 2-7"
        raise InvalidInput("id_form", f"not a {kind.name.lower()} id: {text[:40]!r}", hint=hint)
    return (int(body.encode("ascii").translate(_DIGITS), 32) >> 2).to_bytes(ID_BYTES, "big")
