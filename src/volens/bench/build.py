"""What building a dataset costs beside the same build without consent, keys and log.

Everybody writes the same records: zstd Parquet of `record` and `messages`, of the people who said
yes. Contenders, each in a fresh process, in turn in every round:

* volens: the gate decides, logs, opens and writes the dataset with its manifest, card and proofs;
* plain: the same blocks unencrypted and holding only what may be used, same assembly and writer;
* rows: as plain, from one row for each conversation in place of the blocks;
* oracle: a Parquet file that holds only what may be used, read and written with pyarrow;
* filter: a Parquet file of everything, scanned and filtered by the list of who said yes, pyarrow;
* datatrove: the same, as a datatrove pipeline (if it is installed).

CPU is user and system time of all threads, without imports. Screening, redaction and de-duplication
are timed apart and not in the ratios, for volens and plain alike: the others do none. Opening the
home (policy, log) is timed apart too: the process that owns a home opens it once. Inputs are read
once before each run, so that nobody pays for a cold disk.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from volens.bench.build_peers import inputs_of
from volens.bench.build_world import Places, Sizes, make_world, remove_world
from volens.bench.facts_of_machine import facts_of_machine
from volens.core.errors import VerificationFailed

FULL = 1_000_000
GOALS = {"plain": 1.25, "rows": 1.25, "oracle": 1.4, "filter": 0.6, "datatrove": 0.2}
"""The most CPU that Volens may take, as a part of each contender's (datatrove: a fifth)."""
PEAK_GOAL_BYTES = 1 << 30
SWEEP_CONSENT = (0.01, 0.1, 0.3, 1.0)
SWEEP_PER_SUBJECT = (1, 10, 100)
_APART = ("open home", "screen", "redact", "deduplicate")
_READ_BYTES = 1 << 22
_HEADINGS = (
    f"{'':<12}{'CPU s':>9}{'least':>9}{'most':>9}{'us/record':>11}{'records/s':>11}"
    f"{'peak MiB':>10}{'volens is':>11}{'goal':>8}"
)
Print = Callable[[str], None]


def run(
    print_line: Print,
    *,
    conversations: int = 100_000,
    per_subject: int = 10,
    consent: float = 0.3,
    rounds: int = 5,
    mean_bytes: int = 2048,
    contenders: Sequence[str] = ("volens", *GOALS),
    folder: Path | None = None,
) -> dict[str, Any]:
    """Make a world, let all contenders build from it in turn, print and return the medians.

    Args:
        print_line: receives each line of the report.
        conversations: held in the home; 10^6 of them take about 8 GB in `folder`.
        per_subject: conversations of each person.
        consent: share of people who said yes, in 0..1.
        rounds: how often each contender runs.
        mean_bytes: of text in a conversation, about.
        contenders: which to run; "volens" has to be among them.
        folder: where to work; everything in it is removed again. A temporary one by default.

    Returns:
        ``seconds`` of CPU without the stages told apart, ``stages``, ``peak_bytes`` and ``ratios``
        (volens over each other), all by contender; and ``rows``.

    Raises:
        VerificationFailed: ``bench_results_differ`` if two outputs hold different records.
    """
    sizes = Sizes(
        conversations=conversations,
        per_subject=per_subject,
        consent=consent,
        mean_bytes=mean_bytes,
    )
    present = [name for name in contenders if name != "datatrove" or _has_datatrove()]
    with tempfile.TemporaryDirectory(dir=folder) as made:
        places = make_world(Path(made) / "world", sizes)
        try:
            taken = measure(places, present, rounds)
        finally:
            remove_world(places)
    found = _summary(taken)
    for line in _report(found, sizes, rounds):
        print_line(line)
    return found


def sweep(
    print_line: Print,
    *,
    conversations: int = 20_000,
    rounds: int = 3,
    consents: Sequence[float] = SWEEP_CONSENT,
    per_subjects: Sequence[int] = SWEEP_PER_SUBJECT,
) -> list[dict[str, Any]]:
    """Run over consent rates and conversations for each person; print one line for each."""
    found = []
    names = [name for name in GOALS if name != "datatrove"]
    print_line(
        f"{'consent':>8}{'per person':>12}{'us a record':>14}" + "".join(f"{n:>9}" for n in names)
    )
    for consent in consents:
        for each in per_subjects:
            one = run(
                _silent,
                conversations=conversations,
                per_subject=each,
                consent=consent,
                rounds=rounds,
                contenders=("volens", *names),
            )
            cost = one["seconds"]["volens"] / one["rows"] * 1e6
            ratios = "".join(f"{one['ratios'][name]:>8.2f}x" for name in names)
            print_line(f"{consent:>8.0%}{each:>12}{cost:>14.1f}{ratios}")
            found.append({"consent": consent, "per_subject": each, **one})
    return found


def measure(places: Places, contenders: Sequence[str], rounds: int) -> dict[str, list[Any]]:
    """Run each contender `rounds` times, in turn; return all figures by contender.

    Raises:
        VerificationFailed: ``bench_results_differ`` if two outputs hold different records.
    """
    taken: dict[str, list[Any]] = {name: [] for name in contenders}
    for number in range(rounds):
        shift = number % len(contenders)
        for name in (*contenders[shift:], *contenders[:shift]):
            taken[name].append(_run_one(name, places, digest=number == 0))
    digests = {figures[0]["digest"] for figures in taken.values()}
    if len(digests) != 1:
        raise VerificationFailed("bench_results_differ", "the contenders wrote different records")
    return taken


