"""A home with people, a dataset and everything that erases, on a stepped clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from tests.support.homes import Place, add
from tests.support.stores import act, talk
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.consent.model import Act
from volens.core.errors import Unavailable
from volens.core.ids import ConversationId, IdKind, parse_id
from volens.crypto.keystore import KEY_PAGE
from volens.holds.erasure import COOL_OFF, PROMISE, Erasure, new_erasure
from volens.holds.model import Hold
from volens.lifecycle.erasing import Eraser
from volens.log.entries import Entry, parse_entry
from volens.log.kinds import CaptureSource, EntryKind, ErasureScope
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION, LEAF, SEALED, SUBJECT

MS = timedelta(milliseconds=1)
DAY = timedelta(days=1)
CANARY = "wombat-7f3a-canary"


class RowVault:
    """What the vault promises about erasing, done on its rows: keys first, the person last."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.calls: list[str] = []
        self.fails_after: int | None = None

    def erase_conversations(
        self, subject: Subject, conversation_ids: Sequence[ConversationId]
    ) -> None:
        self._count("conversations")
        raws = [parse_id(IdKind.CONVERSATION, name) for name in conversation_ids]
        with self._home.main.begin() as db:
            mine = select(CONVERSATION.c.no).where(
                CONVERSATION.c.id.in_(raws), CONVERSATION.c.subject_no == subject.number
            )
            numbers = [row.no for row in db.execute(mine)]
            db.execute(delete(SEALED).where(SEALED.c.conversation_no.in_(numbers)))
            db.execute(delete(CONVERSATION).where(CONVERSATION.c.no.in_(numbers)))

    def erase_accounts(self, subjects: Sequence[Subject]) -> None:
        self._count("accounts")
        numbers = [subject.number for subject in subjects]
        with self._home.keys_database.begin() as db:
            db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no.in_(numbers)))
        self._count("rows")
        with self._home.main.begin() as db:
            chats = select(CONVERSATION.c.no).where(CONVERSATION.c.subject_no.in_(numbers))
            db.execute(delete(SEALED).where(SEALED.c.conversation_no.in_(chats)))
            db.execute(delete(CONVERSATION).where(CONVERSATION.c.subject_no.in_(numbers)))
            db.execute(delete(LEAF).where(LEAF.c.subject_no.in_(numbers)))
            db.execute(delete(SUBJECT).where(SUBJECT.c.no.in_(numbers)))

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
    vault: RowVault
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
    vault, holds = RowVault(home), FixedHolds()
    return World(where, home, vault, holds, eraser_of(home, vault, holds))
