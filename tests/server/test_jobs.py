"""Nobody has to remember it: what is due happens while a home is served, and is caught up with."""

import asyncio
from datetime import timedelta
from pathlib import Path

from tests.server.conftest import DAY, Served
from tests.support.homes import Place, add
from tests.support.models import trained_on
from tests.support.stores import TRAINING, act, talk
from volens.app.home import Home
from volens.app.impact import impact_register
from volens.app.retention import clock_of, new_request
from volens.consent.model import Act, ConsentEvent
from volens.core.ids import EventId, HoldId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.model import Hold
from volens.log.kinds import CaptureSource, ErasureScope, HoldClass, ImpactState
from volens.server.backups import kept
from volens.server.jobs import _retain
from volens.vault.subjects import Subject

HOUR = timedelta(hours=1)


def person(home: Home, name: str = "ada") -> Subject:
    [found] = add(home, name)
    home.vault.capture({found: [talk(f"{name}-1", "hello")]}, source=CaptureSource.IMPORT)
    return found


def asked(home: Home, subject: Subject, scope: ErasureScope = ErasureScope.ACCOUNT) -> Erasure:
    return home.erasures.request(new_request(home, home.entropy.draw(16), scope, subject))


def test_an_erasure_becomes_irrecoverable_in_time_with_nobody_doing_anything(
    served: Served,
) -> None:
    wanted = asked(served.home, person(served.home))
    served.now()
    states = []
    for _ in range(30):
        served.days(1)
        states.append(served.home.erasures.find(wanted.id).state)
        if states[-1] is ErasureState.IRRECOVERABLE:
            break
    done = served.home.erasures.find(wanted.id)
    assert states[0] is ErasureState.ACCESS_ENDED
    assert ErasureState.KEYS_REMOVED in states
    assert done.irrecoverable is not None
    assert done.irrecoverable <= done.promised_by
    assert served.alarms() == []


def test_what_was_journaled_beside_the_owner_is_logged_within_a_tick(
    served: Served, here: Place
) -> None:
    ada = person(served.home)
    served.now()
    with here.open(writing=False) as other:
        asked(other, ada)
        other.ledger.journal(
            ConsentEvent(
                id=EventId(format_id(IdKind.EVENT, other.entropy.draw(16))),
                subject=ada.id,
                purpose=Purpose.BATCH_TRAINING,
                act=Act.WITHDRAW,
                at=here.clock.now(),
                channel="test",
            )
        )
    assert len(served.home.ledger.pending()) == 1
    here.clock.step(timedelta(milliseconds=200))
    assert "drain" in served.now()
    assert served.home.ledger.pending() == []
    assert served.home.erasures.pending() == []
    here.clock.step(timedelta(milliseconds=200))
    served.now()
    log = served.home.owned_log()
    assert log.published_size == log.size


def test_a_case_opens_within_a_minute_of_a_withdrawal_beside_the_owner(
    served: Served, here: Place, tmp_path: Path
) -> None:
    ada = person(served.home)
    chat = talk("ada-2", "how is tea made?", "with water")
    served.home.vault.capture({ada: [chat]}, source=CaptureSource.IMPORT)
    served.home.ledger.record([act(1, ada, Act.GRANT)])
    trained_on(served.home, served.home.datasets().build(TRAINING, tmp_path / "set"))
    here.clock.step(timedelta(minutes=1))
    assert "impact" in served.now()
    assert impact_register(served.home).all() == []
    with here.open(writing=False) as other:
        other.ledger.journal(act(2, ada, Act.WITHDRAW))
    here.clock.step(timedelta(minutes=1))
    served.now()  # takes it in, and may have looked before it did
    here.clock.step(timedelta(minutes=1))
    assert "impact" in served.now()
    (case,) = impact_register(served.home).of_subject(ada.number)
    assert case.touches[0].stands.state is ImpactState.BLOCKED
    size = served.home.owned_log().size
    here.clock.step(timedelta(minutes=1))
    assert "impact" in served.now()
    assert served.home.owned_log().size == size


def test_what_the_server_missed_while_it_was_down_is_done_when_it_starts(here: Place) -> None:
    with here.open() as home:
        wanted = asked(home, person(home))
    first = Served(here)
    first.days(6)
    first.thread.close()
    here.clock.step(timedelta(hours=35))  # not further: a leap takes somebody who vouches for it
    again = Served(here)
    assert "retention" in again.now()
    assert again.home.erasures.find(wanted.id).state is ErasureState.KEYS_REMOVED
    again.thread.close()


