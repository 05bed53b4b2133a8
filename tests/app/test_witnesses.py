"""Witnesses are remembered with what they signed, and one on the same machine is told apart."""

from pathlib import Path

import pytest

from volens.app.witnesses import WITNESSES, Remembered, remember, remembered
from volens.core.errors import InvalidInput


def witness(url: str, vkey: str = "a", note: str = "n") -> Remembered:
    return Remembered(vkey=vkey, url=url, note=note)


def test_the_last_note_of_each_witness_is_kept(tmp_path: Path) -> None:
    assert remembered(tmp_path) == []
    for one in (witness("u", "b"), witness("u", "a"), witness("v", "b", "later")):
        remember(tmp_path, one)
    assert remembered(tmp_path) == [witness("u", "a"), witness("v", "b", "later")]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:8000/w", True),
        ("http://0.0.0.0:1", True),
        ("http://localhost:1", True),
        ("http://LOCALHOST", True),
        ("http://witness.local", True),
        ("https://witness.example", False),
        ("https://203.0.113.9", False),
    ],
)
def test_a_witness_on_the_same_machine_is_told_apart(url: str, here: bool) -> None:
    assert witness(url).here is here


@pytest.mark.parametrize(
    "data",
    [b"{}", b"[1]", b'[{"url":"u","vkey":"a"}]', b'[{"note":"n","url":"u","vkey":"a","x":1}]'],
)
def test_a_changed_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / WITNESSES).write_bytes(data)
    with pytest.raises(InvalidInput):
        remembered(tmp_path)
