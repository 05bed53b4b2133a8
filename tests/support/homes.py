"""Small homes to try things on: made once, copied for each test."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.ports import SeededEntropy, SteppedClock
from tests.support.stores import START, policy
from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.app.identity import (
    IDENTITY,
    LOOKUP_FILE,
    Identity,
    custody_folder,
    load_secret,
    load_signer,
)
from volens.consent.store import ConsentLedger
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.core.purposes import Realm
from volens.core.regions import Region
from volens.crypto.epochs import KeyEpochs
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import Opener
from volens.crypto.sealing import Sealer
from volens.datasets.build import DatasetBuilder
from volens.gate.facts import FactSource
from volens.gate.gate import Gate
from volens.gate.reading import SealedReader
from volens.holds.erasures import ErasureLedger
from volens.lifecycle.access import VaultAccess
from volens.lifecycle.epochs import KeyRotation
from volens.log.recorder import NoLog, Recorder
from volens.log.store import TransparencyLog
from volens.storage.engine import open_database
from volens.storage.journal import Journal
from volens.storage.lock import HomeLock
from volens.storage.system import SystemEntropy
from volens.vault.removal import Removal, shredder_for
from volens.vault.store import Vault
from volens.vault.subjects import NewSubject, Subject, SubjectStore


@dataclass(frozen=True)
class Place:
    """Where a home lies, and the clock its tests step."""

    folder: Path
    kek: Path
    clock: SteppedClock

    @property
    def environment(self) -> Mapping[str, str]:
        return {"VOLENS_KEK_DIR": str(self.kek)}

    def create(self, *, pack: str = "consent-first", seed: int = 0) -> None:
        create_home(
            self.folder,
            pack=pack,
            region=Region.EU,
            realm=Realm.CIVILIAN,
            environment=self.environment,
            clock=self.clock,
            entropy=SeededEntropy(seed),
        )

    def open(self, *, writing: bool = True, wait_seconds: float = 0.0) -> Home:
        """Open it with the system's entropy: copies must not draw the same bytes twice."""
        return open_home(
            self.folder,
            writing=writing,
            wait_seconds=wait_seconds,
            environment=self.environment,
            clock=self.clock,
        )

    def copy(self, to: Path) -> "Place":
        """Copy a home that nobody has open."""
        for folder in (self.folder, self.kek):
            shutil.copytree(folder, to / folder.name, symlinks=True)
        return place(to)


def place(under: Path) -> Place:
    """Name a home below a folder; nothing is made."""
    return Place(folder=under / "home", kek=under / "kek", clock=SteppedClock(START))


def add(home: "Home | Parts", *references: str, plan: str = "free") -> list[Subject]:
    """Add adults."""
    return home.subjects.add(
        [NewSubject(reference=one, plan=plan, region=Region.EU) for one in references]
    )


class Parts:
    """An owned home without its policy, which takes most of the time to open.

    It takes the same steps as `open_home`: lock, log, databases, journal.
    """

    def __init__(self, where: Place) -> None:
        with ExitStack() as opened:
            identity = Identity.decode((where.folder / IDENTITY).read_bytes(), where.folder)
            custody = custody_folder(identity.tenant, where.environment)
            lock = HomeLock(where.folder / "lock")
            lock.acquire()
            opened.callback(lock.release)
            self.main = open_database(where.folder / "main.db")
            opened.callback(self.main.dispose)
            keys = open_database(where.folder / "keys" / "keys.db")
            opened.callback(keys.dispose)
            self.log = TransparencyLog.open(
                where.folder / "log",
                signer=load_signer(identity, custody),
                origin=identity.origin,
            )
            opened.callback(self.log.close)
            clock, entropy = where.clock, SystemEntropy()
            recorder = Recorder(self.log, clock=clock, entropy=entropy)
            service = FileKeyService(custody, entropy=entropy)
            store = KeyStore(keys, service, entropy=entropy, clock=clock)
            epochs = KeyEpochs(keys, service, store, entropy=entropy)
            self.rotation = KeyRotation(epochs, recorder, clock=clock)
            sealer = Sealer(store, lookup_key=load_secret(custody, LOOKUP_FILE), entropy=entropy)
            tenant = parse_id(IdKind.TENANT, identity.tenant)
            self.ledger = ConsentLedger(
                self.main, Journal(where.folder / "journal" / "choices"), recorder
            )
            self.subjects = SubjectStore(self.main, sealer, recorder, clock=clock, entropy=entropy)
            self.removal = Removal(self.main, shredder_for(store, tenant=tenant, entropy=entropy))
            self.removal.finish()
            self.vault = Vault(
                self.main,
                sealer,
                self.removal,
                recorder,
                tenant=tenant,
                clock=clock,
                entropy=entropy,
            )
            self.erasures = ErasureLedger(
                self.main,
                Journal(where.folder / "journal" / "erasures"),
                recorder,
                access=VaultAccess(self.main, recorder, self.removal),
            )
            self.gate = Gate(
                FactSource(
                    self.main,
                    self.subjects,
                    self.ledger,
                    self.erasures,
                    region=identity.region,
                    realm=identity.realm,
                ),
                self.ledger,
                self.erasures,
                SealedReader(self.main, tenant=tenant),
                Opener(store, entropy=entropy),
                recorder,
                policy=policy(),
                clock=clock,
            )
            self.ledger.drain()
            self.erasures.drain()
            self.recorder = recorder
            self._signer = load_signer(identity, custody)
            self._opened = opened.pop_all()

    def builder(self, where: Place, *, clock: Clock | None = None) -> DatasetBuilder:
        return DatasetBuilder(
            self.gate,
            self.vault,
            self.log,
            self.recorder,
            self._signer,
            kept=where.folder / "datasets",
            clock=clock or where.clock,
            entropy=SystemEntropy(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._opened:
            self.log.publish()


def journaling(where: Place) -> ConsentLedger:
    """Return the ledger as a process has it that owns nothing."""
    main = open_database(where.folder / "main.db", read_only=True)
    recorder = Recorder(NoLog(), clock=where.clock, entropy=SystemEntropy())
    return ConsentLedger(main, Journal(where.folder / "journal" / "choices"), recorder)
