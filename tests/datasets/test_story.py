"""One dataset from capture to a person's proof, through a log on disk."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.datasets.world import (
    ORIGIN,
    POLICY,
    SIGNER,
    T0,
    World,
    batch_of,
    leaf_tree,
)
from tests.support.ports import SteppedClock
from volens.core.errors import VerificationFailed
from volens.core.purposes import Purpose
from volens.datasets.attachments import Attachments, logged_format
from volens.datasets.manifest import Facts, LogRef, Manifest
from volens.datasets.model import Format
from volens.datasets.proofs import Capture, ProofKind, capture_path, make_proof, verify_proof
from volens.datasets.staging import Staging
from volens.datasets.statement import sign_statement
from volens.datasets.verify import verify_dataset
from volens.log.checkpoint import open_checkpoint
from volens.log.entries import Entry, encode_entry
from volens.log.kinds import AccessAction, AccessReason, Actor, CaptureSource, EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.proof import TlogProof, format_tlog_proof
from volens.log.store import TransparencyLog


@dataclass(frozen=True)
class Diary:
    """A real log and the clock of its entries."""

    log: TransparencyLog
    clock: SteppedClock

    def write(self, kind: EntryKind, **fields: object) -> tuple[int, bytes]:
        self.clock.step(timedelta(hours=1))
        entry = Entry(kind=kind, at=self.clock.now(), fields=fields)  # type: ignore[arg-type]
        (index,) = self.log.append([encode_entry(entry)])
        self.log.publish()
        return index, encode_entry(entry)

    def capture(self, world: World) -> tuple[int, bytes]:
        root = MerkleTree([leaf_hash(one) for one in world.commitments]).root()
        count = len(world.commitments)
        return self.write(
            EntryKind.CAPTURE_DONE, count=count, root=root, source=CaptureSource.IMPORT
        )

    def announce(self) -> int:
        index, _ = self.write(
            EntryKind.ACCESS_INTENT,
            purpose=Purpose.BATCH_TRAINING,
            actor=Actor.ENGINEERING,
            action=AccessAction.BUILD,
            reason=AccessReason.DATASET_BUILD,
            policy_hash=POLICY.sha256,
            count=15,
            root=b"\x22" * 32,
        )
        return index

    def done(self, manifest: Manifest, checkpoint: bytes) -> tuple[int, Attachments]:
        index, entry = self.write(
            EntryKind.DATASET_DONE,
            intent=manifest.log.intent,
            dataset=b"\x33" * 32,
            manifest_root=manifest.merkle_root,
            manifest_hash=sha256(manifest.to_bytes()).digest(),
            records=manifest.counts.records,
            format=logged_format(manifest.format),
            policy_hash=manifest.policy.sha256,
            disclosure=manifest.discloses,
        )
        return index, Attachments(
            statement=sign_statement(manifest, SIGNER),
            checkpoint=checkpoint,
            done_entry=entry,
            done_proof=self.log.prove(index),
        )


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    log = TransparencyLog.create(tmp_path / "log", signer=SIGNER, origin=ORIGIN)
    with closing(log):
        yield Diary(log, SteppedClock(T0))


def test_from_capture_over_a_build_to_the_proofs_of_a_member_and_of_somebody_who_said_no(
    tmp_path: Path, diary: Diary
) -> None:
    log, world, out = diary.log, World(20), tmp_path / "out"
    captured, capture_entry = diary.capture(world)
    captured_at = diary.clock.now()
    intent = diary.announce()
    checkpoint = log.checkpoint
    point = open_checkpoint(checkpoint, [log.verifier]).checkpoint
    facts = Facts(
        dataset=world.dataset,
        purpose=Purpose.BATCH_TRAINING,
        policy=POLICY,
        log=LogRef(origin=log.origin, size=point.size, root=point.root, intent=intent),
        created=diary.clock.now(),
        software="volens 0.1.0",
    )
    with Staging.open(out, Format.TRL) as staging:
        staging.write(batch_of([person.leaf(world.raw) for person in world.people[:15]]))
        done, attachments = diary.done(staging.finish(facts), checkpoint)
        staging.seal(attachments, log.verifier)
    log.append([capture_entry] * 300)  # the log grows on; proofs for old datasets must not mind
    log.publish()

    report = verify_dataset(out, log.verifier)
    assert report.done_index == done
    assert report.done_at > report.created

    def proof_for(number: int, size: int, note: bytes) -> bytes:
        person = world.people[number]
        index, path = capture_path(world.commitments, person.commitment)
        way = log.inclusion_proof(captured, size=size)
        logged = format_tlog_proof(TlogProof(index=captured, path=way, checkpoint=note))
        return make_proof(
            leaves=leaf_tree(out),
            statement=(out / "statement.dsse.json").read_bytes(),
            dataset=world.dataset,
            capture=Capture(
                conversation=person.conversation,
                secret=person.secret,
                index=index,
                path=path,
                entry=capture_entry,
                proof=logged,
            ),
        )

    for number, kind in ((0, ProofKind.MEMBER), (19, ProofKind.ABSENT)):
        proof = proof_for(number, point.size, (out / "checkpoint").read_bytes())
        receipt = world.people[number].commitment
        verdict = verify_proof(proof, log.verifier, expected_capture=receipt)
        assert (verdict.kind, verdict.captured_at) == (kind, captured_at)
    with pytest.raises(VerificationFailed):
        verify_proof(proof_for(0, log.published_size, log.checkpoint), log.verifier)
