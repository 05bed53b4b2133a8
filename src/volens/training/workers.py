"""Workers that open records ahead: forked processes of torch's `DataLoader`."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from volens.core.errors import Unavailable, VolensError

try:
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info
except ImportError as error:  # pragma: no cover - only without the extra
    raise Unavailable(
        "torch_missing",
        "workers need torch, which is not installed",
        hint="pip install 'volens[training]', or load without workers",
    ) from error

Records = list[bytes | None]
Opened = tuple[int, Records]
_NUMBER: Final = struct.Struct("<q")
_GROUP_RECORDS: Final = 512
"""So many records go to a worker at once, in batches: each turn costs a tenth of a millisecond."""
_GROUP_BYTES: Final = 8 * 1024 * 1024
_TURNS: Final = 4
"""So many turns each worker has at least, however small the batches are."""
_LARGEST_SLOT: Final = 64 * 1024 * 1024
"""A batch of more bytes goes through the pipe."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """Where a worker put the records of some batches."""

    numbers: range
    at: int
    lengths: list[list[int]]
    """Of each record of each batch; below zero: it may not be used."""


class Opens(Protocol):
    """What opens the records of a batch by its number."""

    @property
    def batch(self) -> int:
        """Return how many records a batch has."""
        ...

    def open(self, number: int) -> list[bytes | None]:
        """Return them, in order; None for what may not be used."""
        ...

    def largest(self) -> int:
        """Return how many bytes the records of one batch have at most, all together."""
        ...


class Ring:
    """Memory that workers and whoever waits for them share: records need no way through a pipe.

    Each worker has one slot more than it opens ahead. torch asks a worker for its next batch when
    it hands one over, and no earlier; so a slot is written again only after what was in it has been
    read (`read` is done before the one after it is asked for). Should that ever not hold, `read`
    finds another number in the slot than the one it was told of, before or after, and refuses.
    """

    def __init__(self, slot: int, *, workers: int, slots: int) -> None:
        """Make it, before workers are forked.

        Args:
            slot: bytes of each slot.
            workers: how many write.
            slots: how many each of them has.
        """
        self._room = slot
        self._slot = _NUMBER.size + slot
        self.slots = slots
        self._memory = mmap.mmap(-1, self._slot * workers * slots)
        self._zeros = bytes(self._slot)

    def write(self, place: int, numbers: range, batches: Sequence[Records]) -> _Written | None:
        """Put batches into the slot at `place`; None if they do not fit."""
        lengths = [[-1 if one is None else len(one) for one in records] for records in batches]
        data = b"".join([one for records in batches for one in records if one is not None])
        if len(data) > self._room:
            return None
        at = place * self._slot
        _NUMBER.pack_into(self._memory, at, numbers[0])
        first = at + _NUMBER.size
        self._memory[first : first + len(data)] = data
        return _Written(numbers=numbers, at=at, lengths=lengths)

    def read(self, written: _Written) -> list[Opened]:
        """Return the batches, and overwrite where they were.

        Raises:
            Unavailable: ``ring_overrun`` if others are there.
        """
        found: list[Opened] = []
        memory = self._memory
        self._check(written)
        first = at = written.at + _NUMBER.size
        for number, lengths in zip(written.numbers, written.lengths, strict=True):
            records: Records = []
            for length in lengths:
                records.append(None if length < 0 else memory[at : at + length])
                at += max(0, length)
            found.append((number, records))
        self._check(written)
        memory[first:at] = self._zeros[: at - first]
        return found

    def close(self) -> None:
        """Overwrite what was opened and never asked for."""
        for at in range(0, len(self._memory), self._slot):
            self._memory[at : at + self._slot] = self._zeros
        self._memory.close()

    def _check(self, written: _Written) -> None:
        if _NUMBER.unpack_from(self._memory, written.at) != (written.numbers[0],):
            hint = "load without workers, and report it"
            message = f"batch {written.numbers[0]} was overwritten before it was read"
            raise Unavailable("ring_overrun", message, hint=hint)


class OpenedRecords(IterableDataset[list[Opened] | _Written | _Refusal]):
    """Batches by number, opened and not yet handed out, in groups: each worker has every n-th."""

    def __init__(self, loader: Opens, groups: Sequence[range], ring: Ring) -> None:
        """Open these batches of `loader`, and put them into `ring`."""
        super().__init__()
        self._loader = loader
        self._groups = groups
        self._ring = ring

    def __iter__(self) -> Iterator[list[Opened] | _Written | _Refusal]:
        """Yield this worker's groups, until one is refused."""
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        slots = self._ring.slots
        for turn, numbers in enumerate(self._groups[first::step]):
            batches: list[Records] = []
            try:
                batches += [self._loader.open(number) for number in numbers]
            except VolensError as error:
                kind, hint = type(error), error.hint
                yield _Refusal(kind=kind, code=error.code, message=error.message, hint=hint)
                return
            place = first * slots + turn % slots
            written = self._ring.write(place, numbers, batches)
            yield list(zip(numbers, batches, strict=True)) if written is None else written


def opened_by_workers(
    loader: Opens, numbers: range, workers: int, prefetch: int
) -> Iterator[Opened]:
    """Yield the batches in order, as `workers` forked processes opened them.

    Small batches go to the workers in groups, `prefetch` of them ahead.

    Raises:
        VolensError: what the opening of a batch raised.
    """
    largest = loader.largest()
    most = min(_GROUP_RECORDS // loader.batch, _GROUP_BYTES // max(1, largest))
    size = max(1, min(most, len(numbers) // (_TURNS * workers)))
    groups = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    ring = Ring(min(size * largest, _LARGEST_SLOT), workers=workers, slots=prefetch + 1)
    # Forked, whatever Python's default is: keys go along in memory and never through a pipe.
    loaded: DataLoader[Any] = DataLoader(
        OpenedRecords(loader, groups, ring),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=prefetch,
        multiprocessing_context="fork",
    )
    try:
        for found in loaded:
            if isinstance(found, _Refusal):
                raise found.again()
            yield from ring.read(found) if isinstance(found, _Written) else found
    finally:
        ring.close()
