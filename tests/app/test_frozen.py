"""What a hold keeps is not replaced by a later version of it; everything is real."""

from dataclasses import replace
from datetime import timedelta

from tests.holds.holding import DAY, new_hold
from tests.support.homes import Place, add
from tests.support.stores import talk
from volens.app.home import Home
from volens.core.ids import ConversationId
from volens.core.purposes import Signal
from volens.gate.gate import Asker
from volens.gate.own_copy import USE
from volens.log.kinds import AccessAction, AccessReason, Actor, CaptureSource
from volens.vault.model import Conversation
from volens.vault.store import CaptureResult
from volens.vault.subjects import Subject

SHOW = Asker(actor=Actor.SERVICE, action=AccessAction.SHOW, reason=AccessReason.SERVICE)
TICK = timedelta(milliseconds=1)


def capture(home: Home, subject: Subject, *chats: Conversation) -> CaptureResult:
    return home.vault.capture({subject: chats}, source=CaptureSource.IMPORT)


def texts(home: Home, subject: Subject, chat: str) -> list[str]:
    shown = home.gate.show(home.vault.find(chat), subject, USE, SHOW)
    return [turn.text for turn in shown.turns]


def test_a_held_chat_stays_turn_for_turn_and_grows_after_the_holds_end(here: Place) -> None:
    first, longer = talk("a", "one", "two"), talk("a", "one", "two", "three")
    with here.open() as home:
        (ann,) = add(home, "ann")
        capture(home, ann, first, talk("b", "free"))
        chat, other = [one.id for one in list(home.vault.of_subject(ann))]
        hold = new_hold(subject=ann.id, scope={chat: (1,)}, placed=here.clock.moment)
        home.holds.place(hold, here.clock.moment)
        again = (longer, talk("b", "free", "more"), talk("c", "new"))
        done = capture(home, ann, *again)
        assert done == CaptureResult(added=1, updated=1, known=0, held=1)
        assert texts(home, ann, chat) == ["one", "two"]
        assert texts(home, ann, other) == ["free", "more"]
        assert capture(home, ann, *again) == CaptureResult(added=0, updated=0, known=2, held=1)
        home.holds.release(hold.id, here.clock.moment + TICK)
        assert capture(home, ann, *again) == CaptureResult(added=0, updated=1, known=2, held=0)
        assert texts(home, ann, chat) == ["one", "two", "three"]


def test_a_hold_freezes_up_to_its_end_and_not_at_it(here: Place) -> None:
    with here.open() as home:
        (ann,) = add(home, "ann")
        capture(home, ann, talk("a", "one"))
        (chat,) = [one.id for one in list(home.vault.of_subject(ann))]
        start = here.clock.moment
        hold = new_hold(subject=ann.id, scope={chat: ()}, placed=start, until=start + DAY)
        home.holds.place(hold, start)
        here.clock.moment = start + DAY - TICK
        assert capture(home, ann, talk("a", "one", "two")).held == 1
        here.clock.moment = start + DAY
        assert capture(home, ann, talk("a", "one", "two")).updated == 1


def test_a_signal_that_comes_with_a_later_version_counts_although_the_chat_is_held(
    here: Place,
) -> None:
    with here.open() as home:
        (ann,) = add(home, "ann")
        capture(home, ann, talk("a", "one"))
        (chat,) = [ConversationId(one.id) for one in list(home.vault.of_subject(ann))]
        hold = new_hold(subject=ann.id, scope={chat: ()}, placed=here.clock.moment)
        home.holds.place(hold, here.clock.moment)
        grown = replace(talk("a", "one", "two"), signal=Signal.EXCLUDED)
        assert capture(home, ann, grown).held == 1
        assert home.vault.find(chat).signal is Signal.EXCLUDED
        assert texts(home, ann, chat) == ["one"]
