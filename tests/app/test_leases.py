"""Leases: a run holds keys while others own the home, and obeys what they take back."""

import json
import pickle
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.support.homes import place
from tests.support.leased import LeasedHome, leased_home
from tests.support.stores import TRAINING, act, talk
from volens.app.leases import record_end
from volens.app.own_data import exporter_of
from volens.consent.model import Act
from volens.core.errors import Denied, InvalidInput, Unavailable, VerificationFailed
from volens.core.ids import ConversationId
from volens.core.purposes import Purpose, Signal, SubjectStatus
from volens.gate.leases import LONGEST, LOOK_AGAIN, Lease
from volens.gate.leasing import used_root
from volens.holds.erasure import Erasure, new_erasure
from volens.log.entries import parse_entry
from volens.log.kinds import AccessOutcome, CaptureSource, EntryKind, ErasureScope
from volens.storage.revocation import UNHEARD


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> LeasedHome:
    where = place(tmp_path_factory.mktemp("leased"))
    where.create()
    return leased_home(where)


@pytest.fixture
def there(made: LeasedHome, tmp_path: Path) -> LeasedHome:
    where = made.where.copy(tmp_path)
    return LeasedHome(where=where, people=made.people, dataset=made.dataset, built=made.built)


def texts(lease: Lease) -> list[str]:
    """Return what may be handed out now, in the order of the rows."""
    rows = np.flatnonzero(lease.usable())
    return [json.loads(record or b"")["messages"][0]["content"] for record in lease.open(rows)]


def whose(lease: Lease) -> set[int]:
    return {int(text.split()[3].rstrip(",")) for text in texts(lease)}


def entries(there: LeasedHome) -> list[tuple[EntryKind, dict[str, object]]]:
    with there.where.open() as home:
        log = home.owned_log()
        found = [parse_entry(log.entry(index)) for index in range(log.size)]
    return [(entry.kind, dict(entry.fields)) for entry in found]


