"""Proofs for one person: this conversation is in that manifest, or is not, under this capture.

A proof is one canonical JSON document that needs nothing but the public key of the log
(docs/formats/dataset-proof.md). What it claims, and no more: *under the capture secret in it*, the
leaf of the conversation is, or is not, in the sorted tree of the manifest that the signed statement
names. It does not say that the same words never came in under another capture; and an absence rests
on the leaves being sorted, which `verify_dataset` checks for everybody who has the folder.

A new secret drawn for the occasion gives no absence: the secret must open a commitment that the log
held before the dataset's own checkpoint. Whether it is *their* commitment only the person can say,
so a person gives `expected_capture`, from the receipt they were given at capture.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from volens.core.canonical import Json, canonical_json, read_canonical
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.ids import ConversationId, DatasetId, IdKind, parse_id
from volens.core.members import Members
from volens.datasets.leaves import LeafTree, capture_commitment, manifest_leaf
from volens.datasets.logged import Logged, verify_logged
from volens.datasets.statement import Statement, verify_statement
from volens.log.kinds import EntryKind
from volens.log.merkle import EMPTY_ROOT, MerkleTree, leaf_hash, verify_inclusion
from volens.log.note import Verifier

VERSION = "volens-dataset-proof/v1"
_CODE = "dataset_proof"


class ProofKind(StrEnum):
    """What a proof shows."""

    MEMBER = "member"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """How a conversation came in: the secret, and its commitment's place in the log.

    Attributes:
        conversation: the id that the person was given.
        secret: s, 32 bytes, as the person was given it.
        index: the place of the commitment in its batch.
        path: the inclusion proof of that place under the batch's root.
        entry: the entry ``capture.done`` as logged.
        proof: its ``.tlog-proof`` under the very checkpoint that the dataset's manifest names.
    """

    conversation: ConversationId
    secret: bytes = field(repr=False)
    index: int
    path: tuple[bytes, ...] = field(repr=False)
    entry: bytes = field(repr=False)
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A leaf of the manifest with its place and inclusion proof."""

    leaf: bytes
    index: int
    path: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofVerdict:
    """What a proof that holds has shown."""

    kind: ProofKind
    dataset: DatasetId
    conversation: ConversationId
    captured_at: datetime
    """When the log says that the batch of the capture was done."""
    statement: Statement
    commitment: bytes
    """The capture commitment: the same as on the person's receipt, or the proof is not theirs."""
    compared: bool
    """Whether the commitment was compared with one that the reader gave."""

    @property
    def sentence(self) -> str:
        """The claim in words, with its limit."""
        word = "is" if self.kind is ProofKind.MEMBER else "is not"
        return (
            f"conversation {self.conversation}, under the capture {self.commitment.hex()[:16]}, "
            f"{word} in dataset {self.dataset}"
        )


def capture_path(commitments: list[bytes], commitment: bytes) -> tuple[int, tuple[bytes, ...]]:
    """Return place and inclusion proof of a commitment in its batch, in the order as logged.

    Raises:
        InvalidInput: ``no_leaf`` if it is not in the batch.
    """
    if commitment not in commitments:
        raise InvalidInput("no_leaf", "the commitment is not in this batch")
    index = commitments.index(commitment)
    tree = MerkleTree([leaf_hash(one) for one in commitments])
    return index, tree.inclusion_proof(index)


def make_proof(
    *, leaves: LeafTree, statement: bytes, dataset: DatasetId, capture: Capture
) -> bytes:
    """Write the proof of membership or absence, whichever is true.

    Args:
        leaves: the tree over the sorted leaves of the manifest.
        statement: the bytes of `statement.dsse.json`.
        dataset: the id in the manifest.
        capture: the capture of the conversation in question.
    """
    leaf = manifest_leaf(
        capture.secret,
        parse_id(IdKind.DATASET, dataset),
        parse_id(IdKind.CONVERSATION, capture.conversation),
    )
    at, member = leaves.find(leaf)
    document: dict[str, Json] = {
        "version": VERSION,
        "kind": (ProofKind.MEMBER if member else ProofKind.ABSENT).value,
        "dataset": dataset,
        "statement": read_canonical(statement),
        "capture": {
            "conversation": capture.conversation,
            "secret": capture.secret.hex(),
            "index": capture.index,
            "path": [part.hex() for part in capture.path],
            "entry": capture.entry.decode("utf-8"),
            "proof": capture.proof.decode("utf-8"),
        },
    }
    if member:
        document["member"] = _placed(leaves, at)
    else:
        document["left"] = _placed(leaves, at - 1) if at > 0 else None
        document["right"] = _placed(leaves, at) if at < leaves.size else None
    return canonical_json(document)


def verify_proof(
    data: bytes, verifier: Verifier, *, expected_capture: bytes | None = None
) -> ProofVerdict:
    """Check a proof and return what it shows.

    1. The statement is signed and names the dataset, the root and the number of its leaves.
    2. The secret opens a commitment in the batch of a logged ``capture.done``.
    3. That entry is proven under the checkpoint that the statement names: captured before.
    4. The leaf under the secret is in the tree, or its two neighbours leave no room for it.
    5. If `expected_capture` is given, the commitment is that one.

    Args:
        data: the proof.
        verifier: the public key of the log.
        expected_capture: the 32-byte commitment on the person's receipt; without it the verdict
            says `compared` is false and holds only for the capture that the maker chose.

    Raises:
        VerificationFailed: ``dataset_proof``, ``capture_mismatch`` or a code of `volens.log`.
    """
    try:
        return _verify(data, verifier, expected_capture)
    except InvalidInput as error:
        raise VerificationFailed(_CODE, f"dataset proof: {error.message}") from error


