"""A small world for dataset tests: a log, captures, batches, and datasets made of them."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from tests.support.ports import SeededEntropy
from volens.core.ids import ConversationId, DatasetId, IdKind, format_id
from volens.core.purposes import Purpose
from volens.datasets.attachments import Attachments, logged_format
from volens.datasets.leaves import LeafTree, capture_commitment, manifest_leaf
from volens.datasets.manifest import Facts, LogRef, Manifest, PolicyRef
from volens.datasets.model import Format, RecordBatch, SealedBatch
from volens.datasets.proofs import Capture, capture_path
from volens.datasets.staging import SHARD_BYTES, Staging
from volens.datasets.statement import sign_statement
from volens.log.checkpoint import Checkpoint, sign_checkpoint
from volens.log.entries import Entry, encode_entry
from volens.log.kinds import (
    AccessAction,
    AccessReason,
    Actor,
    CaptureSource,
    EntryKind,
)
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.note import Signer
from volens.vault.model import Role

ORIGIN = "log.volens.example"
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = PolicyRef(name="house", version="2026.1", sha256=b"\x11" * 32)
SIGNER = Signer(name=ORIGIN, seed=bytes(range(32)))
OTHER_SIGNER = Signer(name=ORIGIN, seed=bytes(range(1, 33)))
TEXTS = (
    ("How do I boil an egg?", "Eight minutes for a hard one."),
    ("今何時ですか。\u2028 ☕", "正午です。"),
    ('line\nbreak "quoted" \\ slash', "\x7f\x85 end"),
)


class TestLog:
    """Entries in memory; checkpoints and tlog-proofs for any size, written by hand."""

    __test__ = False

    def __init__(self, signer: Signer = SIGNER, origin: str = ORIGIN) -> None:
        self.entries: list[bytes] = []
        self.signer, self.origin = signer, origin

    def append(self, kind: EntryKind, **fields: object) -> int:
        entry = Entry(kind=kind, at=T0, fields=fields)  # type: ignore[arg-type]
        self.entries.append(encode_entry(entry))
        return len(self.entries) - 1

    def tree(self, size: int | None = None) -> MerkleTree:
        return MerkleTree([leaf_hash(entry) for entry in self.entries[:size]])

    def checkpoint(self, size: int | None = None) -> bytes:
        tree = self.tree(size)
        point = Checkpoint(origin=self.origin, size=tree.size, root=tree.root())
        return sign_checkpoint(point, self.signer)

    def proof(self, index: int, size: int | None = None) -> bytes:
        """C2SP tlog-proof v1, spelt out here so that the reader meets another writer."""
        path = [base64.b64encode(part).decode() for part in self.tree(size).inclusion_proof(index)]
        lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *path, ""]
        return "\n".join(lines).encode() + b"\n" + self.checkpoint(size)


@dataclass(frozen=True)
class Person:
    conversation: ConversationId
    raw: bytes
    secret: bytes = field(repr=False)

    @property
    def commitment(self) -> bytes:
        return capture_commitment(self.secret, self.raw)

    def leaf(self, dataset: bytes) -> bytes:
        return manifest_leaf(self.secret, dataset, self.raw)


def people(count: int, seed: int = 1) -> list[Person]:
    entropy = SeededEntropy(seed)
    found = []
    for _ in range(count):
        raw = entropy.draw(16)
        name = ConversationId(format_id(IdKind.CONVERSATION, raw))
        found.append(Person(conversation=name, raw=raw, secret=entropy.draw(32)))
    return found


def dataset_id(seed: int = 7) -> tuple[DatasetId, bytes]:
    raw = SeededEntropy(seed).draw(16)
    return DatasetId(format_id(IdKind.DATASET, raw)), raw


def batch_of(leaves: list[bytes], texts: tuple[tuple[str, ...], ...] = TEXTS) -> RecordBatch:
    """One record for each leaf: a user turn and an assistant turn in turn, from `texts`."""
    turn_offsets, roles, pieces = [0], [], []
    for number in range(len(leaves)):
        said = texts[number % len(texts)]
        roles += [Role.USER if place % 2 == 0 else Role.ASSISTANT for place in range(len(said))]
        pieces += [text.encode() for text in said]
        turn_offsets.append(len(roles))
    return RecordBatch(
        leaves=b"".join(leaves),
        turn_offsets=np.array(turn_offsets, dtype=np.int64),
        roles=np.array(roles, dtype=np.uint8),
        text=b"".join(pieces),
        text_offsets=np.cumsum([0, *map(len, pieces)], dtype=np.int64),
    )


def sealed_batch_of(leaves: list[bytes]) -> SealedBatch:
    envelopes = [b"envelope of " + leaf * (1 + number % 3) for number, leaf in enumerate(leaves)]
    return SealedBatch(
        leaves=b"".join(leaves),
        envelopes=b"".join(envelopes),
        envelope_offsets=np.cumsum([0, *map(len, envelopes)], dtype=np.int64),
        turns=2 * len(leaves),
    )


class World:
    """One capture of some people, and one dataset of the first few of them."""

    def __init__(self, captured: int = 12, signer: Signer = SIGNER, seed: int = 1) -> None:
        self.people = people(captured, seed)
        self.log = TestLog(signer)
        self.log.append(EntryKind.HOME_CREATED)
        self.commitments = [person.commitment for person in self.people]
        tree = MerkleTree([leaf_hash(one) for one in self.commitments])
        self.captured_at = self.log.append(
            EntryKind.CAPTURE_DONE,
            count=captured,
            root=tree.root(),
            source=CaptureSource.IMPORT,
        )
        self.dataset, self.raw = dataset_id()

    def begin(self) -> tuple[LogRef, int]:
        """Log the intent; return where the log stands."""
        intent = self.log.append(
            EntryKind.ACCESS_INTENT,
            purpose=Purpose.BATCH_TRAINING,
            actor=Actor.ENGINEERING,
            action=AccessAction.BUILD,
            reason=AccessReason.DATASET_BUILD,
            policy_hash=POLICY.sha256,
            count=1,
            root=b"\x22" * 32,
        )
        tree = self.log.tree()
        ref = LogRef(origin=self.log.origin, size=tree.size, root=tree.root(), intent=intent)
        return ref, tree.size

    def facts(self, log: LogRef, **changes: object) -> Facts:
        given = {
            "dataset": self.dataset,
            "purpose": Purpose.BATCH_TRAINING,
            "policy": POLICY,
            "log": log,
            "created": T0,
            "software": "volens 0.1.0",
            "excluded": {"no_grant": 3},
            **changes,
        }
        return Facts(**given)  # type: ignore[arg-type]

    def attach(self, manifest: Manifest, **changes: object) -> Attachments:
        """Log ``dataset.done`` and sign everything."""
        fields = {
            "intent": manifest.log.intent,
            "dataset": b"\x33" * 32,
            "manifest_root": manifest.merkle_root,
            "manifest_hash": sha256(manifest.to_bytes()).digest(),
            "records": manifest.counts.records,
            "format": logged_format(manifest.format),
            "policy_hash": manifest.policy.sha256,
            "disclosure": manifest.discloses,
            **changes,
        }
        done = self.log.append(EntryKind.DATASET_DONE, **fields)
        return Attachments(
            statement=sign_statement(manifest, self.log.signer),
            checkpoint=self.log.checkpoint(manifest.log.size),
            done_entry=self.log.entries[done],
            done_proof=self.log.proof(done),
        )

    def build(
        self,
        out: Path,
        form: Format,
        members: int = 10,
        *,
        batches: int = 1,
        shard_bytes: int = SHARD_BYTES,
    ) -> Manifest:
        """Make a dataset of the first `members` people."""
        ref, _ = self.begin()
        leaves = [person.leaf(self.raw) for person in self.people[:members]]
        make = sealed_batch_of if form is Format.SEALED else batch_of
        with Staging.open(out, form, shard_bytes=shard_bytes) as staging:
            for number in range(batches):
                staging.write(make(leaves[number::batches]))
            manifest = staging.finish(self.facts(ref))
            staging.seal(self.attach(manifest), self.log.signer.verifier)
        return manifest

    def capture(self, person: Person, size: int, **changes: object) -> Capture:
        index, path = capture_path(self.commitments, person.commitment)
        given = {
            "conversation": person.conversation,
            "secret": person.secret,
            "index": index,
            "path": path,
            "entry": self.log.entries[self.captured_at],
            "proof": self.log.proof(self.captured_at, size),
            **changes,
        }
        return Capture(**given)  # type: ignore[arg-type]


def leaf_tree(folder: Path) -> LeafTree:
    return LeafTree((folder / "manifest.leaves").read_bytes())
