"""Impact cases: somebody's records are in a model, and may not be used any more (R80).

A case is opened for a person (or, once they are erased, for nobody) and names every model that was
touched: by its family of runs, with the dataset, the shards, and the records by their leaves. Each
of them moves on by itself through the states of `ImpactState`, as the runs do; a copy that left
before can't be taken back, and is told as that. The order of words here is never better than what
stands in the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol

from volens.core.canonical import Json
from volens.core.ids import DatasetId, IdKind, ImpactId, RunId, parse_id
from volens.core.time import format_moment
from volens.log.kinds import ImpactCause, ImpactState
from volens.training.runs import KeptRun

FINAL: Final = frozenset(
    {
        ImpactState.LEFT_OUT,
        ImpactState.RETRAINED,
        ImpactState.NOT_POSSIBLE,
        ImpactState.ALLOWED_AGAIN,
    }
)
"""States that a touched model does not leave."""
_DIGEST = b"volens/impact/v1\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What of one model, or of one copy of it that left, a case is about."""

    family: RunId
    dataset: DatasetId
    copy: bytes
    """Empty for the model itself; for a copy that left, the SHA-256 of its adapter."""
    leaves: tuple[bytes, ...] = field(repr=False)
    """The records, rising; 32 bytes each."""
    shards: tuple[int, ...]
    """Where they were trained, rising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A state, and what says so."""

    state: ImpactState
    proven: int | None = None
    """For `RETRAINED`: the log index of the ``unlearning.done`` that it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch(Touched):
    """One model or copy of a case, and where it stands."""

    number: int
    stands: Moved
    moved: datetime
    log_index: int
    """Of the ``impact.moved`` that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case: why it was opened, and what it touched."""

    id: ImpactId
    subject_no: int | None
    """None once the person is erased, or if they were before it was opened."""
    cause: ImpactCause
    opened: datetime
    log_index: int
    """Of its ``impact.opened``."""
    salt: bytes = field(repr=False)
    """Opens that entry's commitment to the person; empty once the person is erased."""
    touches: tuple[Touch, ...]

    @property
    def done(self) -> bool:
        """Say whether nothing of it moves any more."""
        return all(one.stands.state in FINAL for one in self.touches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run of a family, and the records that it was planned with."""

    kept: KeptRun
    leaves: frozenset[bytes] = field(repr=False)


def standing_of(
    touched: frozenset[bytes], runs: Sequence[Planned], usable: frozenset[bytes]
) -> Moved:
    """Return where a model stands towards some records.

    Args:
        touched: the records.
        runs: all runs of the family, oldest first.
        usable: those of the records that may be used now.
    """
    left = touched.intersection(runs[-1].leaves)
    if left:
        return Moved(state=ImpactState.BLOCKED if left - usable else ImpactState.ALLOWED_AGAIN)
    if not any(one.kept.done and touched.intersection(one.leaves) for one in runs):
        return Moved(state=ImpactState.LEFT_OUT)
    for one in runs:
        if one.kept.proven is not None and not touched.intersection(one.leaves):
            return Moved(state=ImpactState.RETRAINED, proven=one.kept.proven)
    return Moved(state=ImpactState.BLOCKED)


class Named(Protocol):
    """What a case's commitment names of a model or copy."""

    @property
    def family(self) -> RunId:
        """Return which model."""
        ...

    @property
    def copy(self) -> bytes:
        """Return which copy; empty for the model itself."""
        ...

    @property
    def leaves(self) -> Sequence[bytes]:
        """Return the records."""
        ...


def case_parts(
    subject: bytes, case: ImpactId, touches: Sequence[Named]
) -> tuple[bytes, bytes, bytes]:
    """Return what the commitment of an ``impact.opened`` commits to.

    The person (16 raw bytes, or none), the case (16), and SHA-256 over what was touched: for each,
    in order, the family (16), the length of `copy` (1 byte) and `copy`, the number of leaves
    (4 bytes, big-endian) and the leaves.
    """
    digest = sha256(_DIGEST)
    for one in touches:
        digest.update(parse_id(IdKind.RUN, one.family))
        digest.update(bytes([len(one.copy)]) + one.copy)
        digest.update(len(one.leaves).to_bytes(4, "big") + b"".join(one.leaves))
    return subject, parse_id(IdKind.IMPACT, case), digest.digest()


def case_facts(case: Case) -> dict[str, Json]:
    """Return a case as a document, apart from whose it is."""
    touches: list[Json] = [
        {
            "family": one.family,
            "dataset": one.dataset,
            "copied": one.copy.hex() or None,
            "records": len(one.leaves),
            "shards": [*one.shards],
            "state": one.stands.state.value,
            "since": format_moment(one.moved),
            "log_index": one.log_index,
            "proven": one.stands.proven,
        }
        for one in case.touches
    ]
    return {
        "case": case.id,
        "cause": case.cause.value,
        "opened": format_moment(case.opened),
        "log_index": case.log_index,
        "done": case.done,
        "touched": touches,
    }
