"""Chats past their time are closed at once, to everybody, before any run; everything is real."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.homes import Place
from tests.support.stores import BATCH, BUILDER, START, TRAINING, act, talk
from volens.app.home import Home
from volens.consent.model import Act
from volens.core.errors import Denied
from volens.core.purposes import Signal
from volens.holds.erasure import new_erasure
from volens.log.kinds import CaptureSource, ErasureScope
from volens.policy.model import ReasonCode
from volens.policy.retention import RetentionClass
from volens.vault.model import Conversation, unpack_payload
from volens.vault.subjects import NewSubject

DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
DENIED = (ReasonCode.BLOCKED_ERASING,)


def said(name: str, last: datetime, signal: Signal = Signal.NONE) -> Conversation:
    return replace(talk(name), created=last - DAY, updated=last, signal=signal)


def settle(home: Home) -> None:
    """Let four people who agreed chat on three days; two of them where 30 days is the most."""
    for name, days in (("acme", 30), ("slow", 60)):
        keeping = {RetentionClass.ACTIVE_CONVERSATIONS: days}
        home.subjects.instruct(name, [BATCH], keeping=keeping)
    people = home.subjects.add(
        [
            NewSubject(reference=name, plan="free", region=home.identity.region, organisation=of)
            for name, of in (("ann", "acme"), ("bob", None), ("cy", "slow"), ("di", "acme"))
        ]
    )
    now = home.clock.now()
    home.ledger.record([act(n, one, Act.GRANT, at=now) for n, one in enumerate(people)])
    chats = [
        said("old", now - 2 * DAY),
        said("signalled", now - 2 * DAY, Signal.EXCLUDED),
        said("middle", now - DAY),
        said("young", now),
        talk("untold"),
    ]
    for one in people:
        home.vault.capture({one: chats}, source=CaptureSource.IMPORT)


def singly(home: Home) -> list[str]:
    """Return what may be trained on, asked of one chat after the other."""
    people = list(home.subjects.all())
    chats = [(one, held) for one in people for held in list(home.vault.of_subject(one))]
    found = []
    for subject, held in chats:
        if home.gate.decide(subject, TRAINING, held).permit:
            shown = home.gate.show(held, subject, TRAINING, BUILDER)
            found.append(f"{subject.number} {shown.turns[0].text}")
        else:
            with pytest.raises(Denied):
                home.gate.show(held, subject, TRAINING, BUILDER)
    return found


def at_once(home: Home) -> list[str]:
    """Return the same, of all at once."""
    selection = home.gate.select(TRAINING, BUILDER)
    found = [
        f"{subject} {unpack_payload(payload).turns[0].text}"
        for batch in home.gate.open(selection)
        for subject, payload in zip(batch.subjects.tolist(), batch.payloads, strict=True)
    ]
    assert len(found) == selection.permitted
    return found


ALL = [
    f"{number} hello from {name}"
    for number in (1, 2, 3, 4)
    for name in ("old", "middle", "young", "untold")
]


def without(*gone: str) -> list[str]:
    return [one for one in ALL if one not in gone]


OLD = [f"{number} hello from old" for number in (1, 4)]
MIDDLE = [f"{number} hello from middle" for number in (1, 4)]


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (timedelta(0), ALL),
        (28 * DAY - TICK, ALL),
        (28 * DAY, without(*OLD)),
        (29 * DAY - TICK, without(*OLD)),
        (29 * DAY, without(*OLD, *MIDDLE)),
        (30 * DAY, [one for one in ALL if one[0] in "23"]),
        (58 * DAY, [one for one in ALL if one[0] in "23" and one != "3 hello from old"]),
        (400 * DAY, [one for one in ALL if one[0] == "2"]),
    ],
)
def test_one_by_one_and_all_at_once_agree_at_each_border(
    here: Place, after: timedelta, left: list[str]
) -> None:
    with here.open() as home:
        settle(home)
        here.clock.moment += after
        assert singly(home) == at_once(home) == left


def test_why_is_said_and_a_signal_makes_no_difference(here: Place) -> None:
    with here.open() as home:
        settle(home)
        here.clock.moment += 28 * DAY
        ann = home.subjects.find("ann")
        old, signalled, middle, *_ = home.vault.of_subject(ann)
        assert home.gate.decide(ann, TRAINING, old).reasons == DENIED
        assert home.gate.decide(ann, TRAINING, signalled).reasons == DENIED
        assert home.gate.decide(ann, TRAINING, middle).permit
        permitted, why = home.gate.preview(TRAINING)
        assert permitted == len(ALL) - 2
        assert why == {ReasonCode.BLOCKED_ERASING: 4, ReasonCode.SIGNAL_EXCLUDED: 2}


def test_a_persons_own_copy_has_none_of_it_and_says_how_many(here: Place) -> None:
    with here.open() as home:
        settle(home)
        ann = home.subjects.find("ann")
        first = next(iter(home.vault.of_subject(ann)))
        assert home.own_copy.preview(ann) == (5, {})
        here.clock.moment += 28 * DAY - TICK
        assert home.own_copy.preview(ann) == (5, {})
        here.clock.moment += TICK
        assert home.own_copy.preview(ann) == (3, {"blocked_erasing": 2})
        with home.own_copy.begin(ann) as reading:
            assert first.id not in {one.held.id for one in reading.conversations()}
            assert reading.permitted == 3


def test_an_instruction_counts_at_once_and_can_be_taken_back(here: Place) -> None:
    with here.open() as home:
        settle(home)
        here.clock.moment += 20 * DAY
        assert at_once(home) == singly(home) == ALL
        home.subjects.instruct("acme", None, keeping={RetentionClass.ACTIVE_CONVERSATIONS: 1})
        assert at_once(home) == singly(home) == [one for one in ALL if one[0] in "23"]
        home.subjects.instruct("acme", None, keeping={})
        assert at_once(home) == singly(home) == ALL


@pytest.mark.parametrize("drained", [False, True])
def test_what_should_be_erased_and_is_not_stays_closed(here: Place, drained: bool) -> None:
    """Also past its promise, to the millisecond and long after, taken in or only journaled."""
    with here.open() as home:
        settle(home)
        bob = home.subjects.find("bob")
        chat, *_ = home.vault.of_subject(bob)
        asked = new_erasure(
            b"e" * 16,
            ErasureScope.CONVERSATION,
            bob.id,
            here.clock.moment,
            conversations=[chat.id],
        )
        home.erasures.request(asked)
        if drained:
            home.erasures.drain()
        left = without("2 hello from old")
        for moment in (START, asked.promised_by - TICK, asked.promised_by, START + 300 * DAY):
            here.clock.moment = moment
            assert home.gate.decide(bob, TRAINING, chat).reasons == DENIED
            assert [one for one in at_once(home) if one[0] == "2"] == [
                one for one in left if one[0] == "2"
            ]
            assert home.own_copy.preview(bob) == (4, {"blocked_erasing": 1})
