"""A plan changes the place in the queue, and nothing else; a choice changes not even that."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.rights.test_requests import request
from tests.support.stores import START, Stores, act, policy
from volens.consent.model import Act
from volens.core.ids import IdKind, SubjectId, format_id
from volens.core.purposes import Purpose
from volens.log.kinds import RequestKind, RequestOutcome
from volens.policy.protections import priority_plans
from volens.rights.queue import (
    HEAD_START,
    Speed,
    ages,
    line_up,
    speed_of,
    treatment,
)
from volens.rights.requests import Reason, RightsRequest, close

PLANS = tuple(policy().pack.plans)
NOW = START + timedelta(days=20)
FAST = priority_plans(policy().pack)
ALLOWANCE = HEAD_START[Speed.PRIORITY]


def subject(number: int) -> SubjectId:
    return SubjectId(format_id(IdKind.SUBJECT, number.to_bytes(16, "big")))


@st.composite
def waiting(draw: st.DrawFn) -> list[RightsRequest]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        opened = START + timedelta(hours=draw(st.integers(0, 480)))
        days = draw(st.sampled_from((15, 28, 30, 45, 90)))
        kind = draw(st.sampled_from(RequestKind))
        due = opened + timedelta(days=days)
        one = replace(request(kind, number), subject=subject(number), opened=opened, due=due)
        found.append(one)
    return found


def plans(requests: list[RightsRequest], draw: st.DataObject) -> dict[SubjectId, str]:
    return {
        one.subject: draw.draw(st.sampled_from((*PLANS, "unheard-of")))
        for one in requests
        if one.subject is not None
    }


@given(waiting(), st.data())
def test_another_plan_gives_another_place_and_nothing_else(
    requests: list[RightsRequest], data: st.DataObject
) -> None:
    one = line_up(requests, plans(requests, data), NOW, priority=FAST)
    other = line_up(requests, plans(requests, data), NOW, priority=FAST)
    assert [place.number for place in one] == list(range(1, len(requests) + 1))
    same = {place.request: replace(place, number=0, speed=Speed.STANDARD) for place in one}
    assert same == {
        place.request: replace(place, number=0, speed=Speed.STANDARD) for place in other
    }


@given(waiting(), st.data())
def test_nobody_waits_behind_somebody_whose_deadline_is_much_later(
    requests: list[RightsRequest], data: st.DataObject
) -> None:
    queue = line_up(requests, plans(requests, data), NOW, priority=FAST)
    for place, first in enumerate(queue):
        for second in queue[place + 1 :]:
            assert first.late or not second.late
            assert first.due - second.due <= (
                ALLOWANCE if first.speed is Speed.PRIORITY else timedelta(0)
            )


@given(waiting())
def test_on_equal_plans_the_earliest_deadline_goes_first(requests: list[RightsRequest]) -> None:
    for plan in PLANS:
        same = {one.subject: plan for one in requests if one.subject is not None}
        dues = [place.due for place in line_up(requests, same, NOW, priority=FAST)]
        assert dues == sorted(dues)


def test_a_priority_plan_goes_before_a_standard_one_up_to_the_border() -> None:
    free, pro = (replace(request(number=number), subject=subject(number)) for number in (1, 2))
    by_plan = {subject(1): "free", subject(2): "pro"}
    pro = replace(pro, due=free.due + ALLOWANCE - timedelta(milliseconds=1))
    assert line_up([free, pro], by_plan, NOW, priority=FAST)[0].request == pro.id
    pro = replace(pro, due=free.due + ALLOWANCE, opened=pro.opened + timedelta(seconds=1))
    assert line_up([free, pro], by_plan, NOW, priority=FAST)[0].request == free.id


def test_what_is_late_goes_before_everything_at_the_very_moment() -> None:
    free, pro = (replace(request(number=number), subject=subject(number)) for number in (1, 2))
    by_plan = {subject(1): "free", subject(2): "pro"}
    before = free.due - timedelta(milliseconds=1)
    pro = replace(pro, due=free.due + timedelta(days=1))
    assert [one.request for one in line_up([free, pro], by_plan, before, priority=FAST)] == [
        pro.id,
        free.id,
    ]
    late = line_up([free, pro], by_plan, free.due, priority=FAST)
    assert [(one.request, one.late) for one in late] == [(free.id, True), (pro.id, False)]


def test_how_old_the_queue_is_can_be_seen_at_each_speed() -> None:
    free, pro = (replace(request(number=number), subject=subject(number)) for number in (1, 2))
    done = close(request(number=3), RequestOutcome.REFUSED, Reason.EXCESSIVE, START)
    at = free.due + timedelta(hours=1)
    found = ages(
        line_up([free, pro, done], {subject(1): "free", subject(2): "pro"}, at, priority=FAST)
    )
    for speed in Speed:
        assert (found[speed].waiting, found[speed].late) == (1, 1)
        assert found[speed].oldest == at - START
    assert ages(()).keys() == set(Speed)
    assert ages(())[Speed.STANDARD].oldest == timedelta(0)


def test_every_plan_has_every_right_and_an_unknown_one_waits_as_the_rest() -> None:
    pack = policy().pack
    for plan in (*PLANS, "unheard-of"):
        assert treatment(plan, pack.plans, priority=FAST).rights == tuple(RequestKind)
    assert speed_of("unheard-of", FAST) is speed_of("free", FAST) is Speed.STANDARD
    assert speed_of("pro", FAST) is Speed.PRIORITY


def test_two_people_who_differ_only_in_their_choices_are_treated_alike(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    yes, no = stores.add("yes", "no", plan="pro")
    stores.ledger.record(
        [
            act(1, yes, Act.GRANT),
            act(2, no, Act.OBJECT, purpose=Purpose.SALE),
            act(3, no, Act.OBJECT, purpose=Purpose.SAFETY_MONITORING),
        ]
    )
    one, other = (stores.subjects.find(person.id) for person in (yes, no))
    plans_known = stores.policy.pack.plans
    assert treatment(one.plan, plans_known, priority=FAST) == treatment(
        other.plan, plans_known, priority=FAST
    )
    own = {"number", "id", "reference_sealed"}
    fields = {name for name in one.__dataclass_fields__ if name not in own}
    assert [getattr(one, name) for name in sorted(fields)] == [
        getattr(other, name) for name in sorted(fields)
    ]
    first, second = (replace(request(number=1), subject=person.id) for person in (one, other))
    places = [
        line_up([asked], {asked.subject or one.id: one.plan}, NOW, priority=FAST)
        for asked in (first, second)
    ]
    assert places[0] == places[1]
