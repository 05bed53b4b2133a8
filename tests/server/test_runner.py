"""Jobs run by themselves when they are due; one that fails or lasts stops no other."""

import asyncio
from datetime import timedelta

from tests.support.ports import SteppedClock
from volens.core.errors import Unavailable
from volens.server.runner import WELL, Found, Job, Runner, Told
from volens.server.schedule import FIRST_RETRY, Rhythm

HOUR = timedelta(hours=1)
HOURLY = Rhythm(every=HOUR, late_after=3 * HOUR)


class Work:
    """Work that counts how often it is done, and fails or lasts as told."""

    def __init__(self) -> None:
        self.done = 0
        self.fails: Exception | None = None
        self.found = WELL
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def __call__(self) -> Found:
        await self.goes_on.wait()
        if self.fails is not None:
            raise self.fails
        self.done += 1
        return self.found


def runner(clock: SteppedClock, told: list[Told], **works: Work) -> Runner:
    jobs = [
        Job(name=name, rhythm=HOURLY, work=work, since=clock.now()) for name, work in works.items()
    ]
    return Runner(jobs, clock=clock, told=told.append)


def test_what_is_due_is_done_and_what_is_not_is_not() -> None:
    async def story() -> None:
        clock, one = SteppedClock(), Work()
        some = runner(clock, [], one=one)
        assert some.tick() == []
        clock.step(HOUR)
        assert some.tick() == ["one"]
        await some.settle()
        assert some.tick() == []
        assert one.done == 1

    asyncio.run(story())


def test_a_job_that_fails_stops_no_other_and_is_tried_again_and_told() -> None:
    async def story() -> None:
        clock, bad, good, told = SteppedClock(), Work(), Work(), []
        bad.fails = Unavailable("storage", "the disk is full")
        some = runner(clock, told, bad=bad, good=good)
        clock.step(HOUR)
        some.tick()
        await some.settle()
        assert (bad.done, good.done) == (0, 1)
        assert [(one.job, one.trouble) for one in told] == [("bad", "storage"), ("good", "")]
        assert some.alarms() == ["bad_failed:storage"]
        clock.step(FIRST_RETRY)
        bad.fails = None
        assert some.tick() == ["bad"]
        await some.settle()
        assert (bad.done, some.alarms()) == (1, [])

    asyncio.run(story())


def test_a_mistake_of_the_program_in_one_job_stops_no_other_either() -> None:
    async def story() -> None:
        clock, bad, good = SteppedClock(), Work(), Work()
        bad.fails = ZeroDivisionError("no content of this is told: ada@example.net")
        some = runner(clock, [], bad=bad, good=good)
        clock.step(HOUR)
        some.tick()
        await some.settle()
        assert good.done == 1
        assert some.alarms() == ["bad_failed:ZeroDivisionError"]

    asyncio.run(story())


def test_a_job_that_lasts_is_not_started_twice_and_holds_no_other_up() -> None:
    async def story() -> None:
        clock, slow, quick = SteppedClock(), Work(), Work()
        slow.goes_on.clear()
        some = runner(clock, [], slow=slow, quick=quick)
        clock.step(HOUR)
        assert some.tick() == ["slow", "quick"]
        await asyncio.sleep(0)
        clock.step(3 * HOUR)
        assert some.tick() == ["quick"] or some.tick() == ["quick"]
        assert "slow_late" in some.alarms()
        slow.goes_on.set()
        await some.settle()
        assert slow.done == 1

    asyncio.run(story())


def test_what_a_job_finds_alarms_until_it_finds_nothing() -> None:
    async def story() -> None:
        clock, one = SteppedClock(), Work()
        one.found = Found(alarm="audit_failed", again=HOUR / 2)
        some = runner(clock, [], one=one)
        clock.step(HOUR)
        some.tick()
        await some.settle()
        assert some.alarms() == ["audit_failed"]
        one.found = WELL
        clock.step(HOUR / 2)
        some.tick()
        await some.settle()
        assert some.alarms() == []

    asyncio.run(story())
