"""What is left in the memory of a process that opened something, once it is erased.

Python does not clear memory, so a process that opened a conversation may hold its words for as long
as it lives (docs/threat-model.md, "Leftovers"). What is promised is less: a process that has the
opening done by a child of its own, which writes to where the words are to go, never holds them.
"""

import secrets
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.driving import KEY, write_chats
from volens.app.creation import create_home

CHUNK = 1 << 24
CHILD = """
import contextlib, gc, io, os, sys
from volens.cli.main import main

def said(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(["--home", sys.argv[2], *words])
    assert code == 0, (words, out.getvalue())
    return out.getvalue()

def in_a_child(*words):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            said(*words)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, words

do = in_a_child if sys.argv[1] == "apart" else said
chat = "cnv_" + said("conversation", "list", "ann", "--json").split('"cnv_')[1][:26]
kept = [
    do("conversation", "show", chat, "--show-content"),
    do("export", "ann", "--out", sys.argv[3]),
]
do("erase", "conversation", chat, "--yes", "--no-cool-off")
do("retention", "run")
said("erase", "subject", "ann", "--yes", "--no-cool-off")
said("retention", "run")
said("keys", "rotate")
said("keys", "destroy-expired", "--now", "--yes")
gc.collect()
print("ready", flush=True)
sys.stdin.readline()
"""


def occurrences(process: int, needle: bytes) -> int:
    """Count a needle, as UTF-8, UTF-16 and UTF-32, in all writable memory of a process."""
    text = needle.decode()
    spelled = [needle, text.encode("utf-16-le"), text.encode("utf-32-le")]
    found = 0
    with (
        Path(f"/proc/{process}/maps").open(encoding="utf-8") as maps,
        Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory,
    ):
        for line in maps:
            span, rights, *_ = line.split()
            start, end = (int(place, 16) for place in span.split("-"))
            if "w" not in rights:
                continue
            for place in range(start, end, CHUNK):
                memory.seek(place)
                data = memory.read(min(CHUNK + 4 * len(needle), end - place))
                found += sum(data.count(one) for one in spelled)
    return found


@contextmanager
def having(how: str, under: Path, canary: str) -> Iterator[int]:
    """Yield the id of a process that showed, exported and erased a chat, and still runs."""
    keys, home = under / "kek", under / "home"
    create_home(home, environment={KEY: str(keys)})
    write_chats(under / "ann.jsonl", 3, text=f"The word is {canary}, keep it.")
    environment = {KEY: str(keys), "PYTHONPATH": ":".join(sys.path)}
    volens = [sys.executable, "-m", "volens.cli.main", "--home", str(home)]
    words = [*volens, "import", str(under / "ann.jsonl"), "--subject", "ann"]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    script = [sys.executable, "-c", CHILD, how, str(home), str(under / "ann.zip")]
    with subprocess.Popen(
        script, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate("done\n")


@pytest.fixture(scope="session")
def _tracing() -> None:
    if not Path("/proc/self/mem").exists():
        pytest.skip("this system does not show a process's memory as a file")


def test_a_process_that_has_others_open_for_it_never_holds_what_was_said(tmp_path: Path) -> None:
    canary = f"canary{secrets.token_hex(12)}"
    with having("apart", tmp_path, canary) as process:
        assert occurrences(process, b"destroy-expired") > 0  # what it does hold is found
        assert occurrences(process, canary.encode()) == 0
    with zipfile.ZipFile(tmp_path / "ann.zip") as copy:
        assert any(canary.encode() in copy.read(name) for name in copy.namelist())


def test_a_process_that_opened_it_itself_holds_what_it_keeps(tmp_path: Path) -> None:
    """The limit: erasing from every store is not erasing from somebody's memory."""
    canary = f"canary{secrets.token_hex(12)}"
    with having("here", tmp_path, canary) as process:
        assert occurrences(process, canary.encode()) > 0
