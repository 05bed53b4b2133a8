"""The runs that a home keeps: their plans, what came of them, and their sealed checkpoints.

A run and the runs that repair it are a *family* and share a folder (docs/formats/training-run.md):

    HOME/runs/FAMILY/RUN.plan.json     its plan
    HOME/runs/FAMILY/RUN.run.json      that it is in the log, and what came of it
    HOME/runs/FAMILY/NAME.ckpt         a sealed checkpoint, by the digest of its inputs

A plan counts once its ``.run.json`` is there. A checkpoint whose key is gone is as good as gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import IdKind, RunId, parse_id
from volens.core.members import Members
from volens.core.time import format_moment, parse_moment
from volens.gate.artefacts import Artefacts
from volens.gate.leasing import used_root
from volens.log.fields import Value
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.storage.files import sync_folder, write_durable
from volens.training.model import Plan
from volens.training.planning import encode_plan, parse_plan, plan_digest
from volens.training.runner import StageDone

FOLDER: Final = "runs"
VERSION: Final = "volens-run/v1"
_PLAN: Final = ".plan.json"
_RUN: Final = ".run.json"
_CHECKPOINT: Final = ".ckpt"
_CODE: Final = "run_form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a run is made from, where it was when the run was planned."""

    base: str
    """The base model, as `training.base.open_base` takes it."""
    data: str
    """The folder of the dataset."""
    name: str = ""
    """The name under which the dataset was built, for grants that are limited to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A copy of a model that left the home; nothing takes it back."""

    at: datetime
    adapter: bytes
    """SHA-256 of the merged adapter."""
    published: int
    """The log index of ``model.published``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun(Origin):
    """What the home keeps of a run besides its plan."""

    run: RunId
    family: RunId
    """The run that all the others of the family repair."""
    planned: int
    """The log index of ``run.planned``."""
    at: datetime
    stages: tuple[StageDone, ...] = ()
    """What came of it; empty until it is done."""
    done: bool = False
    proven: int | None = None
    """The log index of the ``unlearning.done`` that says that it repairs another."""
    given: tuple[Given, ...] = ()
    """The copies that left, oldest first."""


class RunStore:
    """Keeps runs, in one folder for each family."""

    def __init__(self, home: Path, recorder: Recorder) -> None:
        """Use the folder of runs in `home`."""
        self._folder = home / FOLDER
        self._recorder = recorder

    def plan(self, plan: Plan, origin: Origin, at: datetime) -> KeptRun:
        """Keep a plan and commit to it in the log, before anything is trained.

        1. The plan is in its file. 2. ``run.planned`` is in the log. 3. The run counts.

        Raises:
            NotFound: ``run_unknown`` if it repairs a run that is not here.
        """
        before = None if plan.revises is None else self.find(plan.revises)
        family = plan.run if before is None else before.family
        folder = self.folder(family)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durable(folder / f"{plan.run}{_PLAN}", encode_plan(plan))
        fields: dict[str, Value] = {
            "plan": plan_digest(plan),
            "seed": seed_digest(plan.seed),
            "manifest_root": plan.manifest_root,
            "records": len(plan.leaves),
            "shards": plan.shards,
            "slices": plan.slices,
        }
        if before is not None:
            fields["revises"] = before.planned
        planned = self._recorder.record(EntryKind.RUN_PLANNED, fields)
        kept = KeptRun(
            run=plan.run,
            family=family,
            base=origin.base,
            data=origin.data,
            name=origin.name,
            planned=planned,
            at=at,
        )
        self._write(kept)
        sync_folder(self._folder)
        return kept

    def finish(self, kept: KeptRun, stages: tuple[StageDone, ...]) -> KeptRun:
        """Log what came of a run, and keep it."""
        self._recorder.record_all(
            [
                (
                    EntryKind.STAGE_DONE,
                    {
                        "planned": kept.planned,
                        "shard": one.shard,
                        "slice": one.number,
                        "inputs": one.name,
                        "output": one.output,
                    },
                )
                for one in stages
            ]
        )
        done = replace(kept, stages=stages, done=True)
        self._write(done)
        return done

    def prove(self, kept: KeptRun, index: int) -> KeptRun:
        """Keep that a run is proven to repair another, by the entry at `index` of the log."""
        proven = replace(kept, proven=index)
        self._write(proven)
        return proven

    def give(self, kept: KeptRun, model: bytes, adapter: bytes, at: datetime) -> KeptRun:
        """Log and keep that a copy leaves, before it does.

        Args:
            kept: the run.
            model: the model's digest (`training.bundle.model_digest`).
            adapter: SHA-256 of the merged adapter.
            at: now.
        """
        index = self._recorder.record(
            EntryKind.MODEL_PUBLISHED,
            {"planned": kept.planned, "model": model, "adapter": adapter},
        )
        given = Given(at=at, adapter=adapter, published=index)
        after = replace(kept, given=(*kept.given, given))
        self._write(after)
        return after

    def folder(self, family: RunId) -> Path:
        """Return the folder of a family."""
        return self._folder / family

    def families(self) -> list[RunId]:
        """Return all families, by their ids."""
        if not self._folder.is_dir():
            return []
        return sorted(RunId(path.name) for path in self._folder.iterdir() if path.is_dir())

    def all(self) -> list[KeptRun]:
        """Return all runs that count, oldest first."""
        found = [kept for family in self.families() for kept in self.of_family(family)]
        return sorted(found, key=lambda one: one.planned)

    def of_family(self, family: RunId) -> list[KeptRun]:
        """Return the runs of a family, oldest first."""
        paths = self.folder(family).glob(f"*{_RUN}")
        found = [_parse_run(path.read_bytes(), family) for path in paths]
        return sorted(found, key=lambda one: one.planned)

    def find(self, run: str) -> KeptRun:
        """Return a run.

        Raises:
            InvalidInput: if this is no id of a run.
            NotFound: ``run_unknown``.
        """
        parse_id(IdKind.RUN, run)
        found = [one for one in self.all() if one.run == run]
        if not found:
            raise NotFound("run_unknown", f"no run {run} here", hint="volens model list names them")
        return found[0]

    def latest(self, run: str) -> KeptRun:
        """Return the last run of the family that a run belongs to.

        Raises:
            NotFound: ``run_unknown``.
        """
        return self.of_family(self.find(run).family)[-1]

    def trained(self, run: str) -> KeptRun:
        """Return the last run of its family that was trained to its end, or else the last.

        Raises:
            NotFound: ``run_unknown``.
        """
        found = self.of_family(self.find(run).family)
        return next((one for one in reversed(found) if one.done), found[-1])

    def plan_of(self, kept: KeptRun) -> Plan:
        """Return the plan of a run.

        Raises:
            InvalidInput: ``plan_form`` if it was changed.
        """
        return parse_plan((self.folder(kept.family) / f"{kept.run}{_PLAN}").read_bytes())

    def _write(self, kept: KeptRun) -> None:
        stages: list[Json] = [
            {
                "shard": one.shard,
                "slice": one.number,
                "inputs": one.name.hex(),
                "output": one.output.hex(),
            }
            for one in kept.stages
        ]
        given: list[Json] = [
            {"at": format_moment(one.at), "adapter": one.adapter.hex(), "published": one.published}
            for one in kept.given
        ]
        document: dict[str, Json] = {
            "version": VERSION,
            "run": kept.run,
            "base": kept.base,
            "data": kept.data,
            "name": kept.name,
            "planned": kept.planned,
            "at": format_moment(kept.at),
            "done": kept.done,
            "stages": stages,
            "proven": kept.proven,
            "given": given,
        }
        write_durable(self.folder(kept.family) / f"{kept.run}{_RUN}", canonical_json(document))


class SealedCheckpoints:
    """The checkpoints of one family (`training.runner.CheckpointStore`)."""

    def __init__(
        self, folder: Path, kept: KeptRun, artefacts: Artefacts, recorder: Recorder
    ) -> None:
        """Keep them in `folder`, the family's."""
        self.folder = folder
        self._family = parse_id(IdKind.RUN, kept.family)
        self._planned = kept.planned
        self._artefacts = artefacts
        self._recorder = recorder

    def names(self) -> list[bytes]:
        """See `CheckpointStore.names`."""
        return names_in(self.folder)

    def get(self, name: bytes) -> bytes | None:
        """See `CheckpointStore.get`.

        Raises:
            VerificationFailed: if the file was changed.
        """
        try:
            envelope = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._artefacts.open(self._family, name, envelope)

    def put(self, name: bytes, checkpoint: bytes) -> None:
        """See `CheckpointStore.put`."""
        write_durable(self._path(name), self._artefacts.seal(self._family, name, checkpoint))

    def drop(self, name: bytes) -> None:
        """See `CheckpointStore.drop`."""
        self.drop_all([name])

    def drop_all(self, names: Collection[bytes]) -> None:
        """Destroy some checkpoints: in the log, then their keys, then their files."""
        if not names:
            return
        fields: dict[str, Value] = {
            "planned": self._planned,
            "count": len(names),
            "root": used_root(sorted(names)),
        }
        self._recorder.record(EntryKind.ARTEFACTS_DESTROYED, fields)
        self._artefacts.destroy(self._family, names)
        for name in names:
            self._path(name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def _path(self, name: bytes) -> Path:
        return self.folder / f"{name.hex()}{_CHECKPOINT}"


def names_in(folder: Path) -> list[bytes]:
    """Return the names of the checkpoints whose files lie in a family's folder."""
    return sorted(bytes.fromhex(path.stem) for path in folder.glob(f"*{_CHECKPOINT}"))


def seed_digest(seed: bytes) -> bytes:
    """Return what the log commits to of a seed; 32 bytes."""
    return sha256(seed).digest()


def _parse_run(data: bytes, family: RunId) -> KeptRun:
    top = Members(read_canonical(data), "run", _CODE)
    top.exactly("version run base data name planned at done stages proven given")
    top.constant("version", VERSION)
    stages, given, done = top.member("stages"), top.member("given"), top.member("done")
    if not isinstance(stages, list) or not isinstance(given, list) or not isinstance(done, bool):
        raise InvalidInput(_CODE, "a kept run has another form")
    return KeptRun(
        run=RunId(top.string("run")),
        family=family,
        base=top.string("base"),
        data=top.string("data"),
        name=top.string("name"),
        planned=top.number("planned"),
        at=parse_moment(top.string("at")),
        stages=tuple(_stages(stages)),
        done=done,
        proven=None if top.member("proven") is None else top.number("proven"),
        given=tuple(_given(given)),
    )


def _given(values: list[Json]) -> Iterator[Given]:
    for at, value in enumerate(values):
        given = Members(value, f"run.given[{at}]", _CODE)
        given.exactly("at adapter published")
        yield Given(
            at=parse_moment(given.string("at")),
            adapter=given.digest("adapter"),
            published=given.number("published"),
        )


def _stages(values: list[Json]) -> Iterator[StageDone]:
    for at, value in enumerate(values):
        stage = Members(value, f"run.stages[{at}]", _CODE)
        stage.exactly("shard slice inputs output")
        yield StageDone(
            shard=stage.number("shard"),
            number=stage.number("slice"),
            name=stage.digest("inputs"),
            output=stage.digest("output"),
        )
