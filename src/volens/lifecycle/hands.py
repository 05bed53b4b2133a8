"""The ports of a retention run: who takes requests, erases, holds and rotates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.holds.access import Ended
from volens.holds.erasure import Erasure
from volens.holds.model import Hold
from volens.holds.promises import Promise
from volens.holds.register import Freed
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

    def ended(self) -> Ended:
        """Return whose access has ended and whose data is still there."""
        ...

    def all(self) -> list[Erasure]:
        """Return every erasure."""
        ...


class Owed(Protocol):
    """What is still to be done (`holds.promises.Promises`)."""

    def owed(self) -> list[Promise]:
        """Return what is taken in, not done, not taken back and not held."""
        ...


class Erased(Protocol):
    """What came of erasing."""

    @property
    def due(self) -> int:
        """How many had to go, held ones included."""
        ...

    @property
    def erased(self) -> int:
        """Of how many nothing is left in the home."""
        ...


class Erasing(Protocol):
    """What erases (`lifecycle.erasing.Eraser`). Both calls may be repeated."""

    def run(self, at: datetime, *, most: int | None = None) -> Erased:
        """Erase what is due at `at` and not held, at most `most` of it."""
        ...

    def settle(self, at: datetime, irrecoverable_before: datetime) -> int:
        """Mark what no copy opens any more, given that older epochs are gone; return how many."""
        ...


class Holding(Protocol):
    """The holds (`holds.store.HoldStore`)."""

    def expire(self, at: datetime) -> Freed:
        """End the holds whose time is over at `at`; return what no hold keeps any more."""
        ...

    def settle(self, freed: Freed, at: datetime) -> None:
        """Take note that what was freed has been seen to."""
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

    def irrecoverable_before(self) -> datetime | None:
        """Return the moment before which all that was removed is irrecoverable, if any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Who does what a run decides."""

    register: Register
    requests: Requests
    promises: Owed
    erasing: Erasing
    holds: Holding
    rotation: Rotation
