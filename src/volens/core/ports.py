"""What the house asks of the outside world: a clock and a source of random bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time. Adapters: the system's clock; a stepped clock in tests."""

    def now(self) -> datetime:
        """Return the present moment, timezone-aware, UTC."""
        ...


class Entropy(Protocol):
    """Random bytes fit for keys. Adapters: the operating system; a seeded stream in tests."""

    def draw(self, size_bytes: int) -> bytes:
        """Return `size_bytes` bytes that nobody can predict and that never repeat."""
        ...
