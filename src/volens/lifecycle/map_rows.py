"""What a row of the erasure map says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """How something is erased."""

    KEY_REMOVED = "key_removed"
    """What opens it is removed; old copies of that die with the epoch that wrapped it."""
    RESEALED = "resealed"
    """Ciphertext is sealed anew without it; a whole account's is deleted."""
    ROW_DELETED = "row_deleted"
    """The row is deleted and its bytes are overwritten."""
    VALUE_CLEARED = "value_cleared"
    """The value is overwritten; the rest of the row or file stays."""
    REMOVAL_LISTED = "removal_listed"
    """A list tells whoever holds a copy in the clear what to remove."""
    FILE_REPLACED = "file_replaced"
    """The file is replaced by one without it."""
    EPOCH_DESTROYED = "epoch_destroyed"
    """The key is destroyed with its epoch."""
    UNLINKED = "unlinked"
    """It stays, and says nothing: the salt or secret that opened it is erased."""
    KEPT = "kept"
    """It is about no person."""


class When(StrEnum):
    """With what it goes."""

    CONVERSATION = "conversation"
    """With its conversation, and so with the history and the account."""
    ACCOUNT = "account"
    DONE = "done"
    """As soon as it has served: at the next opening, or at the end of the erasure."""
    EPOCH = "epoch"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One column, or one class of file."""

    place: str
    """``main.db TABLE``, ``keys.db TABLE``, or a pattern of paths in the home or in custody."""
    column: str
    """Empty for a class of file."""
    holds: str
    """In plain words."""
    store: str
    """Which target clears it, as on receipts; empty if nothing has to."""
    method: Method
    when: When


def table_rows(
    place: str, store: str, method: Method, when: When, columns: Mapping[str, str]
) -> Iterator[MapRow]:
    """Yield the rows of columns of one table that go in the same way."""
    for column, holds in columns.items():
        yield MapRow(place=place, column=column, holds=holds, store=store, method=method, when=when)


def file_row(
    place: str,
    holds: str,
    *,
    store: str = "",
    method: Method = Method.KEPT,
    when: When = When.NEVER,
) -> MapRow:
    """Return the row of a class of files; of one about no person, unless said otherwise."""
    return MapRow(place=place, column="", holds=holds, store=store, method=method, when=when)
