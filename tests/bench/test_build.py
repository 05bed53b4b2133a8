"""The build benchmark compares what it measures, and its world is the same every time."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the build benchmark needs pyarrow (the extra parquet)")

from volens.bench.build import measure, run
from volens.bench.build_dialogues import dialogues
from volens.bench.build_peers import CONTENDERS, Run, digest_of
from volens.bench.build_world import Places, Sizes, make_world
from volens.bench.facts_of_machine import facts_of_machine
from volens.core.errors import InvalidInput, VerificationFailed

OURS = ("volens", "plain", "rows", "oracle", "filter")
SIZES = Sizes(conversations=200, per_subject=5, consent=0.3, mean_bytes=200)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return make_world(tmp_path_factory.mktemp("bench") / "world", SIZES)


def test_a_dialogue_depends_on_seed_and_number_only() -> None:
    model = dialogues(seed=1)
    some = list(model.write(990, 20))
    assert some[12] == next(model.write(1002, 1))
    assert some == list(dialogues(seed=1).write(990, 20))
    assert some != list(dialogues(seed=2).write(990, 20))
    assert all(len(turns) % 2 == 0 and all(turns) for turns in some)


def test_dialogues_are_as_long_as_asked_and_not_all_ascii() -> None:
    written = [" ".join(turns) for turns in dialogues(seed=1).write(0, 1000)]
    assert 1700 < sum(len(text.encode()) for text in written) / 1000 < 2600
    assert 100 < sum(not text.isascii() for text in written) < 300
    assert len(set(written)) == 1000


@pytest.mark.parametrize("name", OURS)
def test_every_contender_writes_the_same_records(name: str, places: Places, tmp_path: Path) -> None:
    digests = []
    for one in (name, "oracle"):
        done = Run(places=places, out=tmp_path / f"out-{one}-{len(digests)}")
        CONTENDERS[one](done)
        assert done.rows == 60
        digests.append(digest_of(done.out))
    assert digests[0] == digests[1]


def test_sizes_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        make_world(tmp_path / "world", Sizes(conversations=10, per_subject=3))


def test_the_facts_of_the_machine_name_what_is_absent() -> None:
    facts = facts_of_machine("no-such-distribution")
    assert facts["no-such-distribution"] == "not installed"
    assert facts["python"]


@pytest.mark.slow
def test_other_records_are_found(places: Places, tmp_path: Path) -> None:
    other = Places(folder=tmp_path / "other")
    shutil.copytree(places.folder, other.folder)
    smaller = make_world(tmp_path / "smaller", Sizes(conversations=100, per_subject=5))
    shutil.copy(smaller.oracle, other.oracle)
    with pytest.raises(VerificationFailed) as refusal:
        measure(other, ("plain", "oracle"), 1)
    assert refusal.value.code == "bench_results_differ"


@pytest.mark.slow
def test_a_small_run_reports() -> None:
    lines: list[str] = []
    found = run(lines.append, conversations=200, rounds=1, mean_bytes=200, contenders=OURS)
    assert found["rows"] == 60
    assert set(found["ratios"]) == set(OURS) - {"volens"}
    assert any("peak memory" in line for line in lines)
