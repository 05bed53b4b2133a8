"""What somebody who asks for an erasure is promised, at either door of a real home."""

from datetime import timedelta

import pytest

from tests.support.homes import Place
from tests.support.stores import START, talk
from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import clock_of, new_request, retention_of
from volens.app.rights import rights_desk
from volens.core.errors import Denied
from volens.core.regions import Region
from volens.holds.erasure import Erasure
from volens.log.kinds import CaptureSource, ErasureScope, RequestKind
from volens.policy.retention import RetentionClass
from volens.rights.effects import Wish
from volens.rights.requests import Channel, VerifiedBy
from volens.vault.subjects import NewSubject, Subject

DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
HISTORY = ErasureScope.HISTORY


def somebody(home: Home, *, region: Region = Region.EU, organisation: str | None = None) -> Subject:
    wanted = NewSubject(reference="eve", plan="free", region=region, organisation=organisation)
    (eve,) = home.subjects.add([wanted])
    home.vault.capture({eve: [talk("one")]}, source=CaptureSource.IMPORT)
    return eve


def through_the_desk(home: Home, subject: Subject) -> Erasure:
    request = rights_desk(home).open(
        subject,
        Wish(kind=RequestKind.ERASURE, scope=HISTORY),
        channel=Channel.CLI,
        verified_by=VerifiedBy.SIGNED_IN,
    )
    assert request.erasure is not None
    return home.erasures.find(request.erasure)


def directly(home: Home, subject: Subject) -> Erasure:
    return new_request(home, home.entropy.draw(16), HISTORY, subject)


def promised(one: Erasure) -> tuple[timedelta, timedelta]:
    return one.cool_off_ends - one.requested, one.promised_by - one.requested


@pytest.mark.parametrize(
    ("region", "days", "terms"),
    [
        (Region.EU, None, (7 * DAY, 30 * DAY)),
        (Region.EU, 25, (3 * DAY, 25 * DAY)),
        (Region.EU, 22, (0 * DAY, 22 * DAY)),
        (Region.US, None, (7 * DAY, 30 * DAY)),
        (Region.CN, None, (0 * DAY, 22 * DAY)),
        (Region.OTHER, None, (0 * DAY, 22 * DAY)),
    ],
)
def test_both_doors_promise_the_same_and_no_more_than_can_be_kept(
    here: Place, region: Region, days: int | None, terms: tuple[timedelta, timedelta]
) -> None:
    with here.open() as home:
        if days:
            home.subjects.instruct("acme", None, keeping={RetentionClass.DELETED_CHATS: days})
        eve = somebody(home, region=region, organisation="acme" if days else None)
        assert promised(directly(home, eve)) == promised(through_the_desk(home, eve)) == terms


def test_a_shorter_month_shortens_the_cool_off(here: Place) -> None:
    here.clock.moment = START.replace(month=1, day=31)
    with here.open() as home:
        eve = somebody(home)
        assert promised(directly(home, eve)) == (6 * DAY, 28 * DAY)


def test_a_clock_that_was_set_back_shortens_no_cool_off(here: Place) -> None:
    seen = here.clock.moment + DAY
    here.clock.moment = seen
    with here.open() as home:
        eve = somebody(home)
        retention_of(home, eraser_of(home)).run(seen)
        assert clock_of(home).state().seen == seen
        here.clock.moment = seen - 20 * DAY
        assert directly(home, eve).requested == seen
        asked = through_the_desk(home, eve)
        assert (asked.requested, asked.cool_off_ends) == (seen, seen + 7 * DAY)
        here.clock.moment = asked.cool_off_ends - TICK
        home.erasures.cancel(asked.id, here.clock.moment)


def test_what_is_due_at_once_is_not_taken_back(here: Place) -> None:
    with here.open() as home:
        asked = through_the_desk(home, somebody(home, region=Region.CN))
        with pytest.raises(Denied) as refused:
            home.erasures.cancel(asked.id, here.clock.moment)
        assert refused.value.code == "cool_off_over"
