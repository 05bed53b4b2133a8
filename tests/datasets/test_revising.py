"""A new version of a dataset holds what was in it and may still be used, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.test_build import dialogue, person, place  # noqa: F401 - a fixture
from tests.support.homes import Place
from tests.support.stores import TRAINING, act
from volens.app.home import Home
from volens.consent.model import Act
from volens.core.errors import NotFound
from volens.core.ids import DatasetId, IdKind, format_id
from volens.datasets.build import BuildResult
from volens.datasets.erasing import GONE
from volens.datasets.manifest import parse_manifest
from volens.datasets.model import Format
from volens.datasets.revising import ROWS_FILE, Terms, lost, old_version
from volens.datasets.verify import verify_dataset
from volens.gate.facts import Use
from volens.log.kinds import CaptureSource


def revised(home: Home, old: BuildResult, out: Path) -> BuildResult:
    return home.datasets().build(
        TRAINING, out, form=old.manifest.format, terms=Terms(revises=old.manifest)
    )


def numbers(home: Home, dataset: DatasetId) -> set[int]:
    data = (home.folder / "datasets" / dataset / ROWS_FILE).read_bytes()
    return set(np.frombuffer(data, dtype="<i8").tolist())


@pytest.mark.parametrize("form", [Format.TRL, Format.SEALED])
def test_it_leaves_out_whoever_said_no_and_takes_in_nobody_new(
    place: Place,  # noqa: F811 - the fixture
    tmp_path: Path,
    form: Format,
) -> None:
    with place.open() as home:
        cem = person(home, "cem")
        home.ledger.record([act(5, cem, Act.GRANT)])
        old = home.datasets().build(TRAINING, tmp_path / "old", form=form)
        assert old.manifest.counts.records == 6
        assert old.manifest.revises is None
        home.ledger.record([act(6, cem, Act.WITHDRAW), act(7, person(home, "dan"), Act.GRANT)])
        ada = person(home, "ada")
        home.vault.capture({ada: [dialogue("ada", 9)]}, source=CaptureSource.IMPORT)
        assert lost(home.gate, home.folder / "datasets", old.manifest, TRAINING) == 3
        new = revised(home, old, tmp_path / "new")
        verify_dataset(tmp_path / "new", home.signer.verifier)
        assert new.manifest.revises == old.dataset
        assert new.manifest.excluded == {"not_permitted_any_more": 3}
        kept = {held.number for held in home.vault.of_subject(ada)}
        assert numbers(home, new.dataset) == numbers(home, old.dataset) & kept
        assert new.manifest.counts.records == 3


def test_what_was_erased_is_counted_as_lost(
    place: Place,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    with place.open() as home:
        old = home.datasets().build(TRAINING, tmp_path / "old", form=Format.TRL)
        path = home.folder / "datasets" / old.dataset / ROWS_FILE
        rows = np.frombuffer(path.read_bytes(), dtype="<i8").copy()
        rows[0] = GONE
        path.write_bytes(rows.tobytes())
        new = revised(home, old, tmp_path / "new")
        assert new.manifest.counts.records == 2
        assert new.manifest.excluded == {"not_permitted_any_more": 1}


def test_the_intent_commits_to_what_is_opened_and_no_more(
    place: Place,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    with place.open() as home:
        old = home.datasets().build(TRAINING, tmp_path / "old", form=Format.TRL)
        ada = person(home, "ada")
        home.vault.capture({ada: [dialogue("ada", 9)]}, source=CaptureSource.IMPORT)
        whole, _ = home.gate.preview(TRAINING)
        among, _ = home.gate.preview(TRAINING, among=np.array(sorted(numbers(home, old.dataset))))
        assert (whole, among) == (4, 3)
        nothing, _ = home.gate.preview(TRAINING, among=np.zeros(0, dtype=np.int64))
        assert nothing == 0


def test_a_new_version_can_have_a_new_version(
    place: Place,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    with place.open() as home:
        first = home.datasets().build(TRAINING, tmp_path / "1", form=Format.TRL)
        second = revised(home, first, tmp_path / "2")
        third = revised(home, second, tmp_path / "3")
        assert third.manifest.revises == second.dataset
        assert numbers(home, third.dataset) == numbers(home, first.dataset)


def test_only_what_was_built_here_has_new_versions(
    place: Place,  # noqa: F811 - the fixture
) -> None:
    with place.open() as home, pytest.raises(NotFound, match="was not built in this home"):
        old_version(home.folder / "datasets", format_id(IdKind.DATASET, bytes(16)))


def test_a_manifest_names_the_old_version_or_none(
    place: Place,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    with place.open() as home:
        made = home.datasets().build(Use(purpose=TRAINING.purpose), tmp_path / "one")
        again = replace(made.manifest, revises=made.dataset)
        assert parse_manifest(again.to_bytes()).revises == made.dataset
        assert parse_manifest(made.manifest.to_bytes()).revises is None
        assert home.clock.now() - made.manifest.created < timedelta(days=1)
