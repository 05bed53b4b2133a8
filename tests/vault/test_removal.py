"""Many small blocks of one person become few, and nothing else changes."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.support.stores import BUILDER, TRAINING, Stores, act, talk
from volens.consent.model import Act
from volens.vault.model import unpack_payload
from volens.vault.tables import BLOCK


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def blocks(stores: Stores) -> int:
    with stores.main.connect() as db:
        return int(db.execute(select(func.count()).select_from(BLOCK)).scalar_one())


def test_who_wrote_chat_by_chat_is_scattered_until_merged(stores: Stores) -> None:
    ada, bo = stores.add("ada", "bo")
    for number in range(8):
        assert stores.removal.scattered() == []
        stores.capture(ada, talk(f"a{number}", f"ada {number}", "good day"))
        stores.capture(bo, *[talk(f"b{n}", f"bo {n}", "good day") for n in range(number)])
    assert stores.removal.scattered() == [ada.number]
    stores.ledger.record([act(1, ada, Act.GRANT)])
    before = blocks(stores)
    assert stores.removal.compact(ada) == 7
    assert blocks(stores) == before - 7
    assert stores.removal.scattered() == []
    (batch,) = stores.gate.open(stores.gate.select(TRAINING, BUILDER))
    texts = [unpack_payload(one).turns[0].text for one in batch.payloads]
    assert texts == [f"ada {number}" for number in range(8)]


def test_what_does_not_fit_together_stays_apart(stores: Stores) -> None:
    (ada,) = stores.add("ada")
    for number in range(9):
        stores.capture(ada, talk(f"a{number}", "x" * 15_000, "good day"))
    assert stores.removal.scattered() == [ada.number]
    assert stores.removal.compact(ada) == 6
    assert blocks(stores) == 3
    assert len(stores.held(ada)) == 9
