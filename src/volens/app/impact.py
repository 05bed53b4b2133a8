"""Opens impact cases by themselves, and moves them on, as the runs of a home stand (R80).

What is looked at is the present: which records the runs were planned with, and which of them may be
used now. So nothing is missed that happened while nobody looked, whatever it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from volens.app.home import Home
from volens.app.runs import runs_of
from volens.audit.evidence import ModelStand
from volens.core.errors import NotFound
from volens.core.ids import DatasetId, RunId
from volens.core.purposes import Purpose
from volens.datasets.erasing import GONE
from volens.datasets.manifest import LEAVES_FILE
from volens.datasets.model import LEAF_BYTES
from volens.datasets.revising import ROWS_FILE, old_version
from volens.gate.census import Int64s
from volens.gate.facts import Use
from volens.gate.standing import live_records, permitted_among
from volens.log.kinds import ImpactCause, ImpactState
from volens.policy.model import ReasonCode
from volens.training.bundle import bundle_file
from volens.training.certificate import make_certificate, verify_certificate
from volens.training.impact import FINAL, Case, Moved, Planned, Touch, Touched, standing_of
from volens.training.impact_store import ImpactRegister, NewCase
from volens.training.model import Plan
from volens.training.runs import FOLDER, KeptRun
from volens.training.unlearning import touched_shards
from volens.vault.owners import Owner, owners_of
from volens.vault.subjects import Subject

_CAUSES = {
    ReasonCode.BLOCKED_ERASING: ImpactCause.ERASURE,
    ReasonCode.BLOCKED_CLOSED: ImpactCause.ERASURE,
    ReasonCode.GRANT_WITHDRAWN: ImpactCause.WITHDRAWAL,
    ReasonCode.OBJECTION_UPHELD: ImpactCause.OBJECTION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look did."""

    opened: int
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A family of runs, and where its records are in the vault."""

    runs: tuple[Planned, ...]
    plans: tuple[Plan, ...]
    use: Use
    dataset: DatasetId
    rows: Mapping[bytes, int] = field(repr=False)
    """The row of each record, as long as it is known."""

    @property
    def name(self) -> RunId:
        """Return what names it."""
        return self.runs[0].kept.family

    @property
    def planned(self) -> frozenset[bytes]:
        """Return the records that any run of it was planned with."""
        return frozenset[bytes]().union(*(one.leaves for one in self.runs))

    def shards(self, leaves: Collection[bytes]) -> tuple[int, ...]:
        """Return the shards that these records were to be trained in."""
        found: set[int] = set()
        for plan in self.plans:
            found.update(touched_shards(plan, leaves))
        return tuple(sorted(found))


def impact_register(home: Home) -> ImpactRegister:
    """Return the impact cases of a home."""
    return ImpactRegister(home.main, home.recorder, home.entropy)


def trained_on(home: Home) -> tuple[bytes, ...]:
    """Return what changes when `look` may find something new, but for what time alone changes.

    Empty in a home that never trained.
    """
    runs = sorted((home.folder / FOLDER).glob("*/*.run.json"))
    if not runs:
        return ()
    epoch = (home.folder / "journal" / "epoch").read_bytes()
    return epoch, *(b"%d" % path.stat().st_mtime_ns for path in runs)


def look(home: Home) -> Looked:
    """Open cases for what may not be used any more, and move those that stand otherwise now.

    It costs nothing in a home that never trained. If it stops, the next look does the rest.

    Raises:
        Unavailable: if it can't be known what may be used; nothing is opened then.
    """
    families = list(_families(home))
    if not families:
        return Looked(opened=0, moved=0)
    home.gate.take_in()  # what was journaled beside the owner counts already
    register = impact_register(home)
    new: dict[tuple[Owner | None, ImpactCause], list[tuple[Touched, Moved]]] = {}
    moves: list[tuple[Case, Touch, Moved]] = []
    moving = register.moving()
    for family in families:
        usable = _usable(home, family)
        fresh = family.planned - usable - register.known_leaves(family.name)
        for why, leaves in _by_owner(home, family, fresh).items():
            new.setdefault(why, []).extend(_touched(family, leaves, usable))
        moves += _moves(family, moving, usable)
    cases = [
        NewCase(owner=owner, cause=cause, touches=tuple(touches))
        for (owner, cause), touches in new.items()
    ]
    now = home.clock.now()
    register.move(moves, now)
    register.open(cases, now)
    return Looked(opened=len(cases), moved=len(moves))


def stand_of(home: Home) -> ModelStand:
    """Return how the models of a home stand, for an audit; changes nothing.

    Raises:
        Unavailable: if it can't be known what may be used.
    """
    register = impact_register(home)
    families = {one.name: one for one in _families(home)}
    fresh = [
        one.planned - _usable(home, one) - register.known_leaves(name)
        for name, one in families.items()
    ]
    stopped = [
        (case, touch)
        for case in register.all()
        for touch in case.touches
        if not touch.copy and touch.stands.state is not ImpactState.ALLOWED_AGAIN
    ]
    return ModelStand(
        families=len(families),
        without_case=sum(map(len, fresh)),
        left_after=sum(
            given.published > case.log_index
            for case, touch in stopped
            for run in families[touch.family].runs
            if run.leaves.intersection(touch.leaves)
            for given in run.kept.given
        ),
    )


def certificates_for(home: Home, case: Case) -> list[tuple[str, bytes]]:
    """Return name and bytes of each certificate of a case, and of the proof that it rests on.

    There is none before a model was trained again, nor once the person is erased.
    """
    proven = [one for one in case.touches if one.stands.proven is not None]
    if case.subject_no is None or not proven:
        return []
    subject = home.subjects.by_number(case.subject_no).id
    log, runs = home.owned_log(), runs_of(home)
    log.publish()
    found: list[tuple[str, bytes]] = []
    for one in proven:
        data = make_certificate(case, one, subject, log)
        verify_certificate(data, home.signer.verifier)
        found.append((f"{case.id}.{one.family}.json", data))
        repair = next(
            kept for kept in runs.of_family(one.family) if kept.proven == one.stands.proven
        )
        name = bundle_file(repair)
        found.append((name, (runs.folder(one.family) / name).read_bytes()))
    return found


def paper_of(home: Home, person: Subject, case: str, name: str) -> bytes:
    """Return one certificate of a person, or the proof that it rests on.

    Raises:
        NotFound: ``paper_unknown`` if there is none of that name in a case of theirs.
    """
    cases = [one for one in impact_register(home).of_subject(person.number) if one.id == case]
    papers = dict(paper for one in cases for paper in certificates_for(home, one))
    if name not in papers:
        raise NotFound("paper_unknown", f"no paper {name[:60]!r} of this person")
    return papers[name]


def _families(home: Home) -> Iterator[_Family]:
    runs, datasets = runs_of(home), home.folder / "datasets"
    for name in runs.families():
        kept = runs.of_family(name)
        if not kept:
            continue
        plans = tuple(runs.plan_of(one) for one in kept)
        manifest = old_version(datasets, plans[0].dataset)
        yield _Family(
            runs=tuple(
                Planned(kept=one, leaves=frozenset(plan.leaves))
                for one, plan in zip(kept, plans, strict=True)
            ),
            plans=plans,
            use=_use(kept[-1], manifest.purpose),
            dataset=plans[0].dataset,
            rows=_rows(home, plans[0].dataset),
        )


def _use(kept: KeptRun, purpose: Purpose) -> Use:
    return Use(purpose=purpose.value, dataset=kept.name, run=kept.run)


def _rows(home: Home, dataset: DatasetId) -> dict[bytes, int]:
    folder = home.folder / "datasets" / dataset
    if not (folder / ROWS_FILE).exists():
        return {}
    rows: list[int] = np.frombuffer((folder / ROWS_FILE).read_bytes(), dtype="<i8").tolist()
    leaves = (folder / LEAVES_FILE).read_bytes()
    return {
        leaves[at * LEAF_BYTES : (at + 1) * LEAF_BYTES]: row
        for at, row in enumerate(rows)
        if row != GONE
    }


def _numbers(rows: Collection[int]) -> Int64s:
    return np.array(sorted(rows), dtype=np.int64)


def _usable(home: Home, family: _Family) -> frozenset[bytes]:
    """Return the records of a family that may be used now."""
    known = {leaf: family.rows[leaf] for leaf in family.planned if leaf in family.rows}
    live = live_records(home.main, _numbers(known.values()))
    permitted, _ = permitted_among(
        home.facts, home.policy, family.use, live, home.main, home.clock.now()
    )
    return frozenset(leaf for leaf, row in known.items() if row in permitted)


def _by_owner(
    home: Home, family: _Family, leaves: Collection[bytes]
) -> dict[tuple[Owner | None, ImpactCause], list[bytes]]:
    """Return whose records these are, and why they may not be used."""
    if not leaves:
        return {}
    known = {leaf: family.rows[leaf] for leaf in leaves if leaf in family.rows}
    owners = owners_of(home.main, known.values())
    people = home.facts.everybody(home.policy, family.use, home.clock.now())
    found: dict[tuple[Owner | None, ImpactCause], list[bytes]] = {}
    for leaf in sorted(leaves):
        owner, ended = owners.get(known.get(leaf, GONE), (None, True))
        cause = ImpactCause.ERASURE
        if owner is not None and not ended:
            place = int(np.searchsorted(people.numbers, owner.number))
            cause = _cause(home, int(people.codes[place]))
        found.setdefault((owner, cause), []).append(leaf)
    return found


def _cause(home: Home, code: int) -> ImpactCause:
    decision = home.policy.table().decision(code, home.clock.now())
    if decision.permit:  # so it is this chat that the person left out
        return ImpactCause.WITHDRAWAL
    for reason in decision.reasons:
        if reason in _CAUSES:
            return _CAUSES[reason]
    return ImpactCause.CHANGE


def _touched(
    family: _Family, leaves: Collection[bytes], usable: frozenset[bytes]
) -> list[tuple[Touched, Moved]]:
    """Return the model, and each copy of it that left, with where they stand."""
    whole = frozenset(leaves)
    found = [(_touch(family, whole, b""), standing_of(whole, family.runs, usable))]
    for one in family.runs:
        some = whole.intersection(one.leaves)
        found += [
            (_touch(family, some, given.adapter), Moved(state=ImpactState.NOT_POSSIBLE))
            for given in one.kept.given
            if some
        ]
    return found


def _touch(family: _Family, leaves: frozenset[bytes], copy: bytes) -> Touched:
    return Touched(
        family=family.name,
        dataset=family.dataset,
        copy=copy,
        leaves=tuple(sorted(leaves)),
        shards=family.shards(leaves),
    )


def _moves(
    family: _Family, cases: Collection[Case], usable: frozenset[bytes]
) -> Iterator[tuple[Case, Touch, Moved]]:
    for one, touch in [(case, touch) for case in cases for touch in case.touches]:
        if touch.family == family.name and touch.stands.state not in FINAL:
            moved = standing_of(frozenset(touch.leaves), family.runs, usable)
            if moved != touch.stands:
                yield one, touch, moved
