"""The decision benchmark checks its own answers and reports what it measured."""

from volens.bench.decide import run


def test_a_small_run_agrees_with_itself_and_reports() -> None:
    lines: list[str] = []
    figures = run(lines.append, subjects=300, conversations=2_000, rounds=1, fill=False)
    assert figures["conversations"] == 2_000
    assert {"standing", "changed", "rebuild", "cedar row by row"} <= set(figures["nanoseconds"])
    assert all(value > 0 for value in figures["nanoseconds"].values())
    assert any("goal" in line for line in lines)
