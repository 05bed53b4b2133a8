"""The ports of a retention run: who takes requests, erases, holds and rotates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.holds.access import Ended
from volens.holds.erasure import Erasure
from volens.holds.model import Hold
from volens.lifecycle.register import Register


class Requests(Protocol):
    """The ledger of erasures (`holds.erasures.ErasureLedger`)."""

    def request(self, erasure: Erasure) -> Erasure:
        """Make a request true; return the one that stands."""
        ...

    def drain(self) -> int:
        """Take in what was journaled; return how many were new."""
        ...

    def due(self, at: datetime) -> list[Erasure]:
        """Return those whose cool-off is over and that nothing holds."""
        ...

    def held(self) -> list[Erasure]:
        """Return those that a hold keeps."""
        ...

    def waiting_for_epoch(self) -> list[Erasure]:
        """Return those whose keys are removed and that are not irrecoverable."""
        ...

    def ended(self) -> Ended:
        """Return whose access has ended and whose data is still there."""
        ...

    def all(self) -> list[Erasure]:
        """Return every erasure."""
        ...


class Erasing(Protocol):
    """What erases. Both calls may be repeated."""

    def erase_due(self, at: datetime) -> int:
        """Erase what is due at `at` and what holds let go; mark what they keep; return how many."""
        ...

    def settle(self, at: datetime) -> int:
        """Mark what has become irrecoverable; return how many."""
        ...


class Holding(Protocol):
    """The holds (`holds.store.HoldStore`)."""

    def expire(self, at: datetime) -> object:
        """End the holds whose time is over at `at`."""
        ...

    def active(self, at: datetime) -> list[Hold]:
        """Return the holds in force at `at`."""
        ...


class Rotation(Protocol):
    """The key epochs (`lifecycle.epochs.KeyRotation`)."""

    def rotation_due(self, at: datetime, removals: Sequence[datetime] | None = None) -> list[str]:
        """Return the scopes whose epoch has to end at `at`, given when keys were removed."""
        ...

    def rotate(self, scope: str) -> object:
        """End the live epoch of a scope."""
        ...

    def destroy_expired(self) -> Sequence[object]:
        """Destroy the keys of epochs whose time has come; return which."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Who does what a run decides."""

    register: Register
    requests: Requests
    erasing: Erasing
    holds: Holding
    rotation: Rotation
