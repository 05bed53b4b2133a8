"""Epochs of the key-encryption keys: new ones made, pages moved, old ones ended and destroyed.

A key that was removed from its page is still on older copies of that page: in journals, snapshots,
SSD cells, backups. All of these lie under the roots of the epochs that there were by then. Once the
KEKs of these epochs are destroyed, no copy opens. Every step here is one transaction or one call to
the key service and may be repeated; the order of steps, and the log, are the caller's
(`lifecycle.epochs`).

    live --> ending --> retired --> destroyed
             a newer     no page     its KEK
             one is      is under    is gone
             live        it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, Update, and_, func, select, update

from volens.core.errors import Denied, NotFound, Unavailable
from volens.core.ports import Entropy
from volens.core.time import from_millis, to_millis
from volens.crypto.envelope import KEY_ID_BYTES, NONCE_BYTES, open_envelope, seal_envelope
from volens.crypto.keyservice import KeyService
from volens.crypto.keystore import EPOCH_ROOT, KEY_PAGE, KeyStore, page_binding
from volens.storage.engine import driver_of

BATCH_PAGES = 2048  # some 30 ms: others wait no longer
_KEY_ID_AT = 2  # in an envelope: after version and suite
_NEXT = """
SELECT subject_no, page, epoch, sealed FROM key_page
WHERE (subject_no, page) > (?, ?) AND scope = ? AND epoch < ?
ORDER BY subject_no, page LIMIT ?
"""
_MOVE = "UPDATE key_page SET epoch = ?, sealed = ? WHERE subject_no = ? AND page = ?"
_SMALLEST = timedelta(milliseconds=1)


class EpochState(StrEnum):
    """How far an epoch has come."""

    LIVE = "live"
    """New pages go under it."""
    ENDING = "ending"
    """A newer epoch is live, and pages may still be under this one."""
    RETIRED = "retired"
    """No page is under it; its KEK still opens old copies."""
    DESTROYED = "destroyed"
    """Its KEK is gone: no copy of anything under it opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of one scope."""

    scope: str
    number: int
    state: EpochState
    pages: int
    """How many key pages are under it."""
    created: datetime | None
    """None if it was not noted."""
    retired: datetime | None
    destroyed: datetime | None


class KeyEpochs:
    """Makes, ends and destroys the epochs of a key store. One caller at a time."""

    def __init__(
        self, engine: Engine, service: KeyService, keys: KeyStore, *, entropy: Entropy
    ) -> None:
        """Use the key store's tables in `engine`; `keys` is told to forget what is destroyed."""
        self._engine = engine
        self._service = service
        self._keys = keys
        self._entropy = entropy

    def status(self) -> list[Epoch]:
        """Return every epoch there was, by scope and number."""
        pages = select(KEY_PAGE.c.scope, KEY_PAGE.c.epoch, func.count())
        with self._engine.connect() as db:
            counts = {
                (scope, epoch): count
                for scope, epoch, count in db.execute(
                    pages.group_by(KEY_PAGE.c.scope, KEY_PAGE.c.epoch)
                )
            }
            query = select(EPOCH_ROOT).order_by(EPOCH_ROOT.c.scope, EPOCH_ROOT.c.epoch)
            rows = db.execute(query).all()
        live = {row.scope: row.epoch for row in rows}  # the last of each scope
        return [
            Epoch(
                scope=row.scope,
                number=row.epoch,
                state=_state(row.epoch == live[row.scope], row.retired_ms, row.destroyed_ms),
                pages=counts.get((row.scope, row.epoch), 0),
                created=_moment(row.created_ms),
                retired=_moment(row.retired_ms),
                destroyed=_moment(row.destroyed_ms),
            )
            for row in rows
        ]

    def scopes(self) -> list[str]:
        """Return the scopes that were ever opened, sorted."""
        with self._engine.connect() as db:
            return list(
                db.execute(select(EPOCH_ROOT.c.scope).distinct().order_by(EPOCH_ROOT.c.scope))
                .scalars()
                .all()
            )

    def live(self, scope: str) -> int:
        """Return the number of the live epoch.

        Raises:
            NotFound: ``key_scope_unknown``.
        """
        with self._engine.connect() as db:
            return _live(db, scope)

    def ending(self, scope: str) -> list[int]:
        """Return the epochs that a rotation has to end yet, oldest first."""
        with self._engine.connect() as db:
            return _ending(db, scope)

    def create(self, scope: str, epoch: int, at: datetime) -> None:
        """Make `epoch` the live one: its KEK durable, then its root. Pages stay where they are.

        Args:
            scope: one that is open.
            epoch: the number after the live one's.
            at: now, read before this call.

        Raises:
            Unavailable: ``clock_behind`` if a step of this scope is later than `at`, since epochs
                say by time what they cover; ``epoch_taken`` if `epoch` is not the next one.
        """
        with self._engine.begin() as db:
            _check_clock(db, scope, at)
            if epoch != _live(db, scope) + 1:
                raise Unavailable("epoch_taken", f"epoch {epoch} of {scope} is not the next one")
            self._keys.add_epoch(db, scope, epoch, to_millis(at))

    def move(self, scope: str, *, batch: int = BATCH_PAGES) -> Iterator[int]:
        """Reseal every page of `scope` under the live root; yield how many, batch by batch.

        Each batch is one transaction, so a stop leaves every page under one epoch or the other,
        both of which open.

        Raises:
            VerificationFailed: if a page was changed or moved; the pages before it stay moved.
            Unavailable: ``kek_missing`` if an epoch's KEK is gone while pages are under it.
        """
        last = (-(2**63), -1)
        while True:
            with self._engine.begin() as db:
                to = _live(db, scope)
                driver = driver_of(db)
                rows = driver.execute(_NEXT, (*last, scope, to, batch)).fetchall()
                if not rows:
                    return
                roots = {
                    epoch: self._keys.root(db, scope, epoch) for epoch in {row[2] for row in rows}
                }
                new = self._keys.root(db, scope, to)
                moved = [
                    (
                        to,
                        self._reseal(sealed, (roots[epoch], epoch), (new, to), page, scope),
                        no,
                        page,
                    )
                    for no, page, epoch, sealed in rows
                ]
                driver.executemany(_MOVE, moved)
            last = rows[-1][:2]
            yield len(moved)

    def _reseal(
        self, sealed: bytes, old: tuple[bytes, int], new: tuple[bytes, int], page: int, scope: str
    ) -> bytes:
        # The envelope names the person itself, and opens under no other name.
        raw = sealed[_KEY_ID_AT : _KEY_ID_AT + KEY_ID_BYTES]
        plain = open_envelope(
            old[0], sealed, key_id=raw, associated=page_binding(raw, page, scope, old[1])
        )
        return seal_envelope(
            new[0],
            plain,
            key_id=raw,
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=page_binding(raw, page, scope, new[1]),
        )

    def retire(self, scope: str, at: datetime) -> list[int]:
        """Stamp the end of every epoch before the live one that has none yet; return which.

        Raises:
            Denied: ``epoch_in_use`` if a page is under one of them; nothing is stamped then.
            Unavailable: ``clock_behind``.
        """
        with self._engine.begin() as db:
            _check_clock(db, scope, at)
            ended = _ending(db, scope)
            for epoch in ended:
                _check_unused(db, scope, epoch)
                db.execute(_row(scope, epoch).values(retired_ms=to_millis(at)))
        for epoch in ended:
            self._keys.forget_root(scope, epoch)
        return ended

    def destroy(self, scope: str, epoch: int) -> None:
        """Destroy the KEK of a retired epoch, for good. `note_destroyed` says so afterwards.

        Raises:
            NotFound: ``epoch_unknown``.
            Denied: ``epoch_live`` if it is not retired; ``epoch_in_use`` if a page is under it.
            Unavailable: if the key service can't be reached; nothing is destroyed then.
        """
        with self._engine.begin() as db:  # nobody puts a page under it meanwhile
            query = select(EPOCH_ROOT).where(_is(scope, epoch))
            row = db.execute(query).first()
            if row is None:
                raise NotFound("epoch_unknown", f"the scope {scope} has no epoch {epoch}")
            if row.retired_ms is None:
                hint = "volens keys rotate ends it"
                raise Denied("epoch_live", f"epoch {epoch} of {scope} is not retired", hint=hint)
            _check_unused(db, scope, epoch)
            self._keys.forget_root(scope, epoch)
            self._service.destroy(scope, epoch)

    def note_destroyed(self, scope: str, epoch: int, at: datetime) -> None:
        """Delete the wrapped root of an epoch whose KEK is gone, and stamp when.

        Raises:
            Unavailable: ``clock_behind``.
        """
        with self._engine.begin() as db:
            _check_clock(db, scope, at)
            db.execute(_row(scope, epoch).values(wrapped=b"", destroyed_ms=to_millis(at)))

    def irrecoverable_before(self, scope: str) -> datetime | None:
        """Return the latest moment at or before which all that was removed is irrecoverable.

        Old copies of a page are under epochs that were made before the key left it. So everything
        removed before the oldest epoch was made whose KEK still exists is out of reach. None:
        nothing can be said, since that moment was not noted.
        """
        query = select(EPOCH_ROOT.c.created_ms).where(
            and_(EPOCH_ROOT.c.scope == scope, EPOCH_ROOT.c.destroyed_ms.is_(None))
        )
        with self._engine.connect() as db:
            made = db.execute(query.order_by(EPOCH_ROOT.c.epoch).limit(1)).scalar()
        return None if made is None else from_millis(made) - _SMALLEST


