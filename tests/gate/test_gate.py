"""The gate: log first, keys after; what was taken back meanwhile is not opened."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from tests.support.stores import (
    BATCH,
    BUILDER,
    NOBODY,
    START,
    TRAINING,
    Stores,
    act,
    policy,
    talk,
    talks,
)
from volens.consent.model import Act, Scope, ScopeKind
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.core.ids import ConversationId
from volens.core.purposes import PROHIBITED, Purpose, Signal
from volens.core.regions import Region
from volens.crypto.keystore import KEY_PAGE
from volens.gate.facts import Use
from volens.gate.gate import Gate
from volens.gate.reading import OpenedBatch
from volens.holds.erasure import Erasure, new_erasure
from volens.log.kinds import AccessAction, AccessOutcome, EntryKind, ErasureScope
from volens.policy.decision import Policy
from volens.policy.model import ReasonCode
from volens.vault.model import unpack_payload
from volens.vault.store import Held
from volens.vault.subjects import Subject
from volens.vault.tables import BLOCK, CAPTURE_BATCH, CONVERSATION, SUBJECT

TICK = timedelta(milliseconds=1)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


@pytest.fixture
def people(stores: Stores) -> list[Subject]:
    """Ada, Bo and Cy said yes; Di said nothing. Each has two conversations."""
    found = stores.add("ada", "bo", "cy", "di")
    for number, subject in enumerate(found):
        stores.capture(subject, talk(f"{number} a"), talk(f"{number} b"))
    stores.ledger.record([act(number, one, Act.GRANT) for number, one in enumerate(found[:3])])
    return found


def texts(batches: Iterator[OpenedBatch] | list[OpenedBatch]) -> list[str]:
    return [unpack_payload(one).turns[0].text for batch in batches for one in batch.payloads]


def outcomes(stores: Stores) -> list[tuple[object, object]]:
    return [
        (entry.fields["outcome"], entry.fields["count"])
        for entry in stores.log.entries
        if entry.kind is EntryKind.ACCESS_DONE
    ]


def ask_to_erase(stores: Stores, subject: Subject, chat: Held) -> Erasure:
    """Take in a request about one chat."""
    raw = stores.entropy.draw(16)
    asked = new_erasure(
        raw, ErasureScope.CONVERSATION, subject.id, START, conversations=[ConversationId(chat.id)]
    )
    (taken,) = stores.erasures.record([asked])
    return taken


def opening(stores: Stores, gate: Gate | None = None) -> list[OpenedBatch]:
    gate = gate or stores.gate
    return list(gate.open(gate.select(TRAINING, BUILDER)))


class TestOrder:
    def test_the_intent_is_in_the_log_before_the_first_key_and_the_end_after_the_last(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        start = len(stores.log.entries)
        selection = stores.gate.select(TRAINING, BUILDER)
        assert stores.log.kinds(start) == [EntryKind.ACCESS_INTENT]
        assert stores.service.unwrapped == 0
        assert len(texts(stores.gate.open(selection))) == 6
        assert stores.service.unwrapped == 1
        assert stores.log.kinds(start) == [EntryKind.ACCESS_INTENT, EntryKind.ACCESS_DONE]
        intent, done = stores.log.entries[start:]
        assert (intent.fields["count"], done.fields["count"]) == (6, 6)
        assert done.fields["intent"] == selection.intent == start

    def test_no_key_is_asked_for_if_the_log_refuses_the_intent(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[0])
        stores.log.full = True
        with pytest.raises(Unavailable):
            stores.gate.select(TRAINING, BUILDER)
        with pytest.raises(Unavailable):
            stores.gate.show(held, people[0], TRAINING, BUILDER)
        assert stores.service.unwrapped == 0

    def test_the_watch_itself_can_fail(self, stores: Stores, people: list[Subject]) -> None:
        """The fake refuses a key when no intent is open: else the tests above say nothing."""
        with pytest.raises(AssertionError, match="without an access intent"):
            stores.new_gate().references(people[:1])

    def test_giving_out_a_capture_secret_is_logged_before_the_key_is_used(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[0])
        entries = len(stores.log.entries)
        stores.new_gate().capture_secret(held, people[0])
        (intent,) = stores.log.entries[entries:]
        assert intent.kind is EntryKind.ACCESS_INTENT
        assert intent.fields["action"] is AccessAction.PROVE
        stores.log.full = True
        unwrapped = stores.service.unwrapped
        with pytest.raises(Unavailable):
            stores.new_gate().capture_secret(held, people[0])
        assert stores.service.unwrapped == unwrapped

    def test_a_preview_and_a_decision_open_and_log_nothing(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        entries = len(stores.log.entries)
        assert stores.gate.preview(TRAINING) == (6, {ReasonCode.NO_GRANT: 2})
        assert stores.gate.decide(people[0], TRAINING).permit
        assert (len(stores.log.entries), stores.service.unwrapped) == (entries, 0)

    def test_entries_name_nobody_and_do_not_link(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        start = len(stores.log.entries)
        opening(stores)
        opening(stores)
        intents = [e for e in stores.log.entries[start:] if e.kind is EntryKind.ACCESS_INTENT]
        assert intents[0].fields["commitment"] != intents[1].fields["commitment"]
        written = repr(stores.log.entries)
        for subject in people:
            assert subject.id not in written
            assert all(held.id not in written for held in stores.held(subject))


class TestOutcome:
    def test_completed(self, stores: Stores, people: list[Subject]) -> None:
        assert people
        opening(stores)
        assert outcomes(stores) == [(AccessOutcome.COMPLETED, 6)]

    def test_nothing_permitted_is_completed_with_none(self, stores: Stores) -> None:
        assert opening(stores) == []
        assert outcomes(stores) == [(AccessOutcome.COMPLETED, 0)]

    def test_abandoned(self, stores: Stores, people: list[Subject]) -> None:
        assert people
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        assert outcomes(stores) == [(AccessOutcome.ABANDONED, 6)]

    def test_failed_when_the_caller_throws_into_it(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        with pytest.raises(KeyError):
            batches.throw(KeyError("caller"))  # type: ignore[attr-defined]
        assert outcomes(stores) == [(AccessOutcome.FAILED, 6)]

    def test_failed_when_a_key_cannot_be_had(self, stores: Stores, people: list[Subject]) -> None:
        assert people
        stores.service.destroy("civilian-eu", 1)
        with pytest.raises(Unavailable) as refused:
            opening(stores)
        assert refused.value.code == "kek_missing"
        assert refused.value.hint
        assert outcomes(stores) == [(AccessOutcome.FAILED, 0)]

    def test_how_long_it_took_is_logged(self, stores: Stores, people: list[Subject]) -> None:
        assert people
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        stores.clock.step(timedelta(seconds=3))
        assert list(batches) == []
        assert stores.log.entries[-1].fields["duration_ms"] == 3000

    def test_a_full_log_at_the_end_hides_no_error(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        stores.log.full = True
        with pytest.raises(KeyError):
            batches.throw(KeyError("caller"))  # type: ignore[attr-defined]


class TestTakenBackMeanwhile:
    def test_a_withdrawal_from_another_process_stops_the_opening(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.elsewhere().journal(act(9, people[1], Act.WITHDRAW))
        with pytest.raises(Denied) as refused:
            list(stores.gate.open(selection))
        assert refused.value.code == "withdrawn_meanwhile"
        assert stores.service.unwrapped == 0
        assert outcomes(stores) == [(AccessOutcome.FAILED, 0)]
        assert texts(opening(stores)) == [f"hello from {n} {x}" for n in (0, 2) for x in "ab"]

    @pytest.mark.parametrize("kind", [Act.WITHDRAW, Act.REVOKE, Act.OBJECT])
    def test_it_is_noticed_after_the_last_batch_too(
        self, stores: Stores, people: list[Subject], kind: Act
    ) -> None:
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        stores.elsewhere().journal(act(9, people[1], kind))
        with pytest.raises(Denied):
            next(batches)
        assert outcomes(stores) == [(AccessOutcome.FAILED, 6)]

    def test_a_withdrawal_that_the_owner_records_itself_is_noticed(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        next(batches)
        stores.ledger.record([act(9, people[1], Act.WITHDRAW)])
        assert stores.ledger.pending() == []
        with pytest.raises(Denied):
            next(batches)

    def test_a_withdrawal_that_another_selection_took_in_is_noticed(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.elsewhere().journal(act(9, people[1], Act.WITHDRAW))
        stores.gate.select(TRAINING, BUILDER)
        with pytest.raises(Denied):
            stores.gate.require_current(selection)

    def test_a_check_of_one_selection_is_no_check_of_another(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        other = Use(purpose=Purpose.SAFETY_TRAINING.value)
        mine = stores.gate.select(TRAINING, BUILDER)
        theirs = stores.gate.select(other, BUILDER)
        stores.elsewhere().journal(act(9, people[1], Act.WITHDRAW))
        stores.gate.require_current(theirs)
        with pytest.raises(Denied):
            stores.gate.require_current(mine)
        with pytest.raises(Denied):  # and it stays so
            stores.gate.require_current(mine)

    def test_it_stays_noticed_after_a_second_act_of_somebody_else(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.gate.require_current(selection)
        for number, subject in ((9, people[3]), (10, people[0])):
            stores.elsewhere().journal(act(number, subject, Act.WITHDRAW))
            if subject is people[3]:
                stores.gate.require_current(selection)
        with pytest.raises(Denied):
            stores.gate.require_current(selection)

    def test_a_closed_account_or_a_signal_stops_the_opening_too(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        ada, _, _, di = people
        (first, _) = stores.held(ada)
        narrowing = [
            lambda: stores.subjects.change(ada, {"status": "erasing"}),
            lambda: stores.subjects.change(ada, {"status": "active", "plan": "enterprise"}),
            lambda: stores.subjects.change(ada, {"plan": "free", "age_band": "minor"}),
            lambda: stores.subjects.change(ada, {"age_band": "adult", "organisation": "acme"}),
            lambda: stores.vault.set_signal(first, Signal.EXCLUDED, ada.holder),
        ]
        for narrow in narrowing:
            selection = stores.gate.select(TRAINING, BUILDER)
            stores.gate.require_current(selection)
            narrow()
            with pytest.raises(Denied):
                list(stores.gate.open(selection))
            stores.subjects.change(
                ada, {"status": "active", "plan": "free", "age_band": "adult", "organisation": None}
            )
        selection = stores.gate.select(TRAINING, BUILDER)
        assert selection.permitted == 5
        stores.subjects.change(di, {"status": "closed"})  # nothing of hers was selected
        stores.capture(people[1], talk("late"))
        assert len(texts(stores.gate.open(selection))) == 5

    def test_a_chat_that_goes_while_another_comes_is_noticed(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        bo = people[1]
        selection = stores.gate.select(TRAINING, BUILDER)
        ask_to_erase(stores, bo, stores.held(bo)[0])
        stores.capture(bo, talk("late"))  # as many as before, and all may be used
        with pytest.raises(Denied):
            stores.gate.require_current(selection)

    def test_a_chat_that_comes_back_while_another_goes_is_no_match_for_it(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        bo = people[1]
        stores.capture(bo, talk("third"))
        first, second, _ = stores.held(bo)
        back = ask_to_erase(stores, bo, first)
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.erasures.cancel(back.id, START)
        stores.gate.require_current(selection)
        ask_to_erase(stores, bo, second)
        with pytest.raises(Denied):
            stores.gate.require_current(selection)

    def test_a_chat_that_came_back_does_not_hide_a_signal(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        bo = people[1]
        first, second = stores.held(bo)
        back = ask_to_erase(stores, bo, first)
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.erasures.cancel(back.id, START)
        stores.vault.set_signal(second, Signal.EXCLUDED, bo.holder)
        with pytest.raises(Denied):
            stores.gate.require_current(selection)

    def test_an_erasure_of_somebody_who_was_not_selected_does_not_disturb(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        di = people[3]
        selection = stores.gate.select(TRAINING, BUILDER)
        ask_to_erase(stores, di, stores.held(di)[0])
        assert len(texts(stores.gate.open(selection))) == 6

    def test_nobody_elses_withdrawal_disturbs(self, stores: Stores, people: list[Subject]) -> None:
        batches = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
        assert len(texts([next(batches)])) == 6
        other = stores.elsewhere()
        other.journal(act(9, people[3], Act.WITHDRAW))  # never said yes
        other.journal(act(10, people[0], Act.WITHDRAW, purpose=Purpose.HUMAN_FEEDBACK))
        other.journal(act(11, NOBODY, Act.WITHDRAW))  # has no account here
        assert list(batches) == []
        assert outcomes(stores) == [(AccessOutcome.COMPLETED, 6)]

    def test_what_was_journaled_before_the_selection_does_not_disturb(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        stores.elsewhere().journal(act(9, people[0], Act.WITHDRAW))
        assert len(texts(opening(stores))) == 4
        assert outcomes(stores) == [(AccessOutcome.COMPLETED, 4)]

    def test_a_grant_meanwhile_adds_nothing_to_what_was_selected(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.ledger.record([act(9, people[3], Act.GRANT)])
        stores.capture(people[0], talk("late"))
        assert len(texts(stores.gate.open(selection))) == 6


class TestTime:
    def test_a_grant_is_good_to_the_last_moment_and_not_at_its_end(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        ends = START + timedelta(days=1)
        stores.ledger.record([act(9, people[3], Act.GRANT, expires=ends)])
        stores.clock.moment = ends - TICK
        decision = stores.gate.decide(people[3], TRAINING)
        assert decision.permit
        assert decision.valid_until == ends
        assert stores.gate.preview(TRAINING)[0] == 8
        stores.clock.moment = ends
        decision = stores.gate.decide(people[3], TRAINING)
        assert (decision.permit, decision.reasons) == (False, (ReasonCode.GRANT_EXPIRED,))
        assert stores.gate.preview(TRAINING) == (6, {ReasonCode.GRANT_EXPIRED: 2})

    def test_a_selection_is_refused_past_the_first_moment_that_anything_ends(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        ends = START + timedelta(days=1)
        stores.ledger.record([act(9, people[3], Act.GRANT, expires=ends)])
        selection = stores.gate.select(TRAINING, BUILDER)
        stores.clock.moment = ends - TICK
        stores.gate.require_current(selection)
        stores.clock.moment = ends
        with pytest.raises(Denied) as refused:
            list(stores.gate.open(selection))
        assert refused.value.code == "table_expired"
        assert stores.service.unwrapped == 0

    def test_past_the_end_of_a_policy_version_everything_is_denied(self, tmp_path: Path) -> None:
        ends = START + timedelta(days=1)
        stores = Stores(tmp_path, by=Policy(policy().pack, next_version_from=ends))
        (ada,) = stores.add("ada")
        stores.capture(ada, talk("a"))
        stores.ledger.record([act(1, ada, Act.GRANT)])
        assert stores.gate.decide(ada, TRAINING).permit
        stores.clock.moment = ends
        decision = stores.gate.decide(ada, TRAINING)
        assert (decision.permit, decision.reasons) == (False, (ReasonCode.TABLE_EXPIRED,))
        with pytest.raises(Denied) as refused:
            stores.gate.select(TRAINING, BUILDER)
        assert refused.value.code == "table_expired"


class TestDeciding:
    def test_a_journaled_withdrawal_counts_in_every_answer_at_once(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        stores.elsewhere().journal(act(9, people[0], Act.WITHDRAW))
        decision = stores.gate.decide(people[0], TRAINING)
        assert decision.reasons == (ReasonCode.GRANT_WITHDRAWN,)
        assert stores.gate.preview(TRAINING) == (
            4,
            {ReasonCode.NO_GRANT: 2, ReasonCode.GRANT_WITHDRAWN: 2},
        )
        assert stores.gate.select(TRAINING, BUILDER).permitted == 4
        assert stores.ledger.pending() == []

    def test_a_named_grant_counts_for_that_dataset_only(self, stores: Stores) -> None:
        (ada,) = stores.add("ada", plan="pro")
        stores.capture(ada, talk("a"))
        winter = Scope(kind=ScopeKind.DATASET, target="winter")
        stores.ledger.record([act(1, ada, Act.GRANT, scope=winter)])
        asked = {name: Use(purpose=BATCH.value, dataset=name) for name in ("winter", "spring", "")}
        permits = {name: stores.gate.decide(ada, use).permit for name, use in asked.items()}
        assert permits == {"winter": True, "spring": False, "": False}
        assert [stores.gate.preview(use)[0] for use in asked.values()] == [1, 0, 0]
        stores.elsewhere().journal(act(2, ada, Act.WITHDRAW, scope=winter))
        assert not stores.gate.decide(ada, asked["winter"]).permit
        assert stores.gate.preview(asked["winter"])[0] == 0

    @pytest.mark.parametrize("purpose", sorted(PROHIBITED))
    def test_prohibited_uses_are_denied_by_name(
        self, stores: Stores, people: list[Subject], purpose: Purpose
    ) -> None:
        use = Use(purpose=purpose.value)
        assert ReasonCode.PROHIBITED in stores.gate.decide(people[0], use).reasons
        assert stores.gate.preview(use)[0] == 0

    def test_an_unknown_purpose_is_denied_and_cannot_be_selected(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        use = Use(purpose="make_it_better")
        assert stores.gate.decide(people[0], use).reasons[0] is ReasonCode.PURPOSE_UNKNOWN
        entries = len(stores.log.entries)
        with pytest.raises(Denied):
            stores.gate.select(use, BUILDER)
        assert len(stores.log.entries) == entries

    @pytest.mark.parametrize(
        ("column", "word", "reason"),
        [
            ("plan", "platinum", ReasonCode.PLAN_UNKNOWN),
            ("region", "us", ReasonCode.REGION_MISMATCH),
            ("realm", "government", ReasonCode.REALM_CROSSING),
            ("age_band", "minor", ReasonCode.AGE_NOT_CLEARED),
            ("age_band", "unknown", ReasonCode.AGE_NOT_CLEARED),
            ("status", "restricted", ReasonCode.BLOCKED_RESTRICTED),
            ("status", "erasing", ReasonCode.BLOCKED_ERASING),
            ("status", "closed", ReasonCode.BLOCKED_CLOSED),
        ],
    )
    def test_what_is_wrong_with_an_account_denies_it_alone_and_in_bulk(
        self, stores: Stores, people: list[Subject], column: str, word: str, reason: ReasonCode
    ) -> None:
        ada = people[0]
        with stores.main.begin() as db:
            db.execute(update(SUBJECT).where(SUBJECT.c.no == ada.number).values({column: word}))
        decision = stores.gate.decide(stores.subjects.find("ada"), TRAINING)
        assert not decision.permit
        assert reason in decision.reasons
        permitted, excluded = stores.gate.preview(TRAINING)
        assert (permitted, excluded[reason]) == (4, 2)

    def test_an_unreadable_choice_denies(self, stores: Stores, people: list[Subject]) -> None:
        stores.journal.append(b"not an act")
        decision = stores.gate.decide(people[0], TRAINING)
        assert (decision.permit, decision.reasons) == (False, (ReasonCode.POLICY_ERROR,))
        with pytest.raises(InvalidInput):
            stores.gate.preview(TRAINING)

    def test_elsewhere_nothing_of_this_region_is_used(self, stores: Stores) -> None:
        (ada,) = stores.add("ada", region=Region.US)
        stores.ledger.record([act(1, ada, Act.GRANT)])
        assert stores.gate.decide(ada, TRAINING).reasons == (ReasonCode.REGION_MISMATCH,)


class TestShow:
    def test_a_permitted_conversation_is_shown_and_logged_twice(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[0])
        start = len(stores.log.entries)
        payload = stores.gate.show(held, people[0], TRAINING, BUILDER)
        assert payload.turns[0].text == "hello from 0 a"
        assert stores.log.kinds(start) == [EntryKind.ACCESS_INTENT, EntryKind.ACCESS_DONE]
        assert outcomes(stores) == [(AccessOutcome.COMPLETED, 1)]

    def test_without_a_yes_nothing_is_shown_or_logged(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[3])
        entries = len(stores.log.entries)
        with pytest.raises(Denied) as refused:
            stores.gate.show(held, people[3], TRAINING, BUILDER)
        assert refused.value.code == "no_grant"
        assert (len(stores.log.entries), stores.service.unwrapped) == (entries, 0)

    def test_one_persons_yes_does_not_show_anothers_conversation(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        ada, di = people[0], people[3]
        (theirs, _) = stores.held(di)
        with pytest.raises(Denied):
            stores.gate.show(theirs, ada, TRAINING, BUILDER)
        assert not stores.gate.decide(ada, TRAINING, theirs).permit
        with pytest.raises(InvalidInput):
            stores.gate.capture_secret(theirs, ada)
        assert stores.service.unwrapped == 0

    def test_a_signalled_conversation_is_not_shown(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[0])
        stores.vault.set_signal(held, Signal.EXCLUDED, people[0].holder)
        with pytest.raises(Denied) as refused:
            stores.gate.show(stores.vault.find(held.id), people[0], TRAINING, BUILDER)
        assert refused.value.code == "signal_excluded"

    def test_an_erased_conversation_ends_as_failed(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (held, _) = stores.held(people[0])
        erase_keys(stores, people[0])
        with pytest.raises(Unavailable) as refused:
            stores.gate.show(held, people[0], TRAINING, BUILDER)
        assert refused.value.code == "key_missing"
        assert outcomes(stores) == [(AccessOutcome.FAILED, 0)]


def erase_keys(stores: Stores, subject: Subject) -> None:
    with stores.keys.begin() as db:
        db.execute(delete(KEY_PAGE).where(KEY_PAGE.c.subject_no == subject.number))


class TestTampering:
    def test_whoever_has_no_keys_any_more_is_left_out(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        erase_keys(stores, people[1])
        assert texts(opening(stores)) == [f"hello from {n} {x}" for n in (0, 2) for x in "ab"]
        assert stores.gate.references(people[:2]) == ["ada", "(erased)"]

    def test_a_changed_ciphertext_opens_nothing(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        for place in (0, 2, 20, 40, 70, -1):
            with stores.main.begin() as db:
                where = BLOCK.c.no == 3
                kept = db.execute(select(BLOCK.c.envelope).where(where)).scalar_one()
                changed = bytearray(kept)
                changed[place] ^= 1
                db.execute(update(BLOCK).where(where).values(envelope=bytes(changed)))
            with pytest.raises(VerificationFailed):
                opening(stores, stores.new_gate())
            with stores.main.begin() as db:
                db.execute(update(BLOCK).where(where).values(envelope=kept))
        assert outcomes(stores) == [(AccessOutcome.FAILED, 0)] * 6
        assert len(texts(opening(stores))) == 6

    def test_a_ciphertext_opens_in_no_other_place(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        with stores.main.begin() as db:
            rows = db.execute(select(BLOCK).order_by(BLOCK.c.no)).all()
            for at, other in ((0, 1), (1, 0)):
                where = BLOCK.c.no == rows[at].no
                db.execute(update(BLOCK).where(where).values(envelope=rows[other].envelope))
        with pytest.raises(VerificationFailed):
            opening(stores)

    def test_an_older_version_does_not_open_as_the_present_one(self, stores: Stores) -> None:
        (ada,) = stores.add("ada")
        stores.capture(ada, talk("a", "old"))
        with stores.main.connect() as db:
            old = db.execute(select(BLOCK.c.id, BLOCK.c.envelope)).one()
        stores.capture(ada, talk("a", "new"))
        stores.ledger.record([act(1, ada, Act.GRANT)])
        assert texts(opening(stores)) == ["new"]
        for values in ({"envelope": old.envelope}, {"envelope": old.envelope, "id": old.id}):
            with stores.main.begin() as db:
                db.execute(update(BLOCK).values(values))
            with pytest.raises(VerificationFailed):
                opening(stores)

    def test_another_version_than_the_row_names_is_not_shown(self, stores: Stores) -> None:
        (ada,) = stores.add("ada")
        stores.capture(ada, talk("a", "old"))
        stores.ledger.record([act(1, ada, Act.GRANT)])
        with stores.main.begin() as db:
            db.execute(update(CONVERSATION).values(sequence=1))
        with pytest.raises(VerificationFailed) as refused:
            stores.gate.show(stores.held(ada)[0], ada, TRAINING, BUILDER)
        assert refused.value.code == "capture_mismatch"

    def test_a_conversation_moved_to_somebody_who_said_yes_does_not_open(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        (theirs, _) = stores.held(people[3])
        with stores.main.begin() as db:
            where = CONVERSATION.c.no == theirs.number
            db.execute(update(CONVERSATION).where(where).values(subject_no=people[0].number))
        with pytest.raises(Denied) as refused:  # their blocks hold fewer than their rows say
            opening(stores)
        assert refused.value.code == "withdrawn_meanwhile"

    def test_a_commitment_other_than_the_captured_one_is_found(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        with stores.main.begin() as db:
            where = CAPTURE_BATCH.c.no == 2
            kept = db.execute(select(CAPTURE_BATCH.c.commitments).where(where)).scalar_one()
            swapped = kept[32:] + kept[:32]
            db.execute(update(CAPTURE_BATCH).where(where).values(commitments=swapped))
        with pytest.raises(VerificationFailed) as refused:
            opening(stores)
        assert refused.value.code == "capture_mismatch"

    def test_keys_of_another_person_open_nothing(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        ada, bo = people[:2]
        with stores.keys.begin() as db:
            page = db.execute(
                select(KEY_PAGE.c.sealed).where(KEY_PAGE.c.subject_no == bo.number)
            ).scalar_one()
            where = KEY_PAGE.c.subject_no == ada.number
            db.execute(update(KEY_PAGE).where(where).values(sealed=page))
        with pytest.raises(VerificationFailed):
            opening(stores)

    def test_the_repr_of_what_is_opened_shows_no_content(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert people
        (batch,) = opening(stores)
        assert "hello" not in repr(batch)
        assert "key" not in repr(batch)


class TestEverybody:
    def test_all_are_opened_in_the_order_of_the_vault(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        assert texts(opening(stores)) == [f"hello from {n} {x}" for n in range(3) for x in "ab"]
        (batch,) = opening(stores)
        assert list(batch.subjects) == [one.number for one in people[:3] for _ in range(2)]

    def test_only_the_unsignalled_ones_of_a_person_are_opened(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        stores.capture(people[0], *talks(20))
        for held in stores.held(people[0])[::3]:
            stores.vault.set_signal(held, Signal.DO_NOT_REMEMBER, people[0].holder)
        expected = [
            held.number
            for subject in people[:3]
            for held in stores.held(subject)
            if held.signal is Signal.NONE
        ]
        opened = [number for batch in opening(stores) for number in batch.numbers.tolist()]
        assert opened == expected
        assert stores.gate.preview(TRAINING)[0] == len(expected)

    def test_single_answers_and_the_bulk_answer_agree(
        self, stores: Stores, people: list[Subject]
    ) -> None:
        stores.elsewhere().journal(act(9, people[1], Act.WITHDRAW))
        stores.vault.set_signal(stores.held(people[2])[0], Signal.TEMPORARY, people[2].holder)
        for purpose in Purpose:
            use = Use(purpose=purpose.value)
            single = sum(
                stores.gate.decide(subject, use, held).permit
                for subject in people
                for held in stores.held(subject)
            )
            assert stores.gate.preview(use)[0] == single, purpose

    def test_an_unknown_conversation_is_not_found(self, stores: Stores) -> None:
        with pytest.raises(NotFound):
            stores.vault.find(ConversationId("cnv_" + "a" * 26))
