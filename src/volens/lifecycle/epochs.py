"""Rotation of the key-encryption keys: in which order, on which days, and what the log says.

What is true after a stop at each step:

rotate: 1. The log has `created`. 2. The new epoch is live; every page opens, under one epoch or the
other. 3. All pages are moved. 4. The log has `rotated`. 5. The old epoch is stamped as retired. The
next rotation of the scope first finishes this one.

destroy: 1. The KEK is gone. 2. The log has `destroyed`. 3. The epoch is stamped as destroyed. Here
the deed comes before its entry: nobody, the log included, may say that a key is destroyed before it
is. A run after a stop does the rest; the log may then have the same entry twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.core.ports import Clock
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.core.time import to_millis
from volens.crypto.epochs import BATCH_PAGES, Epoch, EpochState, KeyEpochs
from volens.holds.erasure import DESTRUCTION, ROTATION
from volens.log.kinds import EntryKind, KeyEvent
from volens.log.recorder import Recorder
from volens.vault.subjects import key_scope


class Tell(Protocol):
    """Told how many pages are moved so far."""

    def __call__(self, moved: int) -> None:
        """Take the number."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch, what has to happen to it next, and by when."""

    epoch: Epoch
    rotate_by: datetime | None
    """Live and ending epochs: when the first keys removed under it need it to be over."""
    destroy_by: datetime | None
    """Retired epochs: when the KEK has to be gone."""
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A rotation that has been done."""

    scope: str
    ended: tuple[int, ...]
    live: int
    moved: int
    """How many key pages this run has moved."""
    resumed: bool
    """It finished one that was begun before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """An epoch whose KEK is gone."""

    scope: str
    epoch: int
    at: datetime


