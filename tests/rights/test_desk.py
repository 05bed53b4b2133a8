"""What each request does, in which order, and that no plan does it differently."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.rights.world import CopyMaker, World, wish
from tests.support.stores import START, act, talk
from volens.consent.model import Act
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable
from volens.core.ids import ConversationId, IdKind, RequestId, format_id
from volens.core.purposes import Purpose, SubjectStatus
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.holds.erasure import COOL_OFF, ErasureState
from volens.log.kinds import EntryKind, ErasureScope, RequestKind, RequestOutcome
from volens.rights.effects import SALE_PURPOSES, Wish
from volens.rights.requests import (
    UNVERIFIED,
    Channel,
    ExtensionReason,
    Reason,
    RequestState,
    RightsRequest,
    VerifiedBy,
)
from volens.vault.subjects import Subject
from volens.vault.tables import LEAF

SHOWN = VerifiedBy.SIGNED_IN
MS = timedelta(milliseconds=1)
OPENED, CLOSED = EntryKind.REQUEST_OPENED, EntryKind.REQUEST_CLOSED
NOBODYS = format_id(IdKind.REQUEST, b"\xff" * 16)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def ana(world: World) -> Subject:
    (found,) = world.stores.add("ana")
    return found


def ask(
    world: World, subject: Subject, kind: RequestKind, by: VerifiedBy | None = SHOWN
) -> RightsRequest:
    return world.desk.open(subject, wish(kind), channel=Channel.CLI, verified_by=by)


@pytest.mark.parametrize("kind", RequestKind)
def test_every_request_is_in_the_log_and_found_again_as_it_was_told(
    world: World, ana: Subject, kind: RequestKind
) -> None:
    before = len(world.stores.log.entries)
    request = ask(world, ana, kind)
    assert world.requests.find(request.id) == request
    assert world.requests.of_subject(ana) == [request]
    entries = [one for one in world.stores.log.entries[before:] if one.kind in {OPENED, CLOSED}]
    assert entries[0].kind is OPENED
    assert (entries[0].fields["request"], entries[0].fields["due"]) == (kind, request.due)
    if request.closing is not None:
        assert entries[1].fields["outcome"] is request.closing.outcome
    with world.stores.main.connect() as db:
        openings = [row.opening for row in db.execute(LEAF.select()) if row.opening == request.id]
    assert len(openings) == len(entries)


@pytest.mark.parametrize("kind", RequestKind)
def test_every_plan_gets_the_same_answer_fields_and_deadline(
    world: World, kind: RequestKind
) -> None:
    answers = []
    for plan in (*world.stores.policy.pack.plans, "unheard-of"):
        (person,) = world.stores.add(plan, plan=plan)
        request = ask(world, person, kind)
        if request.erasure is not None:
            world.finish(request.erasure)
            (request,) = world.desk.settle()
        same = replace(
            request,
            id=RequestId(NOBODYS),
            subject=None,
            erasure=None,
        )
        answers.append((same, world.stores.subjects.find(person.id).status))
    assert answers == [answers[0]] * len(answers)


def test_an_objection_holds_for_what_rests_on_legitimate_interest(
    world: World, ana: Subject
) -> None:
    use = Use(purpose=Purpose.SAFETY_MONITORING.value)
    assert world.stores.gate.decide(ana, use).permit
    request = ask(world, ana, RequestKind.OBJECTION, by=None)
    assert request.closing is not None
    assert request.closing.reason is Reason.DONE
    assert not world.stores.gate.decide(ana, use).permit
    states = world.stores.ledger.states(ana.id)
    assert {purpose for purpose in states if states[purpose].objected} == {
        Purpose.SAFETY_MONITORING,
        Purpose.SAFETY_REVIEW,
        Purpose.AGGREGATED_RESEARCH,
        Purpose.PARTNER_AGGREGATES,
    }
    again = ask(world, ana, RequestKind.OBJECTION, by=None)
    assert again.closing is not None
    assert again.closing.reason is Reason.ALREADY_SO


def test_an_objection_may_name_one_purpose_but_none_that_rests_on_a_yes(
    world: World, ana: Subject
) -> None:
    named = Wish(kind=RequestKind.OBJECTION, purposes=(Purpose.SAFETY_MONITORING,))
    world.desk.open(ana, named, channel=Channel.WEB)
    assert set(world.stores.ledger.states(ana.id)) == {Purpose.SAFETY_MONITORING}
    for wrong in (
        Wish(kind=RequestKind.OBJECTION, purposes=(Purpose.BATCH_TRAINING,)),
        Wish(kind=RequestKind.ACCESS, purposes=(Purpose.SAFETY_MONITORING,)),
    ):
        with pytest.raises(InvalidInput) as error:
            world.desk.open(ana, wrong, channel=Channel.WEB)
        assert error.value.code == "request_purposes"


def test_do_not_sell_is_kept_and_the_answer_says_that_it_is_never_done(
    world: World, ana: Subject
) -> None:
    request = ask(world, ana, RequestKind.DO_NOT_SELL, by=None)
    assert request.closing is not None
    assert request.closing.outcome is RequestOutcome.FULFILLED
    assert request.closing.reason is Reason.NEVER_DONE
    states = world.stores.ledger.states(ana.id)
    assert {purpose for purpose in states if states[purpose].objected} == set(SALE_PURPOSES)
    for purpose in SALE_PURPOSES:
        assert not world.stores.gate.decide(ana, Use(purpose=purpose.value)).permit


def test_a_browsers_signal_is_recorded_once_for_each_person(world: World, ana: Subject) -> None:
    first = world.desk.signalled(ana)
    assert first is not None
    assert first.channel is Channel.SIGNAL
    size = len(world.stores.log.entries)
    assert world.desk.signalled(ana) is None
    assert len(world.stores.log.entries) == size
    assert len(world.stores.ledger.history(ana.id)) == len(SALE_PURPOSES)
    (ben,) = world.stores.add("ben")
    assert world.desk.signalled(ben) is not None


def test_a_signal_after_part_of_it_was_objected_to_adds_the_rest(
    world: World, ana: Subject
) -> None:
    world.stores.ledger.record([act(1, ana, Act.OBJECT, purpose=Purpose.SALE)])
    assert world.desk.signalled(ana) is not None
    assert len(world.stores.ledger.history(ana.id)) == len(SALE_PURPOSES)


def test_a_restriction_blocks_every_use_and_loosens_no_stricter_block(
    world: World, ana: Subject
) -> None:
    use = Use(purpose=Purpose.KEEP_HISTORY.value)
    request = ask(world, ana, RequestKind.RESTRICTION, by=None)
    assert world.stores.gate.decide(ana, use).permit
    done = world.desk.verify(request.id, VerifiedBy.DOCUMENTS)
    assert done.closing is not None
    assert done.closing.reason is Reason.DONE
    changed = world.stores.subjects.find(ana.id)
    assert changed.status is SubjectStatus.RESTRICTED
    assert not world.stores.gate.decide(changed, use).permit
    closed = world.stores.subjects.change(changed, {"status": "closed"})
    again = ask(world, closed, RequestKind.RESTRICTION)
    assert again.closing is not None
    assert again.closing.reason is Reason.ALREADY_SO
    assert world.stores.subjects.find(ana.id).status is SubjectStatus.CLOSED


def test_nothing_is_erased_before_it_is_shown_who_asks(world: World, ana: Subject) -> None:
    request = ask(world, ana, RequestKind.ERASURE, by=None)
    assert (request.state, request.erasure) == (RequestState.OPEN, None)
    assert world.erasures.all() == []
    started = world.desk.verify(request.id, VerifiedBy.DOCUMENTS)
    assert started.state is RequestState.IN_PROGRESS
    (erasure,) = world.erasures.all()
    assert (erasure.id, erasure.scope) == (started.erasure, ErasureScope.ACCOUNT)


def test_what_was_asked_to_be_erased_is_still_that_after_verifying(
    world: World, ana: Subject
) -> None:
    some = Wish(kind=RequestKind.ERASURE, scope=ErasureScope.HISTORY)
    request = world.desk.open(ana, some, channel=Channel.WEB)
    world.desk.verify(request.id, VerifiedBy.DOCUMENTS)
    (erasure,) = world.erasures.all()
    assert erasure.scope is ErasureScope.HISTORY


def test_an_erasure_is_answered_when_it_is_irrecoverable_and_not_before(
    world: World, ana: Subject
) -> None:
    request = ask(world, ana, RequestKind.ERASURE)
    assert request.erasure is not None
    assert world.desk.settle() == []
    for outcome in (RequestOutcome.FULFILLED, RequestOutcome.REFUSED, RequestOutcome.WITHDRAWN):
        with pytest.raises(InvalidInput) as error:
            world.desk.close(request.id, outcome, Reason.DONE)
        assert error.value.code == "erasure_runs"
    world.progress.mark_held({request.erasure: None})
    assert world.desk.settle() == []
    world.progress.mark_freed({request.erasure: world.stores.clock.now()})
    world.finish(request.erasure)
    (closed,) = world.desk.settle()
    assert closed.closing is not None
    assert closed.closing.reason is Reason.DONE
    assert world.desk.settle() == []


def test_an_erasure_under_a_hold_can_be_answered_in_part(world: World, ana: Subject) -> None:
    request = ask(world, ana, RequestKind.ERASURE)
    closed = world.desk.close(request.id, RequestOutcome.PARTLY, Reason.HELD)
    assert closed.closing is not None


def test_asking_twice_for_the_same_erasure_is_one_erasure(world: World, ana: Subject) -> None:
    one, other = (ask(world, ana, RequestKind.ERASURE) for _ in range(2))
    assert one.erasure == other.erasure
    assert one.id != other.id
    assert len(world.erasures.all()) == 1


def test_single_chats_are_erased_only_if_they_are_the_persons_own(
    world: World, ana: Subject
) -> None:
    (ben,) = world.stores.add("ben")
    world.stores.capture(ana, talk("1"))
    world.stores.capture(ben, talk("2"))
    (own,), (foreign,) = (world.stores.held(person) for person in (ana, ben))
    nobodys = format_id(IdKind.CONVERSATION, b"\xff" * 16)
    told = []
    for name in (foreign.id, ConversationId(nobodys)):
        named = Wish(
            kind=RequestKind.ERASURE, scope=ErasureScope.CONVERSATION, conversations=(name,)
        )
        with pytest.raises(NotFound) as error:
            world.desk.open(ana, named, channel=Channel.WEB, verified_by=SHOWN)
        told.append((error.value.code, error.value.message.replace(name, ""), error.value.hint))
    assert told[0] == told[1]
    named = Wish(kind=RequestKind.ERASURE, scope=ErasureScope.CONVERSATION, conversations=(own.id,))
    with pytest.raises(InvalidInput) as wrong:
        world.desk.open(ana, named, channel=Channel.WEB)
    assert wrong.value.code == "request_verification"
    request = world.desk.open(ana, named, channel=Channel.WEB, verified_by=SHOWN)
    assert world.erasures.find(str(request.erasure)).conversations == (own.id,)


@pytest.mark.parametrize(
    "given",
    [
        Wish(kind=RequestKind.ERASURE, scope=ErasureScope.CONVERSATION),
        Wish(kind=RequestKind.ERASURE, conversations=(ConversationId("cnv_x"),)),
        Wish(kind=RequestKind.ACCESS, conversations=(ConversationId("cnv_x"),)),
    ],
)
def test_chats_are_named_for_their_erasure_and_for_nothing_else(
    world: World, ana: Subject, given: Wish
) -> None:
    with pytest.raises(InvalidInput) as error:
        world.desk.open(ana, given, channel=Channel.WEB, verified_by=SHOWN)
    assert error.value.code == "request_conversations"


def test_taking_a_request_back_takes_its_erasure_back_until_the_cool_off_ends(
    world: World, ana: Subject
) -> None:
    request = ask(world, ana, RequestKind.ERASURE)
    world.stores.clock.step(COOL_OFF - MS)
    closed = world.desk.take_back(request.id)
    assert closed.closing is not None
    assert closed.closing.outcome is RequestOutcome.WITHDRAWN
    assert world.erasures.find(str(request.erasure)).state is ErasureState.CANCELLED
    late = ask(world, ana, RequestKind.ERASURE)
    assert late.erasure != request.erasure
    world.stores.clock.step(COOL_OFF)
    with pytest.raises(Denied) as error:
        world.desk.take_back(late.id)
    assert error.value.code == "cool_off_over"
    assert world.requests.find(late.id).closing is None


def test_an_erasure_taken_back_elsewhere_closes_its_request(world: World, ana: Subject) -> None:
    request = ask(world, ana, RequestKind.ERASURE)
    world.erasures.cancel(str(request.erasure), world.stores.clock.now())
    (closed,) = world.desk.settle()
    assert closed.closing is not None
    assert closed.closing.reason is Reason.TAKEN_BACK


@pytest.mark.parametrize("kind", [RequestKind.ACCESS, RequestKind.PORTABILITY])
def test_a_copy_is_handed_over_only_after_it_is_shown_who_asks(
    world: World, ana: Subject, kind: RequestKind
) -> None:
    maker = CopyMaker()
    request = ask(world, ana, kind, by=None)
    with pytest.raises(InvalidInput) as error:
        world.desk.hand_over(request.id, maker)
    assert error.value.code == "request_state"
    world.desk.verify(request.id, VerifiedBy.DOCUMENTS)
    world.desk.take_up(request.id)
    maker.fails = True
    with pytest.raises(Unavailable):
        world.desk.hand_over(request.id, maker)
    assert world.requests.find(request.id).closing is None
    maker.fails = False
    assert world.desk.hand_over(request.id, maker).closing is not None
    assert maker.handed == [(ana.id, request.id)]
    with pytest.raises(InvalidInput) as error:
        world.desk.hand_over(request.id, maker)
    assert error.value.code == "request_state"


def test_a_copy_answers_no_other_request(world: World, ana: Subject) -> None:
    request = ask(world, ana, RequestKind.RECTIFICATION)
    with pytest.raises(InvalidInput) as error:
        world.desk.hand_over(request.id, CopyMaker())
    assert error.value.code == "request_kind"


def test_a_request_can_be_extended_once_and_is_late_at_the_exact_moment(
    world: World, ana: Subject
) -> None:
    request = ask(world, ana, RequestKind.ACCESS)
    world.stores.clock.step(timedelta(days=30) - MS)
    assert not world.desk.queue()[0].late
    extended = world.desk.extend(request.id, ExtensionReason.MANY_REQUESTS)
    assert extended.due == START.replace(month=4)
    assert world.requests.find(request.id) == extended
    world.stores.clock.step(MS)
    assert not world.desk.queue()[0].late
    other = ask(world, ana, RequestKind.ACCESS)
    world.stores.clock.step(timedelta(days=28) - MS)  # a month from the 31st of January
    assert [one.late for one in world.desk.queue()] == [False, False]
    world.stores.clock.step(MS)
    places = world.desk.queue()
    assert [(one.request, one.late) for one in places] == [(other.id, True), (request.id, False)]
    with pytest.raises(InvalidInput) as error:
        world.desk.extend(other.id, ExtensionReason.COMPLEX)
    assert error.value.code == "extension_late"


def test_the_stricter_of_two_regions_sets_the_deadline(tmp_path: Path) -> None:
    world = World(tmp_path, home=Region.CN)
    (ann,) = world.stores.add("ann", region=Region.US)
    request = ask(world, ann, RequestKind.ACCESS)
    assert (request.region, request.due) == (Region.CN, START + timedelta(days=15))
    with pytest.raises(InvalidInput) as error:
        world.desk.extend(request.id, ExtensionReason.COMPLEX)
    assert error.value.code == "extension_not_allowed"


@pytest.mark.parametrize("kind", sorted(UNVERIFIED | {RequestKind.ERASURE}))
def test_on_a_full_disk_the_deed_holds_and_a_second_call_finishes_it(
    world: World, ana: Subject, kind: RequestKind
) -> None:
    world.stores.log.full = True
    with pytest.raises(Unavailable):
        ask(world, ana, kind)
    assert world.requests.all() == []
    if kind is RequestKind.ERASURE:
        (standing,) = world.erasures.of_subject(ana.id)
        assert standing.scope is ErasureScope.ACCOUNT
    else:
        states = world.stores.ledger.states(ana.id)
        assert any(state.objected for state in states.values())
    world.stores.log.full = False
    request = ask(world, ana, kind)
    assert world.requests.all() == [request]
    assert len(world.erasures.all()) == int(kind is RequestKind.ERASURE)


@pytest.mark.parametrize("kind", sorted(UNVERIFIED | {RequestKind.ERASURE}))
def test_what_takes_away_holds_from_any_process_and_is_recorded_later(
    world: World, ana: Subject, kind: RequestKind
) -> None:
    world.stores.log.full = True
    by = None if kind in UNVERIFIED else SHOWN
    erasure = world.desk.hold(ana, wish(kind), channel=Channel.CLI, verified_by=by)
    assert (erasure is not None) == (kind is RequestKind.ERASURE)
    states = world.stores.ledger.states(ana.id)
    assert any(state.objected for state in states.values()) == (kind in UNVERIFIED)
    world.stores.log.full = False
    request = ask(world, ana, kind)
    assert request.erasure == erasure
    assert world.requests.all() == [request]


@pytest.mark.parametrize("kind", sorted(set(RequestKind) - UNVERIFIED - {RequestKind.ERASURE}))
def test_no_journal_takes_anything_else(world: World, ana: Subject, kind: RequestKind) -> None:
    with pytest.raises(InvalidInput) as error:
        world.desk.hold(ana, wish(kind), channel=Channel.CLI, verified_by=SHOWN)
    assert error.value.code == "request_kind"


@pytest.mark.parametrize("by", [None, VerifiedBy.NOT_NEEDED])
def test_no_erasure_holds_before_it_is_shown_who_asks_by_no_way(
    world: World, ana: Subject, by: VerifiedBy | None
) -> None:
    with pytest.raises(InvalidInput) as error:
        world.desk.hold(ana, wish(RequestKind.ERASURE), channel=Channel.CLI, verified_by=by)
    assert error.value.code == "request_verification"
    if by is not None:
        with pytest.raises(InvalidInput) as error:
            ask(world, ana, RequestKind.ERASURE, by=by)
        assert error.value.code == "request_verification"
    assert world.erasures.all() == []
    assert world.requests.all() == []


def test_a_request_that_could_not_be_logged_was_never_taken_up(world: World, ana: Subject) -> None:
    world.stores.log.full = True
    with pytest.raises(Unavailable):
        ask(world, ana, RequestKind.ACCESS)
    assert world.requests.all() == []


def test_after_an_account_is_gone_its_requests_name_nobody(world: World, ana: Subject) -> None:
    (ben,) = world.stores.add("ben")
    own, other = (ask(world, person, RequestKind.ACCESS) for person in (ana, ben))
    assert world.requests.name_subjects([ana.number])
    world.requests.erase_subjects([ana.number])
    world.requests.erase_subjects([ana.number])
    assert not world.requests.name_subjects([ana.number])
    assert world.requests.name_subjects([ben.number])
    left = world.requests.find(own.id)
    assert left == replace(own, subject=None)
    assert world.requests.of_subject(ana) == []
    assert world.requests.find(other.id) == other
    assert {one.request for one in world.desk.queue()} == {own.id, other.id}
    closed = world.desk.close(own.id, RequestOutcome.REFUSED, Reason.NO_MATCH)
    assert closed.subject is None


def test_an_erasure_request_outlives_its_person_and_is_closed(world: World, ana: Subject) -> None:
    request = ask(world, ana, RequestKind.ERASURE)
    assert request.erasure is not None
    world.requests.erase_subjects([ana.number])
    world.finish(request.erasure)
    (closed,) = world.desk.settle()
    assert (closed.id, closed.subject) == (request.id, None)


def test_somebody_elses_request_reads_as_if_there_were_none(world: World, ana: Subject) -> None:
    (ben,) = world.stores.add("ben")
    request = ask(world, ana, RequestKind.ACCESS)
    assert world.requests.find(request.id, of=ana) == request
    told = []
    for name in (request.id, NOBODYS):
        with pytest.raises(NotFound) as error:
            world.requests.find(name, of=ben)
        told.append((error.value.code, error.value.message.replace(name, ""), error.value.hint))
    assert told[0] == told[1]


def test_an_unknown_request_is_not_there(world: World) -> None:
    for deed in (
        lambda: world.requests.find(NOBODYS),
        lambda: world.desk.verify(NOBODYS, SHOWN),
        lambda: world.desk.take_back(NOBODYS),
    ):
        with pytest.raises(NotFound) as error:
            deed()
        assert error.value.code == "request_unknown"
