"""Pages of one person's conversations cost what they return, however many there are."""

from pathlib import Path

import pytest
from sqlalchemy import TextClause, update

from tests.support.stores import Stores, talk
from volens.storage.engine import driver_of
from volens.vault.listing import _AFTER, _COUNT, _PAGE, count_of, next_of, page_of
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def _people(stores: Stores, ended: set[int]) -> tuple[Subject, Subject]:
    """Let two people talk in turn; end access to some, by place among the first one's."""
    ann, bob = stores.add("ann", "bob")
    for number in range(12):
        for person in (ann, bob):
            stores.capture(person, talk(f"{person.id} {number}", "hello"))
    numbers = [held.number for held in stores.vault.of_subject(ann)]
    with stores.main.begin() as db:
        for place in ended:
            one = update(CONVERSATION).where(CONVERSATION.c.no == numbers[place])
            db.execute(one.values(ended_ms=1))
    return ann, bob


@pytest.mark.parametrize("ended", [set(), {0}, {11}, {3, 4, 5, 9}, set(range(12))])
@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_pages_together_are_everything_in_order(
    stores: Stores, ended: set[int], limit: int
) -> None:
    ann, _ = _people(stores, ended)
    everything = [held.number for held in stores.vault.of_subject(ann, ended=True)]
    live = [held.number for held in stores.vault.of_subject(ann)]
    assert (len(everything), len(live)) == (12, 12 - len(ended))
    assert count_of(stores.main, ann) == len(live)
    before, newest = None, list[int]()
    while page := page_of(stores.main, ann, before=before, limit=limit):
        assert len(page) <= limit
        newest += [held.number for held in page]
        before = page[-1].number
    assert newest == live[::-1]
    after, oldest = 0, list[int]()
    while page := next_of(stores.main, ann, after, limit=limit):
        assert len(page) <= limit
        oldest += [held.number for held in page]
        after = page[-1].number
    assert oldest == everything


@pytest.mark.parametrize("query", [_PAGE, _COUNT, _AFTER])
def test_no_query_looks_at_rows_that_it_does_not_return(stores: Stores, query: TextClause) -> None:
    """Each goes by an index in the order it wants; nothing is sorted but what is returned."""
    wanted = {"subject": 1, "before": 9, "after": 0, "limit": 5}
    asked = {name: value for name, value in wanted.items() if f":{name}" in query.text}
    with stores.main.connect() as db:
        found = driver_of(db).execute(f"EXPLAIN QUERY PLAN {query.text}", asked).fetchall()
    plan = [row[3] for row in found]
    assert any("COVERING INDEX conversation_live (subject_no=?" in one for one in plan), plan
    assert not any("TEMP B-TREE" in one or "autoindex" in one for one in plan), plan
    assert not any(one.startswith("SCAN conversation") for one in plan), plan
