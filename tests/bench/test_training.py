"""The benches of training run, and report what they say they measure."""

from importlib.util import find_spec

import pytest

from volens.bench.revoke import run as revoke

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="training is not installed: pip install 'volens[training]'"
)


def test_revoke_reports_every_figure_and_no_leak() -> None:
    lines: list[str] = []
    figures = revoke(lines.append, people=20)
    assert figures["withdrawals"] == 20
    assert figures["handed_out_after_acknowledged_ms"] < 1_000  # a figure, whatever the machine
    assert len(lines) == len(figures) == 7


@needs_torch
def test_loader_reports_each_that_is_installed() -> None:
    from volens.bench.loader import run  # noqa: PLC0415 - takes torch

    lines: list[str] = []
    found = run(lines.append, records=64, rounds=1)
    assert {"volens_0", "unchecked_0", "mmap_0", "torch_0", "volens_2", "mmap_2"} <= set(found)
    assert all(figures.get("records_per_s", 0) > 0 for figures in found.values())


@needs_torch
def test_unlearn_reports_repair_and_replay_for_each_shape() -> None:
    from volens.bench.unlearn import run  # noqa: PLC0415 - takes torch

    lines: list[str] = []
    found = run(lines.append, people=32)
    assert {"repair_mean_percent_4x4", "replay_mean_percent_8x4"} <= set(found)
    assert all(value > 0 for value in found.values())
