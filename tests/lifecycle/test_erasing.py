"""Erasing: due at the moment, done in order, held where held, never said before the deed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from tests.lifecycle.world import CANARY, DAY, MS, World, world_of
from tests.support.homes import Place
from tests.support.stores import act, talk
from volens.consent.model import Act
from volens.core.errors import NotFound, Unavailable
from volens.core.ids import ConversationId, HoldId, IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import Signal, SubjectStatus
from volens.gate.accesses import AccessLeaves
from volens.gate.facts import Use
from volens.holds.erasure import COOL_OFF, Erasure, ErasureState
from volens.holds.evidence import verify_step
from volens.holds.model import Hold
from volens.lifecycle.erasing import Eraser
from volens.lifecycle.probe import probe
from volens.lifecycle.targets import ChoicesTarget
from volens.log.kinds import CaptureSource, EntryKind, ErasureScope, HoldClass
from volens.vault.subjects import Subject
from volens.vault.tables import LEAF

CONVERSATION, HISTORY, ACCOUNT = (
    ErasureScope.CONVERSATION,
    ErasureScope.HISTORY,
    ErasureScope.ACCOUNT,
)


def needles(world: World, subject: Subject) -> dict[str, bytes]:
    """Everything by which somebody can be told in the stores."""
    found = {"person": parse_id(IdKind.SUBJECT, subject.id), "canary": CANARY.encode()}
    with world.home.main.connect() as db:
        rows = db.exec_driver_sql(
            "SELECT s.reference_digest, c.id, c.source_digest, c.content_digest FROM subject s"
            " JOIN conversation c ON c.subject_no = s.no WHERE s.no = ?",
            (subject.number,),
        ).fetchall()
    for at, (reference, chat, source, content) in enumerate(rows):
        found |= {
            "reference": reference,
            f"chat {at}": chat,
            f"chat {at} in words": format_id(IdKind.CONVERSATION, chat).encode(),
            f"source {at}": source,
            f"content {at}": content,
        }
    return found | {"person in words": subject.id.encode()}


def hold(subject: Subject, *chats: str, until: timedelta, at: World, gag: bool = False) -> Hold:
    return Hold(
        id=HoldId(format_id(IdKind.HOLD, bytes(16))),
        hold_class=HoldClass.LEGAL,
        subject=subject.id,
        conversations=dict.fromkeys(chats, ()),
        authority="docket-1",
        reviewer="officer-1",
        placed=at.now,
        until=at.now + until,
        gag_until=at.now + until if gag else None,
    )


def state(world: World, erasure: Erasure) -> ErasureState:
    return world.home.erasures.find(erasure.id).state


def test_nothing_goes_before_the_cool_off_is_over_and_all_of_it_then(world: World) -> None:
    ada = world.person("ada")
    asked = world.request(ACCOUNT, ada)
    world.where.clock.step(COOL_OFF - MS)
    assert world.eraser.run(world.now).erased == 0
    assert world.chats(ada)
    world.where.clock.step(MS)
    assert world.eraser.run(world.now).erased == 1
    with pytest.raises(NotFound):
        world.home.subjects.find("ada")
    assert state(world, asked) is ErasureState.KEYS_REMOVED
    assert world.eraser.run(world.now).due == 0


def test_everything_of_an_account_is_gone_and_of_nobody_else(world: World) -> None:
    ada, bo = world.person("ada", willing=True), world.person("bo", willing=True)
    world.home.vault.set_signal(next(world.home.vault.of_subject(ada)), Signal.EXCLUDED, ada.holder)
    looked_for = needles(world, ada)
    before = probe([world.where.folder, world.where.kek], looked_for)
    assert {one.name for one in before} >= {"person", "chat 0", "source 0", "reference"}
    assert "canary" not in {one.name for one in before}  # it was never in the clear
    world.request(ACCOUNT, ada, cool_off=timedelta(0))
    world.eraser.run(world.now)
    world.where.clock.step(MS)
    world.eraser.settle(world.now, world.now)
    assert probe([world.where.folder, world.where.kek], looked_for) == []
    assert len(world.chats(bo)) == 2
    assert world.home.ledger.history(bo.id)


def test_who_is_erased_is_in_no_access_to_many(world: World, tmp_path: Path) -> None:
    ada, bo = world.person("ada", willing=True), world.person("bo", willing=True)
    home = world.home
    built = home.datasets().build(Use(purpose="batch_training"), tmp_path / "set")
    leaves = AccessLeaves(home.main)
    for one in (ada, bo):
        assert leaves.bulk_of_subject(one.number) == [built.manifest.log.intent]
    world.request(ACCOUNT, ada, cool_off=timedelta(0))
    world.eraser.run(world.now)
    assert leaves.bulk_of_subject(ada.number) == []
    assert leaves.bulk_of_subject(bo.number) == [built.manifest.log.intent]
    for index, people in ((1, []), (2, [bo.number + 8])):
        leaves.keep_bulk(index, np.array(people, dtype=np.int64))
    assert leaves.bulk_of_subject(bo.number) == [built.manifest.log.intent]


def test_a_step_is_told_only_of_stores_that_held_something_of_the_kind(world: World) -> None:
    ada = world.person("ada", willing=True)
    asked = world.request(CONVERSATION, ada, world.chats(ada)[0], cool_off=timedelta(0))
    world.eraser.run(world.now)
    stores = {step.store for step in world.home.erasures.find(asked.id).steps}
    assert stores == {
        *("holds", "reports", "safety", "keys", "content", "rows", "runs", "datasets")
    }


def test_a_single_chat_goes_alone(world: World) -> None:
    ada = world.person("ada", 3)
    first, second, third = world.home.vault.of_subject(ada)
    for held in (first, second):
        world.home.vault.set_signal(held, Signal.EXCLUDED, ada.holder)
    world.request(CONVERSATION, ada, first.id, cool_off=timedelta(0))
    world.eraser.run(world.now)
    assert world.chats(ada) == [second.id, third.id]
    raw = parse_id(IdKind.CONVERSATION, first.id)
    looked_for = {"chat": raw, "words": first.id.encode()}
    assert probe([world.where.folder], looked_for) == []
    with world.home.main.connect() as db:
        left = db.execute(select(func.count()).where(LEAF.c.opening == second.id)).scalar()
    assert left == 1


def test_nobody_elses_chat_goes_whatever_the_request_names(world: World) -> None:
    ada, bo = world.person("ada"), world.person("bo")
    asked = world.request(CONVERSATION, ada, *world.chats(bo), cool_off=timedelta(0))
    world.eraser.run(world.now)
    assert len(world.chats(bo)) == 2
    assert state(world, asked) is ErasureState.KEYS_REMOVED


def test_a_history_is_what_was_there_when_it_was_asked_for(world: World) -> None:
    ada = world.person("ada")
    world.request(HISTORY, ada)
    world.where.clock.step(MS)
    world.home.vault.capture({ada: [talk("later")]}, source=CaptureSource.IMPORT)
    world.where.clock.step(COOL_OFF)
    world.eraser.run(world.now)
    assert len(world.chats(ada)) == 1
    assert world.home.subjects.find("ada").status is SubjectStatus.ACTIVE


def test_an_account_is_closed_at_once_and_open_again_if_taken_back(world: World) -> None:
    ada = world.person("ada")
    ada = world.home.subjects.change(ada, {"status": "restricted"})
    asked = world.request(ACCOUNT, ada)
    world.home.erasures.drain()
    assert world.home.subjects.find("ada").status is SubjectStatus.CLOSED
    world.home.erasures.cancel(asked.id, world.now)
    assert world.home.subjects.find("ada").status is SubjectStatus.RESTRICTED
    world.where.clock.step(COOL_OFF)
    assert world.eraser.run(world.now).due == 0


def test_a_second_request_keeps_the_account_closed(world: World) -> None:
    ada = world.person("ada")
    first = world.request(ACCOUNT, ada)
    second = world.request(ACCOUNT, ada, cool_off=timedelta(0))
    assert first.id != second.id
    world.home.erasures.drain()
    world.home.erasures.cancel(first.id, world.now)
    assert world.home.subjects.find("ada").status is SubjectStatus.CLOSED


def test_the_log_says_started_then_removed_then_irrecoverable_and_each_can_be_proven(
    world: World,
) -> None:
    people = [world.person(f"person-{number}", 1) for number in range(5)]
    asked = [world.request(ACCOUNT, one, cool_off=timedelta(0)) for one in people]
    world.eraser.run(world.now)
    world.where.clock.step(MS)
    assert world.eraser.settle(world.now, world.now) == 5
    entries = world.entries()
    group = [
        EntryKind.ERASURE_STARTED,
        EntryKind.ERASURE_KEYS_REMOVED,
        EntryKind.ERASURE_IRRECOVERABLE,
    ]
    assert [entry.kind for entry in entries][-3:] == group
    assert entries[-2].fields["started"] == len(entries) - 3
    for one in asked:
        steps = world.home.erasures.evidence(one.id).steps
        assert [step.kind for step in steps] == [EntryKind.ERASURE_REQUESTED, *group]
        for step in steps:
            verify_step(step, one.id, entries[step.index].fields)
        found = world.home.erasures.find(one.id)
        assert found.subject is None
        stores = [step.store for step in found.steps]
        assert stores == [
            "holds",
            "reports",
            "safety",
            "keys",
            "content",
            "rows",
            "choices",
            "impact",
            "runs",
            "datasets",
            "requests",
            "access",
        ]


def test_nothing_is_irrecoverable_before_free_space_is_cleared(world: World) -> None:
    asked = world.request(ACCOUNT, world.person("ada"), cool_off=timedelta(0))
    world.eraser.run(world.now)
    world.where.clock.step(MS)
    assert world.eraser._clear_space is not None
    seen = []

    def refuse() -> None:
        seen.append(state(world, asked))
        raise Unavailable("database_trouble", "no room", hint="make some")

    world.eraser._clear_space = refuse
    with pytest.raises(Unavailable):
        world.eraser.settle(world.now, world.now)
    assert seen == [state(world, asked)] == [ErasureState.KEYS_REMOVED]
    world.eraser._clear_space = lambda: seen.append(state(world, asked))
    assert world.eraser.settle(world.now, world.now) == 1
    assert seen == [ErasureState.KEYS_REMOVED] * 2
    assert state(world, asked) is ErasureState.IRRECOVERABLE
    assert world.eraser.settle(world.now, world.now) == 0
    assert len(seen) == 2


def test_irrecoverable_only_if_the_keys_went_before_the_epoch_ended(world: World) -> None:
    asked = world.request(ACCOUNT, world.person("ada"), cool_off=timedelta(0))
    world.eraser.run(world.now)
    removed = world.now
    world.where.clock.step(DAY)
    assert world.eraser.settle(world.now, removed) == 0
    assert state(world, asked) is ErasureState.KEYS_REMOVED
    assert world.eraser.settle(world.now, removed + MS) == 1
    assert world.home.erasures.find(asked.id).irrecoverable == world.now
    assert world.eraser.settle(world.now, removed + MS) == 0


# --- holds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gag", [False, True])
def test_what_is_held_stays_and_the_rest_goes_until_the_hold_ends_to_the_moment(
    world: World, gag: bool
) -> None:
    ada = world.person("ada", 3)
    kept, *others = world.chats(ada)
    placed = hold(ada, kept, until=20 * DAY, at=world, gag=gag)
    world.holds.holds.append(placed)
    asked = world.request(ACCOUNT, ada)
    world.where.clock.step(COOL_OFF)
    result = world.eraser.run(world.now)
    assert (result.due, result.erased, result.held) == (1, 0, 1)
    assert world.chats(ada) == [kept]
    assert others
    found = world.home.erasures.find(asked.id)
    assert found.state is ErasureState.HELD
    assert found.held_until == (None if gag else placed.until)
    assert world.home.subjects.find("ada").status is SubjectStatus.CLOSED
    before = world.kinds()
    world.where.clock.moment = placed.until - MS
    assert world.eraser.run(world.now).erased == 0
    assert world.kinds() == before  # nothing more to do, nothing more to say
    world.where.clock.step(MS)
    result = world.eraser.run(world.now)
    assert (result.freed, result.erased) == (1, 1)
    assert state(world, asked) is ErasureState.KEYS_REMOVED
    with pytest.raises(NotFound):
        world.home.subjects.find("ada")


class Carved:
    """A carver that only remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[SubjectId, ConversationId, Sequence[int]]] = []

    def carve(self, subject: SubjectId, conversation: ConversationId, kept: Sequence[int]) -> None:
        self.asked.append((subject, conversation, kept))


