"""The runs that a home keeps."""

from __future__ import annotations

from volens.app.home import Home
from volens.training.runs import RunStore


def runs_of(home: Home) -> RunStore:
    """Return the runs that a home keeps."""
    return RunStore(home.folder, home.recorder)
