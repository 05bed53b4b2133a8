"""The ledger of erasures: requests that hold at once, borders of time, what the log can prove."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stores import START, Stores, talk
from volens.core.errors import Denied, InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.core.ids import ConversationId, ErasureId, IdKind, SubjectId, format_id, parse_id
from volens.holds import erasure_tables
from volens.holds.access import Access, Ended
from volens.holds.erasure import (
    COOL_OFF,
    MAX_CONVERSATIONS,
    PROMISE,
    Erasure,
    ErasureState,
    StoreStep,
    decode_request,
    encode_request,
    new_erasure,
)
from volens.holds.erasures import ErasureLedger
from volens.holds.evidence import log_group, verify_step
from volens.holds.progress import ErasureProgress, Removed
from volens.holds.promises import Promises
from volens.lifecycle.schedule import is_overdue
from volens.log.kinds import EntryKind, ErasureCause, ErasureScope
from volens.storage.engine import create_tables, open_database
from volens.storage.journal import MAX_BODY_BYTES, Journal
from volens.vault.subjects import Subject

MS = timedelta(milliseconds=1)
CONVERSATION, HISTORY, ACCOUNT = (
    ErasureScope.CONVERSATION,
    ErasureScope.HISTORY,
    ErasureScope.ACCOUNT,
)


class Told:
    """An access port that remembers what it was told."""

    def __init__(self) -> None:
        self.ended: list[ErasureId] = []
        self.resumed: list[tuple[ErasureId, str | None]] = []
        self.fails = False

    def former(self, subjects: Sequence[bytes]) -> Mapping[bytes, str]:
        return dict.fromkeys(subjects, "restricted")

    def end(self, erasures: Sequence[Erasure]) -> None:
        if self.fails:
            raise Unavailable("database_trouble", "stopped")
        self.ended += [item.id for item in erasures]

    def resume(self, erasure: Erasure, former: str | None, still: Ended) -> None:
        assert isinstance(still, Ended)
        if self.fails:
            raise Unavailable("database_trouble", "stopped")
        self.resumed.append((erasure.id, former))


class World:
    """Stores with a ledger of erasures over them."""

    def __init__(self, folder: Path) -> None:
        self.stores = Stores(folder)
        create_tables(self.stores.main, erasure_tables.METADATA)
        self.journal = Journal(folder / "erasures")
        self.journal.create()
        self.told = Told()
        self.ledger = self.new_ledger(self.told)
        self.progress = ErasureProgress(self.stores.main, self.stores.recorder)
        self.ada, self.bo = self.stores.add("ada", "bo")
        self.stores.capture(self.ada, talk("one"), talk("two"))
        self._next = 0

    def new_ledger(self, access: Access | None = None) -> ErasureLedger:
        stores = self.stores
        return ErasureLedger(stores.main, self.journal, stores.recorder, access=access)

    def elsewhere(self) -> ErasureLedger:
        """The ledger as a process has it that owns nothing."""
        other = open_database(self.stores.folder / "main.db", read_only=True)
        journal = Journal(self.stores.folder / "erasures")
        return ErasureLedger(other, journal, self.stores.recorder)

    def chats(self, subject: Subject) -> list[ConversationId]:
        return [held.id for held in self.stores.held(subject)]

    def asked(
        self,
        scope: ErasureScope,
        subject: Subject | None = None,
        *conversations: ConversationId,
        cool_off: timedelta = COOL_OFF,
    ) -> Erasure:
        self._next += 1
        return new_erasure(
            self._next.to_bytes(16, "big"),
            scope,
            (subject or self.ada).id,
            self.stores.clock.now(),
            conversations=conversations,
            cool_off=cool_off,
        )

    def done(self, erasure: Erasure) -> None:
        """What an eraser would have written of it."""
        at = self.stores.clock.now()
        entries = log_group(
            self.stores.recorder, EntryKind.ERASURE_KEYS_REMOVED, [erasure.id], {"started": 0}
        )
        steps = (StoreStep(store="keys", method="key_removed", at=at),)
        done = Removed(erasure=erasure.id, steps=steps, evidence=entries[erasure.id])
        self.progress.mark_keys_removed([done], at)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.stores.main.dispose()
    made.stores.keys.dispose()


# --- the request as bytes -----------------------------------------------------------------------

REQUESTS = st.builds(
    new_erasure,
    st.binary(min_size=16, max_size=16),
    st.just(CONVERSATION),
    st.binary(min_size=16, max_size=16).map(lambda raw: SubjectId(format_id(IdKind.SUBJECT, raw))),
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(START.tzinfo)),  # noqa: DTZ001 - Hypothesis adds the zone
    cause=st.sampled_from(ErasureCause),
    conversations=st.lists(
        st.binary(min_size=16, max_size=16).map(
            lambda raw: ConversationId(format_id(IdKind.CONVERSATION, raw))
        ),
        min_size=1,
        max_size=MAX_CONVERSATIONS,
    ),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written_and_fits_into_a_frame(request: Erasure) -> None:
    data = encode_request(request)
    assert decode_request(data) == request
    assert len(data) <= MAX_BODY_BYTES


@given(REQUESTS, st.data())
def test_no_changed_byte_of_a_request_reads_as_the_same(
    request: Erasure, data: st.DataObject
) -> None:
    written = bytearray(encode_request(request))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_request(bytes(written))
    except InvalidInput:
        return
    assert other != request


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"scope": "everything"},
        {"cause": "whim"},
        {"subject": "cnv_ibaueq2eivdeoscjjjfuytkoj4"},
        {"subject": None},
        {"conversations": []},
        {"conversations": "cnv_ibaueq2eivdeoscjjjfuytkoj4"},
        {"conversations": ["sub_ibaueq2eivdeoscjjjfuytkoj4"]},
        {"requested": "2026-01-31"},
        {"cool_off_ends": "2025-01-31T09:30:00.000Z"},
        {"promised_by": "2026-01-02T09:30:00.000Z"},
        {"more": 1},
    ],
    ids=str,
)
def test_what_nobody_writes_is_refused(change: dict[str, object]) -> None:
    import json  # noqa: PLC0415 - this test alone makes wrong bytes

    subject = SubjectId("sub_ibaueq2eivdeoscjjjfuytkoj4")
    chat = ConversationId("cnv_ibaueq2eivdeoscjjjfuytkoj4")
    right = new_erasure(bytes(16), CONVERSATION, subject, START, conversations=[chat])
    body = json.loads(encode_request(right)) | change
    data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(InvalidInput):
        decode_request(data)


def test_more_conversations_than_fit_are_refused_with_a_way_out() -> None:
    chats = [
        ConversationId(format_id(IdKind.CONVERSATION, number.to_bytes(16, "big")))
        for number in range(MAX_CONVERSATIONS + 1)
    ]
    subject = SubjectId("sub_ibaueq2eivdeoscjjjfuytkoj4")
    with pytest.raises(InvalidInput, match="erase the history"):
        new_erasure(bytes(16), CONVERSATION, subject, START, conversations=chats)
    with pytest.raises(InvalidInput):
        new_erasure(bytes(16), HISTORY, subject, START, conversations=chats[:1])


# --- requesting ---------------------------------------------------------------------------------


def test_a_request_of_another_process_ends_access_at_once(world: World) -> None:
    request = world.asked(ACCOUNT)
    assert world.elsewhere().request(request) == request
    raw = parse_id(IdKind.SUBJECT, world.ada.id)
    for ledger in (world.ledger, world.elsewhere()):
        assert ledger.ended().accounts == {raw}
        assert ledger.ended().covers(raw, bytes(16), START + timedelta(days=99))
        assert ledger.find(request.id) == request
        assert ledger.of_subject(world.ada.id) == [request]
    assert world.stores.log.kinds()[-1] is EntryKind.CAPTURE_DONE


def test_draining_logs_keeps_and_tells_once(world: World) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    assert world.ledger.drain() == 1
    assert world.ledger.drain() == 0
    assert world.journal.read() == []
    assert world.ledger.find(request.id) == request
    assert world.told.ended == [request.id]
    entry = world.stores.log.entries[-1]
    assert entry.kind is EntryKind.ERASURE_REQUESTED
    assert entry.fields["due"] == request.promised_by
    (step,) = world.ledger.evidence(request.id).steps
    verify_step(step, request.id, entry.fields)


def test_a_replay_after_a_stop_changes_nothing(world: World) -> None:
    request = world.ledger.request(world.asked(HISTORY))
    body = world.journal.read()
    world.told.fails = True
    with pytest.raises(Unavailable):
        world.ledger.drain()
    assert world.journal.read() == body  # the row is there, its frame too
    assert world.ledger.of_subject(world.ada.id) == [request]
    world.told.fails = False
    before = len(world.stores.log.entries)
    assert world.ledger.drain() == 0
    assert world.told.ended == [request.id]
    assert len(world.stores.log.entries) == before


def test_nothing_is_kept_if_the_log_refuses_and_access_has_ended_all_the_same(
    world: World,
) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.stores.log.full = True
    with pytest.raises(Unavailable):
        world.ledger.drain()
    assert world.ledger.pending() == [request]
    assert world.ledger.ended().accounts
    assert world.ledger.due(START + timedelta(days=99)) == []


@pytest.mark.parametrize("drained", [False, True])
def test_erasing_twice_is_one_erasure(world: World, drained: bool) -> None:
    one, two = world.chats(world.ada)
    for asked in ((ACCOUNT,), (HISTORY,), (CONVERSATION, world.ada, one, two)):
        first = world.ledger.request(world.asked(*asked))
        if drained:
            world.ledger.drain()
        world.stores.clock.step(timedelta(days=1))
        assert world.ledger.request(world.asked(*asked)) == first
    again = world.asked(CONVERSATION, world.ada, two)
    assert world.ledger.request(again).conversations == tuple(sorted([one, two]))
    world.ledger.drain()
    assert len(world.ledger.all()) == 3


def test_two_processes_that_ask_at_once_are_given_one_number(world: World) -> None:
    first, second = world.asked(ACCOUNT), world.asked(ACCOUNT)
    world.journal.append(encode_request(first))
    world.journal.append(encode_request(second))  # neither saw the other before
    assert world.elsewhere().request(second) == first
    world.ledger.drain()
    assert [item.id for item in world.ledger.all()] == [first.id]


def test_what_comes_sooner_or_takes_more_is_an_erasure_of_its_own(world: World) -> None:
    one, two = world.chats(world.ada)
    first = world.ledger.request(world.asked(CONVERSATION, world.ada, one))
    assert world.ledger.request(world.asked(CONVERSATION, world.ada, one, two)) != first
    at_once = world.asked(CONVERSATION, world.ada, one, cool_off=timedelta(0))
    assert world.ledger.request(at_once) == at_once
    history = world.ledger.request(world.asked(HISTORY))
    world.stores.clock.step(timedelta(days=1))
    world.stores.capture(world.ada, talk("three"))
    later = world.asked(HISTORY)
    assert world.ledger.request(later) == later != history
    assert world.ledger.drain() == 5


def test_a_history_covers_what_was_captured_up_to_the_request(world: World) -> None:
    world.ledger.request(world.asked(HISTORY))
    raw = parse_id(IdKind.SUBJECT, world.ada.id)
    ended = world.ledger.ended()
    assert ended.covers(raw, bytes(16), START)
    assert not ended.covers(raw, bytes(16), START + MS)
    assert not ended.covers(parse_id(IdKind.SUBJECT, world.bo.id), bytes(16), START)


def test_a_forged_second_request_under_one_id_is_not_lost(world: World) -> None:
    first = world.asked(ACCOUNT)
    second = new_erasure(parse_id(IdKind.ERASURE, first.id), HISTORY, world.bo.id, START)
    for request in (first, second):
        world.journal.append(encode_request(request))
    assert world.ledger.drain() == 2
    assert {item.subject for item in world.ledger.all()} == {world.ada.id, world.bo.id}


def test_a_schedule_takes_in_many_at_once_and_each_once(world: World) -> None:
    first = world.ledger.request(world.asked(ACCOUNT))
    wanted = [world.asked(ACCOUNT), world.asked(HISTORY), world.asked(HISTORY, world.bo)]
    wanted.append(world.asked(HISTORY, world.bo))
    before = len(world.stores.log.entries)
    standing = world.ledger.record(wanted)
    assert [item.id for item in standing] == [first.id, *(wanted[at].id for at in (1, 2, 2))]
    assert world.stores.log.kinds(before) == [EntryKind.ERASURE_REQUESTED] * 3
    assert set(world.told.ended) == {first.id, wanted[1].id, wanted[2].id}
    assert world.ledger.record(wanted) == standing
    assert len(world.ledger.all()) == 3


def test_what_does_not_exist_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="no erasure era_"):
        world.ledger.find(format_id(IdKind.ERASURE, bytes(16)))
    with pytest.raises(InvalidInput):
        world.ledger.find(world.ada.id)
    with pytest.raises(NotFound):
        world.ledger.evidence(format_id(IdKind.ERASURE, bytes(16)))


# --- time ---------------------------------------------------------------------------------------


def test_it_can_be_taken_back_to_the_last_millisecond_and_is_due_from_then_on(
    world: World,
) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.drain()
    end = START + COOL_OFF
    assert world.ledger.due(end - MS) == []
    assert [item.id for item in world.ledger.due(end)] == [request.id]
    with pytest.raises(Denied) as refusal:
        world.ledger.cancel(request.id, end)
    assert refusal.value.code == "cool_off_over"
    assert world.ledger.cancel(request.id, end - MS).state is ErasureState.CANCELLED
    assert world.ledger.due(end) == []
    assert not world.ledger.ended().accounts


def test_taking_back_is_logged_first_and_gives_the_former_status_back(world: World) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.cancel(request.id, START)
    assert world.told.resumed == [(request.id, "restricted")]
    assert world.ledger.find(request.id).cancelled == START
    entry = world.stores.log.entries[-1]
    step = world.ledger.evidence(request.id).of(EntryKind.ERASURE_CANCELLED)
    assert step is not None
    verify_step(step, request.id, entry.fields)
    with pytest.raises(Denied) as refusal:
        world.ledger.cancel(request.id, START)
    assert refusal.value.code == "erasure_cancelled"


def test_a_taking_back_that_was_stopped_is_finished_at_the_next_start(world: World) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.drain()
    world.told.fails = True
    with pytest.raises(Unavailable):
        world.ledger.cancel(request.id, START)
    world.told.fails = False
    for _ in range(2):
        world.ledger.drain()
    assert world.told.resumed == [(request.id, "restricted")]


def test_taking_back_needs_the_log(world: World) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.drain()
    world.stores.log.full = True
    with pytest.raises(Unavailable):
        world.ledger.cancel(request.id, START)
    assert world.ledger.find(request.id).state is ErasureState.ACCESS_ENDED
    assert world.ledger.ended().accounts


# --- progress -----------------------------------------------------------------------------------


def test_held_is_not_due_and_is_again_when_freed(world: World) -> None:
    request = world.ledger.request(world.asked(HISTORY))
    world.ledger.drain()
    late, until = START + PROMISE, START + timedelta(days=100)
    world.progress.mark_held({request.id: until})
    assert world.ledger.due(late) == []
    assert [item.held_until for item in world.ledger.held()] == [until]
    assert world.ledger.ended().histories
    world.progress.mark_held({request.id: None})
    assert [item.held_until for item in world.ledger.held()] == [None]
    world.progress.mark_freed({request.id: late})
    assert world.ledger.held() == []
    assert [item.id for item in world.ledger.due(late)] == [request.id]


def test_done_means_forgotten_of_whom_once_the_account_is_gone(world: World) -> None:
    one, _ = world.chats(world.ada)
    chat = world.ledger.request(world.asked(CONVERSATION, world.ada, one))
    account = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.drain()
    world.done(chat)
    found = world.ledger.find(chat.id)
    assert (found.state, found.conversations) == (ErasureState.KEYS_REMOVED, ())
    assert found.subject == world.ada.id
    assert not world.ledger.ended().conversations
    world.done(account)
    for request in (chat, account):
        assert world.ledger.find(request.id).subject is None
    raw = parse_id(IdKind.SUBJECT, world.ada.id)
    with world.stores.main.connect() as db:
        rows = db.exec_driver_sql("SELECT * FROM erasure").fetchall()
    assert rows
    assert not any(raw in row for row in rows)
    assert len(world.ledger.waiting_for_epoch()) == 2


def test_only_with_its_epoch_gone_is_it_irrecoverable(world: World) -> None:
    requests = [world.ledger.request(world.asked(ACCOUNT, who)) for who in (world.ada, world.bo)]
    world.ledger.drain()
    for request in requests:
        world.done(request)
    at = START + timedelta(days=20)
    world.progress.mark_irrecoverable([item.id for item in requests], at)
    entry = world.stores.log.entries[-1]
    for request in requests:
        found = world.ledger.find(request.id)
        assert (found.state, found.irrecoverable) == (ErasureState.IRRECOVERABLE, at)
        step = world.ledger.evidence(request.id).of(EntryKind.ERASURE_IRRECOVERABLE)
        assert step is not None
        verify_step(step, request.id, entry.fields)
        with pytest.raises(VerificationFailed):
            verify_step(step, ErasureId(format_id(IdKind.ERASURE, b"x" * 16)), entry.fields)
    assert world.ledger.waiting_for_epoch() == []
    world.progress.mark_irrecoverable([], at)
    assert world.stores.log.entries[-1] is entry


def test_entries_about_one_erasure_do_not_link(world: World) -> None:
    request = world.ledger.request(world.asked(ACCOUNT))
    world.ledger.drain()
    world.done(request)
    world.progress.mark_irrecoverable([request.id], START)
    seen = [
        entry.fields.get("commitment", entry.fields.get("root"))
        for entry in world.stores.log.entries
        if entry.kind.value.startswith("erasure.")
    ]
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize(
    ("days", "owed"),
    [(0, 30), (8, 30), (9, 31), (100, 122)],
)
def test_after_a_hold_the_promise_counts_again_from_its_end(
    world: World, days: int, owed: int
) -> None:
    """And what was promised at first stays as the log has it."""
    request = world.ledger.request(world.asked(HISTORY))
    world.ledger.drain()
    world.progress.mark_held({request.id: None})
    assert Promises(world.stores.main).owed() == []
    world.progress.mark_freed({request.id: START + timedelta(days=days)})
    (promise,) = Promises(world.stores.main).owed()
    found = world.ledger.find(request.id)
    assert promise.promised_by == found.owed_by == START + timedelta(days=owed)
    assert found.promised_by == START + PROMISE
    assert not is_overdue(promise, START + timedelta(days=owed) - MS)
    assert is_overdue(promise, START + timedelta(days=owed))
