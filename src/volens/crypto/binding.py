"""Associated data and commitments: what a sealed conversation is bound to. Pure bytes."""

from __future__ import annotations

import hmac
import struct

CONTENT_SCHEMA = 1
_PLACE = struct.Struct(">16s16s16sH")


def bind_block(tenant: bytes, subject: bytes, block: bytes) -> bytes:
    """Return the associated data of a sealed block: fixed widths, big-endian.

    Args:
        tenant: 16 bytes.
        subject: the person's id, 16 bytes.
        block: the block's id, 16 bytes; what is in it stands inside, sealed with it.
    """
    return b"volens/block/v1\x00" + _PLACE.pack(tenant, subject, block, CONTENT_SCHEMA)


def record_binding(dataset: bytes, leaf: bytes) -> bytes:
    """Return the associated data of one record of a sealed dataset."""
    return b"volens/record/v1\x00" + dataset + leaf


def capture_commitment(capture_secret: bytes, conversation: bytes) -> bytes:
    """Commit to a conversation at capture; logged under a Merkle root (32 bytes)."""
    return hmac.digest(capture_secret, b"volens/capture/v1\x00" + conversation, "sha256")


def manifest_leaf(capture_secret: bytes, dataset: bytes, conversation: bytes) -> bytes:
    """Return a conversation's leaf in one dataset's manifest (32 bytes).

    Leaves of one conversation in two datasets don't show that they belong together.
    """
    return hmac.digest(capture_secret, b"volens/leaf/v1\x00" + dataset + conversation, "sha256")
