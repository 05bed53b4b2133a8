"""A whole folder checked from its bytes and a key: every difference is found."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.log.support import ORIGIN, SIGNER, WITNESS, entries
from volens.core.errors import VerificationFailed
from volens.log.checkpoint import Checkpoint, sign_checkpoint
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.note import Signer, format_note, parse_note
from volens.log.pending import pending_header, pending_record
from volens.log.store import TransparencyLog
from volens.log.tiles import encode_bundle
from volens.log.verify import LogReport, verify_directory

KEYS = [SIGNER.verifier]


def build(directory: Path, *groups: int, pending: int = 0, cosign: bool = False) -> Path:
    log = TransparencyLog.create(directory, signer=SIGNER, origin=ORIGIN)
    for count in groups:
        log.append(entries(count, start=log.size))
        log.publish()
    if cosign:
        text = parse_note(log.checkpoint).text
        line = WITNESS.cosign_text(text, timestamp=1_700_000_000)
        log.add_cosignatures(format_note(text, [line]), [WITNESS.verifier])
    log.append(entries(pending, start=log.size))
    log.close()
    return directory


def verify(directory: Path, witnesses: int = 0) -> LogReport:
    return verify_directory(directory, [*KEYS, WITNESS.verifier], witnesses=witnesses)


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_a_whole_log_is_reported(tmp_path: Path) -> None:
    report = verify(build(tmp_path / "log", 3, 300, pending=2, cosign=True))
    assert (report.checkpoint.size, report.pending) == (303, 2)
    assert report.cosigned == (WITNESS.name,)
    assert report.unknown == ()
    assert report.files == len(files_of(tmp_path / "log"))


def must_fail(log: Path, path: Path, versions: Iterable[bytes]) -> None:
    data = path.read_bytes()
    for changed in versions:
        path.write_bytes(changed)
        with pytest.raises(VerificationFailed):
            verify(log, witnesses=1)
    path.write_bytes(data)


def flipped(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            yield data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def shorter_and_longer(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[:at] + data[at + 1 :]
        yield data[:at]
        yield data[:at] + b"\0" + data[at:]
    for extra in (b"\0", b"\n", b"x" * 600, data[-40:]):
        yield data + extra


@pytest.mark.parametrize("groups", [(), (1,), (2, 3)])
def test_every_changed_byte_is_found(tmp_path: Path, groups: tuple[int, ...]) -> None:
    log = build(tmp_path / "log", *groups, pending=2, cosign=True)
    for path in files_of(log):
        must_fail(log, path, flipped(path.read_bytes()))
    assert verify(log, witnesses=1).pending == 2


def test_every_dropped_and_every_added_byte_is_found(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 2, 3, pending=2, cosign=True)
    cut = pending_header(5)  # a whole group that no checkpoint covers may be cut unnoticed
    for path in files_of(log):
        versions = shorter_and_longer(path.read_bytes())
        must_fail(log, path, (changed for changed in versions if changed != cut))
    assert verify(log, witnesses=1).pending == 2


def test_every_missing_and_every_swapped_file_is_found(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 700)
    for path in files_of(log):
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(VerificationFailed):
            verify(log)
        path.write_bytes(data)
    for folder in ("tile/0", "tile/entries"):
        one, other = (log / folder / "000"), (log / folder / "001")
        data = one.read_bytes()
        one.write_bytes(other.read_bytes())
        with pytest.raises(VerificationFailed) as refusal:
            verify(log)
        assert "tile/0/000" in refusal.value.message
        one.write_bytes(data)
    verify(log)


@pytest.mark.parametrize(
    "name",
    [
        "note.txt",
        ".hidden",
        "checkpoint.tmp",
        "tile/x",
        "tile/0/001",
        "tile/0/000.p/6",
        "tile/0/000.p/5.tmp",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "tile/3/000",
        "tile/entries/000",
    ],
)
def test_every_unknown_file_is_found(tmp_path: Path, name: str) -> None:
    log = build(tmp_path / "log", 5)
    path = log / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(VerificationFailed) as refusal:
        verify(log)
    assert name in refusal.value.message


def test_links_are_found(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 5)
    copy = shutil.copytree(log / "tile", tmp_path / "tile")
    shutil.rmtree(log / "tile")
    (log / "tile").symlink_to(copy)
    with pytest.raises(VerificationFailed):
        verify(log)


def resign(log: Path, entry: Callable[[int, bytes], bytes], signer: Signer) -> None:
    """Rewrite a log of five entries with everything made to fit."""
    changed = [entry(number, data) for number, data in enumerate(entries(5))]
    leaves = [leaf_hash(data) for data in changed]
    (log / "tile/entries/000.p/5").write_bytes(encode_bundle(changed))
    (log / "tile/0/000.p/5").write_bytes(b"".join(leaves))
    checkpoint = Checkpoint(origin=ORIGIN, size=5, root=MerkleTree(leaves).root())
    (log / "checkpoint").write_bytes(sign_checkpoint(checkpoint, signer))


def test_a_log_made_to_fit_needs_the_key(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 5)
    resign(log, lambda _, data: data, SIGNER)
    verify(log)
    resign(log, lambda _, data: data, Signer(name=ORIGIN, seed=b"x" * 32))
    with pytest.raises(VerificationFailed, match="unknown keys"):
        verify(log)


def test_an_entry_outside_the_closed_list_is_found_even_under_a_good_signature(
    tmp_path: Path,
) -> None:
    log = build(tmp_path / "log", 5)
    resign(log, lambda number, data: b'{"name":"x"}' if number == 3 else data, SIGNER)
    with pytest.raises(VerificationFailed, match=r"entry 3 in tile/entries/000\.p/5"):
        verify(log)
    log = build(tmp_path / "two", 5)
    (log / "pending").write_bytes(pending_header(5) + pending_record(5, [b"free text"]))
    with pytest.raises(VerificationFailed, match="entry 5 in pending"):
        verify(log)


def test_a_place_is_named(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 5)
    path = log / "tile/0/000.p/5"
    data = path.read_bytes()
    path.write_bytes(data[:70] + bytes([data[70] ^ 1]) + data[71:])
    with pytest.raises(VerificationFailed, match=r"tile/0/000\.p/5 .* at byte 70"):
        verify(log)


def test_an_unfinished_log_is_settled_by_opening_it(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 5, pending=2)
    data = (log / "pending").read_bytes()
    (log / "pending").write_bytes(data + pending_record(7, entries(1, start=7))[:50])
    with pytest.raises(VerificationFailed, match="open it once"):
        verify(log)
    TransparencyLog.open(log, signer=SIGNER, origin=ORIGIN).close()
    assert verify(log).checkpoint.size == 7


def test_signatures_nobody_can_check_are_refused_unless_allowed(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 5, cosign=True)
    with pytest.raises(VerificationFailed, match="unknown signatures"):
        verify_directory(log, KEYS)
    report = verify_directory(log, KEYS, allow_unknown_signatures=True)
    assert (report.unknown, report.cosigned) == ((WITNESS.name,), ())


def test_partial_tiles_of_older_checkpoints_must_start_the_present_one(tmp_path: Path) -> None:
    log = build(tmp_path / "log", 2, 3)
    for older in (log / "tile/0/000.p/2", log / "tile/entries/000.p/2"):
        data = older.read_bytes()
        older.rename(older.with_name("3"))
        with pytest.raises(VerificationFailed):
            verify(log)
        older.with_name("3").rename(older)
        older.unlink()
        verify(log)  # earlier checkpoints may be forgotten
        older.write_bytes(data)
    verify(log)
