"""Afterwards the person is told and asked; a gag ends; silence erases."""

from datetime import timedelta

import pytest

from tests.safety.world import BOB, DAY, EVE, LEA, OLE, TICK, World, order
from volens.access.exception_records import OrderForm, Refused
from volens.access.exceptions import Case, Gag
from volens.app.erasing import eraser_of
from volens.app.retention import new_request
from volens.audit.paper import Paper, Section
from volens.audit.trail import read_trail
from volens.audit.transparency import Period, transparency_report
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import HoldId, IdKind, format_id
from volens.holds.model import Hold
from volens.log.kinds import EntryKind, ErasureScope, ExceptionClass, HoldClass, KeepAnswer
from volens.safety.notices import ANSWER_WITHIN, KEEP_MOST


def looked(world: World, **words: object) -> Case:
    """Open a case, look under it for a minute, close it."""
    world.flag(world.chat, 2, 3)
    case = world.open(**words)  # type: ignore[arg-type]  # a test's own words
    look = world.safety.cases.look(EVE, case.id, world.chat.id)
    world.clock.step(timedelta(minutes=1))
    world.safety.cases.look_away(EVE, look.lease)
    return world.safety.cases.close(EVE, case.id)


def run(world: World) -> tuple[int, int]:
    done = world.safety.run(world.clock.now())
    return done.told, done.erased


def accesses(world: World) -> list[int]:
    return [
        leaf.log_index
        for leaf in world.home.own_copy.leaves.of_subject(world.ann.number)
        if leaf.opening.startswith("cnv_")
    ]


def test_the_person_is_told_what_was_looked_at_by_whom_and_why(world: World) -> None:
    case = looked(world)
    assert world.safety.notices.of_subject(world.ann) == []
    assert run(world) == (1, 0)
    assert run(world) == (0, 0)
    (notice,) = world.safety.notices.of_subject(world.ann)
    assert (notice.case, notice.exception) == (case.id, ExceptionClass.SYSTEM_ABUSE)
    assert (notice.legal_basis, notice.may_object) == ("legitimate_interest", True)
    (seen,) = notice.looked
    assert (seen.conversation, seen.turns, seen.role) == (
        world.chat.id,
        (2, 3),
        "trust_and_safety",
    )
    assert seen.lasted == timedelta(minutes=1)
    assert notice.answer is None
    assert EVE.account not in repr(notice)
    (entry,) = world.entries(EntryKind.EXCEPTION_NOTIFIED)
    assert entry.fields["days"] == 0


def test_nobody_else_is_told_or_may_answer(world: World) -> None:
    case = looked(world)
    run(world)
    assert world.safety.notices.of_subject(world.max) == []
    with pytest.raises(NotFound):
        world.safety.notices.answer(world.max, case.id, KeepAnswer.KEEP, world.clock.now())


def test_while_a_case_is_open_and_after_a_refusal_there_is_nothing_to_tell(world: World) -> None:
    world.flag(world.chat, 2, 3)
    world.open()
    refused = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
    world.safety.cases.refuse(BOB, refused.id)
    assert run(world) == (0, 0)


def test_a_case_that_ran_out_is_told_of_too_even_if_nobody_looked(world: World) -> None:
    world.flag(world.chat, 2, 3)
    world.open(days=2)
    world.clock.step(2 * DAY)
    assert run(world) == (1, 0)
    (notice,) = world.safety.notices.of_subject(world.ann)
    assert notice.looked == ()


