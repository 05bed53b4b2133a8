"""Workers that open records ahead: forked processes of torch's `DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from volens.core.errors import Unavailable, VolensError

try:
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info
except ImportError as error:  # pragma: no cover - only without the extra
    raise Unavailable(
        "torch_missing",
        "workers need torch, which is not installed",
        hint="pip install 'volens[training]', or load without workers",
    ) from error

Opened = tuple[int, list[bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """Why a worker opened nothing, on its way to who asked: torch would make it another error."""

    kind: type[VolensError]
    code: str
    message: str
    hint: str

    def again(self) -> VolensError:
        """Return the error."""
        return self.kind(self.code, self.message, hint=self.hint)


class Opens(Protocol):
    """What opens the records of a batch by its number."""

    def open(self, number: int) -> list[bytes | None]:
        """Return them, in order; None for what may not be used."""
        ...


class OpenedRecords(IterableDataset[Opened | _Refusal]):
    """Batches by number, opened and not yet handed out: each worker has every n-th."""

    def __init__(self, loader: Opens, numbers: range) -> None:
        """Open these batches of `loader`."""
        super().__init__()
        self._loader = loader
        self._numbers = numbers

    def __iter__(self) -> Iterator[Opened | _Refusal]:
        """Yield (number, records) of this worker's batches, until one is refused."""
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for number in self._numbers[first::step]:
            try:
                yield number, self._loader.open(number)
            except VolensError as error:
                kind, hint = type(error), error.hint
                yield _Refusal(kind=kind, code=error.code, message=error.message, hint=hint)
                return


def opened_by_workers(
    loader: Opens, numbers: range, workers: int, prefetch: int
) -> Iterator[Opened]:
    """Yield the batches in order, as `workers` forked processes opened them.

    Raises:
        VolensError: what the opening of a batch raised.
    """
    # Forked, whatever Python's default is: keys go along in memory and never through a pipe.
    loaded: DataLoader[Any] = DataLoader(
        OpenedRecords(loader, numbers),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=prefetch,
        multiprocessing_context="fork",
    )
    for found in loaded:
        if isinstance(found, _Refusal):
            raise found.again()
        yield found
