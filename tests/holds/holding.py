"""A register of holds over real tables, and what erases beside it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.ports import SeededEntropy
from tests.support.stores import START, Stores, WatchedLog, talk
from volens.core.ids import ConversationId, HoldId, IdKind, SubjectId, format_id
from volens.holds import tables
from volens.holds.model import Hold
from volens.holds.precedence import kept_turns
from volens.holds.store import HoldStore
from volens.log.kinds import HoldClass
from volens.log.recorder import Recorder
from volens.storage.engine import create_tables
from volens.vault.subjects import Subject

DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
TURNS = 6
ANN = SubjectId(format_id(IdKind.SUBJECT, b"a" * 16))


def hold_id(number: int) -> HoldId:
    return HoldId(format_id(IdKind.HOLD, number.to_bytes(16, "big")))


def chat(number: int) -> ConversationId:
    return ConversationId(format_id(IdKind.CONVERSATION, number.to_bytes(16, "big")))


def new_hold(
    number: int = 1,
    *,
    subject: SubjectId = ANN,
    scope: Mapping[ConversationId, tuple[int, ...]] | None = None,
    hold_class: HoldClass = HoldClass.LEGAL,
    placed: datetime = START,
    days: float = 30,
    until: datetime | None = None,
    gag_until: datetime | None = None,
    counted_from: datetime | None = None,
    authority: str = "docket-2026/17",
    reviewer: str = "privacy_officer-2",
) -> Hold:
    """Return a hold on one chat, placed now, for thirty days."""
    return Hold(
        id=hold_id(number),
        hold_class=hold_class,
        subject=subject,
        conversations={chat(1): ()} if scope is None else scope,
        authority=authority,
        reviewer=reviewer,
        placed=placed,
        until=until or placed + days * DAY,
        gag_until=gag_until,
        counted_from=counted_from,
    )


class FailingLater(WatchedLog):
    """A log that can stop everything just after it took the entries."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = False

    def append(self, entries: Sequence[bytes]) -> range:
        taken = super().append(entries)
        if self.stop:
            raise KeyboardInterrupt
        return taken


class Register:
    """The register over one home's tables, with two people and their chats."""

    def __init__(self, folder: Path) -> None:
        stores = Stores(folder)
        create_tables(stores.main, tables.METADATA)
        self.log = FailingLater()
        self.engine = stores.main
        self.clock = stores.clock
        recorder = Recorder(self.log, clock=stores.clock, entropy=SeededEntropy(7))
        self.holds = HoldStore(stores.main, recorder)
        self.ann, self.bob = stores.add("ann", "bob")
        texts = [f"turn {number}" for number in range(TURNS)]
        for person in (self.ann, self.bob):
            stores.capture(person, *(talk(f"chat {number}", *texts) for number in range(4)))
        self.chats = [one.id for one in stores.held(self.ann)]
        self.others = [one.id for one in stores.held(self.bob)]

    def now(self) -> datetime:
        return self.clock.now()

    def place(
        self,
        number: int,
        *chats: ConversationId,
        hold_class: HoldClass = HoldClass.LEGAL,
        days: float = 30,
        turns: tuple[int, ...] = (),
        gag_until: datetime | None = None,
        person: Subject | None = None,
    ) -> Hold:
        """Place a hold now."""
        wanted = new_hold(
            number,
            subject=(person or self.ann).id,
            scope=dict.fromkeys(chats or self.chats[:1], turns),
            hold_class=hold_class,
            placed=self.now(),
            days=days,
            gag_until=gag_until,
        )
        return self.holds.place(wanted, self.now())


class FakeErasures:
    """Erases what was asked for as soon as nothing holds it; asserts what the contracts say."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._waiting: list[ConversationId] = []
        self.content = {name: tuple(range(TURNS)) for name in register.chats}
        self.carvings: list[tuple[ConversationId, tuple[int, ...]]] = []

    def ask(self, *names: ConversationId) -> None:
        self._waiting += names

    def run(self, *, stop_before_settling: bool = False) -> None:
        """Do what is due now."""
        holds, now = self._register.holds, self._register.now()
        freed = holds.expire(now)
        for name in list(self._waiting):
            if holds.holding(name, now) is None:
                self.content.pop(name, None)
                holds.erase_conversations([name])
                self._waiting.remove(name)
            else:
                on = holds.of_subject(self._register.ann.id)
                self.carve(name, kept_turns(on, name, now, TURNS))
        if not stop_before_settling:
            holds.settle(freed, now)

    def carve(self, name: ConversationId, kept: tuple[int, ...]) -> None:
        assert kept, "nothing is left to carve: it has to be erased"
        assert set(kept) <= set(self.content[name]), "a turn that is gone can't come back"
        if self.content[name] != kept:
            self.carvings.append((name, kept))
        self.content[name] = kept
