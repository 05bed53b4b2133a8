"""In-memory hands for retention: they do what the real ones promise, and police their caller."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from volens.core.ids import (
    ConversationId,
    HoldId,
    IdKind,
    SubjectId,
    format_id,
)
from volens.holds.access import Ended, add_up, blocked_by
from volens.holds.erasure import DESTRUCTION, ROTATION, Erasure, ErasureState
from volens.holds.model import Hold
from volens.holds.promises import OWED, Promise
from volens.holds.register import Freed
from volens.lifecycle.hands import Hands
from volens.lifecycle.register import Account, Aged
from volens.lifecycle.schedule import Cutoffs
from volens.log.kinds import ErasureScope, HoldClass


def subject_id(number: int) -> SubjectId:
    return SubjectId(format_id(IdKind.SUBJECT, number.to_bytes(16, "big")))


def chat_id(number: int) -> ConversationId:
    return ConversationId(format_id(IdKind.CONVERSATION, number.to_bytes(16, "big")))


@dataclass
class Person:
    organisation: str | None = None
    closed: bool = False
    chats: dict[ConversationId, datetime] = field(default_factory=dict)
    """Each with its last message, which is its capture."""


@dataclass(frozen=True)
class Run:
    due: int
    erased: int


class World:
    """Everything that a run touches."""

    def __init__(self) -> None:
        self.people: dict[SubjectId, Person] = {}
        self.erasures: dict[str, Erasure] = {}
        self.journal: list[Erasure] = []
        self.held: list[Hold] = []
        self.settled: list[object] = []
        self.epochs: list[datetime] = []
        """When the epochs began; the last one is live."""
        self.retired: dict[int, datetime] = {}
        self.destroyed: set[int] = set()
        self.now: datetime | None = None
        self.gone: dict[ConversationId, datetime] = {}
        self.fail_in = ""

    def hands(self) -> Hands:
        return Hands(
            register=Here(self),
            requests=Asked(self),
            promises=Owing(self),
            erasing=Eraser(self),
            holds=Kept(self),
            rotation=Rotating(self),
        )

    def person(self, number: int, *chats: datetime, organisation: str | None = None) -> SubjectId:
        name = subject_id(number)
        self.people[name] = Person(
            organisation=organisation,
            chats={chat_id(number * 1_000 + at): moment for at, moment in enumerate(chats)},
        )
        return name

    def hold(
        self, number: int, subject: SubjectId, *chats: ConversationId, until: datetime
    ) -> Hold:
        made = Hold(
            id=HoldId(format_id(IdKind.HOLD, number.to_bytes(16, "big"))),
            hold_class=HoldClass.SAFETY,
            subject=subject,
            conversations=dict.fromkeys(chats, ()),
            authority="case-1",
            reviewer="reviewer-1",
            placed=until - timedelta(days=100),
            until=until,
        )
        self.held.append(made)
        return made

    def step(self, name: str) -> None:
        if self.fail_in == name:
            raise OSError(f"power cut in {name}")

    def chats_of(self, erasure: Erasure) -> list[ConversationId]:
        person = self.people.get(erasure.subject) if erasure.subject else None
        if person is None:
            return []
        if erasure.scope is ErasureScope.CONVERSATION:
            return [one for one in erasure.conversations if one in person.chats]
        return list(person.chats)

    def holding(self, erasure: Erasure, at: datetime) -> bool:
        chats = set(self.chats_of(erasure))
        return any(
            hold.subject == erasure.subject and at < hold.until and chats & set(hold.conversations)
            for hold in self.held
        )


class Here:
    def __init__(self, world: World) -> None:
        self.world = world

    def aged(self, cutoffs: Cutoffs, at: datetime) -> Iterator[Aged]:
        del at
        for name, person in list(self.world.people.items()):
            cutoff = cutoffs.cutoff(person.organisation)
            for chat, last in person.chats.items():
                if cutoff is not None and last <= cutoff:
                    yield Aged(
                        subject=name,
                        conversation=chat,
                        organisation=person.organisation,
                        captured=last,
                        last=last,
                    )

    def closed(self) -> Iterator[tuple[SubjectId, str | None]]:
        for name, person in self.world.people.items():
            if person.closed:
                yield name, person.organisation

    def accounts(self, subjects: Collection[SubjectId]) -> Mapping[SubjectId, Account]:
        return {
            name: Account(organisation=person.organisation, chats=len(person.chats))
            for name, person in self.world.people.items()
            if name in subjects
        }


class Asked:
    def __init__(self, world: World) -> None:
        self.world = world

    def request(self, erasure: Erasure) -> Erasure:
        assert erasure.subject in self.world.people
        assert set(erasure.conversations) <= set(self.world.people[erasure.subject].chats)
        self.world.journal.append(erasure)
        return erasure

    def drain(self) -> int:
        self.world.step("drain")
        fresh = {one.id: one for one in self.world.journal if one.id not in self.world.erasures}
        self.world.erasures |= fresh
        self.world.journal.clear()
        return len(fresh)

    def all(self) -> list[Erasure]:
        return [*self.world.erasures.values(), *self.world.journal]

    def due(self, at: datetime) -> list[Erasure]:
        return [one for one in self._in(ErasureState.ACCESS_ENDED) if one.cool_off_ends <= at]

    def held(self) -> list[Erasure]:
        return self._in(ErasureState.HELD)

    def waiting_for_epoch(self) -> list[Erasure]:
        return self._in(ErasureState.KEYS_REMOVED)

    def ended(self) -> Ended:
        return add_up(blocked_by(one) for one in self.all() if one.is_open)

    def _in(self, state: ErasureState) -> list[Erasure]:
        return [one for one in self.world.erasures.values() if one.state is state]


class Owing:
    def __init__(self, world: World) -> None:
        self.world = world

    def owed(self) -> list[Promise]:
        return [
            Promise(
                id=one.id,
                state=one.state,
                promised_by=one.owed_by,
                keys_removed=one.keys_removed,
            )
            for one in self.world.erasures.values()
            if one.state in OWED
        ]


class Eraser:
    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, at: datetime) -> Run:
        asked = Asked(self.world)
        for one in asked.held():
            if not self.world.holding(one, at):
                self._set(one, state=ErasureState.ACCESS_ENDED, freed=at)
        due, erased = asked.due(at), 0
        for one in due:
            if self.world.holding(one, at):
                self._set(one, state=ErasureState.HELD)
                continue
            self.world.step("erase")
            assert one.cool_off_ends <= at
            for chat in self.world.chats_of(one):
                assert one.subject is not None
                del self.world.people[one.subject].chats[chat]
                self.world.gone[chat] = at
            if one.scope is ErasureScope.ACCOUNT and one.subject:
                del self.world.people[one.subject]
            self._set(one, state=ErasureState.KEYS_REMOVED, keys_removed=at, conversations=())
            erased += 1
        return Run(due=len(due), erased=erased)

    def settle(self, at: datetime, irrecoverable_before: datetime) -> int:
        settled = [
            one
            for one in Asked(self.world).waiting_for_epoch()
            if one.keys_removed and one.keys_removed < irrecoverable_before
        ]
        for one in settled:
            self._set(one, state=ErasureState.IRRECOVERABLE, irrecoverable=at)
        return len(settled)

    def _set(self, one: Erasure, **changes: object) -> None:
        self.world.erasures[one.id] = replace(one, **changes)


class Kept:
    def __init__(self, world: World) -> None:
        self.world = world

    def expire(self, at: datetime) -> Freed:
        over = tuple(hold.id for hold in self.world.held if hold.until <= at)
        return Freed(holds=over, free={}, narrowed={})

    def settle(self, freed: Freed, at: datetime) -> None:
        assert not any(self.world.holding(one, at) is False for one in Asked(self.world).held()), (
            "a hold is settled before what it kept was seen to"
        )
        self.world.settled += [name for name in freed.holds if name not in self.world.settled]

    def active(self, at: datetime) -> list[Hold]:
        return [hold for hold in self.world.held if hold.placed <= at < hold.until]


class Rotating:
    """Epochs of one scope, with the key rotation's own rule."""

    def __init__(self, world: World) -> None:
        self.world = world

    def rotation_due(self, at: datetime, removals: Sequence[datetime] | None = None) -> list[str]:
        live = self.world.epochs[-1]
        wanted = removals is None or any(one >= live for one in removals)
        return ["civilian-eu"] if wanted and live + ROTATION <= at else []

    def rotate(self, scope: str) -> None:
        assert scope == "civilian-eu"
        assert self.world.now is not None
        self.world.retired[len(self.world.epochs) - 1] = self.world.now
        self.world.epochs.append(self.world.now)

    def destroy_expired(self) -> list[int]:
        assert self.world.now is not None
        over = [
            number
            for number, since in self.world.retired.items()
            if number not in self.world.destroyed and since + DESTRUCTION <= self.world.now
        ]
        self.world.destroyed.update(over)
        return over

    def irrecoverable_before(self) -> datetime | None:
        standing = [n for n in range(len(self.world.epochs)) if n not in self.world.destroyed]
        return self.world.epochs[standing[0]] if standing[0] else None
