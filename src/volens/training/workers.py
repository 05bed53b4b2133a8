"""Workers that open records ahead: forked processes of torch's `DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from volens.core.errors import Unavailable

try:
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info
except ImportError as error:  # pragma: no cover - only without the extra
    raise Unavailable(
        "torch_missing",
        "workers need torch, which is not installed",
        hint="pip install 'volens[training]', or load without workers",
    ) from error

Opened = tuple[int, list[bytes | None]]


class Opens(Protocol):
    """What opens the records of a batch by its number."""

    def open(self, number: int) -> list[bytes | None]:
        """Return them, in order; None for what may not be used."""
        ...


class OpenedRecords(IterableDataset[Opened]):
    """Batches by number, opened and not yet handed out: each worker has every n-th."""

    def __init__(self, loader: Opens, numbers: range) -> None:
        """Open these batches of `loader`."""
        super().__init__()
        self._loader = loader
        self._numbers = numbers

    def __iter__(self) -> Iterator[Opened]:
        """Yield (number, records) of this worker's batches."""
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for number in self._numbers[first::step]:
            yield number, self._loader.open(number)


def opened_by_workers(
    loader: Opens, numbers: range, workers: int, prefetch: int
) -> Iterator[Opened]:
    """Yield the batches in order, as `workers` forked processes opened them."""
    # Forked, whatever Python's default is: keys go along in memory and never through a pipe.
    loaded: DataLoader[Any] = DataLoader(
        OpenedRecords(loader, numbers),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=prefetch,
        multiprocessing_context="fork",
    )
    yield from loaded
