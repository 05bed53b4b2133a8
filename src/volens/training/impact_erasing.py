"""What erasing does to impact cases: they stay, and say no longer whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from volens.core.errors import VolensError
from volens.lifecycle.targets import Item
from volens.training.impact_store import ImpactRegister


class ImpactTarget:
    """Opens the cases of an erasure while it is known whose they are, then forgets that.

    It has to run before what destroys models and forgets the rows of datasets (`ErasureTarget`).
    """

    def __init__(self, register: ImpactRegister, look: Callable[[], object]) -> None:
        """Use `register`; `look` opens the cases of whatever may not be used any more."""
        self._register = register
        self._look = look

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"impact": "value_cleared"}

    def erase(self, items: Sequence[Item]) -> None:
        """Forget whose the cases of erased accounts are; twice is no error."""
        with suppress(VolensError):  # no erasure waits for it: a later look opens it for nobody
            self._look()
        self._register.forget(_people(items))

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for cases of erased accounts."""
        return ["main.db impact"] if any(map(self._register.of_subject, _people(items))) else []


def _people(items: Sequence[Item]) -> list[int]:
    return [
        item.subject_number for item in items if item.is_account and item.subject_number is not None
    ]
