"""The `hf` form: Parquet that dataset loaders read as it is, written without visiting rows.

Columns: `record`, the leaf as 64 hexadecimal digits, and `messages`, a list of structs of `role`
and `content`. Needs pyarrow (the extra ``parquet``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.datasets.model import ROLE_NAMES, Order, RecordBatch
from volens.datasets.shards import Tally

MAX_BATCH_BYTES = 2**31 - 1
_HEX_DIGITS = 64
_LEAF = r"\A[0-9a-f]{64}\z"  # in the syntax of RE2


class ParquetShard:
    """One Parquet file; each batch becomes one row group."""

    def __init__(self, path: Path) -> None:
        """Begin a file that must not exist."""
        pyarrow, parquet = require_pyarrow()
        self._schema = _schema(pyarrow)
        self._file = path.open("xb")
        self._writer = parquet.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            use_dictionary=["messages.list.element.role"],
            write_statistics=["record"],  # bounds of `content` would be pieces of text
        )

    def write(self, batch: RecordBatch, order: Order) -> None:
        """Append the records with the numbers in `order`, as one row group.

        Raises:
            InvalidInput: ``batch_text`` if a text is not UTF-8 or the batch holds 2 GiB.
        """
        pyarrow, _ = require_pyarrow()
        if len(order):
            table = pyarrow.Table.from_arrays(_columns(pyarrow, batch), schema=self._schema)
            if not (len(order) == len(batch) and bool((np.diff(order) == 1).all())):
                table = table.take(pyarrow.array(order))
            self._writer.write_table(table, row_group_size=len(order))

    def close(self) -> None:
        """Write the footer and close the file."""
        self._writer.close()
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        pyarrow, _ = require_pyarrow()
        try:
            self._writer.close()
        except (pyarrow.ArrowException, OSError, ValueError):
            self._writer.is_open = False  # else its destructor would try again
        finally:
            self._file.close()


def scan_parquet(path: Path) -> Iterator[Tally]:
    """Yield the leaves and counts of a file, row group by row group, checking every column.

    Raises:
        Unavailable: ``pyarrow_missing`` if the extra is not installed.
        VerificationFailed: ``data_form`` naming the row group.
    """
    pyarrow, parquet = require_pyarrow()
    with path.open("rb") as file:
        try:
            reader = parquet.ParquetFile(file)
            if not reader.schema_arrow.equals(_schema(pyarrow)):
                raise _refused(path, "other columns than record and messages")
            for group in range(reader.num_row_groups):
                yield _tally(pyarrow, reader.read_row_group(group), path, group)
        except pyarrow.ArrowException as error:
            raise _refused(path, f"not readable as Parquet: {error}") from error


def require_pyarrow() -> tuple[Any, Any]:
    """Import pyarrow and its Parquet part when they are first needed: other forms do without.

    Raises:
        Unavailable: ``pyarrow_missing`` if the extra is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        hint = "install volens[parquet]"
        raise Unavailable("pyarrow_missing", "Parquet needs pyarrow", hint=hint) from error
    return pa, pq


def _schema(pa: Any) -> Any:  # noqa: ANN401 - pyarrow is optional and untyped
    message = pa.struct(
        [
            pa.field("role", pa.string(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
        ]
    )
    return pa.schema(
        [
            pa.field("record", pa.string(), nullable=False),
            pa.field(
                "messages", pa.list_(pa.field("element", message, nullable=False)), nullable=False
            ),
        ]
    )


def _columns(pa: Any, batch: RecordBatch) -> list[Any]:  # noqa: ANN401 - pyarrow is untyped
    """Wrap the columns of a batch as Arrow arrays; the text is not copied."""
    if len(batch.text) > MAX_BATCH_BYTES:
        raise InvalidInput("batch_text", f"{len(batch.text)} bytes of text in one batch of Parquet")
    schema = _schema(pa)
    digits = batch.leaves.hex().encode("ascii")
    record = pa.StringArray.from_buffers(
        len(batch),
        pa.py_buffer(np.arange(0, len(digits) + 1, _HEX_DIGITS, dtype=np.int32)),
        pa.py_buffer(digits),
    )
    content = pa.StringArray.from_buffers(
        len(batch.roles),
        pa.py_buffer(batch.text_offsets.astype(np.int32)),
        pa.py_buffer(batch.text),
    )
    try:
        content.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidInput("batch_text", "the text of a turn is not UTF-8") from error
    role = pa.array(ROLE_NAMES).take(pa.array(batch.roles))
    message = schema.field("messages").type.value_type
    messages = pa.ListArray.from_arrays(
        pa.array(batch.turn_offsets.astype(np.int32)),
        pa.StructArray.from_arrays([role, content], fields=list(message)),
        type=schema.field("messages").type,
    )
    return [record, messages]


def _tally(pa: Any, table: Any, path: Path, group: int) -> Tally:  # noqa: ANN401 - untyped
    """Check one row group and count it."""
    import pyarrow.compute as pc  # noqa: PLC0415 - an optional extra

    table.validate(full=True)
    record, messages = (column.combine_chunks() for column in table.columns)
    turns = messages.flatten()
    role, content = turns.field("role"), turns.field("content")
    if record.null_count or messages.null_count or role.null_count or content.null_count:
        raise _refused(path, f"row group {group} holds nulls")
    if not pc.all(pc.is_in(role, pa.array(ROLE_NAMES)), min_count=0).as_py():
        raise _refused(path, f"row group {group} holds a role that is none")
    if not pc.all(pc.match_substring_regex(record, _LEAF), min_count=0).as_py():
        raise _refused(path, f"row group {group} holds a record that is no leaf")
    return Tally(
        leaves=bytes.fromhex("".join(record.to_pylist())),
        turns=len(turns),
        payload_bytes=pc.sum(pc.binary_length(content), min_count=0).as_py(),
    )


def _refused(path: Path, what: str) -> VerificationFailed:
    return VerificationFailed("data_form", f"data/{path.name}: {what}")
