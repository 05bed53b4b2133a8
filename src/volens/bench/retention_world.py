"""A year in a home of many people, on a stepped clock: what they do, and what must come of it.

The world keeps a model of its own, told only what people did: it never asks the code under
test when something is due. After every run the home's tables are compared with it.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from volens.app.home import Home
from volens.core.ids import ConversationId, HoldId, IdKind, format_id
from volens.core.regions import Region
from volens.holds.erasure import COOL_OFF, new_erasure
from volens.holds.model import Hold
from volens.log.kinds import CaptureSource, ErasureScope, HoldClass
from volens.policy.retention import RetentionClass
from volens.storage.engine import driver_of
from volens.vault.model import Conversation, Role, Turn
from volens.vault.subjects import NewSubject, Subject

_DAY = timedelta(days=1)
_TICK = timedelta(milliseconds=1)
GROUP = 5_000
ORGANISATIONS = {f"org{number:02}": (number % 9 + 2) * 10 for number in range(20)}
"""Each keeps chats for so many days: 20 to 100."""
_ACTIVE = RetentionClass.ACTIVE_CONVERSATIONS
_IDLE = """
INSERT INTO subject (id, reference_digest, reference_sealed, plan, region, realm, age_band, status,
    created_ms)
VALUES (?, ?, x'', 'free', 'eu', 'civilian', 'adult', 'active', 0)
"""
_WHOLE_PERCENT = 20
"""Of those who ask, so many want the whole account gone."""
_REGRET_PERCENT = 10
"""So many of the others take it back."""
_TAKEN_IN_EVERY = 8
_SHARE = 10
"""Every tenth person has chats and an organisation."""


class SteppedClock:
    """A clock that is put somewhere and goes on by a millisecond each time it is read."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """Return where it stands, and let it go on."""
        self.moment += _TICK
        return self.moment


@dataclass(slots=True)
class Chat:
    """What the model knows of one chat."""

    name: ConversationId
    number: int
    owner: int
    held_until: datetime | None = None
    asked: int = 0
    """The number of the open request for it; 0 for none."""


@dataclass(slots=True)
class Model:
    """What must be there, by what people did."""

    chats: dict[int, Chat] = field(default_factory=dict)
    """Those that must be there, by row number."""
    of_person: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    due: list[tuple[datetime, int, int]] = field(default_factory=list)
    """Moments at which chats may be due: (moment, chat, request or 0 for the schedule)."""
    cancelled: set[int] = field(default_factory=set)
    closing: list[tuple[datetime, int]] = field(default_factory=list)
    """Accounts asked to be closed: (moment, person)."""
    people: int = 0

    def settle(self, now: datetime) -> int:
        """Take out what has to be gone by `now`; return how many chats that are."""
        gone = 0
        while self.due and self.due[0][0] <= now:
            _, number, request = heapq.heappop(self.due)
            chat = self.chats.get(number)
            if chat is None or request in self.cancelled:
                continue
            if chat.held_until is not None and now < chat.held_until:
                heapq.heappush(self.due, (chat.held_until, number, request))
                continue
            del self.chats[number]
            self.of_person[chat.owner].discard(number)
            gone += 1
        waiting = []
        for moment, person in self.closing:
            if moment <= now and not self.of_person[person]:
                self.people -= 1
            else:
                waiting.append((moment, person))
        self.closing = waiting
        return gone

    def held(self, now: datetime) -> int:
        """Return how many chats a hold keeps now."""
        return sum(
            one.held_until is not None and now < one.held_until for one in self.chats.values()
        )


class World:
    """People who chat, ask, think again, and reviewers who place holds."""

    def __init__(
        self, home: Home, clock: SteppedClock, *, cool_off: timedelta = COOL_OFF, seed: int = 7
    ) -> None:
        """Live in a new home; the same seed lives the same year.

        The model believes in `cool_off`; with another than the home's own it has to disagree.
        """
        self._cool_off = cool_off
        self._home = home
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - a simulation's dice, not keys
        self._people: list[Subject] = []
        self._said = self._last_chat = 0
        self.asked = 0
        """How many requests people have made."""
        self._thinking: list[tuple[datetime, str, int, int]] = []
        self._closed: set[int] = set()
        self.model = Model()

    def settle_in(self, subjects: int) -> None:
        """Add people, every tenth with an organisation and keys; instruct the organisations.

        The others do nothing all year. They are rows without keys, so that what is measured is
        retention and not a rotation of keys that nobody uses (`volens keys rotate` has its price).
        """
        for name, days in ORGANISATIONS.items():
            self._home.subjects.instruct(name, None, keeping={_ACTIVE: days})
        names = list(ORGANISATIONS)
        for first in range(0, subjects // _SHARE, GROUP):
            wanted = [
                NewSubject(
                    reference=f"p{n}",
                    plan="business",
                    region=Region.EU,
                    organisation=names[n % len(names)],
                )
                for n in range(first, min(first + GROUP, subjects // _SHARE))
            ]
            self._people += self._home.subjects.add(wanted)
        idle = [
            (raw, raw)
            for raw in (self._home.entropy.draw(16) for _ in range(len(self._people), subjects))
        ]
        with self._home.main.begin() as db:
            driver_of(db).executemany(_IDLE, idle)
        self.model.people = subjects

    def chat(self, count: int) -> None:
        """Let `count` chats come in, of people with an organisation."""
        now = self._clock.moment
        wanted: defaultdict[Subject, list[Conversation]] = defaultdict(list)
        for person in self._some(count):
            if person.number not in self._closed:
                self._said += 1
                wanted[person].append(_small_talk(self._said))
        self._home.vault.capture(wanted, source=CaptureSource.IMPORT)
        query = "SELECT no, id, subject_no FROM conversation WHERE no > ? ORDER BY no"
        with self._home.main.connect() as db:
            rows = driver_of(db).execute(query, (self._last_chat,)).fetchall()
        for number, raw, owner in rows:
            organisation = self._people[owner - 1].organisation
            assert organisation is not None
            until = now + ORGANISATIONS[organisation] * _DAY
            name = ConversationId(format_id(IdKind.CONVERSATION, raw))
            self.model.chats[number] = Chat(name=name, number=number, owner=owner)
            self.model.of_person[owner].add(number)
            heapq.heappush(self.model.due, (until, number, 0))
            self._last_chat = number

    def ask(self, count: int) -> None:
        """Let people ask: most for one chat, some for the account; some think again later."""
        everybody = list(self.model.chats.values())
        for one in self._random.choices(everybody, k=count) if everybody else ():
            person = self._people[one.owner - 1]
            chats = sorted(self.model.of_person[person.number])
            if person.number in self._closed or not chats:
                continue
            whole = self._random.randrange(100) < _WHOLE_PERCENT
            picked = chats if whole else [self._random.choice(chats)]
            if not whole and self.model.chats[picked[0]].asked:
                continue
            self.asked += 1
            if self.asked % _TAKEN_IN_EVERY == 0:
                self._home.erasures.drain()  # as the owner of a home does by itself
            now = self._clock.moment
            scope = ErasureScope.ACCOUNT if whole else ErasureScope.CONVERSATION
            made = self._home.erasures.request(
                new_erasure(
                    self._home.entropy.draw(16),
                    scope,
                    person.id,
                    now,
                    conversations=() if whole else [self.model.chats[picked[0]].name],
                )
            )
            for number in picked:
                self.model.chats[number].asked = self.asked
                heapq.heappush(self.model.due, (now + self._cool_off, number, self.asked))
            if whole:
                self._closed.add(person.number)
                self.model.closing.append((now + self._cool_off, person.number))
            elif self._random.randrange(100) < _REGRET_PERCENT:
                after = timedelta(hours=self._random.randrange(1, 160))
                self._thinking.append((now + after, made.id, self.asked, picked[0]))

    def think_again(self) -> None:
        """Let those take their request back who had planned to by now."""
        now = self._clock.moment
        for moment, name, request, number in self._thinking:
            found = self._home.erasures.find(name) if moment <= now else None
            if found is not None and found.is_open and now < found.cool_off_ends:
                self._home.erasures.cancel(name, now)
                self.model.cancelled.add(request)
                if number in self.model.chats:
                    self.model.chats[number].asked = 0
        self._thinking = [one for one in self._thinking if one[0] > now]

    def hold(self, count: int) -> None:
        """Let reviewers hold single chats for a while."""
        now = self._clock.moment
        owners = self._people  # rows are numbered from 1 in the order they came
        for chat in self._random.sample(
            sorted(self.model.chats), min(count, len(self.model.chats))
        ):
            one = self.model.chats[chat]
            if one.held_until is not None:
                continue
            until = now + self._random.randrange(2, 120) * _DAY
            self._home.holds.place(
                Hold(
                    id=HoldId(format_id(IdKind.HOLD, self._home.entropy.draw(16))),
                    hold_class=self._random.choice(list(HoldClass)),
                    subject=owners[one.owner - 1].id,
                    conversations={one.name: ()},
                    authority="case-1",
                    reviewer="reviewer-1",
                    placed=now,
                    until=until,
                ),
                now,
            )
            one.held_until = until

    def differences(self, *, whole: bool) -> list[str]:
        """Return where the home's tables differ from what must be there.

        Args:
            whole: compare every row, not only how many there are.
        """
        found = []
        with self._home.main.connect() as db:
            driver = driver_of(db)
            (chats,) = driver.execute("SELECT count(*) FROM conversation").fetchone()
            (people,) = driver.execute("SELECT count(*) FROM subject").fetchone()
            if chats != len(self.model.chats):
                found.append(f"{chats} chats, {len(self.model.chats)} must be there")
            if people != self.model.people:
                found.append(f"{people} people, {self.model.people} must be there")
            if whole:
                there = {no for (no,) in driver.execute("SELECT no FROM conversation")}
                if early := self.model.chats.keys() - there:
                    found.append(f"{len(early)} chats gone too early")
                if late := there - self.model.chats.keys():
                    found.append(f"{len(late)} chats gone too late")
        return found

    def _some(self, count: int) -> Sequence[Subject]:
        return self._random.choices(self._people, k=count)


def _small_talk(number: int) -> Conversation:
    turns = (Turn(role=Role.USER, text="Is it late?"), Turn(role=Role.ASSISTANT, text="Not yet."))
    return Conversation(source="bench", source_id=str(number), turns=turns)
