"""The `sealed` form: ciphertext envelopes end to end, and an index in the order of the leaves.

`data/records.vsd` holds the envelopes, `data/records.idx` says where each leaf's envelope lies. Row
i of the index is leaf i of the manifest, so that a row number names a record everywhere. Nothing
here can open an envelope (docs/formats/sealed-dataset.md).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volens.core.errors import NotFound, VerificationFailed
from volens.datasets.leaves import first_disorder, sort_in_place
from volens.datasets.model import LEAF_BYTES, Order, SealedBatch

DATA_FILE = "records.vsd"
INDEX_FILE = "records.idx"
VERSION = 1
_HEADER = struct.Struct("<4sIQ")  # magic, version, number of records
_DATA_MAGIC = b"VSD\x00"
_INDEX_MAGIC = b"VSI\x00"
_ROW = np.dtype([("leaf", "S32"), ("offset", "<u8"), ("length", "<u4")])
ROW_BYTES = _ROW.itemsize
_SORTABLE = np.dtype(f"S{ROW_BYTES}")


class SealedWriter:
    """Writes envelopes as they come and the index at the end."""

    __slots__ = ("_at", "_data", "_folder", "_spool")

    def __init__(self, folder: Path, spool: Path) -> None:
        """Begin the files in `folder`; unsorted index rows wait in the file `spool`."""
        self._folder = folder
        self._data = (folder / DATA_FILE).open("xb")
        self._data.write(_HEADER.pack(_DATA_MAGIC, VERSION, 0))
        self._spool = spool.open("xb")
        self._at = _HEADER.size

    def write(self, batch: SealedBatch, order: Order) -> None:
        """Append the envelopes with the numbers in `order`, in that order."""
        starts = batch.envelope_offsets.tolist()
        pieces = [batch.envelopes[starts[row] : starts[row + 1]] for row in order.tolist()]
        lengths = np.diff(batch.envelope_offsets)[order]
        rows = np.zeros(len(order), dtype=_ROW)
        rows["leaf"] = np.frombuffer(batch.leaves, dtype="S32")[order]
        rows["offset"] = self._at + np.cumsum(lengths) - lengths
        rows["length"] = lengths
        self._data.write(b"".join(pieces))
        self._spool.write(rows.tobytes())
        self._at += int(lengths.sum())

    def close(self) -> NDArray[np.uint8]:
        """Complete both files; return the sorted leaves, one row of 32 bytes each.

        Raises:
            InvalidInput: ``duplicate_leaf`` if a leaf stands twice.
        """
        self._spool.close()
        spool = Path(self._spool.name)
        rows = np.fromfile(spool, dtype=_SORTABLE)
        sort_in_place(rows)
        with (self._folder / INDEX_FILE).open("xb") as index:
            index.write(_HEADER.pack(_INDEX_MAGIC, VERSION, len(rows)))
            rows.tofile(index)
        self._data.seek(0)
        self._data.write(_HEADER.pack(_DATA_MAGIC, VERSION, len(rows)))
        self._data.close()
        spool.unlink()
        columns = rows.view(np.uint8).reshape(-1, ROW_BYTES)
        return np.ascontiguousarray(columns[:, :LEAF_BYTES])

    def abandon(self) -> None:
        """Close the files as they are; they are about to be removed."""
        self._data.close()
        self._spool.close()


class SealedReader:
    """Both files, mapped into memory; every access is checked against their bounds.

    Opening checks the whole index: the leaves rise strictly, and the envelopes lie in the data file
    without gap or overlap.
    """

    __slots__ = ("_data", "_rows")

    def __init__(self, folder: Path) -> None:
        """Map the files in `folder`.

        Raises:
            VerificationFailed: ``sealed_form`` naming file and place.
            OSError: if a file can't be read.
        """
        self._data = _map(folder / DATA_FILE)
        index = _map(folder / INDEX_FILE)
        count = _check_header(DATA_FILE, self._data, _DATA_MAGIC)
        if _check_header(INDEX_FILE, index, _INDEX_MAGIC) != count:
            raise _refused(INDEX_FILE, "counts other records than the data file")
        if len(index) != _HEADER.size + count * ROW_BYTES:
            raise _refused(INDEX_FILE, f"{len(index)} bytes do not hold {count} rows")
        self._rows: NDArray[Any] = index[_HEADER.size :].view(_ROW)
        self._check_rows()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._rows)

    @property
    def envelope_bytes(self) -> int:
        """The bytes of all envelopes."""
        return len(self._data) - _HEADER.size

    def leaves(self) -> bytes:
        """Return all leaves in order, 32 bytes each, end to end."""
        return self._rows["leaf"].tobytes()

    def leaf(self, row: int) -> bytes:
        """Return the leaf of a row.

        Raises:
            NotFound: ``no_row`` if there is no such row.
        """
        self._check_row(row)
        return self._rows[row : row + 1].tobytes()[:LEAF_BYTES]

    def envelope(self, row: int) -> bytes:
        """Return the envelope of a row.

        Raises:
            NotFound: ``no_row`` if there is no such row.
        """
        self._check_row(row)
        start, length = int(self._rows["offset"][row]), int(self._rows["length"][row])
        return self._data[start : start + length].tobytes()

    def sizes(self) -> NDArray[np.int64]:
        """Return the size of each record's envelope, in bytes: its record is no larger."""
        return self._rows["length"].astype(np.int64)

    def envelopes(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the envelopes of some rows, in their order.

        Raises:
            NotFound: ``no_row`` if there is no such row.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise NotFound("no_row", f"a row outside of {len(self)} sealed records")
        places = self._rows[rows]
        starts = places["offset"].astype(np.int64)
        ends = starts + places["length"]
        data = self._data.data
        return [bytes(data[at:end]) for at, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def find(self, leaf: bytes) -> int | None:
        """Return the row of a leaf, or None if it is not here."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.leaf(middle) < leaf:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.leaf(low) == leaf else None

    def _check_row(self, row: int) -> None:
        if not 0 <= row < len(self):
            raise NotFound("no_row", f"no row {row} among {len(self)} sealed records")

    def _check_rows(self) -> None:
        disorder = first_disorder(self.leaves())
        if disorder is not None:
            raise _refused(INDEX_FILE, f"row {disorder} does not come after the row before it")
        order = np.argsort(self._rows["offset"], kind="stable")
        lengths = self._rows["length"][order].astype(np.uint64)
        if bool((lengths == 0).any()):
            raise _refused(INDEX_FILE, "an envelope is empty")
        # Lengths are below 2^32, so the sum can't wrap before 2^32 rows.
        ends = np.uint64(_HEADER.size) + np.cumsum(lengths, dtype=np.uint64)
        wrong = np.flatnonzero(self._rows["offset"][order] != ends - lengths)
        if len(wrong):
            row = int(order[wrong[0]])
            raise _refused(INDEX_FILE, f"the envelope of row {row} does not follow its neighbour")
        end = int(ends[-1]) if len(ends) else _HEADER.size
        if end != len(self._data):
            raise _refused(DATA_FILE, f"has {len(self._data)} bytes, the index ends at {end}")


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except ValueError as error:  # an empty file has nothing to map
        raise _refused(path.name, "is empty") from error


def _check_header(name: str, data: NDArray[np.uint8], magic: bytes) -> int:
    """Return the number of records that the header names."""
    if len(data) < _HEADER.size:
        raise _refused(name, "is shorter than its header")
    found, version, count = _HEADER.unpack(data[: _HEADER.size].tobytes())
    if found != magic or version != VERSION:
        raise _refused(name, f"is not a file of version {VERSION}")
    return int(count)


def _refused(name: str, what: str) -> VerificationFailed:
    return VerificationFailed("sealed_form", f"data/{name}: {what}")
