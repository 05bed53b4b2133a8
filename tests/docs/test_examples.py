"""The examples in the pages run, end as they say, and print what they show.

A ``console`` block is a transcript. Lines after ``$ `` are run by a shell in which `volens` is this
tree's. ``# exit N`` at the end of a command says how it ends, 0 if nothing is said. The lines below
a command must stand in its output, in this order; ``…`` stands for anything, white space counts
once.
A ``python`` block is run as a program. All blocks of a page share one empty folder.
"""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.pages import FENCE, ROOT, pages

EXIT = re.compile(r"\s+# exit (\d)$")
MARK = "\x1e"
SHIM = """#!/bin/sh
exec {python} -c 'import sys; from volens.cli.main import main; sys.exit(main())' "$@"
"""


def examples(page: Path) -> list[tuple[str, str]]:
    """Return (kind, body) of every block of a page that can be run, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [(block["kind"], block["body"]) for block in FENCE.finditer(text)]
    return [one for one in found if one[0] in {"console", "python"}]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing outside `folder` is a home."""
    shim = folder / "bin" / "volens"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(SHIM.format(python=shlex.quote(sys.executable)), encoding="ascii")
    shim.chmod(0o755)
    return {
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "160",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "OMP_NUM_THREADS": "1",
    }


def commands(body: str) -> list[tuple[str, int, list[str]]]:
    """Return (command, exit code, lines of output) of a transcript."""
    found: list[tuple[str, int, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            code = EXIT.search(line)
            found.append((EXIT.sub("", line[2:]), int(code[1]) if code else 0, []))
        elif line.startswith("> "):
            command, code_said, shown = found[-1]
            found[-1] = (f"{command}\n{line[2:]}", code_said, shown)
        elif line.strip():
            found[-1][2].append(line)
    return found


def check_output(command: str, shown: list[str], output: str) -> None:
    """Fail unless every piece of the lines shown stands in the output, in this order."""
    flat = " ".join(output.split())
    at = 0
    for line in shown:
        for piece in line.split("…"):
            wanted = " ".join(piece.split())
            place = flat.find(wanted, at)
            assert place >= 0, f"{command}\nprinted no {wanted!r}:\n{output}"
            at = place + len(wanted)


def run_console(body: str, folder: Path) -> None:
    """Run a transcript in one shell and compare."""
    wanted = commands(body)
    script = "\n".join(f"{command}\nprintf '{MARK}%s{MARK}' $?" for command, _, _ in wanted)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    parts = done.stdout.decode("utf-8").split(MARK)
    for (command, code, shown), output, ended in zip(wanted, parts[::2], parts[1::2], strict=False):
        assert int(ended) == code, f"{command}\nended with {ended}:\n{output}"
        check_output(command, shown, output)
    assert len(parts) == 2 * len(wanted) + 1


def run_python(body: str, folder: Path) -> None:
    """Run a program in `folder`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", body],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8")


@pytest.mark.parametrize("page", [page for page in pages() if examples(page)], ids=str)
def test_the_examples_of_a_page_run_and_print_what_they_show(page: Path, tmp_path: Path) -> None:
    if page.stem == "training" and find_spec("torch") is None:
        pytest.skip("training is not installed: pip install 'volens[training]'")
    for kind, body in examples(page):
        if kind == "console":
            run_console(body, tmp_path)
        else:
            run_python(body, tmp_path)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("$ echo one\ntwo\n", "printed no 'two'"),
        ("$ echo one two\ntwo … one\n", "printed no 'one'"),
        ("$ false\n", "ended with 1"),
        ("$ true # exit 3\n", "ended with 0"),
    ],
)
def test_a_transcript_that_is_wrong_fails(body: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=why):
        run_console(body, tmp_path)


def test_a_transcript_that_is_right_passes(tmp_path: Path) -> None:
    run_console("$ NAME=ana\n$ echo $NAME 12\nana …2\n$ sh -c 'exit 3' # exit 3\n", tmp_path)


def test_a_program_that_fails_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ValueError"):
        run_python("raise ValueError", tmp_path)
