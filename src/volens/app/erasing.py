"""The eraser of an opened home, wired with a target for every store."""

from __future__ import annotations

from volens.access.erasing import AccessTarget
from volens.app.access import accounts_of
from volens.app.home import Home
from volens.app.impact import impact_register, look
from volens.app.rights import request_store
from volens.app.runs import runs_of
from volens.app.safety import safety_of
from volens.datasets.erasing import DatasetTarget
from volens.holds.carving import Carver
from volens.holds.progress import ErasureProgress
from volens.holds.target import HoldTarget, ReportTarget
from volens.lifecycle.carving import VaultCarver
from volens.lifecycle.erasing import Eraser, HoldReader
from volens.lifecycle.pages import FreeSpace
from volens.lifecycle.planning import Planner
from volens.lifecycle.targets import ChoicesTarget, ErasingVault, VaultTarget
from volens.rights.erasing import RequestTarget
from volens.training.erasing import RunTarget
from volens.training.impact_erasing import ImpactTarget


def eraser_of(
    home: Home,
    *,
    vault: ErasingVault | None = None,
    holds: HoldReader | None = None,
    carver: Carver | None = None,
) -> Eraser:
    """Return the eraser of a home that was opened for writing.

    Args:
        home: the home.
        vault: what forgets conversations and accounts, if not the home's own vault.
        holds: what keeps erasures from going on, if not the home's own holds.
        carver: leaves of a held conversation only its held turns, if not the home's own vault.
    """
    return Eraser(
        home.erasures,
        ErasureProgress(home.main, home.recorder),
        Planner(home.main),
        home.recorder,
        [
            # What a hold says of a person goes before the keys: it can refuse, they can't.
            HoldTarget(home.main, home.holds),
            ReportTarget(home.main, home.reports()),
            safety_of(home).target(),
            VaultTarget(home.main, home.keys_database, home.subjects, vault or home.removal),
            ChoicesTarget(home.main, home.ledger),
            ImpactTarget(impact_register(home), lambda: look(home)),  # while runs stand as they did
            run_target(home),  # before the datasets: they tell whose a record is
            dataset_target(home),
            RequestTarget(request_store(home)),
            AccessTarget(home.main, accounts_of(home)),
        ],
        clock=home.clock,
        holds=home.holds if holds is None else holds,
        carver=carver or VaultCarver(home.subjects, home.removal),
        clear_space=FreeSpace(home.main).clear,
    )


def dataset_target(home: Home) -> DatasetTarget:
    """Return what erasing does to the datasets of a home."""
    return DatasetTarget(home.folder / "datasets", home.recorder)


def run_target(home: Home) -> RunTarget:
    """Return what erasing does to what was trained in a home."""
    return RunTarget(runs_of(home), home.folder / "datasets", home.artefacts, home.recorder)
