"""How far erasures have come: written by what erases, never before the deed."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from volens.core.ids import ErasureId, IdKind, format_id, parse_id
from volens.core.time import to_millis
from volens.holds.erasure import ErasureState, StoreStep
from volens.holds.erasure_tables import (
    ERASURE,
    EVIDENCE,
    change_rows,
    forget_gone,
    split_ids,
    write_steps,
)
from volens.holds.evidence import LoggedStep, log_group
from volens.log.kinds import EntryKind
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """An erasure that has been done, up to the epoch that wrapped its keys."""

    erasure: ErasureId
    steps: tuple[StoreStep, ...]
    evidence: LoggedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an erasure is about to remove, as it was when it started."""

    subject_number: int | None
    """The person's row; None if it was gone already."""
    conversations: tuple[bytes, ...]
    """Raw ids, 16 bytes."""
    numbers: tuple[int, ...]
    """Their rows, in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The plan of an erasure that was started, and the log index of the entry that says so."""

    plan: Plan
    index: int


class ErasureProgress:
    """Moves erasures from state to state, in the tables of `ErasureLedger`."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        """Use tables in `engine`."""
        self._engine = engine
        self._recorder = recorder

    def mark_held(self, until: Mapping[ErasureId, datetime | None]) -> None:
        """Say that holds keep these; the moment is None under a gag."""
        values: dict[ErasureId, Mapping[str, object]] = {
            name: {
                "state": ErasureState.HELD.value,
                "held_until_ms": None if end is None else to_millis(end),
            }
            for name, end in until.items()
        }
        with self._engine.begin() as db:
            change_rows(db, values, {})

    def mark_freed(self, ends: Mapping[ErasureId, datetime]) -> None:
        """Say that no hold keeps these any more, and since when: they are due again."""
        values: dict[ErasureId, Mapping[str, object]] = {
            name: {
                "state": ErasureState.ACCESS_ENDED.value,
                "held_until_ms": None,
                "freed_ms": to_millis(end),
            }
            for name, end in ends.items()
        }
        with self._engine.begin() as db:
            change_rows(db, values, {})

    def mark_started(
        self, evidence: Mapping[ErasureId, LoggedStep], plans: Mapping[ErasureId, Plan]
    ) -> None:
        """Keep what each erasure is about to remove, so that a stop forgets nothing.

        Args:
            evidence: the entries ``erasure.started``.
            plans: what goes, for each of the same erasures.
        """
        values: dict[ErasureId, Mapping[str, object]] = {
            name: {
                "subject_no": plan.subject_number,
                "conversations": b"".join(plan.conversations),
                "numbers": struct.pack(f"<{len(plan.numbers)}q", *plan.numbers),
            }
            for name, plan in plans.items()
        }
        with self._engine.begin() as db:
            change_rows(db, values, evidence)

    def started(self, erasures: Sequence[ErasureId]) -> dict[ErasureId, Started]:
        """Return the plans of those that were started, see `mark_started`."""
        found: dict[ErasureId, Started] = {}
        columns = (ERASURE.c.id, ERASURE.c.subject_no, ERASURE.c.conversations, ERASURE.c.numbers)
        with self._engine.connect() as db:
            for some in in_runs([parse_id(IdKind.ERASURE, name) for name in erasures]):
                query = (
                    select(*columns, EVIDENCE.c.log_index)
                    .join(EVIDENCE, EVIDENCE.c.erasure_no == ERASURE.c.no)
                    .where(
                        ERASURE.c.id.in_(some),
                        EVIDENCE.c.kind == EntryKind.ERASURE_STARTED.value,
                    )
                )
                for raw, subject_number, packed, numbers, index in db.execute(query):
                    plan = Plan(
                        subject_number=subject_number,
                        conversations=split_ids(packed),
                        numbers=struct.unpack(f"<{len(numbers) // 8}q", numbers),
                    )
                    name = ErasureId(format_id(IdKind.ERASURE, raw))
                    found[name] = Started(plan=plan, index=index)
        return found

    def mark_keys_removed(self, done: Sequence[Removed], at: datetime) -> None:
        """Say that these are done; forget of whom and of what they were."""
        texts = {steps: write_steps(steps) for steps in {item.steps for item in done}}
        values: dict[ErasureId, Mapping[str, object]] = {
            item.erasure: {
                "state": ErasureState.KEYS_REMOVED.value,
                "keys_removed_ms": to_millis(at),
                "held_until_ms": None,
                "conversations": b"",
                "subject_no": None,
                "numbers": b"",
                "former": None,
                "steps": texts[item.steps],
            }
            for item in done
        }
        with self._engine.begin() as db:
            change_rows(db, values, {item.erasure: item.evidence for item in done})
            forget_gone(db, [parse_id(IdKind.ERASURE, name) for name in values])

    def mark_irrecoverable(self, erasures: Sequence[ErasureId], at: datetime) -> None:
        """Say that no copy of the home opens these any more; logged first, as one group.

        If it stops between, the next call logs them again.
        """
        if not erasures:
            return
        steps = log_group(self._recorder, EntryKind.ERASURE_IRRECOVERABLE, erasures)
        values = {"state": ErasureState.IRRECOVERABLE.value, "irrecoverable_ms": to_millis(at)}
        with self._engine.begin() as db:
            change_rows(db, dict.fromkeys(erasures, values), steps)
