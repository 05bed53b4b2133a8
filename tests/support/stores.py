"""The ledgers and the gate over small real stores, with a log and a key service that keep watch."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.support.ports import SeededEntropy, SteppedClock
from volens.consent import store as consent_store
from volens.consent.model import GENERAL, Act, ConsentEvent, NoticeRef, Scope
from volens.consent.store import ConsentLedger
from volens.core.errors import Unavailable
from volens.core.ids import EventId, IdKind, SubjectId, format_id
from volens.core.purposes import Purpose, Realm, Signal
from volens.core.regions import Region
from volens.crypto import keystore
from volens.crypto.keyservice import FileKeyService
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import Opener
from volens.crypto.sealing import Sealer
from volens.gate.facts import FactSource, Use
from volens.gate.gate import Asker, Gate
from volens.gate.reading import SealedReader
from volens.holds import erasure_tables
from volens.holds.erasures import ErasureLedger
from volens.lifecycle.access import VaultAccess
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import AccessAction, AccessReason, Actor, CaptureSource, EntryKind
from volens.log.recorder import Recorder
from volens.policy.decision import Policy
from volens.policy.packs import load_pack
from volens.storage.engine import create_tables, open_database
from volens.storage.journal import Journal
from volens.vault import tables as vault_tables
from volens.vault.model import Conversation, Role, Turn
from volens.vault.removal import Removal, shredder_for
from volens.vault.store import CaptureResult, Held, Vault
from volens.vault.subjects import NewSubject, Subject, SubjectStore

BATCH = Purpose.BATCH_TRAINING
TRAINING = Use(purpose=BATCH.value)
BUILDER = Asker(actor=Actor.SERVICE, action=AccessAction.BUILD, reason=AccessReason.DATASET_BUILD)
START = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = bytes(range(16))
NOBODY = SubjectId(format_id(IdKind.SUBJECT, b"\xff" * 16))


class WatchedLog:
    """A log in memory: remembers what was appended, and refuses when told that the disk is full."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.full = False

    def append(self, entries: Sequence[bytes]) -> range:
        if self.full:
            raise Unavailable("log_failed", "the disk is full")
        first = len(self.entries)
        self.entries += map(parse_entry, entries)
        return range(first, len(self.entries))

    def kinds(self, since: int = 0) -> list[EntryKind]:
        return [entry.kind for entry in self.entries[since:]]


class WatchedKeys:
    """A key service that gives a key only while an access intent stands open in the log."""

    def __init__(self, service: FileKeyService, log: WatchedLog) -> None:
        self._service = service
        self._log = log
        self.unwrapped = 0

    def create(self, scope: str, epoch: int) -> None:
        self._service.create(scope, epoch)

    def wrap(self, scope: str, epoch: int, secret: bytes, associated: bytes) -> bytes:
        return self._service.wrap(scope, epoch, secret, associated)

    def unwrap(self, scope: str, epoch: int, wrapped: bytes, associated: bytes) -> bytes:
        kinds = self._log.kinds()
        opened = kinds.count(EntryKind.ACCESS_INTENT) - kinds.count(EntryKind.ACCESS_DONE)
        assert opened == 1, "a key was asked for without an access intent in the log"
        self.unwrapped += 1
        return self._service.unwrap(scope, epoch, wrapped, associated)

    def destroy(self, scope: str, epoch: int) -> None:
        self._service.destroy(scope, epoch)


@cache
def policy() -> Policy:
    """Return the shipped policy, loaded once."""
    return Policy(load_pack("consent-first"))


