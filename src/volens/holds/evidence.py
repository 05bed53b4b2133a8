"""What the log says of each erasure, and what opens it: the ground of its receipt.

An entry about one erasure carries a salted commitment. An entry about a group carries a count and
the root of a Merkle tree (RFC 6962, 2.1) over such commitments, one leaf for each erasure. Either
way the commitment is `log.entries.commit(salt, id)`, with the 16 raw bytes of the erasure's id: the
reference number that its person was given, and nothing else about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from volens.core.errors import VerificationFailed
from volens.core.ids import ErasureId, IdKind, parse_id
from volens.log.entries import commit
from volens.log.fields import Value
from volens.log.kinds import EntryKind
from volens.log.merkle import MerkleTree, leaf_hash, verify_inclusion
from volens.log.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedStep:
    """One log entry about one erasure, with what opens it."""

    kind: EntryKind
    index: int
    """The entry's place in the log."""
    salt: bytes = field(repr=False)
    count: int = 0
    """How many erasures a group entry is about; 0 for an entry about this one alone."""
    place: int = 0
    """This erasure's leaf in the group's tree."""
    path: tuple[bytes, ...] = field(default=(), repr=False)
    """The inclusion proof of that leaf."""

    def commitment(self, erasure: ErasureId) -> bytes:
        """Return the 32-byte commitment that the entry, or the leaf, carries."""
        return commit(self.salt, parse_id(IdKind.ERASURE, erasure))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the log says of one erasure, in the log's order."""

    erasure: ErasureId
    steps: tuple[LoggedStep, ...]

    def of(self, kind: EntryKind) -> LoggedStep | None:
        """Return the latest entry of one kind, or None."""
        found = [step for step in self.steps if step.kind is kind]
        return found[-1] if found else None


def verify_step(step: LoggedStep, erasure: ErasureId, fields: Mapping[str, Value]) -> None:
    """Check that an entry with these fields is about `erasure`.

    Args:
        step: what opens it.
        erasure: the reference number.
        fields: those of the parsed entry of the kind `step.kind`.

    Raises:
        VerificationFailed: ``erasure_evidence`` or ``inclusion_proof``.
    """
    commitment = step.commitment(erasure)
    if step.count == 0:
        if fields.get("commitment") != commitment:
            raise VerificationFailed(
                "erasure_evidence", f"the entry {step.kind.value} is not about {erasure}"
            )
        return
    root = fields.get("root")
    if fields.get("count") != step.count or not isinstance(root, bytes):
        raise VerificationFailed(
            "erasure_evidence", f"the entry {step.kind.value} is about another group"
        )
    verify_inclusion(
        leaf_hash(commitment), index=step.place, size=step.count, proof=step.path, root=root
    )


def log_each(
    recorder: Recorder, kind: EntryKind, items: Mapping[ErasureId, Mapping[str, Value]]
) -> dict[ErasureId, LoggedStep]:
    """Write one entry for each erasure, as one durable group; return what opens each.

    Args:
        recorder: the log's.
        kind: of all of them.
        items: the fields besides ``commitment``.
    """
    salted = {name: recorder.commit(parse_id(IdKind.ERASURE, name)) for name in items}
    indexes = recorder.record_all(
        [(kind, {"commitment": salted[name][1], **fields}) for name, fields in items.items()]
    )
    return {
        name: LoggedStep(kind=kind, index=index, salt=salted[name][0])
        for name, index in zip(items, indexes, strict=True)
    }


def log_group(
    recorder: Recorder,
    kind: EntryKind,
    erasures: Sequence[ErasureId],
    fields: Mapping[str, Value] | None = None,
) -> dict[ErasureId, LoggedStep]:
    """Write one entry about all of `erasures`, at least one; return what opens it for each.

    Args:
        recorder: the log's.
        kind: one with ``count`` and ``root``.
        erasures: each once.
        fields: the others of the kind.
    """
    salted = [recorder.commit(parse_id(IdKind.ERASURE, name)) for name in erasures]
    tree = MerkleTree([leaf_hash(commitment) for _, commitment in salted])
    index = recorder.record(kind, {"count": len(salted), "root": tree.root(), **(fields or {})})
    return {
        name: LoggedStep(
            kind=kind,
            index=index,
            salt=salt,
            count=len(salted),
            place=place,
            path=tree.inclusion_proof(place),
        )
        for place, (name, (salt, _)) in enumerate(zip(erasures, salted, strict=True))
    }