def _state(live: bool, retired_ms: int | None, destroyed_ms: int | None) -> EpochState:
    if destroyed_ms is not None:
        return EpochState.DESTROYED
    if live:
        return EpochState.LIVE
    return EpochState.ENDING if retired_ms is None else EpochState.RETIRED


def _live(db: Connection, scope: str) -> int:
    query = select(func.max(EPOCH_ROOT.c.epoch)).where(EPOCH_ROOT.c.scope == scope)
    epoch = db.execute(query).scalar()
    if epoch is None:
        hint = "volens keys status shows them"
        raise NotFound("key_scope_unknown", f"no key scope {scope[:40]!r} here", hint=hint)
    return int(epoch)


def _ending(db: Connection, scope: str) -> list[int]:
    query = select(EPOCH_ROOT.c.epoch).where(
        and_(
            EPOCH_ROOT.c.scope == scope,
            EPOCH_ROOT.c.epoch < _live(db, scope),
            EPOCH_ROOT.c.retired_ms.is_(None),
        )
    )
    return list(db.execute(query.order_by(EPOCH_ROOT.c.epoch)).scalars())


def _check_unused(db: Connection, scope: str, epoch: int) -> None:
    query = select(KEY_PAGE.c.subject_no).where(
        and_(KEY_PAGE.c.scope == scope, KEY_PAGE.c.epoch == epoch)
    )
    if db.execute(query.limit(1)).first() is not None:
        hint = "volens keys rotate moves them"
        message = f"key pages are still under epoch {epoch} of {scope}"
        raise Denied("epoch_in_use", message, hint=hint)


def _check_clock(db: Connection, scope: str, at: datetime) -> None:
    """Refuse a step that would be stamped earlier than one before it."""
    stamps = [EPOCH_ROOT.c.created_ms, EPOCH_ROOT.c.retired_ms, EPOCH_ROOT.c.destroyed_ms]
    query = select(*map(func.max, stamps)).where(EPOCH_ROOT.c.scope == scope)
    latest = max((stamp for stamp in db.execute(query).one() if stamp is not None), default=None)
    if latest is not None and to_millis(at) < latest:
        message = f"the clock is behind the last step of {scope}, {from_millis(latest):%Y-%m-%d}"
        raise Unavailable("clock_behind", message, hint="set the system's clock")


def _is(scope: str, epoch: int) -> ColumnElement[bool]:
    return and_(EPOCH_ROOT.c.scope == scope, EPOCH_ROOT.c.epoch == epoch)


def _row(scope: str, epoch: int) -> Update:
    return update(EPOCH_ROOT).where(_is(scope, epoch))


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