class TestGag:
    def test_until_it_ends_the_person_learns_nothing_then_all(self, world: World) -> None:
        start = world.clock.now()
        looked(world, gag=Gag(until=start + 20 * DAY, authority="17-C-4/26"))
        assert run(world) == (0, 0)
        assert accesses(world) == []
        world.clock.moment = start + 20 * DAY - TICK
        assert run(world) == (0, 0)
        world.clock.step(TICK)
        assert run(world)[0] == 1
        (notice,) = world.safety.notices.of_subject(world.ann)
        assert len(notice.looked) == len(accesses(world)) == 1
        (entry,) = world.entries(EntryKind.EXCEPTION_NOTIFIED)
        assert entry.fields["days"] == 19

    @pytest.mark.parametrize("days", [-1, 0, 366])
    def test_there_is_none_without_an_end_in_reach(self, world: World, days: int) -> None:
        world.flag(world.chat, 2, 3)
        with pytest.raises(InvalidInput) as caught:
            world.open(gag=Gag(until=world.clock.now() + days * DAY, authority="17-C"))
        assert caught.value.code == "exception_gag"


class TestAnswer:
    def test_to_erase_takes_one_act_and_erases_at_once(self, world: World) -> None:
        case = looked(world)
        run(world)
        told = world.safety.notices.answer(world.ann, case.id, KeepAnswer.ERASE, world.clock.now())
        assert told.erased == world.clock.now()
        kept = world.safety.cases.find(OLE, case.id)
        assert (dict(kept.turns), kept.record) == ({}, None)
        assert world.safety.flags.of_subject(world.ann.number) == []
        assert [one.conversation for one in told.looked] == [None]
        assert world.home.vault.find(world.chat.id).id == world.chat.id

    def test_to_keep_takes_one_act_and_can_be_taken_back(self, world: World) -> None:
        case = looked(world)
        run(world)
        answer = world.safety.notices.answer
        told = answer(world.ann, case.id, KeepAnswer.KEEP, world.clock.now())
        assert (told.answer, told.erased) == (KeepAnswer.KEEP, None)
        world.clock.step(ANSWER_WITHIN)
        assert run(world) == (0, 0)
        assert world.safety.flags.count() == 1
        assert answer(world.ann, case.id, KeepAnswer.ERASE, world.clock.now()).erased
        with pytest.raises(InvalidInput, match="nothing is left"):
            answer(world.ann, case.id, KeepAnswer.KEEP, world.clock.now())
        words = [entry.fields["answer"] for entry in world.entries(EntryKind.EXCEPTION_ANSWERED)]
        assert words == [KeepAnswer.KEEP, KeepAnswer.ERASE]

    def test_silence_erases_to_the_millisecond(self, world: World) -> None:
        looked(world)
        run(world)
        world.pass_time(ANSWER_WITHIN - TICK)
        assert run(world) == (0, 0)
        world.pass_time(TICK)
        assert run(world) == (0, 1)
        (notice,) = world.safety.notices.of_subject(world.ann)
        assert notice.answer is KeepAnswer.SILENCE
        assert world.safety.flags.count() == 0

    def test_a_clock_that_leapt_erases_nothing(self, world: World) -> None:
        looked(world)
        run(world)
        world.clock.step(ANSWER_WITHIN)
        assert run(world) == (0, 0)
        assert world.safety.flags.count() == 1

    def test_silence_is_no_answer_that_anybody_gives(self, world: World) -> None:
        case = looked(world)
        run(world)
        with pytest.raises(InvalidInput):
            world.safety.notices.answer(world.ann, case.id, KeepAnswer.SILENCE, world.clock.now())

    def test_even_a_yes_keeps_it_for_a_year_at_most(self, world: World) -> None:
        case = looked(world)
        run(world)
        world.safety.notices.answer(world.ann, case.id, KeepAnswer.KEEP, world.clock.now())
        assert case.opened is not None
        for _ in range(12):
            world.pass_time(30 * DAY)
            assert run(world) == (0, 0)
        world.pass_time(case.opened + KEEP_MOST - world.clock.now())
        assert run(world) == (0, 1)

    def test_a_hold_that_was_placed_for_the_case_ends_with_it(self, world: World) -> None:
        case = looked(world)
        now = world.clock.now()
        hold = Hold(
            id=HoldId(format_id(IdKind.HOLD, b"h" * 16)),
            hold_class=HoldClass.SAFETY,
            subject=world.ann.id,
            conversations={world.chat.id: (2, 3)},
            authority=case.id,
            reviewer="officer-2",
            placed=now,
            until=now + 30 * DAY,
        )
        world.home.holds.place(hold, now)
        run(world)
        world.safety.notices.answer(world.ann, case.id, KeepAnswer.ERASE, now)
        assert world.home.holds.find(hold.id).end is not None

    def test_a_kept_answer_is_a_ground_for_no_use(self, world: World) -> None:
        case = looked(world)
        run(world)
        world.safety.notices.answer(world.ann, case.id, KeepAnswer.KEEP, world.clock.now())
        assert world.home.ledger.states(world.ann.id) == {}


