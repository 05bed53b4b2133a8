"""Offline proofs: one spelling, and every changed byte is found."""

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.log.support import ORIGIN, SECOND, SIGNER, WITNESS, MemoryFiles, entries, entry
from volens.core.errors import VerificationFailed, VolensError
from volens.log.note import Signer, format_note, parse_note
from volens.log.proof import (
    TlogProof,
    format_tlog_proof,
    parse_tlog_proof,
    verify_tlog_proof,
)
from volens.log.store import TransparencyLog

KEYS = [SIGNER.verifier, WITNESS.verifier, SECOND.verifier]


def make_log(count: int = 300) -> TransparencyLog:
    files = MemoryFiles()
    log = TransparencyLog.create(Path("x"), signer=SIGNER, origin=ORIGIN, files=files)
    log.append(entries(count))
    log.publish()
    text = parse_note(log.checkpoint).text
    line = WITNESS.cosign_text(text, timestamp=1_700_000_000)
    log.add_cosignatures(format_note(text, [line]), [WITNESS.verifier])
    return log


LOG = make_log()
PROOF = LOG.prove(123)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
def test_an_entry_is_proven_offline(index: int) -> None:
    checkpoint = verify_tlog_proof(entry(index), LOG.prove(index), KEYS, witnesses=1)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 300)


def test_the_layout_of_the_specification() -> None:
    proof = LOG.prove(123, extra=b"why not")
    lines = proof.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == f"extra {b64encode(b'why not').decode()}"
    assert lines[2] == "index 123"
    assert lines[12] == ""
    assert "\n".join(lines[13:]).encode() == LOG.checkpoint
    assert parse_tlog_proof(proof).extra == b"why not"
    verify_tlog_proof(entry(123), proof, KEYS)
    assert parse_tlog_proof(LOG.prove(0, extra=b"")).extra == b""


def test_every_changed_bit_is_found() -> None:
    for at in range(len(PROOF)):
        for bit in range(8):
            changed = bytearray(PROOF)
            changed[at] ^= 1 << bit
            with pytest.raises(VerificationFailed):
                verify_tlog_proof(entry(123), bytes(changed), KEYS, witnesses=1)


def test_another_entry_index_or_log_fails() -> None:
    with pytest.raises(VerificationFailed):
        verify_tlog_proof(entry(124), PROOF, KEYS)
    with pytest.raises(VerificationFailed):
        verify_tlog_proof(entry(123), PROOF, [Signer(name=ORIGIN, seed=b"q" * 32).verifier])
    with pytest.raises(VerificationFailed):
        verify_tlog_proof(entry(123), PROOF, KEYS, origin="example.org/other")
    with pytest.raises(VerificationFailed):
        verify_tlog_proof(entry(123), PROOF, [WITNESS.verifier])


def test_as_many_witnesses_as_wanted_must_have_cosigned() -> None:
    with pytest.raises(VerificationFailed) as refusal:
        verify_tlog_proof(entry(123), PROOF, KEYS, witnesses=2)
    assert refusal.value.code == "too_few_witnesses"
    with pytest.raises(VerificationFailed):
        verify_tlog_proof(entry(123), PROOF, [SIGNER.verifier], witnesses=1)
    verify_tlog_proof(entry(123), PROOF, [SIGNER.verifier])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:0],
        lambda data: data[1:],
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"index 123", b"index 0123"),
        lambda data: data.replace(b"index 123", b"index -1"),
        lambda data: data.replace(b"index 123", b"index " + b"9" * 5000),
        lambda data: data.replace(b"index 123\n", b""),
        lambda data: data.replace(b"index 123", b"extra AA\nindex 123"),
        lambda data: data.replace(b"index 123", b"index 123\nindex 123"),
        lambda data: data.replace(b"index 123", b"index 123\nAAAA"),
        lambda data: data.replace(b"index 123\n", b"index 123\n" + b"A" * 43 + b"=\n" * 64),
        lambda data: data.replace(b"\n\n", b"\n", 1),
        lambda data: data + b"\n",
        lambda data: data.partition(b"\n\n")[0] + b"\n\n",
    ],
)
def test_any_other_spelling_is_refused(change: object) -> None:
    with pytest.raises(VerificationFailed):
        parse_tlog_proof(change(PROOF))  # type: ignore[operator]


@given(
    st.integers(0, 2**63),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(max_size=50),
)
def test_every_proof_has_one_spelling(index: int, path: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index=index, path=tuple(path), checkpoint=LOG.checkpoint, extra=extra)
    assert parse_tlog_proof(format_tlog_proof(proof)) == proof


@given(st.binary())
def test_any_bytes_are_refused_with_a_known_error(data: bytes) -> None:
    with pytest.raises(VolensError):
        verify_tlog_proof(b"", data, KEYS)
