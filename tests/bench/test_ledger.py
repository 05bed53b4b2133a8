"""The ledger's bench runs and reports what it says it measures."""

from volens.bench.ledger import run


def test_a_small_run_reports_every_figure() -> None:
    lines: list[str] = []
    figures = run(lines.append, subjects=40, rounds=2)
    assert set(figures) == {
        "grants_per_cpu_s",
        "withdrawal_ms",
        "withdrawal_beside_fdatasync_x",
        "one_decision_us",
        "deciding_for_all_us_a_person",
    }
    assert all(value > 0 for value in figures.values())
    assert len(lines) == len(figures)
