"""An opened home: every service, wired."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from volens.app.identity import (
    IDENTITY,
    LOOKUP_FILE,
    Identity,
    custody_folder,
    load_secret,
    load_signer,
    stamps_of,
)
from volens.app.left_overs import roll_back_left_overs
from volens.app.policies import load_in_force
from volens.app.register import journals_of, open_register
from volens.app.rolled_back import check_databases
from volens.app.served import name_server
from volens.consent.store import ConsentLedger
from volens.core.errors import NotFound, Unavailable
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock, Entropy
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import KeyStore
from volens.crypto.sealing import Sealer
from volens.gate.accesses import AccessLeaves
from volens.gate.facts import FactSource
from volens.gate.gate import Gate
from volens.gate.opener import opener_for
from volens.gate.reading import SealedReader
from volens.holds.erasures import ErasureLedger
from volens.holds.register import HoldRegister
from volens.lifecycle.access import VaultAccess
from volens.lifecycle.schedule import Schedule
from volens.log.recorder import NoLog, Recorder, tell_nobody
from volens.log.store import TransparencyLog
from volens.policy.retention import days_of
from volens.storage.engine import open_database
from volens.storage.files import read_private, storage_errors
from volens.storage.lock import HomeLock
from volens.storage.revocation import EPOCH_FILE, RevocationEpoch
from volens.storage.stamps import Stamp
from volens.storage.system import SystemClock, SystemEntropy
from volens.vault.removal import Removal, shredder_for
from volens.vault.store import Vault
from volens.vault.subjects import SubjectStore, key_scope

if TYPE_CHECKING:
    # What only some commands need is loaded where they ask for it: most end in a few milliseconds.
    from volens.app.keyroll import KeysAsRoll
    from volens.audit.register import AuditRegister
    from volens.datasets.build import DatasetBuilder
    from volens.gate.artefacts import Artefacts
    from volens.gate.leasing import Leases
    from volens.gate.own_copy import OwnCopy
    from volens.gate.viewing import Viewer
    from volens.holds.reports import ReportStore
    from volens.holds.store import HoldStore
    from volens.lifecycle.epochs import KeyRotation

LOCK_WAIT_SECONDS = 5.0


class Home:
    """An opened home: every service, wired. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        *,
        custody: Path,
        writing: bool,
        clock: Clock,
        entropy: Entropy,
        opened: ExitStack,
    ) -> None:
        """Wire the services of an existing home; use `create_home` or `open_home`.

        What has to be closed is put on `opened` as it is opened.
        """
        self.folder = folder
        self.identity = identity
        self.custody = custody
        self.clock = clock
        self.entropy = entropy
        self._opened = opened
        self.signer = load_signer(identity, custody)
        self.main = open_database(folder / "main.db", read_only=not writing)
        opened.callback(self.main.dispose)
        self.keys_database = open_database(folder / "keys" / "keys.db", read_only=not writing)
        opened.callback(self.keys_database.dispose)
        self.register = open_register(custody, clock=clock, entropy=entropy)
        self.epoch = RevocationEpoch(folder / "journal" / EPOCH_FILE)
        choices, erasures = journals_of(folder / "journal", self.register, self.epoch)
        self.log = self._open_log() if writing else None
        self.recorder = Recorder(
            self.log or NoLog(),
            clock=clock,
            entropy=entropy,
            narrowing=self.epoch.begin_narrowing if writing else tell_nobody,
        )
        self._service = FileKeyService(custody, entropy=entropy)
        self._keys = keys = KeyStore(
            self.keys_database, self._service, entropy=entropy, clock=clock
        )
        self.sealer = Sealer(keys, lookup_key=load_secret(custody, LOOKUP_FILE), entropy=entropy)
        self.ledger = ConsentLedger(self.main, choices, self.recorder)
        tenant = parse_id(IdKind.TENANT, identity.tenant)
        self.subjects = SubjectStore(
            self.main, self.sealer, self.recorder, clock=clock, entropy=entropy
        )
        self.removal = Removal(self.main, shredder_for(keys, tenant=tenant, entropy=entropy))
        self.vault = Vault(
            self.main,
            self.sealer,
            self.removal,
            self.recorder,
            tenant=tenant,
            clock=clock,
            entropy=entropy,
            holding=HoldRegister(self.main),
        )
        self.erasures = ErasureLedger(
            self.main,
            erasures,
            self.recorder,
            access=VaultAccess(self.main, self.recorder, self.removal),
            cancelled=self.register.add_cancelled,
        )
        self._kept = folder / "datasets"
        self.policy = load_in_force(folder, self.main)
        self._wire_gate(keys, tenant)

    def _wire_gate(self, keys: KeyStore, tenant: bytes) -> None:
        """Wire what opens content; nothing else gets an opener."""
        self.facts = FactSource(
            self.main,
            self.subjects,
            self.ledger,
            self.erasures,
            region=self.identity.region,
            realm=self.identity.realm,
            cutoffs=lambda at: self.schedule.overdue_cutoffs(at),  # noqa: PLW0108 - anew each time
        )
        self._reader = SealedReader(self.main, tenant=tenant)
        self._opener = opener_for(keys, entropy=self.entropy)
        self.gate = Gate(
            self.facts,
            self._reader,
            self._opener,
            self.recorder,
            leaves=AccessLeaves(self.main),
            policy=self.policy,
            clock=self.clock,
        )

    def _open_log(self) -> TransparencyLog:
        log = TransparencyLog.open(
            self.folder / "log", signer=self.signer, origin=self.identity.origin
        )
        self._opened.callback(log.close)
        return log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def keep_open(self, opened: ExitStack) -> None:
        """Take over what has to be closed with the home."""
        self._opened = opened

    def close(self) -> None:
        """Publish what is pending and let go of the home."""
        with self._opened:
            if self.log is not None:
                self.log.publish()
                self.epoch.settle()

    @cached_property
    def rotation(self) -> KeyRotation:
        """What ends epochs of keys, and destroys them."""
        from volens.crypto.epochs import KeyEpochs  # noqa: PLC0415 - see the imports
        from volens.lifecycle.epochs import KeyRotation  # noqa: PLC0415 - see the imports

        epochs = KeyEpochs(self.keys_database, self._service, self._keys, entropy=self.entropy)
        return KeyRotation(epochs, self.recorder, clock=self.clock)

    @property
    def roll(self) -> KeysAsRoll:
        """Which keys there are, for audits."""
        from volens.app.keyroll import KeysAsRoll  # noqa: PLC0415 - see the imports

        return KeysAsRoll(self._keys)

    @cached_property
    def own_copy(self) -> OwnCopy:
        """What opens one person's conversations for that person."""
        from volens.gate.own_copy import OwnCopy  # noqa: PLC0415 - see the imports

        return OwnCopy(
            self.gate,
            self.subjects,
            self.vault,
            self._reader,
            self._opener,
            self.recorder,
            self.main,
            clock=self.clock,
        )

    @property
    def artefacts(self) -> Artefacts:
        """What seals what runs made, under the epochs of the home's own region."""
        from volens.gate.artefacts import Artefacts  # noqa: PLC0415 - see the imports

        scope = key_scope(self.identity.region, self.identity.realm)
        return Artefacts(self._keys, scope=scope, entropy=self.entropy)

    @property
    def leases(self) -> Leases:
        """What opens leases for training runs."""
        from volens.gate.leasing import Leases  # noqa: PLC0415 - see the imports

        return Leases(self.gate, self._opener, self.recorder, self.main, clock=self.clock)

    @property
    def viewer(self) -> Viewer:
        """What opens named turns for staff, and granted chats for raters."""
        from volens.gate.viewing import Viewer  # noqa: PLC0415 - see the imports

        return Viewer(self.gate, self._reader, self._opener, self.recorder, clock=self.clock)

    @property
    def schedule(self) -> Schedule:
        """The times in force: the policy's, and what each organisation has shortened."""
        pack = days_of(self.policy.pack.tables["retention"])
        return Schedule(pack=pack, overlays=self.subjects.keeping())

    @property
    def holds(self) -> HoldStore:
        """The register of holds."""
        from volens.holds.store import HoldStore  # noqa: PLC0415 - see the imports

        return HoldStore(self.main, self.recorder)

    def datasets(self) -> DatasetBuilder:
        """Return the builder of a home opened for writing.

        Raises:
            Unavailable: ``read_only``.
        """
        # Most commands build nothing, and the tables of redaction take long to load.
        from volens.datasets.build import DatasetBuilder  # noqa: PLC0415 - see above

        return DatasetBuilder(
            self.gate,
            self.vault,
            self.owned_log(),
            self.recorder,
            self.signer,
            kept=self.folder / "datasets",
            clock=self.clock,
            entropy=self.entropy,
        )

    def reports(self) -> ReportStore:
        """Return what people reported."""
        from volens.holds.reports import ReportStore  # noqa: PLC0415 - see the imports

        return ReportStore(self.main, self.recorder, clock=self.clock)

    def stamps(self) -> tuple[Stamp, Stamp]:
        """Return how far each database is, and what custody remembers of it."""
        return stamps_of(self.custody, self.main, self.keys_database)

    def drains(self) -> Mapping[str, Callable[[], int]]:
        """Return, by the name of its journal, what takes in what was journaled."""
        return {"choices": self.ledger.drain, "erasures": self.erasures.drain}

    @property
    def audits(self) -> AuditRegister:
        """The audits made here; keeping one more takes a home opened for writing."""
        from volens.audit.register import AuditRegister  # noqa: PLC0415 - see the imports

        return AuditRegister(self.main, self.folder / "audits", self.recorder)

    def owned_log(self) -> TransparencyLog:
        """Return the log of a home opened for writing.

        Raises:
            Unavailable: ``read_only`` if it was opened for reading.
        """
        if self.log is None:
            raise Unavailable("read_only", "the home was opened for reading only")
        return self.log


