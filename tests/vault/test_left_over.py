"""Keys that were drawn for what never came to be stored: they go at the next start."""

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.support.stores import BUILDER, TRAINING, Stores, act, talk
from volens.consent.model import Act
from volens.core.errors import Unavailable
from volens.core.ids import IdKind, parse_id
from volens.vault.model import unpack_payload
from volens.vault.subjects import Subject
from volens.vault.tables import BLOCK, OBSOLETE_KEY


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def needed(stores: Stores, subject: Subject) -> set[bytes]:
    chats = list(stores.vault.of_subject(subject, ended=True))
    with stores.main.connect() as db:
        blocks = db.execute(select(BLOCK.c.id).where(BLOCK.c.subject_no == subject.number))
        return {parse_id(IdKind.CONVERSATION, one.id) for one in chats} | set(blocks.scalars())


def keys(stores: Stores, subject: Subject) -> set[bytes]:
    return set(stores.key_store.account(subject.holder).salts)


def notes(stores: Stores) -> int:
    with stores.main.connect() as db:
        return len(db.execute(select(OBSOLETE_KEY)).all())


def cut_short(stores: Stores, subject: Subject, *names: str) -> None:
    """Capture until the log refuses: keys are there by then, content is not."""
    stores.log.full = True
    with pytest.raises(Unavailable):
        stores.capture(subject, *[talk(name, "new", "words") for name in names])
    stores.log.full = False


def opened(stores: Stores) -> list[str]:
    gate = stores.new_gate()
    return [
        unpack_payload(one).turns[0].text
        for batch in gate.open(gate.select(TRAINING, BUILDER))
        for one in batch.payloads
    ]


def test_keys_of_a_capture_that_was_cut_short_go_at_the_next_start_and_no_others(
    stores: Stores,
) -> None:
    ann, bob = stores.add("ann", "bob")
    stores.ledger.record([act(n, one, Act.GRANT) for n, one in enumerate((ann, bob))])
    stores.capture(ann, talk("a", "first"), talk("b", "second"))
    stores.capture(bob, talk("a", "third"))
    stores.removal.end_access([(stores.held(ann)[1].number, stores.clock.moment)])
    before = [keys(stores, one) for one in (ann, bob)]
    cut_short(stores, ann, "a", "c")
    assert keys(stores, ann) > needed(stores, ann)
    cut_short(stores, bob, "d")
    assert keys(stores, bob) > needed(stores, bob)
    stores.removal.finish()
    assert [keys(stores, one) for one in (ann, bob)] == before
    assert [needed(stores, one) for one in (ann, bob)] == before
    assert notes(stores) == 0
    assert opened(stores) == ["first", "third"]


def test_the_next_capture_does_it_too_and_forgets_nothing(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.ledger.record([act(1, ann, Act.GRANT)])
    stores.capture(ann, talk("a", "first"))
    cut_short(stores, ann, "b")
    stores.capture(ann, talk("b", "second"), talk("a", "changed"))
    assert keys(stores, ann) == needed(stores, ann)
    assert sorted(opened(stores)) == ["changed", "second"]
    assert notes(stores) == 0


def test_what_was_not_cut_short_is_not_looked_at(stores: Stores) -> None:
    """A start costs nothing: without a note, not even a key that nothing needs is found."""
    (ann,) = stores.add("ann")
    stores.capture(ann, talk("a", "first"))
    stores.sealer.draw({ann.holder: [b"x" * 16]}, {ann.holder: 0})
    stores.removal.finish()
    assert b"x" * 16 in keys(stores, ann)


def test_a_note_about_somebody_whose_keys_are_gone_is_no_error(stores: Stores) -> None:
    (ann,) = stores.add("ann")
    stores.capture(ann, talk("a", "first"))
    cut_short(stores, ann, "b")
    stores.removal.drop_account_keys([ann])
    stores.removal.finish()
    assert notes(stores) == 0