class TestErasing:
    def erase(self, world: World, scope: ErasureScope) -> None:
        named = [world.chat.id] if scope is ErasureScope.CONVERSATION else []
        asked = new_request(
            world.home, b"e" * 16, scope, world.ann, conversations=named, at_once=True
        )
        world.home.erasures.request(asked)
        world.clock.step(TICK)
        eraser_of(world.home).run(world.clock.now())

    def test_with_the_account_goes_everything(self, world: World) -> None:
        case = looked(world)
        run(world)
        world.flag(world.other, 1)
        self.erase(world, ErasureScope.ACCOUNT)
        assert world.safety.cases.listed(OLE) == []
        with pytest.raises(NotFound):
            world.safety.cases.find(OLE, case.id)
        for table in (
            "flag",
            "exception_case",
            "exception_turns",
            "exception_act",
            "lease",
            "exception_notice",
        ):
            with world.home.main.connect() as db:
                count = db.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            assert count == 0, table

    def test_with_a_chat_goes_what_names_it_and_no_more(self, world: World) -> None:
        world.flag(world.other, 1)
        case = looked(world, turns={world.chat.id: (2, 3), world.other.id: (1,)})
        self.erase(world, ErasureScope.CONVERSATION)
        kept = world.safety.cases.find(OLE, case.id)
        assert dict(kept.turns) == {world.other.id: (1,)}
        assert [flag.conversation for flag in world.safety.flags.listed()] == [world.other.id]
        assert run(world)[0] == 1
        (notice,) = world.safety.notices.of_subject(world.ann)
        assert [one.conversation for one in notice.looked] == [None]


def test_an_order_leaves_which_order_it_was(world: World) -> None:
    case = world.open(LEA, ExceptionClass.LEGAL_ORDER)
    world.safety.cases.approve(OLE, case.id)
    world.safety.cases.close(LEA, case.id)
    run(world)
    world.safety.notices.answer(world.ann, case.id, KeepAnswer.ERASE, world.clock.now())
    kept = world.safety.cases.find(OLE, case.id)
    assert (dict(kept.turns), kept.record) == ({}, case.record)


def test_the_transparency_report_counts_what_was_asked_refused_seen_and_told(
    world: World,
) -> None:
    start = world.clock.now()
    looked(world)
    world.clock.step(3 * DAY)
    run(world)
    refused = world.open(exception=ExceptionClass.ILLEGAL_CONTENT)
    world.safety.cases.refuse(BOB, refused.id)
    with pytest.raises(Refused):
        world.open(LEA, ExceptionClass.LEGAL_ORDER, record=order(form=OrderForm.INFORMAL))
    world.home.owned_log().publish()
    trail = read_trail(world.where.folder / "log", world.home.signer.verifier)
    paper = transparency_report(trail, Period(since=start, until=world.clock.now() + TICK))
    rows = {row[0]: row[1:] for row in section(paper, "Exceptions").rows}
    assert rows["system_abuse"] == ("1", "0", "1", "1", "3.0")
    assert rows["illegal_content"] == ("1", "1", "0", "0", "-")
    assert rows["legal_order"] == ("0", "1", "0", "0", "-")
    assert "none" not in rows
    told = dict(section(paper, "Courts, authorities and governments").rows)
    assert told["requests refused: informal"] == "1"


def section(paper: Paper, title: str) -> Section:
    return next(one for one in paper.sections if one.title == title)
