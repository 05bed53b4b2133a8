"""Proofs can be had from the files of the log alone, while its owner goes on writing."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.lifecycle.erasing import CONTACT, Erasing
from tests.log.support import ORIGIN, SIGNER, entries
from volens.core.errors import Unavailable, VerificationFailed
from volens.holds.erasure import ErasureState
from volens.holds.evidence import Evidence
from volens.lifecycle.published import prove_published
from volens.lifecycle.receipt import issue_receipt, prove_steps, verify_receipt
from volens.log.note import Signer
from volens.log.store import TransparencyLog


@pytest.fixture
def erasing(tmp_path: Path) -> Erasing:
    return Erasing(TransparencyLog.create(tmp_path, signer=SIGNER, origin=ORIGIN))


def evidence(erasing: Erasing, name: str) -> Evidence:
    found = next(one for one in erasing.steps if one == name)
    return Evidence(erasure=found, steps=tuple(erasing.steps[found]))


def test_the_files_prove_what_the_log_itself_proves(erasing: Erasing, tmp_path: Path) -> None:
    name = erasing.ask()
    erasing.log.append(entries(300))  # more than one tile
    erasing.remove_keys([name])
    erasing.log.publish()
    known = evidence(erasing, name)
    assert prove_published(tmp_path, SIGNER.verifier, known) == prove_steps(known, erasing.log)


def test_what_is_not_published_is_not_claimed(erasing: Erasing, tmp_path: Path) -> None:
    name = erasing.ask()
    assert prove_published(tmp_path, SIGNER.verifier, evidence(erasing, name)) == []
    erasing.log.publish()
    erasing.remove_keys([name])  # acknowledged, durable, not yet in a checkpoint
    logged = prove_published(tmp_path, SIGNER.verifier, evidence(erasing, name))
    data = issue_receipt(
        erasing.erasures[name],
        logged,
        contact=CONTACT,
        issued=erasing.clock.now() + timedelta(seconds=1),
        signer=SIGNER,
    )
    found = verify_receipt(data, SIGNER.verifier).receipt
    assert (len(logged), found.state) == (1, ErasureState.ACCESS_ENDED)
    with pytest.raises(Unavailable):
        issue_receipt(
            erasing.erasures[name],
            [],
            contact=CONTACT,
            issued=erasing.clock.now(),
            signer=SIGNER,
        )


def test_changed_files_prove_nothing(erasing: Erasing, tmp_path: Path) -> None:
    name = erasing.ask()
    erasing.log.publish()
    known = evidence(erasing, name)
    stranger = Signer(name=SIGNER.name, seed=bytes(32))
    with pytest.raises(VerificationFailed):
        prove_published(tmp_path, stranger.verifier, known)
    (bundle,) = [path for path in (tmp_path / "tile" / "entries").rglob("*") if path.is_file()]
    data = bytearray(bundle.read_bytes())
    data[-2] ^= 1
    bundle.chmod(0o644)
    bundle.write_bytes(data)
    with pytest.raises(VerificationFailed):
        prove_published(tmp_path, SIGNER.verifier, known)
