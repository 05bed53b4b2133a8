"""Small homes to try things on: made once, copied for each test."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests.support.ports import SeededEntropy, SteppedClock
from volens.app.creation import create_home
from volens.app.home import Home, open_home
from volens.consent.model import GENERAL, Act, ConsentEvent, NoticeRef, Scope
from volens.core.ids import EventId, IdKind, SubjectId, format_id
from volens.core.ports import Entropy
from volens.core.purposes import Purpose, Signal
from volens.core.regions import Region
from volens.crypto.keyservice import KeyService
from volens.crypto.keystore import KeyStore
from volens.crypto.opening import Opener
from volens.gate.facts import FactSource, Use
from volens.gate.gate import Asker, Gate
from volens.gate.reading import SealedReader
from volens.log.kinds import AccessAction, AccessReason, Actor, CaptureSource
from volens.log.recorder import EntrySink, Recorder
from volens.policy.decision import Policy
from volens.policy.packs import load_pack
from volens.vault.model import Conversation, Role, Turn
from volens.vault.subjects import NewSubject, Subject

BATCH = Purpose.BATCH_TRAINING
TRAINING = Use(purpose=BATCH.value)
BUILDER = Asker(
    actor=Actor.SERVICE, action=AccessAction.BUILD, reason=AccessReason.DATASET_BUILD
)
CANARY = "the-canary-sings-at-midnight"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """Where a home lies, and the clock its tests step."""

    folder: Path
    kek: Path
    clock: SteppedClock

    @property
    def environment(self) -> Mapping[str, str]:
        return {"VOLENS_KEK_DIR": str(self.kek)}

    def open(
        self,
        *,
        writing: bool = True,
        wait_seconds: float = 0.0,
        entropy: Entropy | None = None,
    ) -> Home:
        return open_home(
            self.folder,
            writing=writing,
            wait_seconds=wait_seconds,
            environment=self.environment,
            clock=self.clock,
            entropy=entropy,
        )

    def copy(self, to: Path) -> "Place":
        """Copy a home that nobody has open."""
        to.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.folder, to / "home", symlinks=True)
        shutil.copytree(self.kek, to / "kek")
        return Place(folder=to / "home", kek=to / "kek", clock=SteppedClock(self.clock.moment))


def new_home(under: Path, *, seed: int = 0) -> Place:
    """Make an empty home below a folder."""
    place = Place(folder=under / "home", kek=under / "kek", clock=SteppedClock(START))
    create_home(
        place.folder,
        environment=place.environment,
        clock=place.clock,
        entropy=SeededEntropy(seed),
    )
    return place


@cache
def policy() -> Policy:
    """Return the shipped policy, loaded once."""
    return Policy(load_pack("consent-first"))


def notice(purpose: Purpose = BATCH) -> NoticeRef:
    """Return the shipped notice of one purpose."""
    found = next(
        item
        for item in policy().pack.notices
        if purpose in item.purposes and item.language == "en"
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
        notice=notice(purpose) if kind is Act.GRANT else None,
        expires=expires,
    )


def talk(name: str, *texts: str, signal: Signal = Signal.NONE, title: str = "") -> Conversation:
    """Return a conversation of alternating turns."""
    turns = tuple(
        Turn(role=Role.ASSISTANT if place % 2 else Role.USER, text=text, parent=place - 1)
        for place, text in enumerate(texts or ("hello", "good day"))
    )
    return Conversation(source="test", source_id=name, turns=turns, signal=signal, title=title)


def add(home: Home, *references: str, plan: str = "free", region: Region = Region.EU) -> list[Subject]:
    """Add adults."""
    return home.subjects.add(
        [NewSubject(reference=one, plan=plan, region=region) for one in references]
    )


def capture(home: Home, subject: Subject, conversations: Iterable[Conversation]) -> None:
    home.vault.capture({subject: list(conversations)}, source=CaptureSource.IMPORT)


def gate_over(
    home: Home, service: KeyService, sink: EntrySink, *, by: Policy | None = None
) -> Gate:
    """Wire a gate over a home's stores with another key service and another log."""
    tenant = bytes(home.vault._tenant)
    facts = FactSource(
        home.main,
        home.subjects,
        home.ledger,
        region=home.identity.region,
        realm=home.identity.realm,
    )
    return Gate(
        facts,
        home.subjects,
        home.ledger,
        SealedReader(home.main, tenant=tenant),
        Opener(KeyStore(home.keys_database, service, entropy=home.entropy), entropy=home.entropy),
        Recorder(sink, clock=home.clock, entropy=home.entropy),
        policy=by or home.policy,
        clock=home.clock,
    )
