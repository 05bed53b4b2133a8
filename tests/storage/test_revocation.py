"""The counters by which running uses hear of a change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from volens.core.errors import Unavailable
from volens.storage.journal import Journal
from volens.storage.revocation import EpochReader, RevocationEpoch, Source, Words

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "revocation.md"


def vectors() -> dict[str, bytes]:
    block = PAGE.read_text(encoding="utf-8").split("```vector\n")[1].split("```")[0]
    return {
        name.strip(): bytes.fromhex(data)
        for name, data in (line.rsplit(maxsplit=1) for line in block.splitlines())
    }


def test_the_file_is_what_the_format_page_says(tmp_path: Path) -> None:
    epoch = RevocationEpoch(tmp_path / "epoch")
    found = {}
    epoch.create()
    found["fresh"] = (tmp_path / "epoch").read_bytes()
    epoch.tell(Source.CHOICES)
    found["after a withdrawal"] = (tmp_path / "epoch").read_bytes()
    epoch.begin_narrowing()
    found["a change under way"] = (tmp_path / "epoch").read_bytes()
    epoch.settle()
    found["the change is done"] = (tmp_path / "epoch").read_bytes()
    assert found == vectors()


def test_a_reader_sees_what_another_process_counts(tmp_path: Path) -> None:
    epoch = RevocationEpoch(tmp_path / "epoch")
    epoch.create()
    reader = EpochReader(tmp_path / "epoch")
    code = (
        "import sys; from pathlib import Path\n"
        "from volens.storage.revocation import RevocationEpoch, Source\n"
        "RevocationEpoch(Path(sys.argv[1])).tell(Source.ERASURES)\n"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, tmp_path / "epoch"], check=True, env=path)
    assert reader.words() == Words(choices=0, erasures=1, narrowings=0)


def test_an_append_counts_after_it_is_there(tmp_path: Path) -> None:
    epoch = RevocationEpoch(tmp_path / "epoch")
    seen: list[list[bytes]] = []
    journal = Journal(tmp_path / "choices", tell=lambda: seen.append(journal.read()))
    journal.create()
    epoch.create()
    journal.append(b"one")
    journal.append(b"two")
    assert seen == [[b"one"], [b"one", b"two"]]


def test_changes_within_changes_are_told_apart(tmp_path: Path) -> None:
    epoch = RevocationEpoch(tmp_path / "epoch")
    epoch.create()
    reader = EpochReader(tmp_path / "epoch")
    found = [reader.words()]
    for step in (epoch.begin_narrowing, epoch.begin_narrowing, epoch.settle, epoch.settle):
        step()
        found.append(reader.words())
    assert [one.settled for one in found] == [True, False, False, True, True]
    assert [one.narrowings for one in found] == [0, 3, 5, 6, 6]


@pytest.mark.parametrize("content", [b"", b"VLEPOCH1", b"X" * 32])
def test_what_is_no_file_of_counters_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "epoch").write_bytes(content)
    with pytest.raises(Unavailable) as refusal:
        EpochReader(tmp_path / "epoch")
    assert refusal.value.code == "revocation_stale"


def test_a_count_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    epoch = RevocationEpoch(tmp_path / "nowhere" / "epoch")
    with pytest.raises(Unavailable) as refusal:
        epoch.tell(Source.CHOICES)
    assert refusal.value.code == "revocation_epoch"
