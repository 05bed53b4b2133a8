"""The vault holds ciphertext: what it takes in, what it keeps of it, and what it never loses."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stores import BUILDER, TRAINING, Stores, act, talk, talks
from volens.consent.model import Act
from volens.core.errors import InvalidInput, NotFound, Unavailable
from volens.core.purposes import Signal
from volens.log.kinds import CaptureSource, EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.policy.model import ReasonCode
from volens.vault.model import Conversation, Role, Turn
from volens.vault.store import CaptureResult

CANARY = "the-canary-sings-at-midnight"
SIGNALS = [signal for signal in Signal if signal is not Signal.NONE]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def secret_talk() -> Conversation:
    turns = (Turn(role=Role.USER, text=f"{CANARY} " * 300), Turn(role=Role.TOOL, text=CANARY))
    return Conversation(
        source="test",
        source_id=f"id-{CANARY}",
        turns=turns,
        title=f"title {CANARY}",
        language="x-canary",
        attachments=(f"{CANARY}.pdf",),
    )


def test_no_file_holds_a_readable_word_of_text_title_source_or_person(stores: Stores) -> None:
    (ada,) = stores.add(f"{CANARY}@example.org")
    stores.capture(ada, secret_talk())
    stores.capture(ada, replace(secret_talk(), title=f"new {CANARY}"))
    stores.ledger.record([act(1, ada, Act.GRANT)])
    stores.vault.set_signal(stores.held(ada)[0], Signal.EXCLUDED, ada.holder)
    files = [path for path in stores.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"main.db", "keys.db", "choices"}
    for path in files:
        data = path.read_bytes()
        for form in (CANARY, CANARY[:12], "x-canary"):
            assert form.encode() not in data, path.name
            assert form.encode("utf-16-le") not in data, path.name


def test_repr_of_a_conversation_shows_no_content() -> None:
    assert CANARY not in repr(replace(secret_talk(), source_id=""))


def test_the_same_again_changes_nothing_and_logs_nothing(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    assert stores.capture(ada, *talks(3)) == CaptureResult(added=3, updated=0, known=0)
    held, entries = stores.held(ada), len(stores.log.entries)
    assert stores.capture(ada, *talks(3)) == CaptureResult(added=0, updated=0, known=3)
    assert (stores.held(ada), len(stores.log.entries)) == (held, entries)


def test_new_content_keeps_the_id_and_counts_up(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, talk("a", "one"), talk("b"))
    (before, other) = stores.held(ada)
    assert stores.capture(ada, talk("a", "one", "two")) == CaptureResult(
        added=0, updated=1, known=0
    )
    after, same = stores.held(ada)
    assert (after.id, after.number, after.sequence) == (before.id, before.number, 1)
    assert (after.turns, after.captured) == (2, before.captured)
    assert same == other


def test_of_two_copies_in_one_capture_the_later_counts(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    result = stores.capture(ada, talk("a", "one"), talk("a", "one", "two", "three"))
    assert result == CaptureResult(added=1, updated=0, known=1)
    assert [held.turns for held in stores.held(ada)] == [3]


def test_two_people_with_the_same_source_id_keep_their_own(stores: Stores) -> None:
    ada, bo = stores.add("ada", "bo")
    shared = talk("a")
    result = stores.vault.capture({ada: [shared], bo: [shared]}, source=CaptureSource.API)
    assert result.added == 2
    assert stores.vault.counts_by_subject() == {ada.number: 1, bo.number: 1}
    assert stores.held(ada)[0].id != stores.held(bo)[0].id


def test_a_capture_grants_nothing(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, *talks(2))
    assert stores.gate.preview(TRAINING) == (0, {ReasonCode.NO_GRANT: 2})


def test_the_log_commits_to_exactly_what_was_captured(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, *talks(3))
    (entry,) = [one for one in stores.log.entries if one.kind is EntryKind.CAPTURE_DONE]
    index, commitments = stores.vault.batch(stores.held(ada)[0].batch_no)
    assert stores.log.entries[index] == entry
    assert entry.fields["count"] == len(commitments) == 3
    assert entry.fields["root"] == MerkleTree([leaf_hash(one) for one in commitments]).root()
    assert [held.position for held in stores.held(ada)] == [0, 1, 2]


def test_nothing_is_kept_if_the_log_refuses_and_the_next_try_takes_all(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.capture(ada, *talks(3))
    assert stores.held(ada) == []
    stores.log.full = False
    assert stores.capture(ada, *talks(3)).added == 3


@pytest.mark.parametrize(
    "bad",
    [
        Turn(role=Role.USER, text="\ud800"),
        Turn(role=Role.USER, text="x", parent=5),
        Turn(role=Role.USER, text="x", rating=2),
    ],
)
def test_one_bad_conversation_refuses_the_whole_capture(stores: Stores, bad: Turn) -> None:
    (ada,) = stores.add("ada")
    wrong = Conversation(source="test", source_id="bad", turns=(bad,))
    with pytest.raises(InvalidInput):
        stores.capture(ada, talk("good"), wrong)
    assert stores.held(ada) == []
    assert EntryKind.CAPTURE_DONE not in stores.log.kinds()


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_that_came_in_denies_and_survives_every_later_copy(
    stores: Stores, signal: Signal
) -> None:
    (ada,) = stores.add("ada")
    stores.ledger.record([act(1, ada, Act.GRANT)])
    stores.capture(ada, talk("a", signal=signal), talk("b"))
    assert stores.gate.preview(TRAINING)[0] == 1
    for copy in (talk("a"), talk("a", "other words"), talk("a", signal=signal), talk("a", "last")):
        stores.capture(ada, copy)
        (first, _) = stores.held(ada)
        assert first.signal is signal
        decision = stores.gate.decide(ada, TRAINING, first)
        assert decision.reasons == (ReasonCode(f"signal_{signal.value}"),)
        assert stores.gate.preview(TRAINING)[0] == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_that_the_person_set_survives_a_later_copy(stores: Stores, signal: Signal) -> None:
    (ada,) = stores.add("ada")
    stores.ledger.record([act(1, ada, Act.GRANT)])
    stores.capture(ada, talk("a"))
    stores.vault.set_signal(stores.held(ada)[0], signal, ada.holder)
    for copy in (talk("a"), talk("a", "other words")):
        stores.capture(ada, copy)
        assert stores.held(ada)[0].signal is signal
    assert stores.gate.preview(TRAINING)[0] == 0
    assert stores.log.kinds().count(EntryKind.CONVERSATION_SIGNALLED) == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_on_the_first_of_two_copies_in_one_capture_is_not_lost(
    stores: Stores, signal: Signal
) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, talk("a", signal=signal), talk("a"), talk("a", "newest"))
    assert [held.signal for held in stores.held(ada)] == [signal]


def test_a_later_signal_counts_though_the_words_are_the_same(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, talk("a"))
    stores.capture(ada, talk("a", signal=Signal.EXCLUDED))
    assert stores.held(ada)[0].signal is Signal.EXCLUDED


def test_no_signal_is_set_without_the_log(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, talk("a"))
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.vault.set_signal(stores.held(ada)[0], Signal.EXCLUDED, ada.holder)
    assert stores.held(ada)[0].signal is Signal.NONE


def test_a_conversation_is_found_by_its_id_only(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, talk("a"))
    (held,) = stores.held(ada)
    assert stores.vault.find(held.id) == held
    with pytest.raises(InvalidInput):
        stores.vault.find("a")
    with pytest.raises(NotFound):
        stores.vault.find("cnv_" + "a" * 26)


def test_many_conversations_of_one_person_fill_several_key_pages(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    stores.capture(ada, *talks(300))
    stores.capture(ada, talk("talk 299", "changed"), talk("one more"))
    stores.ledger.record([act(1, ada, Act.GRANT)])
    assert len({one.id for one in stores.held(ada)}) == 301
    opened = list(stores.gate.open(stores.gate.select(TRAINING, BUILDER)))
    assert [number for batch in opened for number in batch.numbers] == list(range(1, 302))
    assert b"changed" in opened[0].payloads[299]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(Signal)), max_size=4
        ),
        max_size=5,
    )
)
def test_any_captures_leave_the_last_words_every_signal_and_one_row_for_each(
    tmp_path_factory: pytest.TempPathFactory, captures: list[list[tuple[int, int, Signal]]]
) -> None:
    stores = Stores(tmp_path_factory.mktemp("vault"))
    (ada,) = stores.add("ada")
    ids: dict[int, str] = {}
    signalled: set[int] = set()
    turns: dict[int, int] = {}
    for group in captures:
        copies = [
            talk(str(name), *["word"] * (length + 1), signal=signal)
            for name, length, signal in group
        ]
        result = stores.capture(ada, *copies)
        assert result.added + result.updated + result.known == len(copies)
        for name, length, signal in group:
            turns[name] = length + 1
            signalled |= {name} if signal is not Signal.NONE else set()
        held = stores.held(ada)
        assert sorted(one.turns for one in held) == sorted(turns.values())
        assert sum(one.signal is not Signal.NONE for one in held) == len(signalled)
        assert {one.id for one in held} >= set(ids.values())
        ids |= dict(enumerate(one.id for one in held))
