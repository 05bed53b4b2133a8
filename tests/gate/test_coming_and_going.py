"""Captures, new versions, signals, ended access, erasures, merging of blocks: in any order.

Whatever happened, what the gate opens is what a simple model says is left, and no key is left over.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import func, select

from tests.support.stores import BUILDER, TRAINING, Stores, act, talk
from volens.consent.model import Act
from volens.core.ids import IdKind, parse_id
from volens.core.purposes import Signal
from volens.log.kinds import CaptureSource
from volens.vault.model import pack_payload, unpack_payload
from volens.vault.store import Held
from volens.vault.subjects import Subject
from volens.vault.tables import BLOCK, CONVERSATION, OBSOLETE_KEY

WHO = st.integers(0, 1)
NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)


@dataclass(slots=True)
class Known:
    """What the model knows of one conversation."""

    text: str
    signalled: bool = False
    ended: bool = False


class ComingAndGoing(RuleBasedStateMachine):
    """Two people who said yes, and everything that may happen to their conversations."""

    @initialize()
    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        home = Path(self._folder.name) / "home"
        home.mkdir()
        self.stores = Stores(home)
        self.people = self.stores.add("ada", "bo")
        acts = [act(n, one, Act.GRANT) for n, one in enumerate(self.people)]
        self.stores.ledger.record(acts)
        self.model: tuple[dict[str, Known], dict[str, Known]] = ({}, {})
        self.said = 0

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            self.stores.main.dispose()
            self.stores.keys.dispose()
            self._folder.cleanup()

    @rule(who=WHO, names=NAMES)
    def talk(self, who: int, names: list[str]) -> None:
        self.said += 1
        talks = [talk(name, f"{name} {self.said}", "good day") for name in names]
        self.stores.vault.capture({self.people[who]: talks}, source=CaptureSource.IMPORT)
        for name in names:
            known = self.model[who].setdefault(name, Known(""))
            if not known.ended:
                known.text = f"{name} {self.said}"

    @rule(who=WHO, names=NAMES)
    def signal(self, who: int, names: list[str]) -> None:
        for name, held in self._held(who, names).items():
            self.stores.vault.set_signal(held, Signal.EXCLUDED, self.people[who].holder)
            self.model[who][name].signalled = True

    @rule(who=WHO, names=NAMES, ended=st.booleans())
    def end_or_resume(self, who: int, names: list[str], ended: bool) -> None:
        held = self._held(who, names)
        numbers = [one.number for one in held.values()]
        if ended:
            self.stores.removal.end_access(
                [(number, self.stores.clock.now()) for number in numbers]
            )
        else:
            self.stores.removal.resume_access(numbers)
        for name in held:
            self.model[who][name].ended = ended

    @rule(who=WHO, names=NAMES)
    def erase(self, who: int, names: list[str]) -> None:
        held = self._held(who, names)
        self.stores.removal.erase_conversations({self.people[who]: [h.id for h in held.values()]})
        self.stores.removal.erase_conversations({self.people[who]: [h.id for h in held.values()]})
        for name in held:
            del self.model[who][name]

    @rule(who=WHO, name=st.sampled_from("abcdefgh"))
    def carve(self, who: int, name: str) -> None:
        for held in self._held(who, [name]).values():
            text = f"carved {held.sequence}"
            payload = pack_payload(talk(name, text, "good day"))
            carved = self.stores.removal.carve(
                self.people[who], held.id, [held.sequence], lambda _, made=payload: made
            )
            again = self.stores.removal.carve(self.people[who], held.id, [held.sequence], bytes)
            assert (carved, again) == (True, False)
            self.model[who][name].text = text

    @rule(who=WHO)
    def merge(self, who: int) -> None:
        person = self.people[who]
        before = self._blocks(person)
        fewer = self.stores.removal.compact(person)
        assert len(self._blocks(person)) == len(before) - fewer
        assert len(self._blocks(person)) == (1 if before else 0)

    @invariant()
    def what_is_opened_is_what_is_left(self) -> None:
        gate = self.stores.gate
        opened = [
            (subject, unpack_payload(payload).turns[0].text)
            for batch in gate.open(gate.select(TRAINING, BUILDER))
            for subject, payload in zip(batch.subjects.tolist(), batch.payloads, strict=True)
        ]
        assert opened == [
            (self.people[who].number, known.text)
            for who in (0, 1)
            for known in self.model[who].values()
            if not known.signalled and not known.ended
        ]

    @invariant()
    def each_is_shown_alone_as_it_was_said(self) -> None:
        for who, person in enumerate(self.people):
            for held in list(self.stores.vault.of_subject(person)):
                known = self._known(who, held)
                if not known.signalled:
                    shown = self.stores.gate.show(held, person, TRAINING, BUILDER)
                    assert shown.turns[0].text == known.text

    @invariant()
    def no_key_and_no_block_is_left_over(self) -> None:
        stores = self.stores
        for person in self.people:
            ids = {
                parse_id(IdKind.CONVERSATION, one.id)
                for one in stores.vault.of_subject(person, ended=True)
            }
            assert stores.key_store.account(person.holder).salts.keys() == ids | self._blocks(
                person
            )
        with stores.main.connect() as db:
            assert db.execute(select(OBSOLETE_KEY)).first() is None
            blocks = db.execute(select(func.count()).select_from(BLOCK)).scalar_one()
            used = db.execute(select(func.count(CONVERSATION.c.block_no.distinct()))).scalar_one()
            assert blocks == used

    def _held(self, who: int, names: list[str]) -> dict[str, Held]:
        rows = self.stores.vault.of_subject(self.people[who], ended=True)
        held = dict(zip(self.model[who], rows, strict=True))
        return {name: held[name] for name in names if name in held}

    def _known(self, who: int, held: Held) -> Known:
        return next(
            self.model[who][n] for n, h in self._held(who, [*"abcdefgh"]).items() if h == held
        )

    def _blocks(self, person: Subject) -> set[bytes]:
        query = select(BLOCK.c.id).where(BLOCK.c.subject_no == person.number)
        with self.stores.main.connect() as db:
            return set(db.execute(query).scalars())


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
