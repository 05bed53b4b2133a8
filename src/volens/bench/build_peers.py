"""The contenders of the build benchmark; each runs in a fresh process and prints what it took.

    python -m volens.bench.build_peers CONTENDER WORLD OUT [--digest]

CPU is that of the whole process (user and system, all threads) from after its imports to the end of
its work; peak memory is the whole process's. With ``--digest`` the output is read again afterwards,
outside the measured time, and its rows are hashed without regard to their order.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from volens.app.home import open_home
from volens.bench.build_world import PURPOSE, SCHEMA, Places, parquet_writer
from volens.datasets.deduplication import Deduplicator
from volens.datasets.model import Format, leaf_order
from volens.datasets.parquet import ParquetShard
from volens.datasets.redaction.profiles import NONE
from volens.datasets.redaction.redactor import Redactor
from volens.datasets.sources import RecordSource
from volens.datasets.staging import SHARD_BYTES
from volens.gate.facts import Use
from volens.gate.reading import BATCH_BYTES, OpenedBatch
from volens.storage.engine import driver_of, open_database
from volens.vault.blocks import ROW_DTYPE, TURN_DTYPE, Columns

GROUP_ROWS = 4_000
"""Rows in a row group of the plain writers: about the 8 MB that the product writes at once."""
_READ_ROWS = 200
_HEAD = struct.Struct("<4sII")


class StageTimer:
    """Adds up the CPU of named stages."""

    def __init__(self) -> None:
        """Start with none."""
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the block as part of `stage`."""
        begin = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - begin


@dataclass(slots=True, kw_only=True)
class Run:
    """What a contender is given, and where it notes what it did."""

    places: Places
    out: Path
    timer: StageTimer = field(default_factory=StageTimer)
    rows: int = 0


def volens(run: Run) -> None:
    """Build through the gate; opening the home is a stage of its own."""
    places = run.places
    with run.timer("open home"):
        home = open_home(places.home, writing=True, environment=places.environment)
    with home:
        use = Use(purpose=PURPOSE.value)
        result = home.datasets().build(use, run.out, form=Format.HF, profile=NONE, timer=run.timer)
    run.rows = result.manifest.counts.records


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlainBatch:
    """Conversations that nobody sealed, with what `RecordSource` asks of an opened batch."""

    columns: Columns
    subjects: np.ndarray
    numbers: np.ndarray

    def leaves(self, dataset: bytes, rows: Sequence[int]) -> list[bytes]:
        """Return a name for each record without computing one."""
        names = self.numbers[rows].tolist()
        return [dataset + name.to_bytes(16, "big") for name in names]


def plain(run: Run) -> None:
    """Read the same blocks unencrypted and pre-filtered; same assembly, same Parquet writer."""
    _build_plain(run, _plain_blocks(run.places.plain))


def rows(run: Run) -> None:
    """Read one unencrypted row for each conversation; same assembly, same Parquet writer."""
    _build_plain(run, _plain_rows(run.places.plain))


def _build_plain(run: Run, batches: Iterator[_PlainBatch]) -> None:
    dataset = bytes(16)
    run.out.mkdir()
    source = RecordSource(
        dataset,
        Redactor(NONE),
        Deduplicator(key=dataset, threshold=1.0),
        timer=run.timer,
    )
    shards = 0
    shard, filled = ParquetShard(run.out / f"{shards:05d}.parquet"), 0
    for batch in batches:
        records = source.prepare(cast("OpenedBatch", batch)).records
        if filled >= SHARD_BYTES:
            shard.close()
            shards, filled = shards + 1, 0
            shard = ParquetShard(run.out / f"{shards:05d}.parquet")
        with run.timer("write"):
            shard.write(records, leaf_order(records.leaves))
        filled += len(records.text)
        run.rows += len(records)
    shard.close()


