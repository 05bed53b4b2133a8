"""The log of a home, on a real folder."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.support import ORIGIN, SECOND, SIGNER, WITNESS, MemoryFiles, Stopped, entries, entry
from volens.core.errors import InvalidInput, NotFound, Unavailable, VerificationFailed
from volens.log.checkpoint import open_checkpoint
from volens.log.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from volens.log.note import Signer, format_note, parse_note
from volens.log.pending import pending_header
from volens.log.store import TransparencyLog

NOWHERE = Path("nowhere")


def create(directory: Path) -> TransparencyLog:
    return TransparencyLog.create(directory, signer=SIGNER, origin=ORIGIN)


def reopen(directory: Path) -> TransparencyLog:
    return TransparencyLog.open(directory, signer=SIGNER, origin=ORIGIN)


def fill(directory: Path, count: int) -> None:
    log = create(directory)
    log.append(entries(count))
    log.publish()
    log.close()


def test_a_new_log_has_a_signed_checkpoint_of_nothing(tmp_path: Path) -> None:
    log = create(tmp_path / "log")
    signed = open_checkpoint(log.checkpoint, [log.verifier])
    assert (signed.checkpoint.size, signed.checkpoint.root) == (0, EMPTY_ROOT)
    assert (log.size, log.published_size, log.origin) == (0, 0, ORIGIN)
    assert log.publish() == signed.checkpoint


def test_appended_entries_have_their_index_at_once_and_a_checkpoint_after_publishing(
    tmp_path: Path,
) -> None:
    log = create(tmp_path)
    assert log.append([]) == range(0)
    assert log.append(entries(3)) == range(3)
    assert log.append(entries(2, start=3)) == range(3, 5)
    assert (log.size, log.published_size, log.root()) == (5, 0, EMPTY_ROOT)
    assert log.entry(4) == entry(4)
    checkpoint = log.publish()
    assert checkpoint.size == log.published_size == 5
    assert checkpoint.root == log.root() == MerkleTree(map(leaf_hash, entries(5))).root()
    assert list(log.entries(1, 4)) == entries(3, start=1)
    with pytest.raises(NotFound):
        log.entry(5)
    with pytest.raises(NotFound):
        log.entry(-1)


def test_entries_that_were_not_published_are_published_by_the_next_open(tmp_path: Path) -> None:
    log = create(tmp_path)
    log.append(entries(300))
    log.close()
    again = reopen(tmp_path)
    assert again.published_size == 300
    assert list(again.entries(0, 300)) == entries(300)
    again.check(deep=True)


def test_every_proof_of_every_size_verifies(tmp_path: Path) -> None:
    log = create(tmp_path)
    chance, size = random.Random(1), 0
    leaves = [leaf_hash(one) for one in entries(70_000)]
    for count in (1, 254, 1, 1, 300, 65_000, 700):
        log.append(entries(count, start=size))
        size += count
        log.publish()
    tree = MerkleTree(leaves[:size])
    assert log.root() == tree.root()
    for _ in range(200):
        of = chance.randint(1, size)
        index, old = chance.randrange(of), chance.randint(0, of)
        part = MerkleTree(leaves[:of]) if of < 2000 else tree
        of = part.size
        proof = log.inclusion_proof(index, size=of)
        verify_inclusion(leaves[index], index=index, size=of, proof=proof, root=part.root())
        verify_consistency(
            old_size=old,
            old_root=MerkleTree(leaves[:old]).root(),
            size=of,
            root=part.root(),
            proof=log.consistency_proof(old, size=of),
        )


def test_proofs_reach_only_as_far_as_the_checkpoint(tmp_path: Path) -> None:
    log = create(tmp_path)
    log.append(entries(2))
    for refused in (
        lambda: log.inclusion_proof(0),
        lambda: log.inclusion_proof(0, size=2),
        lambda: log.consistency_proof(0, size=1),
        lambda: log.consistency_proof(1),
        lambda: log.prove(0),
    ):
        with pytest.raises(InvalidInput):
            refused()


def test_only_one_process_writes(tmp_path: Path) -> None:
    log = create(tmp_path)
    with pytest.raises(Unavailable, match="another process"):
        reopen(tmp_path)
    log.close()
    reopen(tmp_path).close()
    with pytest.raises(Unavailable, match="closed"):
        log.append([b"late"])


def test_a_log_is_created_once_and_opened_with_its_own_key(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        reopen(tmp_path)
    fill(tmp_path, 1)
    with pytest.raises(InvalidInput, match="there is a log"):
        create(tmp_path)
    stranger = Signer(name=ORIGIN, seed=b"s" * 32)
    with pytest.raises(VerificationFailed):
        TransparencyLog.open(tmp_path, signer=stranger, origin=ORIGIN)
    for make in (TransparencyLog.open, TransparencyLog.create):
        with pytest.raises(InvalidInput, match="does not sign for"):
            make(tmp_path, signer=SIGNER, origin="example.org/other")
    reopen(tmp_path).close()


def test_a_log_without_its_checkpoint_is_not_created_anew(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(NotFound):
        reopen(tmp_path)
    with pytest.raises(InvalidInput):
        create(tmp_path)


def test_an_entry_that_is_too_large_changes_nothing(tmp_path: Path) -> None:
    log = create(tmp_path)
    with pytest.raises(InvalidInput):
        log.append([b"fine", bytes(65_536)])
    assert log.append([b"fine"]) == range(1)
    assert log.publish().size == 1


@pytest.mark.parametrize("count", [3, 256, 300, 66_000])
def test_a_changed_right_edge_is_not_opened(tmp_path: Path, count: int) -> None:
    fill(tmp_path, count)
    edge = [path for path in (tmp_path / "tile").rglob("*") if path.parent.suffix == ".p"]
    assert edge
    for path in edge:
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(VerificationFailed):
            reopen(tmp_path)
        path.unlink()
        with pytest.raises(VerificationFailed):
            reopen(tmp_path)
        path.write_bytes(data)
    reopen(tmp_path).check(deep=False)


def test_a_changed_full_tile_serves_no_entry_and_no_proof(tmp_path: Path) -> None:
    fill(tmp_path, 66_000)
    for name in ("tile/0/001", "tile/entries/001", "tile/1/000"):
        path = tmp_path / name
        data = path.read_bytes()
        path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
        log = reopen(tmp_path)
        with pytest.raises(VerificationFailed, match=r"changed|breaks off"):
            log.entry(300)
        if "entries" not in name:
            with pytest.raises(VerificationFailed):
                log.inclusion_proof(300)
        with pytest.raises(VerificationFailed):
            log.check(deep=True)
        log.close()
        path.write_bytes(data)
    log = reopen(tmp_path)
    assert log.entry(300) == entry(300)
    (tmp_path / "tile/0/002").unlink()
    with pytest.raises(VerificationFailed, match="missing"):
        log.inclusion_proof(600)


def test_a_log_never_publishes_what_contradicts_its_checkpoint(tmp_path: Path) -> None:
    log = create(tmp_path)
    log.append(entries(10))
    log.publish()
    before = (tmp_path / "pending").read_bytes()
    log.append(entries(5, start=10))
    log.close()
    shutdown = (tmp_path / "pending").read_bytes()
    log = reopen(tmp_path)
    log.close()
    (tmp_path / "pending").write_bytes(shutdown)  # an old pending file comes back: same entries
    log = reopen(tmp_path)
    assert log.published_size == 15
    log.close()
    for stale in (before, pending_header(99), pending_header(9)):
        (tmp_path / "pending").write_bytes(stale)
        with pytest.raises(VerificationFailed, match="follow"):
            reopen(tmp_path)
    other = create(tmp_path / "other")
    other.append(entries(10))
    other.publish()
    other.append([b"another"] * 5)
    other.close()
    (tmp_path / "pending").write_bytes((tmp_path / "other" / "pending").read_bytes())
    with pytest.raises(VerificationFailed, match="other bytes"):
        reopen(tmp_path)


@pytest.mark.parametrize("after", [False, True])
def test_after_a_failed_write_nothing_goes_on_until_the_log_is_opened_again(after: bool) -> None:
    files = MemoryFiles()
    log = TransparencyLog.create(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
    log.append(entries(1))
    files.stop_at = (files.operations, after)
    with pytest.raises(Stopped):
        log.append(entries(1, start=1))
    files.stop_at = None
    for act in (lambda: log.append([b"x"]), log.publish):
        with pytest.raises(Unavailable, match="open it again"):
            act()
    again = TransparencyLog.open(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
    assert list(again.entries(0, again.size)) == entries(1 + after)


def test_partial_tiles_stay_until_their_tile_is_full(tmp_path: Path) -> None:
    log = create(tmp_path)
    for count in (3, 100, 152):
        log.append(entries(count, start=log.size))
        log.publish()
    partial = tmp_path / "tile/0/000.p"
    assert sorted(path.name for path in partial.iterdir()) == ["103", "255", "3"]
    log.append(entries(1, start=255))
    log.publish()
    assert not partial.exists()
    assert (tmp_path / "tile/1/000.p/1").stat().st_size == 32
    log.check(deep=True)


def test_a_check_finds_what_changed_under_an_open_log(tmp_path: Path) -> None:
    log = create(tmp_path)
    log.append(entries(3))
    log.publish()
    log.append(entries(2, start=3))
    assert log.check() is None
    report = log.check(deep=True)
    assert report is not None
    assert (report.checkpoint.size, report.pending) == (3, 2)
    for name in ("checkpoint", "pending", "tile/0/000.p/3"):
        path = tmp_path / name
        data = path.read_bytes()
        path.write_bytes(data + b"x" * 200)
        with pytest.raises(VerificationFailed):
            log.check()
        path.write_bytes(data)


def test_cosignatures_join_the_checkpoint_they_were_made_for(tmp_path: Path) -> None:
    log = create(tmp_path)
    log.append(entries(3))
    log.publish()
    old = log.checkpoint
    text = parse_note(old).text
    for witness in (WITNESS, SECOND, WITNESS):
        line = witness.cosign_text(text, timestamp=7)
        log.add_cosignatures(format_note(text, [line]), [witness.verifier])
    signed = open_checkpoint(log.checkpoint, [SIGNER.verifier, WITNESS.verifier, SECOND.verifier])
    assert sorted(signed.cosigned) == [WITNESS.name, SECOND.name]
    assert (tmp_path / "checkpoint").read_bytes() == log.checkpoint
    log.close()
    log = reopen(tmp_path)
    assert len(parse_note(log.checkpoint).signatures) == 3
    with pytest.raises(VerificationFailed):
        log.add_cosignatures(old, [WITNESS.verifier])
    with pytest.raises(VerificationFailed):
        log.add_cosignatures(old, [SIGNER.verifier])
    log.append(entries(1, start=3))
    log.publish()
    with pytest.raises(Unavailable, match="newer"):
        log.add_cosignatures(format_note(text, [line]), [WITNESS.verifier])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans(), st.booleans()), max_size=8))
def test_any_order_of_appends_publishes_and_opens_gives_the_same_tree(
    steps: list[tuple[int, bool, bool]],
) -> None:
    files = MemoryFiles()
    log = TransparencyLog.create(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
    size = 0
    for count, publish, again in steps:
        log.append([b"%d" % number for number in range(size, size + count)])
        size += count
        if publish:
            log.publish()
        if again:
            log = TransparencyLog.open(NOWHERE, signer=SIGNER, origin=ORIGIN, files=files)
    log.publish()
    expected = MerkleTree([leaf_hash(b"%d" % number) for number in range(size)])
    assert (log.published_size, log.root()) == (size, expected.root())
