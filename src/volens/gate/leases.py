"""The lease: a training run holds the keys of what it may use, and obeys what is taken back.

Order of every lease:

1. The gate decides and an ``access.intent`` entry is durable in the log: the upper bound of what
   may be used, also if all stops right after.
2. Keys of the permitted records are fetched once. From here on the home need not be owned: another
   process may own it while the run goes on.
3. Before anything is handed out, the counters of `storage.revocation` are read. If one has moved,
   the ledgers are read for what was taken back, until the counters stand still. What was
   acknowledged before that look is never handed out after it, whatever was opened before.
4. If that can't be known, nothing is handed out (``revocation_stale``).
5. A ``use.recorded`` entry says what was really handed out, as a Merkle root over the leaves, and
   an ``access.done`` entry how it ended.

A lease only ever shrinks. Whoever takes anything back for its purpose is out of it until the next
one, and the keys of their records are overwritten in the process that notices.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NoReturn, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from volens.core.errors import Denied, InvalidInput, Unavailable, VolensError
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.crypto.opening import open_prepared_records
from volens.gate.census import Int64s
from volens.gate.facts import FactSource, Use
from volens.gate.standing import Record, ended_among, live_records, permitted_among
from volens.log.kinds import AccessOutcome
from volens.policy.decision import Policy
from volens.storage.revocation import EpochReader, Words

LONGEST: Final = timedelta(hours=24)
"""How long a lease lasts at most: keys do not lie in a run's memory for longer."""
LOOK_AGAIN: Final = timedelta(minutes=15)
"""After how long everything is looked at anew, for what changes by the clock alone."""
LEAF_BYTES: Final = 32
_MOST_LOOKS: Final = 100
_NEVER_READ: Final = Words(choices=-1, erasures=-1, narrowings=-1)

Bools = npt.NDArray[np.bool_]
Current = Callable[[], tuple[FactSource, Policy, Engine]]
"""What decisions rest on now, read without owning the home, in whatever process asks."""


