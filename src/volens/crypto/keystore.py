"""The key store: epoch roots and key pages in a database of their own (``keys.db``).

Nothing here opens without the key service, and nothing here is content. Objects of this class are
handed to `sealing` and `opening` only; no other room calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
)

from volens.core.errors import Unavailable, VerificationFailed
from volens.core.ports import Clock, Entropy
from volens.core.time import to_millis
from volens.crypto.envelope import KEY_BYTES, NONCE_BYTES, open_envelope, seal_envelope
from volens.crypto.keyservice import KeyService
from volens.crypto.pages import (
    ROWS_PER_PAGE,
    SALT_BYTES,
    AccountRows,
    Page,
    pack_page,
    split_page,
    unpack_page,
)
from volens.storage.engine import driver_of, in_runs

METADATA = MetaData()
EPOCH_ROOT = Table(
    "epoch_root",
    METADATA,
    Column("scope", String, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),  # empty once the epoch is destroyed
    Column("created_ms", Integer),  # null: made by a store without a clock
    Column("retired_ms", Integer),  # no page is under it any more
    Column("destroyed_ms", Integer),  # its KEK is gone
)
KEY_PAGE = Table(
    "key_page",
    METADATA,
    Column("subject_no", Integer, primary_key=True, autoincrement=False),
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("scope", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
_FIRST_EPOCH = 1
_SCAN = """
SELECT subject_no, page, scope, epoch, sealed FROM key_page
WHERE subject_no IN ({marks}) ORDER BY subject_no, page
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One person's keys, opened. `repr` shows none."""

    key: bytes = field(repr=False)
    salts: Mapping[bytes, bytes] = field(repr=False)
    """Id of a conversation or block to salt, over all pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose keys: the person's row number and id (16 bytes), which the sealing binds."""

    number: int
    raw: bytes


