"""Acts take turns; what takes back does not wait for its turn."""

import asyncio
import threading

import pytest

from tests.support.homes import Place, add
from volens.app.home import Home
from volens.app.retention import new_request
from volens.app.thread import Held, HomeThread, Steps
from volens.consent.model import Act, ConsentEvent
from volens.core.errors import Unavailable
from volens.core.ids import ErasureId, EventId, IdKind, SubjectId, format_id
from volens.core.purposes import Purpose
from volens.holds.erasure import ErasureState
from volens.log.kinds import ErasureScope

TRAINING = Purpose.BATCH_TRAINING


def threaded(here: Place, held: list[Held] | None = None) -> HomeThread:
    told = [] if held is None else held
    return HomeThread(here.open, read_it=lambda: here.open(writing=False), told=told.append)


def erase(home: Home, subject: SubjectId) -> ErasureId:
    person = home.subjects.find(subject)
    wanted = new_request(home, home.entropy.draw(16), ErasureScope.ACCOUNT, person)
    return home.erasures.request(wanted).id


def withdraw(home: Home, subject: SubjectId) -> None:
    home.ledger.journal(
        ConsentEvent(
            id=EventId(format_id(IdKind.EVENT, home.entropy.draw(16))),
            subject=subject,
            purpose=TRAINING,
            act=Act.WITHDRAW,
            at=home.clock.now(),
            channel="test",
        )
    )


def test_what_is_taken_back_is_acknowledged_while_a_long_act_has_the_thread(here: Place) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def long(home: Home) -> None:
        with home.main.begin() as db:  # in the middle of a transaction
            db.exec_driver_sql("SELECT 1")
            begun.set()
            assert goes_on.wait(30)

    async def story(thread: HomeThread) -> None:
        [ada] = await thread.run(lambda home: add(home, "ada"))
        lasting = asyncio.ensure_future(thread.run(long))
        await asyncio.to_thread(begun.wait)
        await thread.beside(lambda home: withdraw(home, ada.id))
        asked = await thread.beside(lambda home: erase(home, ada.id))
        assert not lasting.done()
        goes_on.set()
        await lasting
        states = await thread.run(lambda home: home.ledger.states(ada.id))
        assert TRAINING in states
        found = await thread.run(lambda home: home.erasures.find(asked))
        assert found.state is ErasureState.ACCESS_ENDED

    thread = threaded(here)
    try:
        asyncio.run(story(thread))
    finally:
        goes_on.set()
        thread.close()


def test_others_act_between_the_steps_of_a_long_act(here: Place) -> None:
    order: list[str] = []

    def steps(home: Home) -> Steps[int]:
        del home
        for number in range(3):
            order.append(f"step {number}")
            yield
        return 7

    async def story(thread: HomeThread) -> None:
        lasting = asyncio.ensure_future(thread.run_steps(steps))
        while not order:  # noqa: ASYNC110 - the other thread sets it
            await asyncio.sleep(0)
        await thread.run(lambda _home: order.append("other"))
        assert await lasting == 7

    held: list[Held] = []
    thread = threaded(here, held)
    asyncio.run(story(thread))
    thread.close()
    assert [one for one in order if one != "other"] == ["step 0", "step 1", "step 2"]
    assert order.index("other") < 4
    assert all(one.held_seconds >= 0 and one.waited_seconds >= 0 for one in held)
    assert len(held) == 6


def test_an_error_in_a_step_reaches_who_asked(here: Place) -> None:
    def steps(home: Home) -> Steps[None]:
        del home
        yield
        raise Unavailable("storage", "no more room")

    thread = threaded(here)
    with pytest.raises(Unavailable, match="no more room"):
        asyncio.run(thread.run_steps(steps))
    thread.close()


def test_too_many_waiting_acts_are_refused(here: Place) -> None:
    goes_on = threading.Event()

    async def story(thread: HomeThread) -> None:
        first = asyncio.ensure_future(thread.run(lambda _home: goes_on.wait(30)))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="1 acts are waiting"):
            await thread.run(lambda _home: None)
        goes_on.set()
        await first

    thread = HomeThread(here.open, most_waiting=1)
    asyncio.run(story(thread))
    thread.close()


def test_a_home_that_does_not_open_leaves_no_thread_behind(here: Place) -> None:
    before = threading.active_count()
    with here.open(), pytest.raises(Unavailable):
        HomeThread(here.open)
    assert threading.active_count() == before