class SealedRecords(Protocol):
    """A sealed dataset, as `datasets.sealed` reads it."""

    def __len__(self) -> int:
        """Return the number of records."""
        ...

    def leaves(self) -> bytes:
        """Return all leaves in order, 32 bytes each, end to end."""
        ...

    def sizes(self) -> Int64s:
        """Return how many bytes each record has at most."""
        ...

    def envelopes(self, rows: Int64s) -> list[bytes]:
        """Return the envelopes of some rows, in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnd:
    """What has to be logged when a lease ends."""

    intent: int
    used: tuple[bytes, ...] = field(repr=False)
    """The leaves that were handed out, rising, each once."""
    began: datetime
    ended: datetime
    outcome: AccessOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How a lease hears of what is taken back."""

    reader: EpochReader
    """Tells that something may have been."""
    current: Current
    """Tells what."""
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a lease was given for."""

    use: Use
    intent: int
    mark: int
    """The latest act in the ledger before the decision."""
    policy: str
    """The hash of the policy that decided."""
    dataset: bytes


class Lease:
    """What one run may use. It may be taken along into forked workers, and is never pickled."""

    def __init__(
        self,
        terms: Terms,
        records: dict[int, Record],
        sealed: SealedRecords,
        *,
        numbers: Int64s,
        keys: npt.NDArray[np.uint8],
        hearing: Hearing,
    ) -> None:
        """Use `Leases.open`."""
        self._terms = terms
        self._records = records
        self._rows_of: dict[bytes, list[int]] = {}
        for number, one in records.items():
            self._rows_of.setdefault(one.subject, []).append(number)
        self._sealed = sealed
        self._leaves = sealed.leaves()
        self._places = {number: place for place, number in enumerate(numbers.tolist()) if number}
        self._number_at = {self._places[number]: number for number in records}
        self._keys = keys
        self._hearing = hearing
        self._began = hearing.clock.now()
        # One byte for each record, shared by all processes of the run: only ever set to 1, so that
        # no two of them undo each other's.
        self._shared = mmap.mmap(-1, max(1, len(sealed)))
        self._gone = np.frombuffer(self._shared, dtype=np.uint8)[: len(sealed)]
        self._gone[~keys.any(axis=1)] = 1
        self._seen = _NEVER_READ
        self._look_again = self._began
        self._used = np.zeros(len(sealed), dtype=np.bool_)

    def __len__(self) -> int:
        """Return how many records the dataset has, usable or not."""
        return len(self._gone)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled.

        Raises:
            InvalidInput: ``lease_pickled``, always.
        """
        hint = "start workers by fork: keys are not sent through pipes"
        raise InvalidInput("lease_pickled", "a lease can't be pickled", hint=hint)

    @property
    def intent(self) -> int:
        """The log index of its ``access.intent``."""
        return self._terms.intent

    def leaves(self) -> bytes:
        """Return the leaves of all rows, rising, 32 bytes each, end to end."""
        return self._leaves

    def sizes(self) -> Int64s:
        """Return how many bytes the record of each row has at most."""
        return self._sealed.sizes()

    def leaf(self, row: int) -> bytes:
        """Return the leaf of a row in the dataset's manifest; 32 bytes."""
        return self._leaves[row * LEAF_BYTES : (row + 1) * LEAF_BYTES]

    def owner(self, row: int) -> bytes:
        """Return whose record it is: 16 bytes; none if it was not permitted."""
        number = self._number_at.get(row)
        return b"" if number is None else self._records[number].subject

    def usable(self, rows: Int64s | None = None) -> Bools:
        """Return, for each of these rows or for all, whether it may be handed out now.

        Everything that was acknowledged before this call is known to it.

        Raises:
            Denied: ``lease_over``, ``policy_changed``, ``table_expired``.
            Unavailable: ``revocation_stale`` if it can't be known.
        """
        self._look()
        usable: Bools = (self._gone if rows is None else self._gone[rows]) == 0
        return usable

    def open(self, rows: Int64s) -> list[bytes | None]:
        """Return the records in these rows: canonical JSON, or None for what was taken back.

        Hand nothing of it out before `hand_out` has passed it.

        Raises:
            VerificationFailed: if a record was changed or belongs elsewhere.
        """
        there = self._gone[rows] == 0
        wanted = rows[there]
        found = iter(
            open_prepared_records(
                self._keys[wanted].tobytes(),
                self._sealed.envelopes(wanted),
                dataset=self._terms.dataset,
                leaves=[self.leaf(row) for row in wanted.tolist()],
            )
        )
        if len(wanted) == len(rows):
            return list(found)
        return [next(found) if one else None for one in there.tolist()]

    def hand_out(self, rows: Int64s) -> Bools:
        """Return which of these rows may be handed out now, and note that they are.

        Raises:
            Denied: see `usable`.
            Unavailable: see `usable`.
        """
        usable = self.usable(rows)
        self._used[rows[usable]] = True
        return usable

    def end(self, outcome: AccessOutcome = AccessOutcome.COMPLETED) -> LeaseEnd:
        """Overwrite the keys and return what has to be logged."""
        self._keys[:] = 0
        self._gone[:] = 1
        return LeaseEnd(
            intent=self._terms.intent,
            used=tuple(self.leaf(row) for row in np.flatnonzero(self._used).tolist()),
            began=self._began,
            ended=self._hearing.clock.now(),
            outcome=outcome,
        )

    def _look(self) -> None:
        now = self._hearing.clock.now()
        if not self._began <= now < self._began + LONGEST:
            hint = "open another one: a run goes on from where it was"
            raise Denied(
                "lease_over", f"the lease of {self._began:%Y-%m-%d %H:%M} is over", hint=hint
            )
        words = self._hearing.reader.words()
        if words == self._seen and words.settled and now < self._look_again:
            return
        for _ in range(_MOST_LOOKS):
            self._take_in(words, now)
            before, words = words, self._hearing.reader.words()
            if words == before:
                self._seen = words
                return
        message = "choices change faster than they can be read"
        raise Unavailable("revocation_stale", message, hint="start again")

    def _take_in(self, words: Words, now: datetime) -> None:
        """Read what was taken back; the counters were `words` before.

        Raises:
            Denied: ``policy_changed``, ``table_expired``.
            Unavailable: ``revocation_stale``.
        """
        seen = self._seen
        try:
            facts, policy, engine = self._hearing.current()
            if words.choices != seen.choices:
                self._take_in_choices(facts)
            if (words.erasures, words.narrowings) != (seen.erasures, seen.narrowings):
                self._drop(ended_among(self._records, facts.erasures.ended()))
            narrowed = words.narrowings != seen.narrowings or not words.settled
            if narrowed or now >= self._look_again:
                self._take_in_all(facts, policy, engine, now)
        except (Denied, Unavailable):
            raise
        except (VolensError, OSError, ValueError, LookupError, ArithmeticError) as error:
            message = f"what was taken back can't be read: {error}"
            raise Unavailable("revocation_stale", message, hint="see volens doctor") from error

    def _take_in_choices(self, facts: FactSource) -> None:
        for event in facts.ledger.taken_back(self._terms.mark):
            if event.purpose == self._terms.use.purpose:
                raw = parse_id(IdKind.SUBJECT, event.subject)
                self._drop(self._rows_of.get(raw, ()))

    def _take_in_all(
        self, facts: FactSource, policy: Policy, engine: Engine, now: datetime
    ) -> None:
        if policy.ref.hash != self._terms.policy:
            hint = "open another lease: it is decided by the new version"
            raise Denied("policy_changed", "another policy version is in force", hint=hint)
        live = live_records(engine, np.array(sorted(self._records), dtype=np.int64))
        permitted, until = permitted_among(facts, policy, self._terms.use, live, engine, now)
        self._drop([number for number in self._records if number not in permitted])
        self._look_again = min(until, now + LOOK_AGAIN)

    def _drop(self, numbers: Collection[int]) -> None:
        for number in numbers:
            place = self._places[number]
            self._gone[place] = 1
            self._keys[place] = 0