def test_of_a_chat_that_is_held_in_part_only_the_held_turns_stay(world: World) -> None:
    ada = world.person("ada", 3)
    first, second, _ = world.chats(ada)
    whole = hold(ada, second, until=20 * DAY, at=world)
    world.holds.holds += [replace(whole, conversations={first: (1,)}), whole]
    world.eraser._carver = carved = Carved()
    world.request(HISTORY, ada, cool_off=timedelta(0))
    world.eraser.run(world.now)
    stored = {held.id for held in world.home.vault.of_subject(ada, ended=True)}
    assert stored == {first, second}
    assert carved.asked == [(ada.id, first, (1,))]


def test_a_hold_that_ends_early_frees_at_the_next_run(world: World) -> None:
    ada = world.person("ada")
    world.holds.holds.append(hold(ada, *world.chats(ada), until=300 * DAY, at=world))
    asked = world.request(HISTORY, ada, cool_off=timedelta(0))
    assert world.eraser.run(world.now).held == 1
    world.holds.holds.clear()
    assert world.eraser.run(world.now).erased == 1
    assert state(world, asked) is ErasureState.KEYS_REMOVED


def test_a_hold_on_another_chat_keeps_nothing_of_this_erasure(world: World) -> None:
    ada, bo = world.person("ada"), world.person("bo")
    first, second = world.chats(ada)
    world.holds.holds += [
        hold(ada, second, until=300 * DAY, at=world),
        hold(bo, first, until=300 * DAY, at=world),  # not theirs
    ]
    world.request(CONVERSATION, ada, first, cool_off=timedelta(0))
    assert world.eraser.run(world.now).erased == 1
    assert world.chats(ada) == [second]


