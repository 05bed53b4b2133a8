"""A simulated season against the real ledgers; and a model that notices what is wrong."""

from datetime import timedelta

import pytest

from volens.bench.retention import run
from volens.core.errors import VerificationFailed
from volens.holds.erasure import COOL_OFF


def test_a_small_season_is_never_early_and_never_late() -> None:
    lines: list[str] = []
    figures = run(lines.append, subjects=200, days=24, chats=15, requests=3, holds=1)
    assert figures["runs"] == 24
    for name in ("requests", "erasures_scheduled", "erasures_done", "erasures_irrecoverable"):
        assert figures[name] > 0, name
    assert figures["epochs_destroyed"] > 0
    assert figures["held_most"] > 0
    assert len(lines) == len(figures) + 1


def test_the_model_notices_what_is_a_day_early() -> None:
    with pytest.raises(VerificationFailed, match="must be there"):
        run(
            lambda _: None,
            subjects=200,
            days=12,
            chats=9,
            requests=6,
            holds=0,
            cool_off=COOL_OFF + timedelta(days=1),
        )
