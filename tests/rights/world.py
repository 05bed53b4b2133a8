"""A rights desk over small real stores."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tests.support.stores import Stores
from volens.core.errors import Unavailable
from volens.core.ids import ConversationId, ErasureId
from volens.core.regions import Region
from volens.holds import erasure_tables
from volens.holds.erasure import Erasure, new_erasure
from volens.holds.erasures import ErasureLedger
from volens.holds.progress import ErasureProgress
from volens.log.kinds import ErasureScope, RequestKind
from volens.rights import store as rights_store
from volens.rights.agents import AgentDoor
from volens.rights.desk import RightsDesk
from volens.rights.effects import Asked, Effects, Wish
from volens.rights.requests import About, RightsRequest
from volens.rights.store import RequestStore
from volens.storage.engine import create_tables
from volens.storage.journal import Journal
from volens.vault.subjects import Subject

BUSINESS = "VOLENS_TEST"


class World:
    """Stores with a desk, a ledger of erasures and a door for agents."""

    def __init__(self, folder: Path, *, home: Region = Region.EU) -> None:
        self.stores = Stores(folder)
        for metadata in (erasure_tables.METADATA, rights_store.METADATA):
            create_tables(self.stores.main, metadata)
        journal = Journal(folder / "erasures")
        journal.create()
        recorder = self.stores.recorder
        self.erasures = ErasureLedger(self.stores.main, journal, recorder)
        self.progress = ErasureProgress(self.stores.main, recorder)
        self.requests = RequestStore(self.stores.main, recorder)
        self.effects = Effects(
            self.stores.subjects,
            self.stores.ledger,
            self.stores.vault,
            self.erasures,
            self.stores.policy.pack,
            asked=asking(),
        )
        self.desk = RightsDesk(
            self.requests,
            self.stores.subjects,
            self.effects,
            profiles=self.stores.policy.pack.regions,
            priority=frozenset({"pro"}),
            home=home,
            clock=self.stores.clock,
            entropy=self.stores.entropy,
        )
        self.door = AgentDoor(
            self.desk,
            self.requests,
            self.stores.subjects,
            self.stores.sealer,
            business=BUSINESS,
            clock=self.stores.clock,
        )

    def finish(self, erasure: ErasureId) -> None:
        """Say that no copy opens it any more."""
        self.progress.mark_irrecoverable([erasure], self.stores.clock.now())


def asking() -> Asked:
    """Return what promises everybody the same."""

    def asked(
        raw: bytes,
        scope: ErasureScope,
        subject: Subject,
        *,
        at: datetime,
        conversations: Sequence[ConversationId] = (),
    ) -> Erasure:
        return new_erasure(raw, scope, subject.id, at, conversations=conversations)

    return asked


class CopyMaker:
    """An exporter that remembers to whom it handed what, and may fail."""

    def __init__(self) -> None:
        self.handed: list[tuple[str, str]] = []
        self.fails = False

    def hand_over(self, subject: Subject, request: RightsRequest) -> None:
        if self.fails:
            raise Unavailable("storage", "no room")
        self.handed.append((subject.id, request.id))


def wish(kind: RequestKind) -> Wish:
    """Return the plainest wish of a kind."""
    rectified = kind is RequestKind.RECTIFICATION
    return Wish(kind=kind, about=About.AGE_BAND if rectified else About.NOTHING)
