"""Associated data and commitments: what a sealed conversation is bound to. Pure bytes."""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass

CONTENT_SCHEMA = 1
_PLACE = struct.Struct(">16s16s16sIH")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPlace:
    """Where a sealed segment belongs; it opens nowhere else."""

    tenant: bytes
    subject: bytes
    conversation: bytes
    sequence: int
    schema: int = CONTENT_SCHEMA


def content_binding(place: ContentPlace) -> bytes:
    """Return the associated data of a sealed segment: fixed widths, big-endian."""
    return bind_content(
        place.tenant, place.subject, place.conversation, place.sequence, place.schema
    )


def bind_content(
    tenant: bytes,
    subject: bytes,
    conversation: bytes,
    sequence: int,
    schema: int = CONTENT_SCHEMA,
) -> bytes:
    """Do as `content_binding`, without an object for each segment."""
    return b"volens/content/v1\x00" + _PLACE.pack(tenant, subject, conversation, sequence, schema)


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
