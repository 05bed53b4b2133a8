"""A folder appears whole or not at all, whatever stops the build and whenever."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.datasets.world import (
    OTHER_SIGNER,
    POLICY,
    SIGNER,
    World,
    batch_of,
    sealed_batch_of,
)
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.datasets.durable import staging_path
from volens.datasets.leaves import LeafTree
from volens.datasets.manifest import parse_manifest
from volens.datasets.model import Format, RecordBatch
from volens.datasets.staging import Staging
from volens.datasets.verify import verify_dataset
from volens.log.kinds import DatasetFormat, EntryKind


def leaves(world: World, members: int = 10) -> list[bytes]:
    return [person.leaf(world.raw) for person in world.people[:members]]


def test_what_is_not_sealed_is_removed(tmp_path: Path) -> None:
    world = World()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        staging.write(batch_of(leaves(world)))
        assert staging_path(tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with Staging.open(tmp_path / "out", Format.TRL) as staging:
            staging.write(batch_of(leaves(World())))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda p: p.symlink_to("nowhere")])
def test_a_place_that_is_taken_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "out")
    with pytest.raises(InvalidInput) as caught:
        Staging.open(tmp_path / "out", Format.TRL)
    assert caught.value.code == "out_exists"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_appears_during_the_build_is_not_overwritten(tmp_path: Path) -> None:
    world, out = World(), tmp_path / "out"
    ref, _ = world.begin()
    with Staging.open(out, Format.TRL) as staging:
        staging.write(batch_of(leaves(world)))
        attachments = world.attach(staging.finish(world.facts(ref)))
        out.mkdir()
        (out / "mine").write_text("x")
        with pytest.raises(InvalidInput) as caught:
            staging.seal(attachments, SIGNER.verifier)
    assert caught.value.code == "out_exists"
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_there_must_be_a_folder_to_put_it_in(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        Staging.open(tmp_path / "no" / "out", Format.TRL)
    assert caught.value.code == "out_parent"


def test_two_builds_of_one_folder_at_a_time_are_refused(tmp_path: Path) -> None:
    with Staging.open(tmp_path / "out", Format.TRL):
        with pytest.raises(Unavailable) as caught:
            Staging.open(tmp_path / "out", Format.TRL)
        assert caught.value.code == "staging_in_use"
    Staging.open(tmp_path / "out", Format.TRL).discard()


def test_leftovers_of_a_dead_build_are_removed_by_the_next(tmp_path: Path) -> None:
    dead = staging_path(tmp_path / "out")
    (dead / "data").mkdir(parents=True)
    (dead / "data" / "train-00000.jsonl").write_text("secret")
    (dead / "manifest.json").write_text("{}")
    World().build(tmp_path / "out", Format.TRL)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    verify_dataset(tmp_path / "out", SIGNER.verifier)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from tests.datasets.world import SIGNER, World, batch_of
    from volens.datasets.model import Format
    from volens.datasets.staging import Staging

    step, out = sys.argv[1], Path(sys.argv[2])

    def stop(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    world = World()
    ref, _ = world.begin()
    staging = Staging.open(out, Format.TRL)
    stop("opened")
    staging.write(batch_of([person.leaf(world.raw) for person in world.people]))
    stop("written")
    manifest = staging.finish(world.facts(ref))
    stop("finished")
    attachments = world.attach(manifest)
    stop("logged")
    staging.seal(attachments, SIGNER.verifier)
    stop("sealed")
"""


@pytest.mark.parametrize("step", ["opened", "written", "finished", "logged", "sealed"])
def test_a_kill_leaves_no_folder_or_a_whole_one_and_the_next_run_succeeds(
    tmp_path: Path, step: str
) -> None:
    out = tmp_path / "out"
    path = os.pathsep.join(["src", "."])
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), step, str(out)],
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert died.returncode == -signal.SIGKILL
    assert out.exists() is (step == "sealed")
    if out.exists():
        verify_dataset(out, SIGNER.verifier)
        assert not staging_path(out).exists()
    else:
        assert staging_path(out).exists()
        World().build(out, Format.TRL)
        verify_dataset(out, SIGNER.verifier)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_steps_come_in_one_order(tmp_path: Path) -> None:
    world = World()
    ref, _ = world.begin()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        staging.write(batch_of(leaves(world)))
        manifest = staging.finish(world.facts(ref))
        with pytest.raises(InvalidInput, match="moment"):
            staging.write(batch_of(leaves(world)))
        with pytest.raises(InvalidInput, match="moment"):
            staging.finish(world.facts(ref))
        staging.seal(world.attach(manifest), SIGNER.verifier)
        with pytest.raises(InvalidInput, match="moment"):
            staging.seal(world.attach(manifest), SIGNER.verifier)


def test_parts_that_do_not_fit_are_refused_before_anything_is_published(tmp_path: Path) -> None:
    world, other = World(), World(signer=OTHER_SIGNER)
    ref, _ = world.begin()
    other.begin()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        staging.write(batch_of(leaves(world)))
        manifest = staging.finish(world.facts(ref))
        with pytest.raises(VerificationFailed):
            staging.seal(other.attach(manifest), SIGNER.verifier)
        with pytest.raises(VerificationFailed):
            staging.seal(world.attach(manifest, records=3), SIGNER.verifier)
        assert not (tmp_path / "out").exists()
        staging.seal(world.attach(manifest), SIGNER.verifier)
    verify_dataset(tmp_path / "out", SIGNER.verifier)


