"""The eraser: does what was asked for, and says so only then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from volens.core.errors import Unavailable
from volens.core.ids import ConversationId, ErasureId, IdKind, format_id, parse_id
from volens.core.ports import Clock
from volens.holds.carving import Carver
from volens.holds.erasure import Erasure, StoreStep
from volens.holds.erasures import ErasureLedger
from volens.holds.evidence import log_group
from volens.holds.model import Hold
from volens.holds.progress import ErasureProgress, Plan, Removed
from volens.lifecycle.erasure_map import stores_of, stores_to_clear
from volens.lifecycle.planning import Keeping, Planner, without
from volens.lifecycle.targets import ErasureTarget, Item
from volens.log.kinds import EntryKind, ErasureScope
from volens.log.recorder import Recorder

GROUP = 10_000
"""How many erasures one log entry is about at most."""


class HoldReader(Protocol):
    """What keeps erasures from going on."""

    def active(self, at: datetime) -> Sequence[Hold]:
        """Return the holds that are in force at `at`."""
        ...


class NoHolds:
    """A home without holds."""

    def active(self, at: datetime) -> Sequence[Hold]:
        """Return none."""
        del at
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run found and did."""

    due: int
    """Erasures whose cool-off is over, held ones included."""
    erased: int
    held: int
    freed: int
    """Erasures that a hold kept before and that are among the due now."""


