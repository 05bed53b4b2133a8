"""A small run of the real thing: a server process, asked over loopback."""

import pytest

from tests.docs.pages import ROOT
from volens.bench.api import run

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


def test_a_small_run_measures_checks_and_no_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))  # this tree's, in the server too
    lines: list[str] = []
    figures = run(lines.append, rounds=1, people=1000, requests=50)
    assert len(lines) == 5
    assert figures["single_us"] > figures["nothing_us"] > 0
    assert figures["batch_us"] > figures["single_us"]
    assert figures["each_batch_us"] > figures["each_us"] > figures["nothing_us"]
    assert figures["decisions_of_several"] > 0
    assert figures["decisions_a_second"] > 0
