"""A mark is another one after every write, and the same while nobody writes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.homes import Place, add, place
from volens.app.changes import Changes, _Watched
from volens.app.home import Home
from volens.storage.journal import Journal


def _made(folder: Path) -> Place:
    where = place(folder)
    where.create()
    return where


def _journal(home: Home) -> Journal:
    return Journal(home.folder / "journal" / "choices")


def test_a_mark_changes_with_each_write_and_only_then(tmp_path: Path) -> None:
    with _made(tmp_path).open() as home:
        changes = Changes(home)
        marks = [changes.mark()]
        assert changes.mark() == marks[0]
        for name in ("ada", "bob"):
            add(home, name)
            marks.append(changes.mark())
            assert changes.mark() == marks[-1]
        for body in (b"one", b"two", b"two"):
            _journal(home).append(body)
            marks.append(changes.mark())
            assert changes.mark() == marks[-1]
        with _journal(home).drain():
            pass
        marks.append(changes.mark())
        assert len(set(marks)) == len(marks)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from(["append", "drain", "look"]), max_size=12))
def test_a_mark_has_the_journal_s_own_stamp(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder / "choices")
    journal.create()
    watched = _Watched(folder / "choices", journal.stamp)
    for step in steps:
        if step == "append":
            Journal(folder / "choices").append(b"body")
        elif step == "drain":
            with Journal(folder / "choices").drain():
                pass
        assert watched.stamp() == journal.stamp()
