"""How fast the log is: durable appends beside bare fdatasync, and proofs, beside pymerkle.

Rounds are interleaved and every figure is a median. Durable figures are wall time, because waiting
for the disk is the point of them; figures in memory are CPU time. pymerkle is used if installed.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from volens.core.errors import VerificationFailed
from volens.log.entries import Entry, encode_entry
from volens.log.kinds import EntryKind
from volens.log.merkle import Frontier, MerkleTree, leaf_hash
from volens.log.note import Signer
from volens.log.store import TransparencyLog

GROUPS = {1: 200, 100: 100, 10_000: 5}
"""Group size -> groups in a round."""
PROOF_LEAVES = 50_000
PROOFS = 1_000
_ORIGIN = "example.org/bench"
Figures = dict[str, list[float]]


def run(console_print: Callable[[str], None], *, rounds: int = 5) -> dict[str, float]:
    """Measure and print; return the median of each figure, by name.

    Names end in their unit: ``per_s`` (operations each second) or ``x`` (ratio of two medians).
    """
    peer = _peer()
    figures: Figures = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            _measure_round(figures, Path(folder), peer)
    found = {name: median(values) for name, values in figures.items()}
    found |= _ratios(found)
    for name, value in found.items():
        console_print(f"{name:<44} {value:>14,.2f}")
    if peer is None:
        console_print("pymerkle is not installed: nothing to compare with")
    return found


def _peer() -> Any | None:  # noqa: ANN401 - a package without types
    try:
        return importlib.import_module("pymerkle")
    except ImportError:
        return None


def _measure_round(figures: Figures, folder: Path, peer: Any | None) -> None:  # noqa: ANN401 - see above
    for size, groups in GROUPS.items():
        data = _entries(size)
        _add(figures, f"durable_bare_{size}_per_s", _bare(folder / f"bare-{size}", data, groups))
        for name, rate in _durable(folder / f"log-{size}", data, groups).items():
            _add(figures, f"durable_{name}_{size}_per_s", rate)
        if peer is not None:
            tree = peer.SqliteTree(str(folder / f"peer-{size}.db"))
            for name, rate in _durable_peer(tree, data, groups).items():
                _add(figures, f"durable_{name}_{size}_per_s", rate)
    _measure_proofs(figures, folder, peer)


def _measure_proofs(figures: Figures, folder: Path, peer: Any | None) -> None:  # noqa: ANN401 - see above
    data = _entries(PROOF_LEAVES)
    order = random.Random(1).sample(range(PROOF_LEAVES), PROOFS)  # noqa: S311 - an order, no secret
    clock = time.process_time
    _add(figures, "memory_frontier_appends_per_s", _rate(lambda: _frontier(data), len(data), clock))
    _add(figures, "memory_tree_appends_per_s", _rate(lambda: _tree(data), len(data), clock))
    tree = _tree(data)
    rate = _rate(lambda: [tree.inclusion_proof(index) for index in order], PROOFS, clock)
    _add(figures, "memory_proofs_per_s", rate)
    log = _log(folder / "log-proofs")
    log.append(data)
    log.publish()
    for name in ("cold", "warm"):
        rate = _rate(lambda: [log.inclusion_proof(index) for index in order], PROOFS, clock)
        _add(figures, f"store_proofs_{name}_per_s", rate)
    if peer is not None:
        _measure_peer_proofs(figures, folder, peer, order, log)
    log.close()


def _measure_peer_proofs(
    figures: Figures,
    folder: Path,
    peer: Any,  # noqa: ANN401 - see above
    order: Sequence[int],
    log: TransparencyLog,
) -> None:
    data, clock = _entries(PROOF_LEAVES), time.process_time
    memory, stored = peer.InmemoryTree(), peer.SqliteTree(str(folder / "peer-proofs.db"))
    rate = _rate(lambda: memory.append_entries(data), len(data), clock)
    _add(figures, "memory_pymerkle_appends_per_s", rate)
    stored.append_entries(data)
    rate = _rate(lambda: [memory.prove_inclusion(index + 1) for index in order], PROOFS, clock)
    _add(figures, "memory_pymerkle_proofs_per_s", rate)
    for name in ("cold", "warm"):
        rate = _rate(lambda: [stored.prove_inclusion(index + 1) for index in order], PROOFS, clock)
        _add(figures, f"store_pymerkle_proofs_{name}_per_s", rate)
    for index in order[:50]:
        for tree in (memory, stored):
            path = [bytes(part) for part in tree.prove_inclusion(index + 1).path[1:]]
            if path != list(log.inclusion_proof(index)) or tree.get_root() != log.root():
                raise VerificationFailed("bench_outputs", "the two trees don't agree")
    stored.close()


def _ratios(found: dict[str, float]) -> dict[str, float]:
    pairs: dict[str, tuple[str, str]] = {}
    for size in GROUPS:
        for name, (one, other) in {
            "append_beside_bare": ("append", "bare"),
            "append_beside_pymerkle": ("append", "pymerkle"),
            "publish_beside_pymerkle_root": ("publish", "pymerkle_root"),
        }.items():
            parts = (f"durable_{one}_{size}_per_s", f"durable_{other}_{size}_per_s")
            pairs[f"durable_{name}_{size}_x"] = parts
    pairs |= {
        "memory_appends_beside_pymerkle_x": (
            "memory_tree_appends_per_s",
            "memory_pymerkle_appends_per_s",
        ),
        "memory_proofs_beside_pymerkle_x": ("memory_proofs_per_s", "memory_pymerkle_proofs_per_s"),
        "store_proofs_cold_beside_pymerkle_x": (
            "store_proofs_cold_per_s",
            "store_pymerkle_proofs_cold_per_s",
        ),
        "store_proofs_warm_beside_pymerkle_x": (
            "store_proofs_warm_per_s",
            "store_pymerkle_proofs_warm_per_s",
        ),
    }
    return {
        name: found[one] / found[other]
        for name, (one, other) in pairs.items()
        if one in found and other in found
    }


def _entries(count: int) -> list[bytes]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    head, tail = (
        encode_entry(Entry(kind=EntryKind.JOURNAL_APPLIED, at=at, fields={"count": 7}))
    ).split(b"7,")
    return [head + b"%d," % number + tail for number in range(count)]


def _bare(path: Path, data: Sequence[bytes], groups: int) -> float:
    """Append the same bytes with one write and one fdatasync for each group."""
    joined = b"".join(data)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        return _rate(
            lambda: _repeat(_write_through(descriptor), joined, groups), len(data) * groups
        )
    finally:
        os.close(descriptor)


def _write_through(descriptor: int) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        os.write(descriptor, data)
        os.fdatasync(descriptor)

    return write


def _durable(folder: Path, data: Sequence[bytes], groups: int) -> dict[str, float]:
    """Return appends each second, alone and together with publishing them all at the end."""
    log = _log(folder)
    count = len(data) * groups
    appends = _rate(lambda: _repeat(log.append, data, groups), count)
    publish = _rate(log.publish, count)
    log.close()
    return {"append": appends, "publish": 1 / (1 / appends + 1 / publish)}


def _durable_peer(tree: Any, data: Sequence[bytes], groups: int) -> dict[str, float]:  # noqa: ANN401 - a package without types
    """Return the peer's appends each second, alone and together with its root at the end."""
    count = len(data) * groups
    appends = _rate(lambda: _repeat(tree.append_entries, data, groups), count)
    root = _rate(tree.get_root, count)
    tree.close()
    return {"pymerkle": appends, "pymerkle_root": 1 / (1 / appends + 1 / root)}


def _log(folder: Path) -> TransparencyLog:
    signer = Signer(name=_ORIGIN, seed=bytes(32))
    return TransparencyLog.create(folder, signer=signer, origin=_ORIGIN)


def _tree(data: Sequence[bytes]) -> MerkleTree:
    return MerkleTree([leaf_hash(entry) for entry in data])


def _frontier(data: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    frontier.extend([leaf_hash(entry) for entry in data])
    return frontier.root()


def _repeat(act: Callable[[Any], object], argument: object, times: int) -> None:
    for _ in range(times):
        act(argument)


def _rate(
    act: Callable[[], object], count: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return how many of `count` operations `act` does in a second."""
    gc.collect()
    start = clock()
    act()
    return count / max(clock() - start, 1e-9)


def _add(figures: Figures, name: str, value: float) -> None:
    figures.setdefault(name, []).append(value)