class Eraser:
    """Removes what is due from every store."""

    def __init__(  # noqa: PLR0913 - each is a port of its own
        self,
        ledger: ErasureLedger,
        progress: ErasureProgress,
        planner: Planner,
        recorder: Recorder,
        targets: Sequence[ErasureTarget],
        *,
        clock: Clock,
        holds: HoldReader | None = None,
        carver: Carver | None = None,
        clear_space: Callable[[], None] | None = None,
    ) -> None:
        """Use `targets` in this order.

        Without a `carver`, a hold on some turns of a conversation keeps all of it. `clear_space`
        leaves nothing in the databases' free space; it is called before anything is called
        irrecoverable.

        Raises:
            Unavailable: ``erasure_target_missing`` if a store on the erasure map has none.
        """
        missing = stores_to_clear() - {store for target in targets for store in target.stores}
        if missing:
            raise Unavailable(
                "erasure_target_missing",
                f"nothing erases from: {', '.join(sorted(missing))}",
                hint="each store on the erasure map needs a target",
            )
        self._ledger = ledger
        self._progress = progress
        self._planner = planner
        self._recorder = recorder
        self._targets = targets
        self._clock = clock
        self._holds = holds or NoHolds()
        self._carver = carver
        self._clear_space = clear_space
        self._group = GROUP

    def run(self, at: datetime, *, most: int | None = None) -> RunResult:
        """Erase what is due at `at` and not held.

        1. Requests of other processes are taken in.
        2. Holds are looked at: what is held is marked, and only what no hold names goes; what was
           held and is free again is due.
        3. ``erasure.started`` is in the log, for a group: how many, and a root over commitments.
        4. What exactly goes is kept with the rows.
        5. Every target erases: what the register of holds knows, then keys, then the rest. Every
           target probes; if anything is left, it ends here.
        6. ``erasure.keys_removed`` is in the log.
        7. The rows say so, with the evidence, and forget whose it was.

        If it stops after 3, the next run logs a start again: such an entry is the upper bound of
        what was begun. If it stops after 4 or inside 5, the next run takes up the same plan;
        erasing what is gone is no error. If it stops after 6, the next run erases nothing more and
        logs again. No row says that something is gone before it is.

        Args:
            at: what time it is, as far as it can be trusted.
            most: how many erasures to do now at most; the rest is done by the next call.

        Raises:
            Unavailable: ``erasure_incomplete`` if something is still there after step 5, or as the
                stores say; the rest is done by the next run.
        """
        self._ledger.drain()
        keeping = Keeping(self._holds.active(at), at)
        freed = self._look_again(keeping, at)
        due = self._ledger.due(at)
        held = self._held(due, keeping)
        self._mark(held, keeping)
        self._erase_around(held, keeping)
        going = [item for item in due if item.id not in held][:most]
        for start in range(0, len(going), self._group):
            self._erase(going[start : start + self._group])
        return RunResult(due=len(due), erased=len(going), held=len(held), freed=freed)

    def settle(self, at: datetime, irrecoverable_before: datetime) -> int:
        """Mark as irrecoverable what no copy of the home opens any more; return how many.

        Before that, what the databases' free space may hold of it goes: once for all that became
        irrecoverable together, since it costs as much as copying the database.

        Args:
            at: now.
            irrecoverable_before: every epoch that was live before this moment is destroyed, in
                every scope. Keys that were removed at the moment itself may lie in a later epoch.

        Raises:
            Unavailable: ``database_trouble`` if the disk has no room to clear free space; nothing
                is marked, and the next run tries again.
        """
        gone = [
            item.id
            for item in self._ledger.waiting_for_epoch()
            if item.keys_removed is not None and item.keys_removed < irrecoverable_before
        ]
        if gone and self._clear_space is not None:
            self._clear_space()
        for start in range(0, len(gone), self._group):
            self._progress.mark_irrecoverable(gone[start : start + self._group], at)
        return len(gone)

    def _look_again(self, keeping: Keeping, at: datetime) -> int:
        """Free what no hold keeps any more, and do what the others still leave free."""
        before = self._ledger.held()
        held = self._held(before, keeping)
        # One that ended before its time was told to end later: then this run is the first to see.
        free = {item.id: min(at, item.held_until or at) for item in before if item.id not in held}
        self._progress.mark_freed(free)
        self._mark(held, keeping)
        self._erase_around(held, keeping)
        return len(free)

    def _held(self, erasures: Sequence[Erasure], keeping: Keeping) -> dict[ErasureId, _Held]:
        """Return those of which a hold keeps something that is still there."""
        named = [item for item in erasures if keeping.names(item)]
        plans = self._planner.plan(named)
        return {
            item.id: _Held(erasure=item, plan=plans[item.id])
            for item in named
            if keeping.kept(item, plans[item.id])
        }

    def _mark(self, held: Mapping[ErasureId, _Held], keeping: Keeping) -> None:
        self._progress.mark_held(
            {name: keeping.until(one.erasure, one.plan) for name, one in held.items()}
        )

    def _erase_around(self, held: Mapping[ErasureId, _Held], keeping: Keeping) -> None:
        """Remove what no hold names of erasures that as a whole have to wait (R28)."""
        free = {
            name: without(one.plan, keeping.kept(one.erasure, one.plan))
            for name, one in held.items()
        }
        items = [
            _item(held[name].erasure, plan, scope=ErasureScope.CONVERSATION)
            for name, plan in free.items()
            if plan.conversations
        ]
        if items:
            log_group(self._recorder, EntryKind.ERASURE_STARTED, [item.erasure for item in items])
            self._remove(items)
        for one in held.values():
            self._carve(one, keeping)

    def _carve(self, held: _Held, keeping: Keeping) -> None:
        """Leave of held conversations only the held turns."""
        if self._carver is None or held.erasure.subject is None:
            return
        kept = keeping.kept(held.erasure, held.plan)
        for raw, turn_count in self._planner.turn_counts(sorted(kept)).items():
            name = ConversationId(format_id(IdKind.CONVERSATION, raw))
            turns = keeping.turns(held.erasure, name, turn_count)
            if 0 < len(turns) < turn_count:
                self._carver.carve(held.erasure.subject, name, turns)

    def _erase(self, group: Sequence[Erasure]) -> None:
        known = self._progress.started([item.id for item in group])
        known = {
            item.id: replace(known[item.id], plan=self._planner.still(item, known[item.id].plan))
            for item in group
            if item.id in known
        }
        fresh = [item for item in group if item.id not in known]
        if fresh:
            names = [item.id for item in fresh]
            evidence = log_group(self._recorder, EntryKind.ERASURE_STARTED, names)
            self._progress.mark_started(evidence, self._planner.plan(fresh))
            known |= self._progress.started(names)
        by_start: dict[int, list[Item]] = {}
        for erasure in group:
            started = known[erasure.id]
            item = _item(erasure, started.plan, scope=erasure.scope)
            by_start.setdefault(started.index, []).append(item)
        for index, items in by_start.items():
            steps = self._remove(items)
            evidence = log_group(
                self._recorder,
                EntryKind.ERASURE_KEYS_REMOVED,
                [item.erasure for item in items],
                {"started": index},
            )
            done = [
                Removed(
                    erasure=item.erasure,
                    steps=tuple(one for one in steps if one.store in stores_of(item.scope)),
                    evidence=evidence[item.erasure],
                )
                for item in items
            ]
            self._progress.mark_keys_removed(done, self._clock.now())

    def _remove(self, items: Sequence[Item]) -> tuple[StoreStep, ...]:
        """Erase from every target, then look into every one; return what was done when."""
        steps: list[StoreStep] = []
        for target in self._targets:
            target.erase(items)
            at = self._clock.now()
            steps += [
                StoreStep(store=store, method=method, at=at)
                for store, method in target.stores.items()
            ]
        left = [place for target in self._targets for place in target.probe(items)]
        if left:
            raise Unavailable(
                "erasure_incomplete",
                f"after erasing, something is left in: {', '.join(sorted(set(left)))}",
                hint="the next run tries again; volens audit shows what is overdue",
            )
        return tuple(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """An erasure that has to wait, and what it would remove."""

    erasure: Erasure
    plan: Plan


def _item(erasure: Erasure, plan: Plan, *, scope: ErasureScope) -> Item:
    return Item(
        erasure=erasure.id,
        scope=scope,
        subject=parse_id(IdKind.SUBJECT, str(erasure.subject)),
        subject_number=plan.subject_number,
        conversations=plan.conversations,
        numbers=plan.numbers,
    )
