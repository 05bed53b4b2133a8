"""The system's clock and entropy: the only module that reads either."""

from __future__ import annotations

import os
from datetime import UTC, datetime


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        """Return the present moment, UTC."""
        return datetime.now(UTC)


class SystemEntropy:
    """The operating system's random bytes."""

    def draw(self, size_bytes: int) -> bytes:
        """Return `size_bytes` unpredictable bytes."""
        return os.urandom(size_bytes)