class Stores:
    """Real databases and a real journal in a folder; the log is in memory."""

    def __init__(self, folder: Path, *, by: Policy | None = None) -> None:
        self.folder = folder
        self.clock = SteppedClock(START)
        self.entropy = SeededEntropy(1)
        self.log = WatchedLog()
        self.policy = by or policy()
        self.main = open_database(folder / "main.db")
        for metadata in (
            vault_tables.METADATA,
            consent_store.METADATA,
            erasure_tables.METADATA,
        ):
            create_tables(self.main, metadata)
        self.keys = open_database(folder / "keys.db")
        create_tables(self.keys, keystore.METADATA)
        self.journal = Journal(folder / "choices")
        self.journal.create()
        service = FileKeyService(folder.with_name(f"{folder.name}-kek"), entropy=self.entropy)
        self.service = WatchedKeys(service, self.log)
        self.recorder = Recorder(self.log, clock=self.clock, entropy=self.entropy)
        store = self.key_store = KeyStore(self.keys, service, entropy=self.entropy)
        self.sealer = Sealer(store, lookup_key=b"l" * 32, entropy=self.entropy)
        self.ledger = ConsentLedger(self.main, self.journal, self.recorder)
        self.subjects = SubjectStore(
            self.main, self.sealer, self.recorder, clock=self.clock, entropy=self.entropy
        )
        self.removal = Removal(self.main, shredder_for(store, tenant=TENANT, entropy=self.entropy))
        self.vault = Vault(
            self.main,
            self.sealer,
            self.removal,
            self.recorder,
            tenant=TENANT,
            clock=self.clock,
            entropy=self.entropy,
        )
        erasures = Journal(folder / "erasures")
        erasures.create()
        self.erasures = ErasureLedger(
            self.main,
            erasures,
            self.recorder,
            access=VaultAccess(self.main, self.recorder, self.removal),
        )
        self.gate = self.new_gate()

    def new_gate(self) -> Gate:
        """Return a gate that has fetched no key yet."""
        return Gate(
            FactSource(
                self.main,
                self.subjects,
                self.ledger,
                self.erasures,
                region=Region.EU,
                realm=Realm.CIVILIAN,
            ),
            self.ledger,
            self.erasures,
            SealedReader(self.main, tenant=TENANT),
            Opener(KeyStore(self.keys, self.service, entropy=self.entropy), entropy=self.entropy),
            self.recorder,
            policy=self.policy,
            clock=self.clock,
        )

    def elsewhere(self) -> ConsentLedger:
        """Return the ledger as another process has it: it may only journal."""
        other = open_database(self.folder / "main.db", read_only=True)
        return ConsentLedger(other, Journal(self.folder / "choices"), self.recorder)

    def add(
        self, *references: str, plan: str = "free", region: Region = Region.EU
    ) -> list[Subject]:
        """Add adults."""
        return self.subjects.add(
            [NewSubject(reference=one, plan=plan, region=region) for one in references]
        )

    def capture(self, subject: Subject, *conversations: Conversation) -> CaptureResult:
        return self.vault.capture({subject: conversations}, source=CaptureSource.IMPORT)

    def held(self, subject: Subject) -> list[Held]:
        return list(self.vault.of_subject(subject))


def notice(purpose: Purpose = BATCH) -> NoticeRef:
    """Return the shipped notice of one purpose."""
    found = next(
        item for item in policy().pack.notices if purpose in item.purposes and item.language == "en"
    )
    return NoticeRef(id=found.id, language="en", sha256=found.hash)


def event_id(number: int) -> EventId:
    return EventId(format_id(IdKind.EVENT, number.to_bytes(16, "big")))


def act(
    number: int,
    subject: Subject | SubjectId,
    kind: Act,
    *,
    purpose: Purpose = BATCH,
    scope: Scope = GENERAL,
    at: datetime = START,
    expires: datetime | None = None,
) -> ConsentEvent:
    """Return one act; a grant names the shipped notice."""
    return ConsentEvent(
        id=event_id(number),
        subject=subject.id if isinstance(subject, Subject) else subject,
        purpose=purpose,
        act=kind,
        at=at,
        scope=scope,
        notice=notice() if kind is Act.GRANT else None,
        expires=expires,
    )


def talk(name: str, *texts: str, signal: Signal = Signal.NONE, title: str = "") -> Conversation:
    """Return a conversation whose turns alternate."""
    turns = tuple(
        Turn(role=Role.ASSISTANT if place % 2 else Role.USER, text=text, parent=place - 1)
        for place, text in enumerate(texts or (f"hello from {name}", "good day"))
    )
    return Conversation(source="test", source_id=name, turns=turns, signal=signal, title=title)


def talks(count: int) -> Iterable[Conversation]:
    return [talk(f"talk {number}") for number in range(count)]
