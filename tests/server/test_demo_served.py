"""``volens demo --serve``: after the tour its pages are there, and nothing of it stays."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import volens

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


def test_the_demo_can_be_come_into_and_leaves_nothing(tmp_path: Path) -> None:
    source = str(Path(volens.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "volens.cli.main", "demo", "--serve", "--port", "0"],
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": source, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        (address,) = re.findall(r"Open (http://\S+)/demo", said)
        with urllib.request.urlopen(f"{address}/demo", timeout=30) as answer:
            shown = answer.read().decode()
        assert "<bdi>Aiko</bdi>" in shown
        assert "Privacy officer" in shown
        assert "Hao" not in shown  # erased in the tour
        assert list(tmp_path.iterdir()) != []
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.communicate()