def _plain_blocks(path: Path) -> Iterator[_PlainBatch]:
    for taken in _read(path, "SELECT subject_no, body FROM body ORDER BY no"):
        columns = Columns.of([body for _, body in taken])
        sizes = [int.from_bytes(body[4:8], "little") for _, body in taken]
        yield _PlainBatch(
            columns=columns,
            subjects=np.repeat(np.array([subject for subject, _ in taken]), sizes),
            numbers=columns.rows["number"].astype(np.int64),
        )


def _plain_rows(path: Path) -> Iterator[_PlainBatch]:
    for taken in _read(path, "SELECT no, subject_no, payload FROM payload ORDER BY no"):
        numbers, subjects, payloads = zip(*taken, strict=True)
        yield _PlainBatch(
            columns=_columns_of(payloads),
            subjects=np.array(subjects),
            numbers=np.array(numbers),
        )


def _read(path: Path, query: str) -> Iterator[list[Any]]:
    engine = open_database(path, read_only=True)
    with engine.connect() as db:
        cursor = driver_of(db).execute(query)
        taken: list[Any] = []
        size = 0
        while some := cursor.fetchmany(_READ_ROWS):
            taken += some
            size += sum(len(row[-1]) for row in some)
            if size >= BATCH_BYTES:
                yield taken
                taken, size = [], 0
        if taken:
            yield taken


def _columns_of(payloads: Sequence[bytes]) -> Columns:
    """Return single payloads as columns."""
    found = np.zeros(len(payloads), dtype=ROW_DTYPE)
    heads = np.frombuffer(
        b"".join([one[: _HEAD.size] for one in payloads]),
        dtype=[("magic", "S4"), ("turns", "<u4"), ("meta", "<u4")],
    )
    at_meta = _HEAD.size + heads["turns"].astype(np.int64) * TURN_DTYPE.itemsize
    at_text = at_meta + heads["meta"]
    found["turns"], found["meta_bytes"] = heads["turns"], heads["meta"]
    metas, texts = at_meta.tolist(), at_text.tolist()
    found["text_bytes"] = np.fromiter(map(len, payloads), dtype=np.int64) - at_text
    return Columns.checked(
        found,
        b"".join([one[_HEAD.size : end] for one, end in zip(payloads, metas, strict=True)]),
        b"".join([one[begin:end] for one, begin, end in zip(payloads, metas, texts, strict=True)]),
        b"".join([one[begin:] for one, begin in zip(payloads, texts, strict=True)]),
    )


def oracle(run: Run) -> None:
    """Read a Parquet file that holds the consenting records only, and write it out."""
    with pq.ParquetFile(run.places.oracle) as file:
        _write(run, file.iter_batches(batch_size=GROUP_ROWS, use_threads=False))


def filtered(run: Run) -> None:
    """Scan a Parquet file of all records and keep those of people who said yes, in pyarrow."""
    consents = pq.read_table(run.places.consents)
    granted = consents.filter(consents["granted"])["subject"].combine_chunks()
    scanner = ds.dataset(run.places.everybody).scanner(
        columns=SCHEMA.names,
        filter=pc.field("subject").isin(granted),
        batch_size=GROUP_ROWS,
        batch_readahead=2,
        fragment_readahead=1,
        use_threads=False,
    )
    _write(run, scanner.to_batches())


def _write(run: Run, batches: Iterator[pa.RecordBatch]) -> None:
    """Write batches in row groups of `GROUP_ROWS`."""
    run.out.mkdir()
    with parquet_writer(run.out / "train.parquet") as writer:
        waiting: list[pa.RecordBatch] = []
        held = 0
        for batch in batches:
            waiting.append(batch)
            held += len(batch)
            if held >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema=SCHEMA))
                run.rows, held, waiting = run.rows + held, 0, []
        if held:
            writer.write_table(pa.Table.from_batches(waiting, schema=SCHEMA))
            run.rows += held