def test_an_entry_that_was_logged_before_the_build_began_is_refused(tmp_path: Path) -> None:
    world = World()
    early, _ = world.begin()
    done = world.log.append(
        EntryKind.DATASET_DONE,
        intent=early.intent,
        dataset=b"\x33" * 32,
        manifest_root=LeafTree(b"".join(sorted(leaves(world)))).root(),
        manifest_hash=b"\x44" * 32,
        records=10,
        format=DatasetFormat.JSONL,
        policy_hash=POLICY.sha256,
        disclosure=True,
    )
    ref, _ = world.begin()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        staging.write(batch_of(leaves(world)))
        manifest = staging.finish(world.facts(dataclasses.replace(ref, intent=early.intent)))
        honest = world.attach(manifest)
        old = dataclasses.replace(
            honest, done_entry=world.log.entries[done], done_proof=world.log.proof(done)
        )
        with pytest.raises(VerificationFailed, match="older than the checkpoint"):
            staging.seal(old, SIGNER.verifier)
        staging.seal(honest, SIGNER.verifier)


def test_after_a_failed_write_nothing_can_be_finished(tmp_path: Path) -> None:
    """Some lines of the batch are in the file by then, others not."""
    world = World()
    ref, _ = world.begin()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        good = batch_of(leaves(world))
        broken = RecordBatch(
            leaves=good.leaves,
            turn_offsets=good.turn_offsets,
            roles=good.roles,
            text=good.text[:-1] + b"\xff",
            text_offsets=good.text_offsets,
        )
        with pytest.raises(InvalidInput, match="UTF-8"):
            staging.write(broken)
        for step in (lambda: staging.write(good), lambda: staging.finish(world.facts(ref))):
            with pytest.raises(InvalidInput, match="moment"):
                step()


def test_an_error_of_the_disk_names_the_folder(tmp_path: Path) -> None:
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        (staging_path(tmp_path / "out") / "data").rmdir()
        with pytest.raises(Unavailable) as caught:
            staging.write(batch_of(leaves(World())))
    assert caught.value.code == "storage"


def test_a_link_in_the_place_of_the_staging_folder_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "keep").write_text("x")
    staging_path(tmp_path / "out").symlink_to(mine)
    with pytest.raises(Unavailable):
        Staging.open(tmp_path / "out", Format.TRL)
    assert (mine / "keep").read_text() == "x"


def test_what_is_staged_is_for_its_owner_only(tmp_path: Path) -> None:
    World().build(tmp_path / "out", Format.TRL)
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_one_conversation_can_not_stand_in_a_dataset_twice(tmp_path: Path) -> None:
    world = World()
    ref, _ = world.begin()
    with Staging.open(tmp_path / "out", Format.TRL) as staging:
        staging.write(batch_of(leaves(world, 3)))
        staging.write(batch_of(leaves(world, 1)))
        with pytest.raises(InvalidInput) as caught:
            staging.finish(world.facts(ref))
    assert caught.value.code == "duplicate_leaf"


def test_sealed_and_plain_records_do_not_mix(tmp_path: Path) -> None:
    world = World()
    with Staging.open(tmp_path / "a", Format.TRL) as staging, pytest.raises(InvalidInput):
        staging.write(sealed_batch_of(leaves(world)))
    with Staging.open(tmp_path / "b", Format.SEALED) as staging, pytest.raises(InvalidInput):
        staging.write(batch_of(leaves(world)))


def test_records_that_the_form_can_not_carry_are_left_out_and_counted(tmp_path: Path) -> None:
    world, out = World(12), tmp_path / "out"
    ref, _ = world.begin()
    texts = (("a question", "an answer"),) * 11 + (("only a question",),)
    with Staging.open(out, Format.OPENAI) as staging:
        assert staging.write(batch_of(leaves(world, 12), texts)) == 11
        manifest = staging.finish(world.facts(ref, excluded={"no_grant": 3, "format_unfit": 1}))
        staging.seal(world.attach(manifest), SIGNER.verifier)
    assert manifest.excluded == {"no_grant": 3, "format_unfit": 2}
    assert verify_dataset(out, SIGNER.verifier).counts.records == 11


def test_fewer_records_than_a_fine_tuning_job_takes_are_refused(tmp_path: Path) -> None:
    world = World()
    ref, _ = world.begin()
    with Staging.open(tmp_path / "out", Format.OPENAI) as staging:
        staging.write(batch_of(leaves(world, 9)))
        with pytest.raises(InvalidInput) as caught:
            staging.finish(world.facts(ref))
    assert caught.value.code == "too_few_records"


def with_languages(batch: RecordBatch, languages: tuple[str, ...]) -> RecordBatch:
    return RecordBatch(
        leaves=batch.leaves,
        turn_offsets=batch.turn_offsets,
        roles=batch.roles,
        text=batch.text,
        text_offsets=batch.text_offsets,
        languages=languages,
    )


def test_rare_languages_are_counted_but_not_named(tmp_path: Path) -> None:
    world, out = World(24), tmp_path / "out"
    ref, _ = world.begin()
    tags = ("de",) * 10 + ("en",) * 11 + ("gd", "", "kw")
    with Staging.open(out, Format.TRL) as staging:
        staging.write(with_languages(batch_of(leaves(world, 24)), tags))
        manifest = staging.finish(world.facts(ref))
        staging.seal(world.attach(manifest), SIGNER.verifier)
    assert manifest.languages == {"de": 10, "en": 11, "other": 3}
    written = parse_manifest((out / "manifest.json").read_bytes())
    assert written == manifest
    assert "gd" not in (out / "README.md").read_text()
