"""The pending file: entries that are durable but not yet under a checkpoint.

A header names the size of the tree the entries follow. Then comes one record for each group of
entries that was acknowledged together; each is made durable before the next is written, so only
the last can be torn, and a torn one was never acknowledged (docs/formats/log.md).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from volens.core.errors import InvalidInput, VerificationFailed
from volens.log.tiles import decode_bundle, encode_bundle

_MAGIC = b"VLPEND1\n"
_RECORD_MAGIC = b"VLR1"
_BASE = struct.Struct(">Q")
_HEAD = struct.Struct(">4sQII")  # magic, index of the first entry, entries, bytes of entries
_CHECK = struct.Struct(">I")  # CRC-32 of the head, so that a torn record can be told from a bad one
_DIGEST_BYTES = 32
_SECTOR = 512
_MAX_GROUP_BYTES = 2**30
_HEADER_BYTES = len(_MAGIC) + _BASE.size
_HEAD_BYTES = _HEAD.size + _CHECK.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a pending file holds."""

    base: int
    """The size of the tree that the entries follow."""
    entries: tuple[bytes, ...]
    torn_bytes: int
    """Bytes at the end that a crash left of a group that was never acknowledged."""


def pending_header(base: int) -> bytes:
    """Return the bytes of a pending file with no entries."""
    return _MAGIC + _BASE.pack(base)


def pending_record(start: int, entries: Sequence[bytes]) -> bytes:
    """Return the record of one group; `start` is the index of its first entry.

    Raises:
        InvalidInput: ``entry_size`` if an entry is larger than 65,535 bytes; ``group_size`` if
            the group is larger than 1 GiB.
    """
    payload = encode_bundle(entries)
    if len(payload) > _MAX_GROUP_BYTES:
        raise InvalidInput("group_size", f"a group has at most {_MAX_GROUP_BYTES} bytes")
    head = _HEAD.pack(_RECORD_MAGIC, start, len(entries), len(payload))
    body = head + _CHECK.pack(zlib.crc32(head)) + payload
    return body + sha256(body).digest()


def parse_pending(data: bytes) -> Pending:
    """Read a pending file, setting aside a torn end.

    Raises:
        VerificationFailed: ``pending_form`` if anything but the end of the file is damaged, or
            the end in a way that a crash does not cause.
    """
    if len(data) < _HEADER_BYTES or not data.startswith(_MAGIC):
        raise _damaged(0)
    (base,) = _BASE.unpack_from(data, len(_MAGIC))
    entries: list[bytes] = []
    at = _HEADER_BYTES
    while at < len(data):
        found = _parse_record(data, at, base + len(entries))
        if found is None:
            _check_torn(data, at)
            break
        group, at = found
        entries += group
    return Pending(base=base, entries=tuple(entries), torn_bytes=len(data) - at)


def _parse_record(data: bytes, at: int, start: int) -> tuple[list[bytes], int] | None:
    """Return the entries of a whole record and its end; None if it is not whole."""
    stop = _record_end(data, at)
    if stop is None or stop > len(data):
        return None
    body = data[at : stop - _DIGEST_BYTES]
    if sha256(body).digest() != data[stop - _DIGEST_BYTES : stop]:
        return None
    _, first, count, _ = _HEAD.unpack_from(data, at)
    group = decode_bundle(body[_HEAD_BYTES:])
    if first != start or len(group) != count:
        raise _damaged(at)
    return group, stop


def _record_end(data: bytes, at: int) -> int | None:
    """Return where the record ends by its head; None if the head is not whole."""
    head = data[at : at + _HEAD.size]
    check = data[at + _HEAD.size : at + _HEAD_BYTES]
    if not head.startswith(_RECORD_MAGIC) or check != _CHECK.pack(zlib.crc32(head)):
        return None
    size: int = _HEAD.unpack(head)[3]
    return at + _HEAD_BYTES + size + _DIGEST_BYTES


def _check_torn(data: bytes, at: int) -> None:
    """Refuse a record that is damaged in a way a crash does not cause.

    A crash leaves a record that is too short, or whole sectors of it unwritten (zeros), and
    nothing valid behind it.
    """
    end = _record_end(data, at)
    short = len(data) - at < _HEAD_BYTES or (end is not None and end > len(data))
    sectors = (
        data[place : place + _SECTOR] for place in range(at - at % _SECTOR, len(data), _SECTOR)
    )
    unwritten = any(not sector.strip(b"\0") for sector in sectors) or not data[at:].strip(b"\0")
    behind = data.find(_RECORD_MAGIC, at + 1)
    while behind >= 0:
        stop = _record_end(data, behind)
        if stop is not None and stop <= len(data):
            raise _damaged(at)
        behind = data.find(_RECORD_MAGIC, behind + 1)
    if not short and not unwritten:
        raise _damaged(at)


def _damaged(at: int) -> VerificationFailed:
    hint = "restore the log's folder from its newest copy"
    message = f"the pending entries are damaged at byte {at}"
    return VerificationFailed("pending_form", message, hint=hint)