class KeyRotation:
    """Keeps the promise that removed keys become irrecoverable in time."""

    def __init__(self, epochs: KeyEpochs, recorder: Recorder, *, clock: Clock) -> None:
        """Act on `epochs`; what the recorder can't log is not begun."""
        self._epochs = epochs
        self._recorder = recorder
        self._clock = clock

    def status(self, removals: Iterable[datetime] = ()) -> list[EpochReport]:
        """Return every epoch with what is due.

        Args:
            removals: when keys were removed that are not irrecoverable yet.
        """
        now = self._clock.now()
        moments = sorted(removals)
        return [_report(epoch, moments, now) for epoch in self._epochs.status()]

    def rotation_due(self, at: datetime, removals: Sequence[datetime] | None = None) -> list[str]:
        """Return the scopes whose live epoch has to end at `at`.

        The rhythm is `ROTATION`, so an epoch is over at most that long after the first key was
        removed under it. A rotation that was begun and not finished is always due.

        Args:
            at: the moment asked about.
            removals: when keys were removed that are not irrecoverable yet: an epoch under which
                none was removed goes on. None: not known, then every epoch ends weekly.
        """
        due = []
        for epoch in self._epochs.status():
            if epoch.state is EpochState.ENDING:
                due.append(epoch.scope)
            if epoch.state is not EpochState.LIVE:
                continue  # of which there are ever more
            ripe = epoch.created is None or epoch.created + ROTATION <= at
            if ripe and (removals is None or _first_since(epoch.created, removals) is not None):
                due.append(epoch.scope)
        return sorted(set(due))

    def rotate(
        self, scope: str, *, tell: Tell | None = None, batch_pages: int = BATCH_PAGES
    ) -> Rotated:
        """End the live epoch of `scope` and move every page under a new one.

        Finishes a rotation that a stop has left, instead of beginning another.

        Args:
            scope: which.
            tell: told how far it is.
            batch_pages: how many pages move in one transaction.

        Raises:
            NotFound: ``key_scope_unknown``.
            Unavailable: if the log, the key service or the database can't be written, or the clock
                is behind; call again.
            VerificationFailed: if a key page was changed.
        """
        resumed = bool(self._epochs.ending(scope))
        if not resumed:
            new = self._epochs.live(scope) + 1
            self._record(new, KeyEvent.CREATED)
            self._epochs.create(scope, new, self._clock.now())
        ended = self._epochs.ending(scope)
        moved = 0
        for count in self._epochs.move(scope, batch=batch_pages):
            moved += count
            if tell is not None:
                tell(moved)
        for epoch in ended:
            self._record(epoch, KeyEvent.ROTATED)
        self._epochs.retire(scope, self._clock.now())
        live = self._epochs.live(scope)
        return Rotated(scope=scope, ended=tuple(ended), live=live, moved=moved, resumed=resumed)

    def check_usable(self) -> None:
        """Pass if every key page lies under an epoch that can be opened.

        Raises:
            Unavailable: ``kek_missing`` or ``key_missing``.
        """
        self._epochs.check_usable()

    def begin_anew(self, backup_made: datetime) -> list[Rotated]:
        """End every epoch of a restored key store, those and scopes it knows nothing of included.

        The lost home may have rotated since its backup. What was erased there under epochs that
        this store has never seen is irrecoverable only when these are destroyed too.

        Args:
            backup_made: when the backup was made, of which this key store is.

        Raises:
            Unavailable: as `rotate`.
        """
        done = []
        every = {key_scope(region, realm) for region in Region for realm in Realm}
        for scope in sorted(every.union(self._epochs.scopes())):
            new = self._epochs.next_free(scope)
            if new == 1:
                continue
            self._record(new, KeyEvent.CREATED)
            self._epochs.supersede(scope, new, since=backup_made, at=self._clock.now())
            done.append(self.rotate(scope))
        return done

    def expired(self, *, at_once: bool = False) -> list[Epoch]:
        """Return the retired epochs that `destroy_expired` would destroy now, oldest first."""
        now = self._clock.now()
        return [
            epoch
            for epoch in self._epochs.status()
            if epoch.state is EpochState.RETIRED
            and epoch.retired is not None
            and (at_once or epoch.retired + DESTRUCTION <= now)
        ]

    def destroy_expired(self, *, at_once: bool = False) -> list[Destroyed]:
        """Destroy the KEKs of retired epochs whose time has come: `DESTRUCTION` after their end.

        Args:
            at_once: also those that are retired since less.

        Raises:
            Denied: ``epoch_in_use`` if a page is under one of them; those before it are destroyed.
            Unavailable: if the key service, the log or the database can't be written; call again.
        """
        done = []
        for epoch in self.expired(at_once=at_once):
            self._epochs.destroy(epoch.scope, epoch.number)
            self._record(epoch.number, KeyEvent.DESTROYED)
            now = self._clock.now()
            self._epochs.note_destroyed(epoch.scope, epoch.number, now)
            done.append(Destroyed(scope=epoch.scope, epoch=epoch.number, at=now))
        return done

    def irrecoverable_before(self, scope: str | None = None) -> datetime | None:
        """Return the latest moment at or before which all that was removed is irrecoverable.

        Whoever compares a removal with it reads the clock *after* the keys are gone.

        Args:
            scope: whose keys; None: of every scope.

        Returns:
            None if nothing can be said.
        """
        scopes = self._epochs.scopes() if scope is None else [scope]
        moments = [self._epochs.irrecoverable_before(one) for one in scopes]
        known = [moment for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) else None

    def _record(self, epoch: int, event: KeyEvent) -> None:
        self._recorder.record(EntryKind.KEY_EPOCH, {"epoch": epoch, "event": event})


def _report(epoch: Epoch, removals: Sequence[datetime], now: datetime) -> EpochReport:
    rotate_by = destroy_by = None
    if epoch.state in {EpochState.LIVE, EpochState.ENDING}:
        first = _first_since(epoch.created, removals)
        rotate_by = None if first is None else first + ROTATION
    if epoch.state is EpochState.RETIRED and epoch.retired is not None:
        destroy_by = epoch.retired + DESTRUCTION
    last = rotate_by or destroy_by
    return EpochReport(
        epoch=epoch,
        rotate_by=rotate_by,
        destroy_by=destroy_by,
        late=last is not None and last < now,
    )


def _first_since(created: datetime | None, removals: Iterable[datetime]) -> datetime | None:
    """Return the first removal that may have left copies under an epoch made at `created`."""
    known = [one for one in removals if created is None or to_millis(one) >= to_millis(created)]
    return min(known, default=None)