def test_the_end_of_the_longest_hold_is_told_and_a_gagged_one_is_not(world: World) -> None:
    ada = world.person("ada")
    chats = world.chats(ada)
    world.holds.holds += [
        hold(ada, *chats, until=20 * DAY, at=world),
        hold(ada, *chats, until=30 * DAY, at=world),
        hold(ada, *chats, until=90 * DAY, at=world, gag=True),
    ]
    asked = world.request(HISTORY, ada, cool_off=timedelta(0))
    world.eraser.run(world.now)
    assert world.home.erasures.find(asked.id).held_until == world.now + 30 * DAY


def test_a_withdrawal_that_comes_in_last_brings_nothing_back(world: World) -> None:
    ada = world.person("ada", willing=True)
    world.request(ACCOUNT, ada, cool_off=timedelta(0))
    world.home.ledger.journal(act(99, ada, Act.WITHDRAW))
    world.eraser.run(world.now)
    world.home.ledger.drain()
    needles = {"person": ada.holder.raw, "in words": ada.id.encode()}
    assert probe([world.where.folder], needles) == []


# --- stops --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_after", [0, 1])
def test_a_run_that_was_stopped_says_nothing_is_gone_and_the_next_finishes(
    world: World, fails_after: int
) -> None:
    ada = world.person("ada", willing=True)
    looked_for = needles(world, ada)
    asked = world.request(ACCOUNT, ada, cool_off=timedelta(0))
    world.vault.fails_after = fails_after
    with pytest.raises(Unavailable):
        world.eraser.run(world.now)
    assert state(world, asked) is ErasureState.ACCESS_ENDED
    assert world.home.erasures.ended().accounts
    assert EntryKind.ERASURE_KEYS_REMOVED not in world.kinds()
    world.vault.fails_after = None
    world.eraser.run(world.now)
    assert state(world, asked) is ErasureState.KEYS_REMOVED
    assert world.kinds().count(EntryKind.ERASURE_STARTED) == 1
    assert probe([world.where.folder], looked_for) == []


