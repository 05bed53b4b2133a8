"""Readers of records in the clear, for the bench of the loader."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = 2_000
"""Characters in a conversation, about."""
_BATCH = 64
_SEED = 7

Rows = npt.NDArray[np.int64]
Reader = Callable[[int], int]
"""Reads all records once with so many workers; returns how many there were."""
Peer = Callable[[Path, Path, Sequence[bytes]], Reader]
"""Writes records in its own form into a folder (another has them in the clear); returns a reader.

Raises ImportError if it is not installed.
"""


def write_plain(folder: Path, records: Sequence[bytes]) -> None:
    """Write records end to end, and where each begins."""
    folder.mkdir()
    (folder / "data").write_bytes(b"".join(records))
    starts = np.concatenate([[0], np.cumsum([len(one) for one in records])])
    np.save(folder / "starts.npy", starts.astype(np.int64))


class Plain:
    """Records in the clear, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        """Map what `write_plain` wrote."""
        self._data = np.memmap(folder / "data", dtype=np.uint8, mode="r")
        self._starts = np.load(folder / "starts.npy", mmap_mode="r")

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._starts) - 1

    def largest(self) -> int:
        """Return the size of the largest record."""
        return int(np.diff(self._starts).max())

    def __getitem__(self, row: int) -> bytes:
        """Return one record."""
        return bytes(self._data[int(self._starts[row]) : int(self._starts[row + 1])].tobytes())


class _Batches:
    """The batches of a file in the clear, as the workers of our loader open them."""

    def __init__(self, plain: Plain, order: Rows) -> None:
        self._plain = plain
        self._order = order

    batch = _BATCH

    def largest(self) -> int:
        return self._plain.largest() * _BATCH

    def open(self, number: int) -> list[bytes | None]:
        rows = self._order[number * _BATCH : (number + 1) * _BATCH].tolist()
        return [self._plain[row] for row in rows]


def _mmap(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    del folder
    order = np.random.default_rng(_SEED).permutation(len(records)).astype(np.int64)
    numbers = range(-(-len(records) // _BATCH))

    def read(workers: int) -> int:
        batches = _Batches(Plain(plain), order)
        if not workers:
            return sum(len(batches.open(number)) for number in numbers)
        from volens.training.workers import opened_by_workers  # noqa: PLC0415 - takes torch

        return sum(len(found) for _, found in opened_by_workers(batches, numbers, workers, 2))

    return read


def _torch(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    del folder, records
    return lambda workers: _loaded(Plain(plain), workers, shuffle=True)


def _hf_map(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    import datasets  # noqa: PLC0415 - a peer

    del plain
    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict({"record": list(records)})
    made.save_to_disk(str(folder / "arrow"))
    return lambda workers: _loaded(
        datasets.load_from_disk(str(folder / "arrow")), workers, shuffle=True
    )


def _hf_iterable(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    import datasets  # noqa: PLC0415 - a peer

    del plain
    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict({"record": list(records)})
    made.save_to_disk(str(folder / "arrow"))

    def read(workers: int) -> int:
        found = datasets.load_from_disk(str(folder / "arrow"))
        stream = found.to_iterable_dataset(num_shards=max(1, workers))
        return _loaded(stream.shuffle(seed=_SEED, buffer_size=1_000), workers)

    return read


def _mosaic(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    import streaming  # noqa: PLC0415 - a peer

    del plain
    local = str(folder / "mds")
    with streaming.MDSWriter(out=local, columns={"record": "bytes"}) as out:
        for record in records:
            out.write({"record": record})

    def read(workers: int) -> int:
        streaming.base.util.clean_stale_shared_memory()
        found = streaming.StreamingDataset(
            local=local, shuffle=True, batch_size=_BATCH, shuffle_seed=_SEED
        )
        return _loaded(found, workers)

    return read


def _litdata(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    import litdata  # noqa: PLC0415 - a peer
    from litdata.streaming.writer import BinaryWriter  # noqa: PLC0415 - a peer

    del plain
    writer = BinaryWriter(str(folder / "lit"), chunk_bytes="16MB")
    (folder / "lit").mkdir(exist_ok=True)
    for number, record in enumerate(records):
        writer.add_item(number, record)
    writer.done()
    writer.merge()

    def read(workers: int) -> int:
        found = litdata.StreamingDataset(str(folder / "lit"), shuffle=True, seed=_SEED)
        loader = litdata.StreamingDataLoader(
            found, batch_size=_BATCH, num_workers=workers, collate_fn=_as_bytes
        )
        return sum(len(batch) for batch in loader)

    return read


def _webdataset(folder: Path, plain: Path, records: Sequence[bytes]) -> Reader:
    import webdataset  # noqa: PLC0415 - a peer

    del plain
    shards = 8
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:06d}.tar", "w") as out:
            for number in range(shard, len(records), shards):
                entry = tarfile.TarInfo(f"{number:09d}.bin")
                entry.size = len(records[number])
                out.addfile(entry, BytesIO(records[number]))
    urls = str(folder / f"{{000000..{shards - 1:06d}}}.tar")

    def read(workers: int) -> int:
        found = webdataset.WebDataset(urls, shardshuffle=shards, seed=_SEED)
        return _loaded(found.shuffle(1_000), workers)

    return read


def _as_bytes(batch: Sequence[Any]) -> list[bytes]:
    return [bytes(one) for one in batch]


def _loaded(dataset: Any, workers: int, *, shuffle: bool = False) -> int:  # noqa: ANN401 - of many libraries
    from torch.utils.data import DataLoader  # noqa: PLC0415 - takes torch

    options: dict[str, Any] = {"shuffle": True} if shuffle else {}
    loader: Any = DataLoader(
        dataset,
        batch_size=_BATCH,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context="fork" if workers else None,
        **options,
    )
    return sum(len(batch) for batch in _batches(loader))


def _batches(loader: Any) -> Iterator[list[Any]]:  # noqa: ANN401 - of an optional library
    yield from loader


PEERS: dict[str, Peer] = {
    "mmap": _mmap,
    "torch": _torch,
    "hf_map": _hf_map,
    "hf_iterable": _hf_iterable,
    "mosaic": _mosaic,
    "litdata": _litdata,
    "webdataset": _webdataset,
}