def datatrove(run: Run) -> None:
    """Filter the Parquet file of all records with datatrove, document by document."""
    from datatrove.executor import LocalPipelineExecutor  # noqa: PLC0415 - optional
    from datatrove.pipeline.filters import LambdaFilter  # noqa: PLC0415 - optional
    from datatrove.pipeline.readers import ParquetReader  # noqa: PLC0415 - optional
    from datatrove.pipeline.writers import ParquetWriter  # noqa: PLC0415 - optional

    consents = pq.read_table(run.places.consents)
    granted = set(consents.filter(consents["granted"])["subject"].to_pylist())
    reader = ParquetReader(
        str(run.places.folder),
        glob_pattern=run.places.everybody.name,
        recursive=False,
        adapter=_to_document,
    )
    writer = ParquetWriter(
        str(run.out),
        output_filename="${rank}.parquet",
        compression="zstd",
        adapter=_from_document,
        schema=SCHEMA,
        use_content_defined_chunking=False,
        write_page_index=False,
    )
    LocalPipelineExecutor(
        pipeline=[reader, LambdaFilter(lambda doc: doc.metadata["subject"] in granted), writer],
        logging_dir=str(run.out) + ".logs",
        tasks=1,
        workers=1,
    ).run()
    run.rows = sum(pq.read_metadata(path).num_rows for path in run.out.glob("*.parquet"))


def _to_document(_reader: object, data: dict[str, Any], _path: str, _number: int) -> dict[str, Any]:
    # datatrove skips documents without text; the messages travel along as they are
    return {"id": data["record"], "text": data["messages"][0]["content"], "metadata": data}


def _from_document(_writer: object, document: Any) -> dict[str, Any]:  # noqa: ANN401 - untyped
    data = document.metadata
    return {"record": data["record"], "messages": data["messages"]}


CONTENDERS: dict[str, Callable[[Run], None]] = {
    "volens": volens,
    "plain": plain,
    "rows": rows,
    "oracle": oracle,
    "filter": filtered,
    "datatrove": datatrove,
}


def inputs_of(name: str, places: Places) -> list[Path]:
    """Return the files that a contender reads."""
    home = [places.home / "main.db", places.home / "keys" / "keys.db"]
    everything = [places.everybody, places.consents]
    return {
        "volens": home,
        "plain": [places.plain],
        "rows": [places.plain],
        "oracle": [places.oracle],
    }.get(name, everything)


def digest_of(folder: Path) -> str:
    """Return a hash over the messages of all rows, whatever their order."""
    total = 0
    for path in sorted(folder.rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=GROUP_ROWS, columns=["messages"]):
                total += sum(_row_hashes(batch.column(0)))
    return f"{total % 2**128:032x}"


def _row_hashes(messages: Any) -> Iterator[int]:  # noqa: ANN401 - pyarrow is untyped
    turns = messages.flatten()
    words = turns.field("role").to_pylist()
    texts = turns.field("content").to_pylist()
    offsets = (messages.offsets.to_numpy() - messages.offsets[0].as_py()).tolist()
    for begin, end in pairwise(offsets):
        row = json.dumps([words[begin:end], texts[begin:end]]).encode("ascii")
        yield int.from_bytes(blake2b(row, digest_size=16).digest(), "big")


def _peak_bytes() -> int:
    """Return the most memory that this process held; Linux's maxrss may be its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text("ascii").splitlines() if "VmHWM" in one)
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(arguments: Sequence[str]) -> None:
    """Run one contender and print its figures as one line of JSON."""
    name, world, out = arguments[:3]
    run = Run(places=Places(folder=Path(world)), out=Path(out))
    begin, wall = time.process_time(), time.perf_counter()
    CONTENDERS[name](run)
    figures: dict[str, Any] = {
        "cpu": time.process_time() - begin,
        "wall": time.perf_counter() - wall,
        "peak_bytes": _peak_bytes(),
        "rows": run.rows,
        "stages": dict(run.timer.seconds),
    }
    if "--digest" in arguments:
        figures["digest"] = digest_of(run.out)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
