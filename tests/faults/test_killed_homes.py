"""Making a home, putting a policy in force and building a dataset, killed and tried again."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.faults.stories import ADA, find, sound
from tests.support.homes import Parts, Place, place
from tests.support.stores import TRAINING
from tests.support.tracing import Operation, Run, run_traced
from volens.app import policies
from volens.app.creation import UNFINISHED
from volens.app.identity import IDENTITY
from volens.core.errors import NotFound
from volens.datasets.verify import verify_dataset
from volens.log.verify import verify_directory

Copies = Callable[[Place], Place]
Trial = Callable[[int | None, bool], Run]
NEW = "tiers-2025-06"


def points(total: int, every: int) -> list[int]:
    """Return every so manieth call, the first and the last always."""
    return sorted({0, *range(every // 2, total, every), total - 1})


def try_points(trial: Trial, *, every: int, both: bool) -> None:
    run = trial(None, False)
    assert len(run.calls) > 20
    for at in points(len(run.calls), every):
        for after in (False, True) if both else (at % 2 == 0,):
            try:
                assert trial(at, after).killed
            except BaseException as error:
                moment = "after" if after else "before"
                error.add_note(f"killed {moment} call {at}, {run.calls[at]}, of {len(run.calls)}")
                raise


# --- making a home --------------------------------------------------------------------------------


def creating(where: Place) -> Callable[[], Operation]:
    def in_child() -> Operation:
        def traced(say: Callable[[str], None]) -> None:
            where.create()
            say("made")

        return traced

    return in_child


def creation_trial(under: Path) -> Trial:
    numbers = count()

    def trial(at: int | None, after: bool) -> Run:
        folder = under / str(next(numbers))
        folder.mkdir()
        where = place(folder)
        run = run_traced(creating(where), stop_at=at, after=after)
        made = (where.folder / IDENTITY).exists()
        assert made or "made" not in run.said
        if not made:
            with pytest.raises(NotFound):  # no door opens a half-made home
                where.open()
            where.create(seed=7)
        assert not (where.folder / UNFINISHED).exists()
        sound(where)
        with where.open() as home:
            log = home.owned_log()
            assert home.subjects.count() == 0
            assert log.size == 2 + len(home.policy.pack.notices)
            verifier = log.verifier
        assert verify_directory(where.folder / "log", [verifier]).pending == 0
        shutil.rmtree(folder)
        return run

    return trial


def test_a_home_is_made_or_can_be_made_again(tmp_path: Path) -> None:
    try_points(creation_trial(tmp_path), every=90, both=False)


@pytest.mark.slow
def test_a_home_is_made_or_can_be_made_again_at_each_call(tmp_path: Path) -> None:
    try_points(creation_trial(tmp_path), every=1, both=False)


# --- putting a policy in force -------------------------------------------------------------------


def activation_trial(copies: Copies, lived_in: Place, pack: Path) -> Trial:
    (kept,) = (lived_in.folder / "policy").iterdir()
    shutil.copytree(kept, pack)
    text = (pack / "pack.toml").read_text("utf-8")
    (pack / "pack.toml").write_text(text.replace("tiers-2025-05", NEW), "utf-8")

    def trial(at: int | None, after: bool) -> Run:
        where = copies(lived_in)

        def in_child() -> Operation:
            home = Parts(where)

            def traced(say: Callable[[str], None]) -> None:
                with home:
                    activate(where, home, pack)
                    say("in force")

            return traced

        run = run_traced(in_child, stop_at=at, after=after)
        with where.open() as home:  # opens under the old policy or the new one, never neither
            version = home.policy.ref.version
            assert version in ({NEW} if "in force" in run.said else {NEW, "tiers-2025-05"})
            assert home.gate.preview(TRAINING)[0] == len(ADA)
        with Parts(where) as parts:
            if version != NEW:
                activate(where, parts, pack)
            assert parts.log.check(deep=True)
            assert policies.history(parts.main)[-1].version == NEW
            assert len(policies.history(parts.main)) == 2
        assert policies.load_in_force(where.folder, parts.main).ref.version == NEW
        assert not list((where.folder / "policy").glob(".*"))
        sound(where)
        shutil.rmtree(where.folder.parent)
        return run

    return trial


def activate(where: Place, home: Parts, pack: Path) -> None:
    policies.activate(where.folder, home.main, home.recorder, str(pack), at=where.clock.now())


def test_a_policy_is_in_force_or_can_be_put_in_force_again(
    lived_in: Place, copies: Copies, tmp_path: Path
) -> None:
    try_points(activation_trial(copies, lived_in, tmp_path / "pack"), every=70, both=False)


@pytest.mark.slow
def test_a_policy_is_in_force_or_can_be_put_in_force_again_at_each_call(
    lived_in: Place, copies: Copies, tmp_path: Path
) -> None:
    try_points(activation_trial(copies, lived_in, tmp_path / "pack"), every=2, both=True)


# --- building a dataset ---------------------------------------------------------------------------


def build_trial(copies: Copies, lived_in: Place) -> Trial:
    def trial(at: int | None, after: bool) -> Run:
        where = copies(lived_in)
        out = where.folder.parent / "out"

        def in_child() -> Operation:
            home = Parts(where)
            builder = home.builder(where)

            def traced(say: Callable[[str], None]) -> None:
                with home:
                    builder.build(TRAINING, out)
                    say("built")

            return traced

        run = run_traced(in_child, stop_at=at, after=after)
        with Parts(where) as home:
            ada = find(home, "ada")
            assert ada
            assert out.exists() or "built" not in run.said
            if not out.exists():
                home.builder(where).build(TRAINING, out)
            report = verify_dataset(out, home.log.verifier)
            assert report.counts.records == len(ADA)
            assert len(home.gate.references([ada])) == 1
            assert home.log.check(deep=True)
        beside = {path.name for path in out.parent.iterdir()}
        assert beside == {"home", "kek", "out"}, beside
        sound(where)
        shutil.rmtree(where.folder.parent)
        return run

    return trial


def test_a_dataset_is_whole_or_is_not_there(lived_in: Place, copies: Copies) -> None:
    try_points(build_trial(copies, lived_in), every=12, both=False)


@pytest.mark.slow
def test_a_dataset_is_whole_or_is_not_there_at_each_call(lived_in: Place, copies: Copies) -> None:
    try_points(build_trial(copies, lived_in), every=1, both=True)
