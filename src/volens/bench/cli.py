"""What a command costs as a process, beside a Python process that only imports what it needs.

CPU time (user and system) of whole processes, medians, both in turn in each round.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from volens.app.creation import create_home
from volens.app.home import open_home
from volens.core.regions import Region
from volens.vault.subjects import NewSubject

GOAL = 1.5
"""At most this many times the process that only imports."""
_RUN = "import sys; from volens.cli.main import main; sys.exit(main())"
_NEEDED = {
    "volens --help": "import typer, rich.console",
    "volens ask": (
        "import typer, rich.console, sqlalchemy, sqlalchemy.dialects.sqlite, cedarpy, numpy,"
        " rfc8785, cryptography.hazmat.primitives.ciphers.aead, tomllib"
    ),
}


def run(print_line: Callable[[str], None], *, rounds: int = 7) -> dict[str, float]:
    """Measure ``--help`` and ``ask``; return the ratio of each to its imports alone."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if "BYTECODE" not in name},
            "VOLENS_KEK_DIR": f"{folder}/keys",
            # As installed: modules are compiled once, here by the warm-up.
            "PYTHONPYCACHEPREFIX": f"{folder}/compiled",
            "NO_COLOR": "1",
        }
        home = Path(folder) / "home"
        create_home(home, environment=environment)
        with open_home(home, writing=True, environment=environment) as opened:
            opened.subjects.add([NewSubject(reference="ada", plan="free", region=Region.EU)])
        arguments = {
            "volens --help": ["--help"],
            "volens ask": ["--home", str(home), "ask", "ada", "batch_training"],
        }
        return {
            name: _compare(name, arguments[name], _NEEDED[name], environment, rounds, print_line)
            for name in _NEEDED
        }


def _compare(
    name: str,
    arguments: list[str],
    needed: str,
    environment: dict[str, str],
    rounds: int,
    print_line: Callable[[str], None],
) -> float:
    ours = [sys.executable, "-c", _RUN, *arguments]
    floor = [sys.executable, "-c", needed]
    figures: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for command, into in zip((ours, floor), figures, strict=True):
            into.append(_cpu_seconds(command, environment))
    mine, bare = (median(column[1:]) for column in figures)  # the first round warms up
    print_line(
        f"{name:<14} {mine * 1e3:6.0f} ms  imports alone {bare * 1e3:6.0f} ms"
        f"  ratio {mine / bare:.2f}  (goal {GOAL})"
    )
    return mine / bare


def _cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - our own interpreter, no shell, fixed words
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
