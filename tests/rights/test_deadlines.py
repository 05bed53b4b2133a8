"""By when an answer is due: exact borders, calendar months, and the strictest of several laws."""

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import START, policy
from volens.core.regions import Region
from volens.log.kinds import RequestKind
from volens.rights.deadlines import Deadline, Span, add, deadline

PROFILES = policy().pack.regions
ACCESS = RequestKind.ACCESS
DAY = timedelta(days=1)
MOMENTS = st.integers(0, 20 * 365 * 24 * 60).map(
    lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def due(
    account: Region,
    received: datetime = START,
    *,
    home: Region | None = None,
    kind: RequestKind = ACCESS,
) -> Deadline:
    return deadline(kind, received, account=account, home=home or account, profiles=PROFILES)


@pytest.mark.parametrize(
    ("region", "days", "source"),
    [
        (Region.EU, 30, "the policy in force (30 days)"),
        (Region.US, 45, "CCPA, Cal. Civ. Code 1798.130(a)(2)"),
        (Region.CN, 15, "the policy in force (15 days)"),
        (Region.CA, 30, "PIPEDA s. 8(3)"),
        (Region.OTHER, 15, "the policy in force (15 days)"),
    ],
)
def test_each_region_has_its_days(region: Region, days: int, source: str) -> None:
    found = due(region)
    assert found.due == START + days * DAY
    assert found.decided_by.source == source


@pytest.mark.parametrize(
    ("received", "ends"),
    [
        (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), datetime(2026, 2, 28, 9, 30, tzinfo=UTC)),
        (datetime(2028, 1, 31, 9, 30, tzinfo=UTC), datetime(2028, 2, 29, 9, 30, tzinfo=UTC)),
        (datetime(2026, 2, 1, 9, 30, tzinfo=UTC), datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)),  # 30 days
    ],
)
def test_a_month_is_a_calendar_month_where_that_is_shorter_than_the_packs_days(
    received: datetime, ends: datetime
) -> None:
    assert due(Region.EU, received).due == ends


def test_months_carry_over_the_year_and_end_on_the_last_day() -> None:
    received = datetime(2026, 11, 30, 1, tzinfo=UTC)
    assert add(Span(months=3), received) == datetime(2027, 2, 28, 1, tzinfo=UTC)
    assert add(Span(months=1), received) == datetime(2026, 12, 30, 1, tzinfo=UTC)


@given(MOMENTS, st.integers(-16, 16))
def test_no_clock_in_the_union_ends_the_month_before_the_deadline(
    received: datetime, quarter_hours: int
) -> None:
    """Law: the period ends with the last hour of the day of the same date (Reg. 1182/71, 3(2)c)."""
    zone = timezone(quarter_hours * timedelta(minutes=15))
    local = received.astimezone(zone)
    year, month = (local.year + local.month // 12, local.month % 12 + 1)
    last = min(local.day, calendar.monthrange(year, month)[1])
    day_end = datetime(year, month, last, tzinfo=zone) + DAY
    assert due(Region.EU, received).due <= day_end


@pytest.mark.parametrize("account", Region)
@pytest.mark.parametrize("home", Region)
@pytest.mark.parametrize("kind", RequestKind)
def test_the_strictest_of_all_that_apply_counts(
    account: Region, home: Region, kind: RequestKind
) -> None:
    found = due(account, home=home, kind=kind)
    alone = {due(account, kind=kind).due, due(home, kind=kind).due}
    assert found.due == min(alone) == min(one.due for one in found.applies)
    assert found.decided_by is found.applies[0]
    assert all(one.why for one in found.applies)
    assert {account, home} <= {one.region for one in found.applies}


def test_the_reason_names_the_account_before_the_place() -> None:
    assert due(Region.EU).decided_by.why == "it is the account's region"
    abroad = due(Region.US, home=Region.CA)
    assert abroad.decided_by.region is Region.CA
    assert abroad.decided_by.why == "the data lies there"


def test_where_no_law_is_known_every_region_counts() -> None:
    found = due(Region.OTHER)
    assert {one.region for one in found.applies} == set(Region)
    assert found.extended is None
    assert due(Region.EU, home=Region.OTHER).due == START + 15 * DAY


def test_a_pack_without_a_profile_loosens_nothing() -> None:
    for region in Region:
        bare = deadline(ACCESS, START, account=region, home=region, profiles={})
        assert bare.due <= START + 45 * DAY
    bare = deadline(ACCESS, START, account=Region.CN, home=Region.CN, profiles={})
    assert bare.due == START + 15 * DAY


def test_do_not_sell_is_due_sooner_in_the_united_states_and_never_extended() -> None:
    found = due(Region.US, kind=RequestKind.DO_NOT_SELL)
    assert found.due == START + 15 * DAY
    assert found.extended is None


def test_an_extension_is_what_the_strictest_law_allows() -> None:
    assert due(Region.EU).extended == datetime(2026, 4, 1, tzinfo=UTC)
    assert due(Region.US).extended == START + 90 * DAY
    assert due(Region.CA).extended == START + 60 * DAY
    assert due(Region.CN).extended is None
    assert due(Region.US, home=Region.CA).extended == START + 60 * DAY
    assert due(Region.US, home=Region.CN).extended is None
