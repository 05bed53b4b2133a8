"""The probe finds what is there, however it lies there, and says so if it could not look."""

import base64
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volens.core.errors import InvalidInput, Unavailable
from volens.lifecycle.probe import Finding, _spellings, probe

NEEDLE = b"wombat-7f3a"


def places(folder: Path, needle: bytes = NEEDLE) -> set[tuple[str, str]]:
    found = probe([folder], {"it": needle})
    assert all(one.name == "it" for one in found)
    return {(one.place.removeprefix(f"{folder.name}/"), one.spelling) for one in found}


@pytest.mark.parametrize(
    ("data", "spelling"),
    [
        (b"..." + NEEDLE + b"...", "raw"),
        (b"x" + NEEDLE.hex().encode() + b"x", "hex"),
        (base64.b64encode(b"ab" + NEEDLE + b"cd"), "base64"),
        (NEEDLE.decode().encode("utf-16-le"), "utf-16"),
    ],
)
def test_it_is_found_in_each_spelling_and_in_hidden_files(
    tmp_path: Path, data: bytes, spelling: str
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".left.new").write_bytes(data)
    assert ("deep/.left.new", spelling) in places(tmp_path)


def test_words_are_found_as_json_escapes_them(tmp_path: Path) -> None:
    words = "Grüße „von“ nebenan"
    (tmp_path / "export.json").write_text(json.dumps({"text": words}))
    assert places(tmp_path, words.encode()) == {("export.json", "json")}


@given(st.binary(min_size=8, max_size=24), st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_anything_around_it_holds_one_of_its_spellings(
    needle: bytes, before: bytes, after: bytes
) -> None:
    text = base64.b64encode(before + needle + after)
    assert any(data in text for name, data in _spellings(needle) if name == "base64")


def test_it_is_found_across_the_borders_of_what_is_read_at_once(tmp_path: Path) -> None:
    for shift in (1, 5, len(NEEDLE) - 1, len(NEEDLE)):
        (tmp_path / "large").write_bytes(bytes((1 << 20) - shift) + NEEDLE + bytes(100))
        assert places(tmp_path) == {("large", "raw")}, shift


def test_a_value_that_lies_in_pieces_is_found_in_its_column(tmp_path: Path) -> None:
    """SQLite cuts a long value into overflow pages, with page numbers in between."""
    path = tmp_path / "main.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size=512")
    db.execute("CREATE TABLE kept (no INTEGER PRIMARY KEY, body BLOB)")
    torn = []
    for number in range(600):
        db.execute("INSERT INTO kept VALUES (1, ?)", (bytes(number) + NEEDLE + bytes(2000),))
        db.commit()
        found = places(tmp_path)
        assert ("main.db kept.body", "raw") in found
        torn.append(("main.db", "raw") not in found)
        db.execute("DELETE FROM kept")
        db.commit()
    db.close()
    assert any(torn)  # raw bytes alone would not do


def test_what_was_deleted_and_not_overwritten_is_found(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "main.db")
    db.execute("PRAGMA secure_delete=OFF")
    db.execute("CREATE TABLE kept (body BLOB)")
    db.execute("INSERT INTO kept VALUES (?)", (NEEDLE,))
    db.commit()
    db.execute("DELETE FROM kept")
    db.commit()
    db.close()
    assert places(tmp_path) == {("main.db", "raw")}


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert probe([tmp_path, tmp_path / "missing"], {"it": NEEDLE}) == []


def test_a_finding_does_not_repeat_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NEEDLE)
    (found,) = probe([tmp_path], {"it": NEEDLE})
    assert found == Finding(name="it", spelling="raw", place=f"{tmp_path.name}/file")
    assert NEEDLE.decode() not in repr(found)


def test_needles_that_chance_would_find_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refusal:
        probe([tmp_path], {"it": b"short"})
    assert refusal.value.code == "needle_short"


def test_a_database_that_can_not_be_read_is_no_clean_answer(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"SQLite format 3\x00" + bytes(5000))
    with pytest.raises(Unavailable) as trouble:
        probe([tmp_path], {"it": NEEDLE})
    assert trouble.value.code == "probe_unreadable"
