"""Where a person's records are trained on: a shard for life, and a slice by how they may leave.

Both come from a keyed hash: a place says nothing about who is in it, and nobody can choose theirs.
"""

from __future__ import annotations

import hmac
from typing import Final

from volens.core.errors import InvalidInput

SECRET_BYTES: Final = 32


def shard_of(secret: bytes, subject: bytes, shards: int) -> int:
    """Return the shard of a person: the same in every run with this many shards.

    Args:
        secret: 32 random bytes of the home.
        subject: the person's 16 raw bytes.
        shards: how many there are, at least 1.

    Raises:
        InvalidInput: ``placing_secret`` if the secret has another size.
    """
    return _number(secret, b"volens/shard/v1\x00", subject, shards)


def slice_of(secret: bytes, subject: bytes, slices: int, *, may_leave: bool) -> int:
    """Return the slice of a person's records.

    Whoever may leave soon (they took something back before, or a yes of theirs ends) is put in the
    last slice: forgetting them costs one stage. Others are spread over all slices.

    Raises:
        InvalidInput: as `shard_of`.
    """
    if may_leave:
        return slices - 1
    return _number(secret, b"volens/slice/v1\x00", subject, slices)


def _number(secret: bytes, domain: bytes, subject: bytes, below: int) -> int:
    if len(secret) != SECRET_BYTES:
        raise InvalidInput("placing_secret", f"the secret of placing takes {SECRET_BYTES} bytes")
    # 2^256 is far above any number of shards: the remainder is even enough.
    return int.from_bytes(hmac.digest(secret, domain + subject, "sha256"), "big") % below
