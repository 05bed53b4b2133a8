"""A clock that moves only when told, and entropy that repeats from a seed."""

import hashlib
from datetime import UTC, datetime, timedelta


class SteppedClock:
    """A clock that stands still until a test steps it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def step(self, by: timedelta) -> None:
        self.moment += by


class SeededEntropy:
    """Random-looking bytes that are the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed.to_bytes(8, "big")
        self._drawn = 0

    def draw(self, size_bytes: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(self._seed + self._drawn.to_bytes(8, "big")).digest(size_bytes)