class TestOpening:
    def test_a_lease_opens_what_the_dataset_holds(self, there: LeasedHome) -> None:
        lease = there.lease()
        assert len(lease) == 12
        assert sorted(texts(lease)) == sorted(
            f"secret of person {person}, chat {chat}" for person in range(4) for chat in range(3)
        )

    def test_the_intent_is_in_the_log_before_a_key_is_fetched(self, there: LeasedHome) -> None:
        lease = there.lease()
        kind, fields = entries(there)[lease.intent]
        assert kind is EntryKind.ACCESS_INTENT
        assert (fields["action"], fields["count"]) == ("train", 12)

    def test_it_is_told_to_each_person_of_whom_it_may_open_something(
        self, there: LeasedHome
    ) -> None:
        there.withdraw(100, there.people[1])
        lease = there.lease()
        with there.where.open() as home:
            for number, one in enumerate(there.people):
                told = [found.facts() for found in exporter_of(home).accesses(one)]
                trained = [found["log_index"] for found in told if found["action"] == "train"]
                assert trained == ([] if number == 1 else [lease.intent])

    def test_who_withdrew_before_is_not_in_it(self, there: LeasedHome) -> None:
        there.withdraw(100, there.people[1])
        assert whose(there.lease()) == {0, 2, 3}

    def test_a_dataset_with_a_changed_byte_is_refused(
        self, there: LeasedHome, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(there.dataset, copy)
        data = copy / "data" / "records.vsd"
        found = bytearray(data.read_bytes())
        found[-1] ^= 1
        data.chmod(0o600)
        data.write_bytes(found)
        changed = LeasedHome(there.where, there.people, copy, there.built)
        with pytest.raises(VerificationFailed):
            changed.lease()

    def test_it_is_never_pickled(self, there: LeasedHome) -> None:
        with pytest.raises(InvalidInput, match="pickled"):
            pickle.dumps(there.lease())


class TestTakingBack:
    def test_a_withdrawal_from_another_process_counts_at_the_next_look(
        self, there: LeasedHome
    ) -> None:
        lease = there.lease()
        assert whose(lease) == {0, 1, 2, 3}
        there.withdraw(100, there.people[2])
        assert whose(lease) == {0, 1, 3}

    def test_what_was_opened_ahead_is_not_handed_out(self, there: LeasedHome) -> None:
        lease = there.lease()
        rows = np.flatnonzero(lease.usable())
        opened = lease.open(rows)
        there.withdraw(100, there.people[2])
        usable = lease.hand_out(rows)
        left = b"".join(opened[row] or b"" for row in np.flatnonzero(usable).tolist())
        assert int(usable.sum()) == 9
        assert there.text_of(2) not in left

    def test_the_keys_of_what_was_taken_back_are_gone(self, there: LeasedHome) -> None:
        lease = there.lease()
        there.withdraw(100, there.people[2])
        usable = lease.usable()
        assert not lease._keys[~usable].any()
        assert lease.open(np.flatnonzero(~usable)) == [None, None, None]

    def test_saying_yes_again_gives_nothing_back_to_a_lease(self, there: LeasedHome) -> None:
        lease = there.lease()
        there.withdraw(100, there.people[2])
        assert 2 not in whose(lease)
        with there.where.open() as home:
            home.ledger.record([act(101, there.people[2], Act.GRANT)])
        assert 2 not in whose(lease)
        assert 2 in whose(there.lease())

    def test_another_purpose_concerns_nobody_here(self, there: LeasedHome) -> None:
        lease = there.lease()
        with there.where.open(writing=False) as home:
            home.ledger.journal(
                act(100, there.people[2], Act.WITHDRAW, purpose=Purpose.HUMAN_FEEDBACK)
            )
        assert whose(lease) == {0, 1, 2, 3}

    @pytest.mark.parametrize("drained", [False, True])
    def test_a_request_to_erase_one_chat_leaves_the_others(
        self, there: LeasedHome, drained: bool
    ) -> None:
        lease = there.lease()
        with there.where.open(writing=False) as home:
            held = next(home.vault.of_subject(there.people[2]))
            home.erasures.request(
                erasure(there, ErasureScope.CONVERSATION, ConversationId(held.id))
            )
        if drained:
            there.where.open().close()
        assert sorted(texts(lease)) == sorted(
            f"secret of person {person}, chat {chat}"
            for person in range(4)
            for chat in range(3)
            if (person, chat) != (2, 0)
        )

    @pytest.mark.parametrize("drained", [False, True])
    @pytest.mark.parametrize("scope", [ErasureScope.HISTORY, ErasureScope.ACCOUNT])
    def test_a_request_to_erase_all_takes_everything(
        self, there: LeasedHome, scope: ErasureScope, drained: bool
    ) -> None:
        lease = there.lease()
        with there.where.open(writing=False) as home:
            home.erasures.request(erasure(there, scope))
        if drained:
            there.where.open().close()
        assert whose(lease) == {0, 1, 3}

    def test_a_signal_and_a_closed_account_count(self, there: LeasedHome) -> None:
        lease = there.lease()
        with there.where.open() as home:
            held = list(home.vault.of_subject(there.people[0]))[1]
            home.vault.set_signal(held, Signal.EXCLUDED, there.people[0].holder)
            home.subjects.change(there.people[3], {"status": SubjectStatus.CLOSED.value})
        found = texts(lease)
        assert "secret of person 0, chat 1" not in found
        assert len(found) == 8

    def test_what_is_captured_meanwhile_changes_nothing(self, there: LeasedHome) -> None:
        lease = there.lease()
        before = texts(lease)
        with there.where.open() as home:
            fresh = {there.people[0]: [talk("later", "something new", "well")]}
            home.vault.capture(fresh, source=CaptureSource.IMPORT)
        assert texts(lease) == before

    def test_what_nobody_told_of_is_found_when_all_is_looked_at_anew(
        self, there: LeasedHome
    ) -> None:
        lease = there.lease()
        assert len(texts(lease)) == 12
        with there.where.open() as home:
            held = next(home.vault.of_subject(there.people[0]))
            home.removal.end_access([(held.number, home.clock.now())])  # logs nothing by itself
        assert len(texts(lease)) == 12
        there.where.clock.step(LOOK_AGAIN)
        assert len(texts(lease)) == 11


class TestFailingClosed:
    def test_a_lease_ends_after_a_day(self, there: LeasedHome) -> None:
        lease = there.lease()
        there.where.clock.step(LONGEST)
        with pytest.raises(Denied, match="over"):
            lease.usable()

    def test_a_clock_that_is_set_back_ends_it_too(self, there: LeasedHome) -> None:
        lease = there.lease()
        there.where.clock.step(-timedelta(hours=1))
        with pytest.raises(Denied, match="over"):
            lease.usable()

    def test_without_its_counters_nothing_is_handed_out(self, there: LeasedHome) -> None:
        lease = there.lease()
        epoch = there.where.folder / "journal" / "epoch"
        kept = epoch.read_bytes()
        epoch.unlink()
        with pytest.raises(Unavailable, match="gone"):
            lease.usable()
        epoch.write_bytes(kept)
        with pytest.raises(Unavailable, match="replaced"):
            lease.usable()

    def test_a_change_that_nobody_could_be_told_of_is_not_acknowledged(
        self, there: LeasedHome
    ) -> None:
        lease = there.lease()
        epoch = there.where.folder / "journal" / "epoch"
        epoch.unlink()
        epoch.mkdir()  # nobody can count in it
        with there.where.open(writing=False) as home:
            with pytest.raises(Unavailable) as refused:
                home.ledger.journal(act(100, there.people[2], Act.WITHDRAW))
            assert refused.value.code == UNHEARD
            with pytest.raises(Unavailable) as refused:
                home.erasures.request(erasure(there, ErasureScope.ACCOUNT))
            assert refused.value.code == UNHEARD
            assert not home.gate.decide(there.people[2], TRAINING).permit  # it holds all the same
        with pytest.raises(Unavailable):
            lease.usable()

    def test_without_the_home_nothing_is_handed_out_once_something_changed(
        self, there: LeasedHome
    ) -> None:
        lease = there.lease()
        there.withdraw(100, there.people[2])
        main = there.where.folder / "main.db"
        main.rename(main.with_name("away"))
        with pytest.raises(Unavailable):
            lease.usable()

    def test_while_a_change_is_under_way_every_look_is_a_new_one(self, there: LeasedHome) -> None:
        lease = there.lease()
        lease.usable()
        home = there.where.open()
        try:
            home.epoch.begin_narrowing()  # as before an entry that may narrow
            held = list(home.vault.of_subject(there.people[0]))[1]
            assert len(texts(lease)) == 12
            home.vault.set_signal(held, Signal.EXCLUDED, there.people[0].holder)
            assert len(texts(lease)) == 11
        finally:
            home.close()


class TestReceipt:
    def test_it_says_what_was_handed_out_and_nothing_else(self, there: LeasedHome) -> None:
        lease = there.lease()
        rows = np.flatnonzero(lease.usable())[:5]
        lease.open(rows)
        lease.hand_out(rows)
        lease.hand_out(rows[:2])  # a second epoch
        end = lease.end()
        with there.where.open() as home:
            index = record_end(home, end)
        found = entries(there)
        kind, fields = found[index]
        assert kind is EntryKind.USE_RECORDED
        assert (fields["intent"], fields["count"]) == (lease.intent, 5)
        assert fields["root"] == used_root(tuple(lease.leaf(row) for row in rows.tolist()))
        kind, fields = found[index + 1]
        assert kind is EntryKind.ACCESS_DONE
        assert (fields["count"], fields["outcome"]) == (5, AccessOutcome.COMPLETED)

    def test_after_its_end_a_lease_opens_nothing(self, there: LeasedHome) -> None:
        lease = there.lease()
        lease.end()
        assert not lease.usable().any()
        assert not lease._keys.any()


def erasure(there: LeasedHome, scope: ErasureScope, *chats: ConversationId) -> Erasure:
    return new_erasure(
        b"e" * 16,
        scope,
        subject=there.people[2].id,
        conversations=chats,
        at=there.where.clock.now(),
    )
