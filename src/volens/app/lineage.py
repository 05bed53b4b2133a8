"""Which models a person's conversations are or were in, and whether they may still be."""

from __future__ import annotations

import numpy as np

from volens.app.home import Home
from volens.app.runs import runs_of
from volens.datasets.revising import old_version
from volens.gate.facts import Use
from volens.gate.standing import live_records, permitted_among
from volens.training.lineage import ModelUse, models_of
from volens.vault.subjects import Subject


def models_with(home: Home, subject: Subject) -> list[ModelUse]:
    """Return the models that a person's conversations are or were in; opens nothing.

    Raises:
        Unavailable: if it can't be known what may still be used.
    """
    runs, datasets = runs_of(home), home.folder / "datasets"
    held = [*home.vault.of_subject(subject), *home.vault.of_subject(subject, ended=True)]
    numbers = sorted({one.number for one in held})
    found: list[ModelUse] = []
    for use in models_of(runs, datasets, numbers, numbers):
        kept = runs.latest(use.newest)
        purpose = old_version(datasets, use.dataset).purpose
        live = live_records(home.main, np.array(numbers, dtype=np.int64))
        asked = Use(purpose=purpose.value, dataset=kept.name, run=kept.run)
        usable, _ = permitted_among(
            home.facts, home.policy, asked, live, home.main, home.clock.now()
        )
        found += [
            one for one in models_of(runs, datasets, numbers, usable) if one.family == use.family
        ]
    return found
