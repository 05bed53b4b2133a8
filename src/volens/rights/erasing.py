"""What erasing does to rights requests: they stay, as numbers without a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from volens.lifecycle.targets import Item
from volens.rights.store import RequestStore


class RequestTarget:
    """Cuts the tie between requests and erased accounts (`ErasureTarget`)."""

    def __init__(self, store: RequestStore) -> None:
        """Use the register `store`."""
        self._store = store

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"requests": "value_cleared"}

    def erase(self, items: Sequence[Item]) -> None:
        """Clear what ties requests to the accounts among `items`."""
        self._store.erase_subjects(_accounts(items))

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for requests that are still tied to one of the accounts."""
        tied = self._store.name_subjects(_accounts(items))
        return ["main.db rights_request"] if tied else []


def _accounts(items: Sequence[Item]) -> list[int]:
    return [
        item.subject_number for item in items if item.is_account and item.subject_number is not None
    ]
