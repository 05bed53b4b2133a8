"""A home with people, a dataset and everything that erases, on a stepped clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.homes import Place, add
from tests.support.stores import act, talk
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.consent.model import Act
from volens.core.errors import Unavailable
from volens.core.ids import ConversationId
from volens.holds.erasure import COOL_OFF, PROMISE, Erasure, new_erasure
from volens.holds.model import Hold
from volens.lifecycle.erasing import Eraser
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import CaptureSource, EntryKind, ErasureScope
from volens.vault.subjects import Subject

MS = timedelta(milliseconds=1)
DAY = timedelta(days=1)
CANARY = "wombat-7f3a-canary"


class StoppableVault:
    """The real vault, which can be told to stop between its steps."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.calls: list[str] = []
        self.fails_after: int | None = None
        self.fails_at_the_end = False

    def erase_conversations(self, wanted: Mapping[Subject, Sequence[ConversationId]]) -> None:
        self._count("conversations")
        self._home.removal.erase_conversations(wanted)

    def erase_accounts(self, subjects: Sequence[Subject]) -> None:
        self._count("accounts")
        self._home.removal.drop_account_keys(subjects)
        self._count("rows")
        self._home.removal.erase_accounts(subjects)
        if self.fails_at_the_end:
            raise Unavailable("database_trouble", "the vault was told to fail")

    def _count(self, call: str) -> None:
        self.calls.append(call)
        if self.fails_after is not None and len(self.calls) > self.fails_after:
            raise Unavailable("database_trouble", "the vault was told to fail")


class FixedHolds:
    """Holds, without a store of them."""

    def __init__(self, *holds: Hold) -> None:
        self.holds = list(holds)

    def active(self, at: datetime) -> Sequence[Hold]:
        return [hold for hold in self.holds if hold.placed <= at < hold.until]


@dataclass
class World:
    """An opened home and what erases in it."""

    where: Place
    home: Home
    vault: StoppableVault
    holds: FixedHolds
    eraser: Eraser
    asked: int = 0

    @property
    def now(self) -> datetime:
        return self.where.clock.now()

    def person(self, name: str, chats: int = 2, *, willing: bool = False) -> Subject:
        """Somebody with conversations, each with a canary of its own."""
        (subject,) = add(self.home, name)
        talks = [talk(f"{name} {at}", f"{CANARY} {name} {at}", "noted") for at in range(chats)]
        self.home.vault.capture({subject: talks}, source=CaptureSource.IMPORT)
        if willing:
            self.asked += 1
            self.home.ledger.record([act(1000 + self.asked, subject, Act.GRANT)])
        return subject

    def chats(self, subject: Subject) -> list[ConversationId]:
        return [held.id for held in self.home.vault.of_subject(subject)]

    def request(
        self,
        scope: ErasureScope,
        subject: Subject,
        *conversations: ConversationId,
        cool_off: timedelta = COOL_OFF,
    ) -> Erasure:
        self.asked += 1
        wanted = new_erasure(
            self.asked.to_bytes(16, "big"),
            scope,
            subject.id,
            self.now,
            conversations=conversations,
            cool_off=cool_off,
            promise=PROMISE,
        )
        return self.home.erasures.request(wanted)

    def entries(self) -> list[Entry]:
        log = self.home.owned_log()
        return [parse_entry(log.entry(at)) for at in range(log.size)]

    def kinds(self) -> list[EntryKind]:
        return [entry.kind for entry in self.entries()]


def world_of(where: Place) -> World:
    """Open a home with its eraser."""
    home = where.open()
    vault, holds = StoppableVault(home), FixedHolds()
    return World(where, home, vault, holds, eraser_of(home, vault, holds))