class KeyStore:
    """Keeps account keys and salts, sealed under epoch roots that the key service wraps."""

    def __init__(
        self,
        engine: Engine,
        service: KeyService,
        *,
        entropy: Entropy,
        clock: Clock | None = None,
    ) -> None:
        """Use tables in `engine`, made by `storage.engine.create_tables`.

        `clock` stamps when an epoch was made. Without one that is unknown, and nothing can be
        called irrecoverable before the epoch is destroyed.
        """
        self._engine = engine
        self._service = service
        self._entropy = entropy
        self._clock = clock
        self._roots: dict[tuple[str, int], bytes] = {}

    def open_scope(self, scope: str) -> None:
        """Make the first epoch of `scope` if it has none.

        The KEK is durable before the root it wraps, and the root before any page under it.
        """
        with self._engine.begin() as db:
            known = db.execute(
                select(EPOCH_ROOT.c.epoch).where(EPOCH_ROOT.c.scope == scope)
            ).first()
            if known is None:
                made = None if self._clock is None else to_millis(self._clock.now())
                self.add_epoch(db, scope, _FIRST_EPOCH, made)

    def add_epoch(self, db: Connection, scope: str, epoch: int, created_ms: int | None) -> None:
        """Make an epoch of `scope`: its KEK, durable, then the row with the wrapped root."""
        self._service.create(scope, epoch)
        root = self._entropy.draw(KEY_BYTES)
        wrapped = self._service.wrap(scope, epoch, root, root_binding(scope, epoch))
        row = {"scope": scope, "epoch": epoch, "wrapped": wrapped, "created_ms": created_ms}
        db.execute(insert(EPOCH_ROOT).values(row))

    def root(self, db: Connection, scope: str, epoch: int) -> bytes:
        """Return the root of an epoch, for `epochs` to move pages.

        Raises:
            Unavailable: ``key_missing`` or ``kek_missing`` if the epoch is gone.
        """
        return self._root(db, scope, epoch)

    def forget_root(self, scope: str, epoch: int) -> None:
        """Drop the root of an epoch from memory."""
        self._roots.pop((scope, epoch), None)

    def add_accounts(self, scope: str, holders: Sequence[Holder]) -> None:
        """Draw an account key for each holder; durable when this returns."""
        rows = []
        with self._engine.begin() as db:
            epoch = self._live_epoch(db, scope)
            root = self._root(db, scope, epoch)
            for holder in holders:
                page = Page(account_key=self._entropy.draw(KEY_BYTES), salts={})
                sealed = self._seal_page(root, page, holder, 0, scope, epoch)
                rows.append(
                    {
                        "subject_no": holder.number,
                        "page": 0,
                        "scope": scope,
                        "epoch": epoch,
                        "sealed": sealed,
                    }
                )
            # A row may be left from a creation that died before its person was stored.
            db.execute(insert(KEY_PAGE).prefix_with("OR REPLACE"), rows)

    def add_salts(self, wanted: Mapping[Holder, Sequence[bytes]]) -> dict[bytes, Account]:
        """Draw a salt for each new conversation or block of each holder; durable on return.

        Args:
            wanted: for each holder, ids (16 bytes); those that have a salt already keep it.

        Returns:
            For each holder's id, the account with all its salts.
        """
        accounts: dict[bytes, Account] = {}
        with self._engine.begin() as db:
            for holder, conversations in wanted.items():
                accounts[holder.raw] = self._add_to(db, holder, conversations)
        return accounts

    def drop_salts(self, unwanted: Mapping[Holder, Collection[bytes]]) -> None:
        """Remove the salts of conversations and blocks; durable when this returns.

        What is left of a person's rows is laid out anew from page 0 on, and no page keeps a byte of
        the others. Ids that have no salt, and holders that have no keys, are no error.
        """
        with self._engine.begin() as db:
            for holder, ids in unwanted.items():
                self._drop_from(db, holder, frozenset(ids))

    def drop_accounts(self, numbers: Collection[int]) -> None:
        """Remove all keys of the people in these rows; durable on return. Twice is no error."""
        wanted = sorted(numbers)
        with self._engine.begin() as db:
            for some in in_runs(wanted):
                marks = ",".join("?" * len(some))
                query = f"DELETE FROM key_page WHERE subject_no IN ({marks})"  # noqa: S608 - marks only
                db.exec_driver_sql(query, tuple(some))

    def account(self, holder: Holder) -> Account:
        """Return one person's keys.

        Raises:
            Unavailable: ``key_missing`` if there are none: never made, or erased.
        """
        with self._engine.connect() as db:
            pages = self._pages(db, holder)
            return _joined(pages)

    def accounts(self, holders: Sequence[Holder]) -> Iterator[Account | None]:
        """Yield the keys of each holder, in order; None where they are missing.

        One scan for the batch; `holders` are sorted by number.
        """
        wanted = {holder.number: holder for holder in holders}
        opened: dict[int, list[tuple[int, Page]]] = {}
        with self._engine.connect() as db:
            roots: dict[tuple[str, int], bytes] = {}
            for number, page_no, scope, epoch, sealed in self._scan(db, list(wanted)):
                root = roots.get((scope, epoch))
                if root is None:
                    root = roots[scope, epoch] = self._root(db, scope, epoch)
                holder = wanted[number]
                page = _open_page(root, sealed, holder, page_no, scope, epoch)
                opened.setdefault(number, []).append((page_no, page))
        for holder in holders:
            pages = opened.get(holder.number)
            yield _joined(pages) if pages else None

    def rows(self, holder: Holder) -> AccountRows | None:
        """Return one person's keys for looking a few of them up; None where they are missing.

        Raises:
            VerificationFailed: as `account`, but that a row that is not looked up is not read.
        """
        key, bodies = b"", list[bytes]()
        with self._engine.connect() as db:
            for _, page_no, scope, epoch, sealed in self._scan(db, [holder.number]):
                root = self._root(db, scope, epoch)
                binding = page_binding(holder.raw, page_no, scope, epoch)
                data = open_envelope(root, sealed, key_id=holder.raw, associated=binding)
                first, body = split_page(data)
                if page_no != len(bodies) or bool(first) is not (page_no == 0):
                    raise _incomplete()
                key = key or first
                bodies.append(body)
        return AccountRows(key, bodies) if bodies else None

    def _add_to(self, db: Connection, holder: Holder, conversations: Sequence[bytes]) -> Account:
        pages = self._pages(db, holder)
        salts = dict(_joined(pages).salts)
        last_no, last = pages[-1]
        scope, epoch = self._placed(db, holder)
        root = self._root(db, scope, epoch)
        fill = dict(last.salts)
        key = last.account_key
        for conversation in conversations:
            if conversation in salts:
                continue
            if len(fill) == ROWS_PER_PAGE:
                self._put(
                    db, root, Page(account_key=key, salts=fill), holder, last_no, scope, epoch
                )
                last_no, fill, key = last_no + 1, {}, b""
            fill[conversation] = salts[conversation] = self._entropy.draw(SALT_BYTES)
        self._put(db, root, Page(account_key=key, salts=fill), holder, last_no, scope, epoch)
        return Account(key=pages[0][1].account_key, salts=salts)

    def _drop_from(self, db: Connection, holder: Holder, ids: frozenset[bytes]) -> None:
        try:
            pages = self._pages(db, holder)
        except Unavailable:
            return
        account = _joined(pages)
        kept = [(one, salt) for one, salt in account.salts.items() if one not in ids]
        if len(kept) == len(account.salts):
            return
        scope, epoch = self._placed(db, holder)
        root = self._root(db, scope, epoch)
        needed = max(1, -(-len(kept) // ROWS_PER_PAGE))
        for number in range(needed):
            rows = dict(kept[number * ROWS_PER_PAGE : (number + 1) * ROWS_PER_PAGE])
            page = Page(account_key=b"" if number else account.key, salts=rows)
            self._put(db, root, page, holder, number, scope, epoch)
        beyond = and_(KEY_PAGE.c.subject_no == holder.number, KEY_PAGE.c.page >= needed)
        db.execute(delete(KEY_PAGE).where(beyond))

    def _put(
        self,
        db: Connection,
        root: bytes,
        page: Page,
        holder: Holder,
        page_no: int,
        scope: str,
        epoch: int,
    ) -> None:
        row = {
            "subject_no": holder.number,
            "page": page_no,
            "scope": scope,
            "epoch": epoch,
            "sealed": self._seal_page(root, page, holder, page_no, scope, epoch),
        }
        db.execute(insert(KEY_PAGE).prefix_with("OR REPLACE"), [row])

    def _pages(self, db: Connection, holder: Holder) -> list[tuple[int, Page]]:
        pages = []
        for _, page_no, scope, epoch, sealed in self._scan(db, [holder.number]):
            root = self._root(db, scope, epoch)
            pages.append((page_no, _open_page(root, sealed, holder, page_no, scope, epoch)))
        if not pages:
            raise Unavailable("key_missing", "the person's keys are missing: erased or never made")
        return pages

    def _placed(self, db: Connection, holder: Holder) -> tuple[str, int]:
        query = "SELECT scope, epoch FROM key_page WHERE subject_no = ? AND page = 0"
        row = db.exec_driver_sql(query, (holder.number,)).one()
        return row.scope, row.epoch

    @staticmethod
    def _scan(db: Connection, numbers: list[int]) -> Iterator[tuple[int, int, str, int, bytes]]:
        for some in in_runs(numbers):
            marks = ",".join("?" * len(some))
            yield from driver_of(db).execute(_SCAN.format(marks=marks), some)

    @staticmethod
    def _live_epoch(db: Connection, scope: str) -> int:
        query = select(EPOCH_ROOT.c.epoch).where(EPOCH_ROOT.c.scope == scope)
        epoch = db.execute(query.order_by(EPOCH_ROOT.c.epoch.desc())).scalar()
        if epoch is None:
            raise Unavailable("key_scope_missing", f"the key scope {scope} was never opened")
        return int(epoch)

    def _root(self, db: Connection, scope: str, epoch: int) -> bytes:
        root = self._roots.get((scope, epoch))
        if root is None:
            wrapped = db.execute(
                select(EPOCH_ROOT.c.wrapped).where(
                    and_(EPOCH_ROOT.c.scope == scope, EPOCH_ROOT.c.epoch == epoch)
                )
            ).scalar()
            if not wrapped:
                raise Unavailable("key_missing", f"the epoch {epoch} of {scope} is gone")
            root = self._service.unwrap(scope, epoch, wrapped, root_binding(scope, epoch))
            self._roots[scope, epoch] = root
        return root

    def _seal_page(
        self, root: bytes, page: Page, holder: Holder, page_no: int, scope: str, epoch: int
    ) -> bytes:
        return seal_envelope(
            root,
            pack_page(page),
            key_id=holder.raw,
            nonce=self._entropy.draw(NONCE_BYTES),
            associated=page_binding(holder.raw, page_no, scope, epoch),
        )


def _open_page(
    root: bytes, sealed: bytes, holder: Holder, page_no: int, scope: str, epoch: int
) -> Page:
    binding = page_binding(holder.raw, page_no, scope, epoch)
    return unpack_page(open_envelope(root, sealed, key_id=holder.raw, associated=binding))


def _joined(pages: Sequence[tuple[int, Page]]) -> Account:
    if [number for number, _ in pages] != list(range(len(pages))) or not pages[0][1].account_key:
        raise _incomplete()
    if len(pages) == 1:
        return Account(key=pages[0][1].account_key, salts=pages[0][1].salts)
    salts = {conversation: salt for _, page in pages for conversation, salt in page.salts.items()}
    return Account(key=pages[0][1].account_key, salts=salts)


def _incomplete() -> VerificationFailed:
    return VerificationFailed("key_pages", "a person's key pages are not complete")


def root_binding(scope: str, epoch: int) -> bytes:
    """Return what the wrapped root of an epoch is bound to."""
    return b"volens/epoch-root/v1\x00" + f"{scope}\x00{epoch}".encode()


def page_binding(raw: bytes, page_no: int, scope: str, epoch: int) -> bytes:
    """Return what a key page of the person with the id `raw` (16 bytes) is bound to."""
    return b"volens/key-page/v1\x00" + raw + f"{page_no}\x00{scope}\x00{epoch}".encode()