def test_a_leap_of_the_clock_destroys_nothing_alarms_and_goes_on_once_confirmed(
    served: Served, here: Place
) -> None:
    wanted = asked(served.home, person(served.home))
    here.clock.step(8 * DAY)
    served.now()
    assert served.home.erasures.find(wanted.id).state is ErasureState.ACCESS_ENDED
    assert "clock_paused:leap" in served.alarms()
    clock_of(served.home).confirm(here.clock.now(), stated=here.clock.now())
    here.clock.step(HOUR)
    assert "retention" in served.now()
    assert served.home.erasures.find(wanted.id).state is ErasureState.KEYS_REMOVED
    assert served.alarms() == []


def test_an_audit_is_made_before_it_would_be_overdue_and_kept(served: Served) -> None:
    person(served.home)
    served.now()
    served.days(28)
    assert served.home.audits.last() is None
    served.days(1)
    found = served.home.audits.last()
    assert found is not None
    assert found.failed == 0
    assert served.alarms() == []


def test_what_is_late_alarms_until_it_is_done(served: Served, here: Place) -> None:
    wanted = asked(served.home, person(served.home))
    served.now()
    here.clock.step(31 * DAY)
    clock_of(served.home).confirm(here.clock.now(), stated=here.clock.now())
    asyncio.run(served.jobs.watch())
    late = {"retention_late", "audit_late", "erasures_overdue", "audit_overdue"}
    assert late <= set(served.alarms())
    assert served.jobs.watched.erasures == 1
    served.now()
    served.days(30)
    assert served.home.erasures.find(wanted.id).state is ErasureState.IRRECOVERABLE
    assert served.alarms() == []


def test_many_erasures_are_done_in_steps_and_all_of_them(served: Served) -> None:
    people = add(served.home, *(f"person-{number}" for number in range(450)))
    for one in people:
        asked(served.home, one)
    served.now()
    served.days(8)
    states = {one.state for one in served.home.erasures.all()}
    assert states == {ErasureState.KEYS_REMOVED}


def test_a_person_who_comes_between_two_steps_is_served(served: Served) -> None:
    people = add(served.home, *(f"person-{number}" for number in range(450)))
    for one in people:
        asked(served.home, one)
    served.home.erasures.drain()
    served.where.clock.step(DAY)
    served.now()
    for _ in range(7):
        served.where.clock.step(DAY)
    clock_of(served.home).confirm(served.where.clock.now(), stated=served.where.clock.now())

    async def story() -> list[int]:
        left: list[int] = []
        lasting = asyncio.ensure_future(served.thread.run_steps(_retain))
        while not lasting.done():
            left.append(
                await served.thread.run(
                    lambda home: len(home.erasures.due(served.where.clock.now()))
                )
            )
        await lasting
        return left

    left = asyncio.run(story())
    assert len({count for count in left if 0 < count < 450}) >= 2


def test_a_hold_that_ends_by_its_date_is_followed_by_itself(served: Served) -> None:
    home = served.home
    ada = person(home)
    [chat] = home.vault.of_subject(ada)
    now = served.where.clock.now()
    hold = Hold(
        id=HoldId(format_id(IdKind.HOLD, home.entropy.draw(16))),
        hold_class=HoldClass.LEGAL,
        subject=ada.id,
        conversations={chat.id: ()},
        authority="docket-1",
        reviewer="officer-1",
        placed=now,
        until=now + 10 * DAY,
    )
    home.holds.place(hold, now)
    wanted = asked(home, ada)
    served.now()
    served.days(9)
    assert served.home.erasures.find(wanted.id).state is ErasureState.HELD
    served.days(2)
    assert served.home.erasures.find(wanted.id).state is ErasureState.KEYS_REMOVED
    assert served.alarms() == []


def test_a_backup_a_day_is_made_and_those_past_their_time_go(here: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "volens-notes").mkdir()
    served = Served(here, backups=folder)
    assert "backup" in served.now()
    first = kept(folder)
    assert len(first) == 1
    served.thread.close()

    served = Served(here, backups=folder)
    assert "backup" not in served.now()  # one was made today
    served.days(31)
    assert first[0] not in kept(folder)
    assert len(kept(folder)) == 31
    assert (folder / "volens-notes").is_dir()
    assert served.alarms() == []
    served.thread.close()
