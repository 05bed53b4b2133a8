"""The loader beside others: records of about 2 KB, in batches of 64, in a random order.

Each contender in a process of its own, with 0 and with 2 workers; wall and CPU time (with those of
its workers) of going through all records once, from the first to the last batch, medians of some
rounds. The contenders take turns in each round. Ours is encrypted and checked; all others read
records in the clear:

* unchecked: ours, without looking at what was taken back.
* mmap: the same layout in the clear, memory-mapped, through the same workers.
* torch: one record at a time from the same file, through torch's `DataLoader`.
* hf_map, hf_iterable: Hugging Face datasets, Arrow on disk, map-style and iterable.
* mosaic: MosaicML Streaming. * litdata. * webdataset. (Those that are installed.)
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.app.leases import open_lease
from volens.bench.facts_of_machine import facts_of_machine
from volens.bench.loader_peers import PEERS, SIZE, Reader, Rows, write_plain
from volens.bench.revoke import willing
from volens.gate.facts import Use
from volens.gate.leases import Lease
from volens.training.loader import Loader

GOALS = {"mosaic": 10.0, "hf_map": 1.5}
"""How many times as many records a second ours has to hand out, at the least."""
MOST_BESIDE_MMAP = 2.0
_WORKERS = (0, 2)
_PURPOSE = "batch_training"


class _Unchecked(Loader):
    """Ours, without looking at what was taken back."""

    def open(self, number: int) -> list[bytes | None]:
        return self.lease.open(self.rows(number))

    def check(self, rows: Rows) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.ones(len(rows), dtype=np.bool_)


def run(
    print_line: Callable[[str], None], *, records: int = 20_000, rounds: int = 5
) -> dict[str, Any]:
    """Measure with `records` records; return records a second and CPU microseconds a record."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environment = {**os.environ, "VOLENS_KEK_DIR": f"{folder}/keys"}
        create_home(folder / "home", environment=environment)
        with open_home(folder / "home", writing=True, environment=environment) as home:
            started = time.process_time()
            lease = _lease(home, folder / "set", records, environment)
            opened = time.process_time() - started
        plain = [record or b"" for record in lease.open(np.arange(len(lease), dtype=np.int64))]
        readers = {"volens": _ours(lease, Loader), "unchecked": _ours(lease, _Unchecked)}
        write_plain(folder / "plain", plain)
        for name, peer in PEERS.items():
            (folder / name).mkdir()
            try:
                readers[name] = peer(folder / name, folder / "plain", plain)
            except ImportError:
                print_line(f"{name}: not installed")
        found = _measure(readers, rounds)
    summary = _summary(found, records)
    for line in _report(summary, records, rounds, sum(map(len, plain)) / records, opened):
        print_line(line)
    return summary


def _lease(home: Home, out: Path, records: int, environment: dict[str, str]) -> Lease:
    willing(home, records // 4, chats=4, size=SIZE)
    home.datasets().build(Use(purpose=_PURPOSE), out)
    return open_lease(home, out, environment=environment).lease


def _ours(lease: Lease, loader: type[Loader]) -> Reader:
    def read(workers: int) -> int:
        found = loader(lease, batch=64, workers=workers, seed=b"bench")
        return sum(len(batch.records) for batch in found)

    return read


def _measure(
    readers: dict[str, Reader], rounds: int
) -> dict[tuple[str, int], list[tuple[float, float, int]]]:
    found: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
    for _ in range(rounds):
        for workers in _WORKERS:
            for name, reader in readers.items():
                found.setdefault((name, workers), []).append(_alone(reader, workers))
    return found


def _alone(reader: Reader, workers: int) -> tuple[float, float, int]:
    """Read all in a process of its own; return wall seconds, CPU seconds, records."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)

    def child() -> None:
        warnings.simplefilter("ignore")
        started, used = time.perf_counter(), _cpu()
        count = reader(workers)
        theirs.send((time.perf_counter() - started, _cpu() - used, count))

    process = fork.Process(target=child)
    process.start()
    theirs.close()
    taken: tuple[float, float, int] = ours.recv()
    process.join()
    return taken


def _cpu() -> float:
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in each)


def _summary(
    found: dict[tuple[str, int], list[tuple[float, float, int]]], records: int
) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for (name, workers), taken in found.items():
        if any(count != records for _, _, count in taken):
            summary[f"{name}_{workers}"] = {"incomplete": min(count for _, _, count in taken)}
            continue
        wall, cpu = median(one[0] for one in taken), median(one[1] for one in taken)
        summary[f"{name}_{workers}"] = {
            "records_per_s": records / wall,
            "cpu_us_a_record": cpu / records * 1e6,
        }
    return summary


def _report(
    summary: dict[str, Any], records: int, rounds: int, mean_bytes: float, opened: float
) -> list[str]:
    lines = [f"{name}: {fact}" for name, fact in facts_of_machine("torch", "datasets").items()]
    lines.append(
        f"{records:,} records of {mean_bytes:,.0f} bytes, {rounds} rounds; building and leasing "
        f"took {opened:.1f} s of CPU"
    )
    lines.append(f"{'':<16}{'workers':>8}{'records/s':>12}{'CPU us':>9}{'ours is':>10}")
    for key, figures in summary.items():
        name, _, workers = key.rpartition("_")
        ours = summary[f"volens_{workers}"]
        if "incomplete" in figures:
            lines.append(f"{name:<16}{workers:>8}   gave {figures['incomplete']:,} records only")
            continue
        ratio = ours["records_per_s"] / figures["records_per_s"]
        lines.append(
            f"{name:<16}{workers:>8}{figures['records_per_s']:>12,.0f}"
            f"{figures['cpu_us_a_record']:>9.1f}{ratio:>9.2f}x"
        )
    return lines