def _verify(data: bytes, verifier: Verifier, expected: bytes | None) -> ProofVerdict:
    top = Members(read_canonical(data), "proof", _CODE)
    top.constant("version", VERSION)
    kind = top.parsed("kind", ProofKind)
    ends = "member" if kind is ProofKind.MEMBER else "left right"
    top.exactly(f"version kind dataset statement capture {ends}")
    statement = verify_statement(canonical_json(top.object("statement").raw), verifier)
    dataset = top.dataset("dataset")
    if statement.dataset != dataset:
        raise _refused("the statement speaks of another dataset")
    capture = _read_capture(top.object("capture"))
    conversation = parse_id(IdKind.CONVERSATION, capture.conversation)
    commitment = capture_commitment(capture.secret, conversation)
    captured = _verify_capture(capture, commitment, statement, verifier)
    leaf = manifest_leaf(capture.secret, parse_id(IdKind.DATASET, dataset), conversation)
    if kind is ProofKind.MEMBER:
        _verify_member(_read_placed(top, "member"), leaf, statement)
    else:
        _verify_absent(_read_placed(top, "left"), _read_placed(top, "right"), leaf, statement)
    if expected is not None and not hmac.compare_digest(expected, commitment):
        hint = "compare the conversation id and the secret with your receipt"
        message = "the proof holds for another capture than the one expected"
        raise VerificationFailed("capture_mismatch", message, hint=hint)
    return ProofVerdict(
        kind=kind,
        dataset=dataset,
        conversation=capture.conversation,
        captured_at=captured.entry.at,
        statement=statement,
        commitment=commitment,
        compared=expected is not None,
    )


def _verify_capture(
    capture: Capture, commitment: bytes, statement: Statement, verifier: Verifier
) -> Logged:
    """Check that the commitment was logged before the dataset's own checkpoint."""
    logged = verify_logged(
        capture.entry, capture.proof, kind=EntryKind.CAPTURE_DONE, verifier=verifier
    )
    seen, log = logged.checkpoint, statement.log
    if (seen.origin, seen.size, seen.root) != (log.origin, log.size, log.root):
        raise _refused("the capture is not proven under the checkpoint that the dataset names")
    count, root = logged.entry.fields["count"], logged.entry.fields["root"]
    assert isinstance(count, int)
    assert isinstance(root, bytes)
    verify_inclusion(
        leaf_hash(commitment), index=capture.index, size=count, proof=capture.path, root=root
    )
    return logged


def _verify_member(found: Placed | None, leaf: bytes, statement: Statement) -> None:
    if found is None or found.leaf != leaf:
        raise _refused("the leaf is not that of this conversation")
    _verify_placed(found, statement)


def _verify_absent(
    left: Placed | None, right: Placed | None, leaf: bytes, statement: Statement
) -> None:
    """Check that no leaf can stand between the neighbours, and that ours would have to."""
    last = statement.records - 1
    if left is None and right is None:
        if statement.records or statement.merkle_root != EMPTY_ROOT:
            raise _refused("no neighbours in a manifest that is not empty")
        return
    if left is not None:
        _verify_placed(left, statement)
        if not left.leaf < leaf:
            raise _refused("the left neighbour is not below the leaf")
    if right is not None:
        _verify_placed(right, statement)
        if not leaf < right.leaf:
            raise _refused("the right neighbour is not above the leaf")
    before = left.index if left is not None else -1
    after = right.index if right is not None else last + 1
    if after != before + 1:
        raise _refused(f"leaves {before} and {after} are not neighbours")


def _verify_placed(placed: Placed, statement: Statement) -> None:
    verify_inclusion(
        leaf_hash(placed.leaf),
        index=placed.index,
        size=statement.records,
        proof=placed.path,
        root=statement.merkle_root,
    )


def _placed(leaves: LeafTree, index: int) -> Json:
    return {
        "leaf": leaves.leaf(index).hex(),
        "index": index,
        "path": [part.hex() for part in leaves.inclusion_proof(index)],
    }


def _read_placed(top: Members, name: str) -> Placed | None:
    if top.member(name) is None:
        return None
    placed = top.object(name)
    placed.exactly("leaf index path")
    return Placed(
        leaf=placed.digest("leaf"), index=placed.number("index"), path=placed.digests("path")
    )


def _read_capture(capture: Members) -> Capture:
    capture.exactly("conversation secret index path entry proof")
    return Capture(
        conversation=ConversationId(capture.string("conversation")),
        secret=capture.digest("secret"),
        index=capture.number("index"),
        path=capture.digests("path"),
        entry=capture.string("entry").encode("utf-8"),
        proof=capture.string("proof").encode("utf-8"),
    )


def _refused(message: str) -> VerificationFailed:
    return VerificationFailed(_CODE, f"dataset proof: {message}")
