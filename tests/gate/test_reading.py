"""Reading in pieces: each chosen conversation once, whatever the order in which people wrote."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from tests.support.stores import BUILDER, TRAINING, Stores, act, talk
from volens.consent.model import Act
from volens.core.errors import Denied
from volens.core.purposes import Signal
from volens.gate.census import Census
from volens.gate.facts import _SIGNALLED
from volens.gate.reading import MOST_SUBJECTS, Wanted
from volens.log.kinds import CaptureSource
from volens.storage.engine import driver_of
from volens.vault.model import unpack_payload
from volens.vault.subjects import Subject
from volens.vault.tables import BLOCK


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def capture(stores: Stores, wanted: dict[Subject, list[str]]) -> None:
    talks = {
        person: [talk(name, name, "good day") for name in names] for person, names in wanted.items()
    }
    stores.vault.capture(talks, source=CaptureSource.IMPORT)


def opened(stores: Stores) -> list[tuple[int, str]]:
    """Return (subject number, first text) of all that training may use, as they come."""
    gate = stores.gate
    return [
        (subject, unpack_payload(payload).turns[0].text)
        for batch in gate.open(gate.select(TRAINING, BUILDER))
        for subject, payload in zip(batch.subjects.tolist(), batch.payloads, strict=True)
    ]


def test_many_people_who_wrote_in_turns_are_read_person_by_person(stores: Stores) -> None:
    count = MOST_SUBJECTS + 7
    people = stores.add(*[f"p{number}" for number in range(count)])
    for turn in ("first", "second"):
        capture(stores, {person: [f"{person.number} {turn}"] for person in people})
    yes = [person for person in people if person.number % 50 != 1]
    stores.ledger.record([act(person.number, person, Act.GRANT) for person in yes])
    texts = opened(stores)
    assert [text for _, text in texts] == [
        f"{person.number} {turn}" for person in yes for turn in ("first", "second")
    ]
    assert all(text.startswith(f"{subject} ") for subject, text in texts)


@given(st.data())
def test_the_census_hands_out_exactly_the_permitted_places(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 20), max_size=30))
    stores = _FakeBitmap(sizes, data)
    found = [
        (int(subject), place)
        for block in stores.census.permitted()
        for subject, mask in _masks(block)
        for place in np.flatnonzero(mask).tolist()
    ]
    assert found == stores.expected


class _FakeBitmap:
    """A census over made-up bits."""

    def __init__(self, sizes: list[int], data: st.DataObject) -> None:
        total = sum(sizes)
        bits = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)), bool)
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        numbers = np.arange(3, 3 + 2 * len(sizes), 2, dtype=np.int64)
        bitmap = type("Bits", (), {"bits": np.packbits(bits, bitorder="little"), "size": total})
        self.census = Census(bitmap=bitmap, numbers=numbers, offsets=offsets, upto=99)  # type: ignore[arg-type]
        self.expected = [
            (int(numbers[index]), place)
            for index, size in enumerate(sizes)
            for place in range(size)
            if bits[offsets[index] + place]
        ]


def _masks(block: Wanted) -> list[tuple[int, np.ndarray]]:
    parts = np.split(block.permitted, np.cumsum(block.sizes)[:-1])
    return list(zip(block.subjects.tolist(), parts, strict=True))


def test_a_signal_in_the_middle_leaves_out_that_one_only(stores: Stores) -> None:
    (ada, bo) = stores.add("ada", "bo")
    capture(stores, {ada: ["a0", "a1", "a2"], bo: ["b0"]})
    capture(stores, {ada: ["a3"]})
    stores.vault.set_signal(stores.held(ada)[1], Signal.EXCLUDED, ada.holder)
    stores.ledger.record([act(1, ada, Act.GRANT), act(2, bo, Act.GRANT)])
    assert [text for _, text in opened(stores)] == ["a0", "a2", "a3", "b0"]


def test_what_is_captured_after_the_decision_is_not_opened(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    capture(stores, {ada: ["before"]})
    stores.ledger.record([act(1, ada, Act.GRANT)])
    selection = stores.gate.select(TRAINING, BUILDER)
    capture(stores, {ada: ["after"]})
    (batch,) = stores.gate.open(selection)
    assert [unpack_payload(one).turns[0].text for one in batch.payloads] == ["before"]


@pytest.mark.parametrize("signalled", [True, False])
def test_a_conversation_that_went_after_the_decision_stops_the_opening(
    stores: Stores, signalled: bool
) -> None:
    (ada,) = stores.add("ada")
    capture(stores, {ada: ["one", "two", "three"]})
    if signalled:
        stores.vault.set_signal(stores.held(ada)[1], Signal.EXCLUDED, ada.holder)
    stores.ledger.record([act(1, ada, Act.GRANT)])
    selection = stores.gate.select(TRAINING, BUILDER)
    stores.removal.erase_conversations({ada: [stores.held(ada)[0].id]})
    with pytest.raises(Denied) as refusal:
        list(stores.gate.open(selection))
    assert refusal.value.code == "withdrawn_meanwhile"


def test_access_that_ended_after_the_decision_stops_the_opening(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    capture(stores, {ada: ["one", "two"]})
    stores.ledger.record([act(1, ada, Act.GRANT)])
    selection = stores.gate.select(TRAINING, BUILDER)
    stores.removal.end_access([(stores.held(ada)[0].number, stores.clock.now())])
    with pytest.raises(Denied) as refusal:
        list(stores.gate.open(selection))
    assert refusal.value.code == "withdrawn_meanwhile"


def test_a_person_with_no_block_left_stops_the_opening(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    capture(stores, {ada: ["one"]})
    stores.ledger.record([act(1, ada, Act.GRANT)])
    selection = stores.gate.select(TRAINING, BUILDER)
    with stores.main.begin() as db:
        db.execute(delete(BLOCK))
    with pytest.raises(Denied) as refusal:
        list(stores.gate.open(selection))
    assert refusal.value.code == "withdrawn_meanwhile"


def test_the_few_signals_are_found_without_reading_all_conversations(stores: Stores) -> None:
    with stores.main.connect() as db:
        plan = driver_of(db).execute(f"EXPLAIN QUERY PLAN {_SIGNALLED}").fetchall()
    assert "INDEX conversation_signalled" in plan[0][3]