def _run_one(name: str, places: Places, *, digest: bool) -> dict[str, Any]:
    out = places.folder / f"out-{name}"
    _warm(inputs_of(name, places))
    command = [
        sys.executable,
        "-m",
        "volens.bench.build_peers",
        name,
        str(places.folder),
        str(out),
        *(["--digest"] if digest else []),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603 - this package's own module
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise VerificationFailed("bench_contender", f"{name} failed: {said[-1:]}") from error
    finally:
        for path in (out, Path(f"{out}.logs")):
            shutil.rmtree(path, ignore_errors=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    apart = sum(figures["stages"].get(stage, 0.0) for stage in _APART)
    return {**figures, "core": figures["cpu"] - apart}


def _warm(paths: Sequence[Path]) -> None:
    """Read files once, so that they lie in the system's cache."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(_READ_BYTES):
                pass


def _summary(taken: dict[str, list[Any]]) -> dict[str, Any]:
    seconds = {name: _median(rounds, "core") for name, rounds in taken.items()}
    stages = {
        name: {
            stage: statistics.median(figures["stages"][stage] for figures in rounds)
            for stage in rounds[0]["stages"]
        }
        for name, rounds in taken.items()
    }
    ratios = {name: seconds["volens"] / seconds[name] for name in seconds if name != "volens"}
    return {
        "rows": taken["volens"][0]["rows"],
        "seconds": seconds,
        "spread": {name: _spread(rounds) for name, rounds in taken.items()},
        "cpu": {name: _median(rounds, "cpu") for name, rounds in taken.items()},
        "stages": stages,
        "peak_bytes": {
            name: max(f["peak_bytes"] for f in rounds) for name, rounds in taken.items()
        },
        "ratios": ratios,
    }


def _spread(rounds: Sequence[dict[str, Any]]) -> list[float]:
    return [min(f["core"] for f in rounds), max(f["core"] for f in rounds)]


def _median(rounds: Sequence[dict[str, Any]], name: str) -> float:
    return float(statistics.median(figures[name] for figures in rounds))


def _report(found: dict[str, Any], sizes: Sizes, rounds: int) -> list[str]:
    rows = found["rows"]
    lines = [f"{name}: {fact}" for name, fact in facts_of_machine("datatrove").items()]
    lines += ["", _title(sizes, rows, rounds), _HEADINGS]
    for name, seconds in found["seconds"].items():
        low, high = found["spread"][name]
        peak = found["peak_bytes"][name] / 2**20
        line = (
            f"{name:<12}{seconds:>9.3f}{low:>9.3f}{high:>9.3f}{seconds / rows * 1e6:>11.1f}"
            f"{rows / seconds:>11,.0f}{peak:>10.0f}"
        )
        if name in found["ratios"]:
            ratio, goal = found["ratios"][name], GOALS[name]
            line += f"{ratio:>10.2f}x{goal:>8g}  {'met' if ratio <= goal else 'MISSED'}"
        lines.append(line)
    if "datatrove" not in found["seconds"]:
        lines.append("datatrove is not installed: not measured")
    lines.append("timed apart, microseconds of CPU a record:")
    for name in ("volens", "plain"):
        stages = found["stages"].get(name, {})
        text = ", ".join(f"{stage} {value / rows * 1e6:.1f}" for stage, value in stages.items())
        lines.append(f"  {name}: {text}")
    peak = found["peak_bytes"]["volens"]
    verdict = "met" if peak <= PEAK_GOAL_BYTES else "MISSED"
    lines.append(f"peak memory of volens {peak / 2**20:.0f} MiB, goal 1024 MiB: {verdict}")
    return lines


def _title(sizes: Sizes, rows: int, rounds: int) -> str:
    return (
        f"{sizes.conversations:,} conversations of about {sizes.mean_bytes} bytes, "
        f"{sizes.per_subject} for each person, {sizes.consent:.0%} consenting: {rows:,} records; "
        f"{rounds} rounds, medians; outputs equal"
    )


def _has_datatrove() -> bool:
    return importlib.util.find_spec("datatrove") is not None


def _silent(line: str) -> None:
    del line


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m volens.bench.build", description=__doc__)
    parser.add_argument("--full", action="store_true", help="10^6 conversations")
    parser.add_argument("--sweep", action="store_true", help="consent rates x sizes of accounts")
    parser.add_argument("--conversations", type=int)
    parser.add_argument("--per-subject", type=int, default=10)
    parser.add_argument("--consent", type=float, default=0.3)
    parser.add_argument("--bytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="contenders, separated by commas")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    if given.sweep:
        sweep(_print, conversations=given.conversations or 20_000, rounds=given.rounds)
        return
    run(
        _print,
        conversations=given.conversations or (FULL if given.full else 100_000),
        per_subject=given.per_subject,
        consent=given.consent,
        mean_bytes=given.bytes,
        rounds=given.rounds,
        contenders=given.only.split(",") if given.only else ("volens", *GOALS),
        folder=given.folder,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
