"""Staff see named turns under an open case, and nothing else, whatever they try."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.safety.world import BOB, DAY, EVE, LEA, OLE, SECRET, STAFF, TICK, World, member, order
from volens.access.exception_records import OrderForm, Refused
from volens.access.exceptions import Case, CaseState
from volens.access.model import ANONYMOUS, Principal, PrincipalKind, Role
from volens.app.retention import new_request
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable
from volens.core.ids import CaseId, HoldId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.holds.model import Hold
from volens.log.kinds import (
    AccessAction,
    AccessReason,
    Actor,
    EntryKind,
    ErasureScope,
    ExceptionClass,
    HoldClass,
)
from volens.policy.model import ReasonCode

ASKER = Asker(actor=Actor.TRUST_AND_SAFETY, action=AccessAction.SHOW, reason=AccessReason.REVIEW)
EXCEPTIONAL = (Purpose.SAFETY_REVIEW, Purpose.LEGAL_ORDER, Purpose.EMERGENCY)


@pytest.mark.parametrize("purpose", EXCEPTIONAL)
def test_without_a_case_nothing_opens(world: World, purpose: Purpose) -> None:
    held, ann = world.chat, world.ann
    for use in (
        Use(purpose=purpose.value),
        Use(purpose=purpose.value, turns=(2,)),
        Use(purpose=purpose.value, case=format_id(IdKind.CASE, bytes(16)), turns=(2,)),
        Use(purpose=purpose.value, case="not an id", turns=(2,)),
    ):
        decision = world.home.gate.decide(ann, use, held)
        assert (decision.permit, decision.reasons) == (False, (ReasonCode.EXCEPTION_MISSING,))
        with pytest.raises(Denied, match="not permitted"):
            world.home.gate.show(held, ann, use, ASKER)
    assert world.entries(EntryKind.ACCESS_INTENT) == []


def test_only_the_named_turns_come_out_of_the_gate(world: World) -> None:
    world.flag(world.chat, 2, 3, 4)
    case = world.open()
    look = world.safety.cases.look(EVE, case.id, world.chat.id)
    assert [(turn.index, turn.text) for turn in look.turns] == [
        (2, f"{SECRET} 2"),
        (3, f"{SECRET} 3"),
    ]
    assert "title" not in repr(look)
    assert SECRET not in repr(look)


def test_the_intent_is_in_the_log_and_names_the_class(world: World) -> None:
    world.flag(world.chat, 2, 3)
    look = world.safety.cases.look(EVE, world.open().id, world.chat.id)
    (intent,) = world.entries(EntryKind.ACCESS_INTENT)
    assert intent.fields["exception"] is ExceptionClass.SYSTEM_ABUSE
    assert intent.fields["purpose"] is Purpose.SAFETY_REVIEW
    assert intent.fields["actor"] is Actor.TRUST_AND_SAFETY
    assert intent.fields["count"] == 1
    assert world.entries(EntryKind.ACCESS_DONE) == []
    leaves = {leaf.log_index for leaf in world.home.own_copy.leaves.of_subject(world.ann.number)}
    assert look.log_index in leaves


@pytest.mark.parametrize("turns", [(1,), (2, 4), (2, 3, 5), ()])
def test_a_turn_too_many_is_not_covered(world: World, turns: tuple[int, ...]) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    use = Use(purpose=Purpose.SAFETY_REVIEW.value, case=case.id, turns=turns)
    decision = world.home.gate.decide(world.ann, use, world.chat)
    assert decision.reasons == (ReasonCode.EXCEPTION_MISSING,)
    with pytest.raises(Denied):
        world.home.viewer.look(world.chat, world.ann, use, ASKER, note=[].append)


def test_a_case_covers_no_other_chat_person_or_purpose(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    fits = Use(purpose=Purpose.SAFETY_REVIEW.value, case=case.id, turns=(2,))
    gate = world.home.gate
    assert gate.decide(world.ann, fits, world.chat).permit
    assert not gate.decide(world.ann, fits, world.other).permit
    assert not gate.decide(world.max, fits, world.foreign).permit
    assert not gate.decide(world.max, fits, world.chat).permit
    assert not gate.decide(world.ann, fits).permit
    for purpose in set(Purpose) - {Purpose.SAFETY_REVIEW, Purpose.PROVIDE_SERVICE}:
        use = replace(fits, purpose=purpose.value)
        with_case = gate.decide(world.ann, use, world.chat)
        without = gate.decide(world.ann, replace(use, case="", turns=()), world.chat)
        assert with_case.permit is without.permit
    for conversation in (world.other.id, world.foreign.id):
        with pytest.raises(Denied) as caught:
            world.safety.cases.look(EVE, case.id, conversation)
        assert caught.value.code == "exception_missing"


def test_a_bulk_selection_never_rests_on_a_case(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    use = Use(purpose=Purpose.SAFETY_REVIEW.value, case=case.id, turns=(2, 3))
    permitted, _ = world.home.gate.preview(use)
    assert permitted == 0


def test_a_case_is_over_at_its_very_end(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open(days=2)
    world.clock.step(2 * DAY - TICK)
    assert world.texts(case)
    world.clock.step(TICK)
    with pytest.raises(Denied) as caught:
        world.texts(case)
    assert caught.value.code == "exception_missing"


def test_a_decision_is_valid_no_longer_than_its_case(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    use = Use(purpose=Purpose.SAFETY_REVIEW.value, case=case.id, turns=(2,))
    assert world.home.gate.decide(world.ann, use, world.chat).valid_until == case.closes


def test_a_closed_case_opens_nothing_and_ends_what_was_open(world: World) -> None:
    world.flag(world.chat, 2, 3)
    case = world.open()
    world.texts(case)
    world.clock.step(timedelta(seconds=7))
    assert world.safety.cases.close(EVE, case.id).state(world.clock.now()) is CaseState.CLOSED
    (done,) = world.entries(EntryKind.ACCESS_DONE)
    assert done.fields["duration_ms"] == 7_000
    with pytest.raises(Denied):
        world.texts(case)
    with pytest.raises(InvalidInput, match="over already"):
        world.safety.cases.close(EVE, case.id)


class TestTwoPersons:
    def test_one_person_opens_nothing_where_two_are_demanded(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
        assert case.state(world.clock.now()) is CaseState.WAITING
        with pytest.raises(Denied):
            world.texts(case)
        with pytest.raises(Denied) as caught:
            world.safety.cases.approve(EVE, case.id)
        assert caught.value.code == "exception_persons"
        both = replace(EVE, roles=frozenset({Role.TRUST_AND_SAFETY, Role.PRIVACY_OFFICER}))
        with pytest.raises(Denied):
            world.safety.cases.approve(both, case.id)
        world.safety.cases.approve(BOB, case.id)
        assert world.texts(case)

    @pytest.mark.parametrize("role", ["support", "rater", "research", "engineering", "auditor"])
    def test_the_second_person_needs_the_right_role(self, world: World, role: str) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
        with pytest.raises(Denied) as caught:
            world.safety.cases.approve(STAFF[role], case.id)
        assert caught.value.code == "exception_role"

    def test_nobody_approves_a_case_that_is_open_refused_or_over(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        refused = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
        world.safety.cases.refuse(OLE, refused.id)
        waited = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
        world.clock.step(3 * DAY)
        for case in (refused, waited, world.open()):
            with pytest.raises(InvalidInput) as caught:
                world.safety.cases.approve(BOB, case.id)
            assert caught.value.code == "exception_state"

    def test_its_days_count_from_the_approval(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open(exception=ExceptionClass.ILLEGAL_CONTENT, days=10)
        world.clock.step(DAY)
        approved = world.safety.cases.approve(OLE, case.id)
        assert approved.closes == world.clock.now() + 10 * DAY

    def test_the_privacy_officer_who_approves_sees_nothing(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
        world.safety.cases.approve(OLE, case.id)
        with pytest.raises(Denied) as caught:
            world.texts(case, OLE)
        assert caught.value.code == "exception_role"


class TestOrders:
    def test_an_informal_request_opens_nothing_and_is_counted(self, world: World) -> None:
        with pytest.raises(Refused) as caught:
            world.open(LEA, ExceptionClass.LEGAL_ORDER, record=order(form=OrderForm.INFORMAL))
        assert caught.value.code == "exception_informal"
        (entry,) = world.entries(EntryKind.EXCEPTION_REFUSED)
        assert entry.fields["class"] is ExceptionClass.LEGAL_ORDER
        assert world.safety.cases.listed(OLE) == []

    @pytest.mark.parametrize(
        ("missing", "code"),
        [
            ("has_jurisdiction", "exception_no_jurisdiction"),
            ("signed", "exception_invalid"),
            ("names_turns", "exception_too_broad"),
        ],
    )
    def test_each_part_of_the_check_counts(self, world: World, missing: str, code: str) -> None:
        with pytest.raises(Refused) as caught:
            world.open(LEA, ExceptionClass.LEGAL_ORDER, record=order(**{missing: False}))
        assert caught.value.code == code

    def test_a_valid_order_opens_turns_that_nobody_flagged(self, world: World) -> None:
        case = world.open(LEA, ExceptionClass.LEGAL_ORDER)
        world.safety.cases.approve(OLE, case.id)
        assert world.texts(case, LEA) == [f"{SECRET} 2", f"{SECRET} 3"]
        (intent,) = world.entries(EntryKind.ACCESS_INTENT)
        assert intent.fields["actor"] is Actor.LEGAL_COUNSEL
        assert intent.fields["reason"] is AccessReason.LEGAL_ORDER

    def test_supervisory_access_exists_only_where_the_region_asks_for_it(
        self, world: World
    ) -> None:
        with pytest.raises(Denied) as caught:
            world.open(LEA, ExceptionClass.SUPERVISORY_ACCESS)
        assert caught.value.code == "exception_class"


class TestWho:
    @pytest.mark.parametrize("role", list(STAFF))
    def test_other_roles_open_no_case_and_see_no_queue(self, world: World, role: str) -> None:
        world.flag(world.chat, 2, 3)
        for exception in (ExceptionClass.SYSTEM_ABUSE, ExceptionClass.LEGAL_ORDER):
            with pytest.raises(Denied) as caught:
                world.open(STAFF[role], exception)
            assert caught.value.code == "exception_role"
        with pytest.raises(Denied):
            world.safety.queue.items(STAFF[role])

    def test_a_colleague_who_is_not_on_the_case_finds_none(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open()
        with pytest.raises(NotFound):
            world.texts(case, BOB)
        assert world.safety.cases.listed(BOB) == []

    def test_whoever_lost_the_role_sees_nothing_any_more(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open()
        for former in (replace(EVE, roles=frozenset()), replace(EVE, roles=OLE.roles)):
            with pytest.raises(Denied):
                world.texts(case, former)

    @pytest.mark.parametrize(
        "who",
        [
            ANONYMOUS,
            Principal(kind=PrincipalKind.SERVICE, roles=frozenset(Role)),
            Principal(kind=PrincipalKind.SUBJECT, account=EVE.account, roles=frozenset(Role)),
            Principal(kind=PrincipalKind.STAFF, roles=frozenset(Role)),
        ],
    )
    def test_nobody_but_staff_with_an_account(self, world: World, who: Principal) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open()
        for act in (
            lambda: world.open(who),
            lambda: world.texts(case, who),
            lambda: world.safety.cases.listed(who),
            lambda: world.safety.cases.close(who, case.id),
            lambda: world.safety.cases.look_away(who, 1),
            lambda: world.safety.rating.records(who),
            lambda: world.safety.basics.of(who, "ann"),
        ):
            with pytest.raises(Denied):
                act()


class TestWhat:
    def test_only_flagged_or_reported_turns_may_be_named(self, world: World) -> None:
        world.flag(world.chat, 2)
        with pytest.raises(Denied) as caught:
            world.open()
        assert caught.value.code == "exception_not_flagged"
        world.flag(world.chat, 3)
        assert world.texts(world.open())

    def test_a_case_is_about_one_person(self, world: World) -> None:
        world.flag(world.chat, 2)
        world.flag(world.foreign, 2)
        with pytest.raises(InvalidInput) as caught:
            world.open(turns={world.chat.id: (2,), world.foreign.id: (2,)})
        assert caught.value.code == "exception_scope"

    @pytest.mark.parametrize("turns", [{}, {"chat": ()}, {"chat": (9,)}])
    def test_no_case_names_nothing_or_what_is_not_there(
        self, world: World, turns: dict[str, tuple[int, ...]]
    ) -> None:
        named = dict.fromkeys([world.chat.id] if turns else [], turns.get("chat", ()))
        with pytest.raises(InvalidInput):
            world.open(turns=named)

    def test_a_case_of_another_home_is_unknown(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.safety.cases.look(EVE, CaseId(format_id(IdKind.CASE, b"x" * 16)), world.chat.id)

    def test_an_erased_chat_opens_for_nobody(self, world: World) -> None:
        world.flag(world.chat, 2, 3)
        case = world.open()
        world.home.removal.erase_conversations({world.ann: [world.chat.id]})
        with pytest.raises((NotFound, Unavailable)):
            world.texts(case)
        assert member(1).account == EVE.account


class TestBeingErased:
    """A hold keeps bytes; only a case for the hold's own purpose opens them, and only its turns."""

    def place(self, world: World, kind: HoldClass, *turns: int) -> None:
        now = world.clock.now()
        hold = Hold(
            id=HoldId(format_id(IdKind.HOLD, kind.value.encode().ljust(16, b"-"))),
            hold_class=kind,
            subject=world.ann.id,
            conversations={world.chat.id: turns},
            authority="docket-17",
            reviewer="officer-2",
            placed=now,
            until=now + 30 * DAY,
        )
        world.home.holds.place(hold, now)

    def erase(self, world: World) -> None:
        world.home.erasures.request(
            new_request(
                world.home,
                b"e" * 16,
                ErasureScope.CONVERSATION,
                world.ann,
                conversations=[world.chat.id],
            )
        )

    def order(self, world: World) -> Case:
        case = world.open(LEA, ExceptionClass.LEGAL_ORDER)
        return world.safety.cases.approve(OLE, case.id)

    def test_what_nothing_holds_is_nobodys(self, world: World) -> None:
        case = self.order(world)
        self.erase(world)
        with pytest.raises(Denied) as caught:
            world.texts(case, LEA)
        assert caught.value.code == ReasonCode.BLOCKED_ERASING

    def test_what_is_held_for_this_very_purpose_opens(self, world: World) -> None:
        self.place(world, HoldClass.LEGAL, 2, 3)
        case = self.order(world)
        self.erase(world)
        assert world.texts(case, LEA) == [f"{SECRET} 2", f"{SECRET} 3"]

    @pytest.mark.parametrize(
        ("kind", "turns"), [(HoldClass.SAFETY, (2, 3)), (HoldClass.LEGAL, (2,))]
    )
    def test_a_hold_for_something_else_or_of_fewer_turns_opens_nothing(
        self, world: World, kind: HoldClass, turns: tuple[int, ...]
    ) -> None:
        self.place(world, kind, *turns)
        case = self.order(world)
        self.erase(world)
        with pytest.raises(Denied):
            world.texts(case, LEA)

    def test_a_hold_alone_opens_nothing(self, world: World) -> None:
        self.place(world, HoldClass.LEGAL, 2, 3)
        self.erase(world)
        use = Use(purpose=Purpose.LEGAL_ORDER.value, turns=(2, 3))
        assert not world.home.gate.decide(world.ann, use, world.chat).permit
