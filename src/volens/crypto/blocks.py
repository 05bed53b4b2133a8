"""A block: conversations of one person under one key, before it is sealed. Pure bytes.

0   VBK1
4   number of members n, little-endian, at least 1
8   n rows of 56 bytes: conversation id (16), capture secret (32), sequence (8, little-endian)
... the body: the vault's bytes, not looked at here (docs/formats/block.md)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from volens.core.errors import InvalidInput, VerificationFailed

MAGIC = b"VBK1"
ID_BYTES, SECRET_BYTES = 16, 32
_HEAD = struct.Struct("<4sI")
_ROW = struct.Struct("<16s32sQ")
ROW_BYTES = _ROW.size
SECRET_AT = ID_BYTES
SEQUENCE_AT = ID_BYTES + SECRET_BYTES

Member = tuple[bytes, int]
"""Conversation id (16 bytes) and sequence number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block, opened. `repr` shows nothing of it."""

    rows: bytes = field(repr=False)
    """The members' rows, end to end."""
    body: memoryview = field(repr=False)

    @property
    def size(self) -> int:
        """Return the number of members."""
        return len(self.rows) // ROW_BYTES

    def member(self, index: int) -> Member:
        """Return the member at `index`."""
        conversation, _, sequence = _ROW.unpack_from(self.rows, index * ROW_BYTES)
        return conversation, sequence

    def secret(self, index: int) -> bytes:
        """Return the capture secret of the member at `index`."""
        at = index * ROW_BYTES + SECRET_AT
        return self.rows[at : at + SECRET_BYTES]


def pack_block(members: Sequence[Member], secrets: Sequence[bytes], body: bytes) -> bytes:
    """Write a block; equal blocks give equal bytes.

    Raises:
        InvalidInput: ``block_members`` if there is none, or an id or secret has another length.
    """
    lengths = {(len(one), len(secret)) for (one, _), secret in zip(members, secrets, strict=True)}
    if lengths != {(ID_BYTES, SECRET_BYTES)}:
        raise InvalidInput("block_members", "a block takes ids of 16 and secrets of 32 bytes")
    rows = [
        _ROW.pack(conversation, secret, sequence)
        for (conversation, sequence), secret in zip(members, secrets, strict=True)
    ]
    return b"".join((_HEAD.pack(MAGIC, len(rows)), *rows, body))


def unpack_block(data: bytes) -> Block:
    """Read a block.

    Raises:
        VerificationFailed: ``block_form`` if `data` is not what `pack_block` writes.
    """
    if len(data) >= _HEAD.size:
        magic, count = _HEAD.unpack_from(data)
        at_body = _HEAD.size + count * ROW_BYTES
        if magic == MAGIC and count and at_body <= len(data):
            return Block(rows=data[_HEAD.size : at_body], body=memoryview(data)[at_body:])
    raise VerificationFailed("block_form", "not a block of conversations")