def test_a_number_is_never_given_out_again_so_a_late_run_touches_nobody_else(
    world: World,
) -> None:
    ada = world.person("ada", willing=True)
    world.request(ACCOUNT, ada, cool_off=timedelta(0))
    world.vault.fails_at_the_end = True
    with pytest.raises(Unavailable):
        world.eraser.run(world.now)
    world.vault.fails_at_the_end = False
    bo = world.person("bo", willing=True)
    assert bo.number != ada.number
    assert world.eraser.run(world.now).erased == 1
    assert len(world.chats(bo)) == 2
    assert world.home.ledger.history(bo.id)
    assert world.home.ledger.history(ada.id) == []


class Forgetful(ChoicesTarget):
    """A target that says it erased and did not."""

    def erase(self, items: object) -> None:
        del items


def test_a_target_that_only_says_so_gets_no_state(world: World) -> None:
    ada = world.person("ada", willing=True)
    asked = world.request(ACCOUNT, ada, cool_off=timedelta(0))
    eraser = world.eraser
    eraser._targets = [
        Forgetful(world.home.main) if isinstance(one, ChoicesTarget) else one
        for one in eraser._targets
    ]
    with pytest.raises(Unavailable) as trouble:
        eraser.run(world.now)
    assert trouble.value.code == "erasure_incomplete"
    assert "main.db consent_event" in trouble.value.message
    assert state(world, asked) is ErasureState.ACCESS_ENDED


def test_without_a_target_for_each_store_nothing_starts(world: World) -> None:
    whole = world.eraser
    for missing in whole._targets:
        with pytest.raises(Unavailable) as refusal:
            Eraser(
                whole._ledger,
                whole._progress,
                whole._planner,
                whole._recorder,
                [one for one in whole._targets if one is not missing],
                clock=world.where.clock,
            )
        assert refusal.value.code == "erasure_target_missing"
        assert all(store in refusal.value.message for store in missing.stores)


def test_groups_are_as_large_as_told(where: Place) -> None:
    world = world_of(where)
    with world.home:
        world.eraser._group = 2
        for number in range(5):
            person = world.person(f"person-{number}", 1)
            world.request(ACCOUNT, person, cool_off=timedelta(0))
        assert world.eraser.run(world.now).erased == 5
        counts = [
            entry.fields["count"]
            for entry in world.entries()
            if entry.kind is EntryKind.ERASURE_KEYS_REMOVED
        ]
        assert counts == [2, 2, 1]
        assert world.vault.calls.count("accounts") == 3
