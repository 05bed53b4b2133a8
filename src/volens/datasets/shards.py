"""What a file of records is to those who write and check whole datasets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from volens.datasets.model import Order, RecordBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What some rows add up to, as counted from the bytes of a file."""

    leaves: bytes = field(repr=False)
    """The leaf of each row, end to end, in the order of the rows."""
    turns: int
    payload_bytes: int


class Shard(Protocol):
    """One file being written (with its side file, if the form needs one).

    The writer writes batches one after the other and closes once; it never reopens a file. A shard
    need not be durable: the staging area syncs every file before it says so.
    """

    def write(self, batch: RecordBatch, order: Order) -> None:
        """Append the records of `batch` with the numbers in `order`, in that order.

        Raises:
            InvalidInput: ``batch_text`` if a text is not UTF-8.
        """
        ...

    def close(self) -> None:
        """Complete and close the files."""
        ...

    def abandon(self) -> None:
        """Close the files as they are; they are about to be removed. Closed ones stay closed."""
        ...