def open_home(
    folder: Path,
    *,
    writing: bool,
    wait_seconds: float = LOCK_WAIT_SECONDS,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Home:
    """Open a home, finishing whatever a stop left unfinished.

    Args:
        folder: the home.
        writing: own it (one process at a time) or only read it.
        wait_seconds: how long to wait for another owner to finish.
        environment: where ``VOLENS_KEK_DIR`` is looked up.
        clock: the time; the system's by default.
        entropy: randomness; the system's by default.

    Raises:
        NotFound: ``home_missing``.
        Unavailable: ``home_in_use``, ``storage``, or if its keys can't be had.
        VerificationFailed: if the log was changed; ``database_rolled_back`` if a database is an
            older copy, ``log_rolled_back`` if the log is.
    """
    identity_data = read_private(folder / IDENTITY)
    if identity_data is None:
        hint = "volens init makes one; --home or VOLENS_HOME says where"
        raise NotFound("home_missing", f"there is no home at {folder}", hint=hint)
    identity = Identity.decode(identity_data, folder / IDENTITY)
    with ExitStack() as opened, storage_errors(folder):
        if writing:
            lock = HomeLock(folder / "lock")
            try:
                lock.acquire(wait_seconds=wait_seconds)
            except Unavailable as error:
                raise name_server(error, folder) from None
            opened.callback(lock.release)
        else:
            roll_back_left_overs(folder)
        home = Home(
            folder,
            identity,
            custody=custody_folder(identity.tenant, environment),
            writing=writing,
            clock=clock or SystemClock(),
            entropy=entropy or SystemEntropy(),
            opened=opened,
        )
        check_databases(home.stamps(), home.log, opened)
        if writing:
            home.register.create()
            home.register.drop_old()
            for drain in home.drains().values():
                drain()
            home.removal.finish()
            home.epoch.settle()
        home.keep_open(opened.pop_all())
        return home
