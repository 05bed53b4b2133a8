"""The eraser of an opened home, wired with a target for every store."""

from __future__ import annotations

from volens.app.home import Home
from volens.datasets.erasing import DatasetTarget
from volens.holds.progress import ErasureProgress
from volens.lifecycle.erasing import Eraser, HoldReader
from volens.lifecycle.planning import Planner
from volens.lifecycle.targets import ChoicesTarget, ErasingVault, VaultTarget


def eraser_of(home: Home, erasing: ErasingVault, holds: HoldReader | None = None) -> Eraser:
    """Return the eraser of a home that was opened for writing.

    Args:
        home: the home.
        erasing: what forgets conversations and accounts: the home's vault.
        holds: what keeps erasures from going on.
    """
    return Eraser(
        home.erasures,
        ErasureProgress(home.main, home.recorder),
        Planner(home.main),
        home.recorder,
        [
            VaultTarget(home.main, home.keys_database, home.subjects, erasing),
            ChoicesTarget(home.main, home.ledger),
            dataset_target(home),
        ],
        clock=home.clock,
        holds=holds,
    )


def dataset_target(home: Home) -> DatasetTarget:
    """Return what erasing does to the datasets of a home."""
    return DatasetTarget(home.folder / "datasets", home.recorder)
