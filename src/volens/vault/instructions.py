"""Versions of what organisations instruct (R20): numbered, hashed, and named by accesses.

Each instruction of an organisation is a new version, from 1 on: the whole of what it instructs, as
canonical JSON, by its SHA-256. The log commits to it. An access names all versions in force when it
was decided by one root: it says which instructions stood, and not whose data was opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, select

from volens.core.canonical import canonical_json
from volens.core.time import from_millis, to_millis
from volens.log.merkle import MerkleTree, leaf_hash
from volens.vault.tables import INSTRUCTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One version of what an organisation instructs."""

    organisation: str
    version: int
    """From 1 on."""
    document: str
    """Canonical JSON: organisation, version, purposes, keeping."""
    at: datetime
    log_index: int

    @property
    def sha256(self) -> str:
        """The hash of the document, in hexadecimal."""
        return hashlib.sha256(self.document.encode()).hexdigest()


def write_document(organisation: str, version: int, purposes: str, keeping: str) -> bytes:
    """Return the document of a version; purposes and times as the table of organisations has them.

    The keys are `organisation`, `version`, `purposes` (sorted) and `keeping` (``class=days``).
    """
    return canonical_json(
        {
            "organisation": organisation,
            "version": version,
            "purposes": [*purposes.split()],
            "keeping": [*keeping.split()],
        }
    )


def next_version(engine: Engine, organisation: str) -> int:
    """Return the number of an organisation's next instruction."""
    query = select(func.max(INSTRUCTION.c.version)).where(
        INSTRUCTION.c.organisation == organisation
    )
    with engine.connect() as db:
        return int(db.execute(query).scalar() or 0) + 1


def keep_version(
    db: Connection, instruction: Instruction, *, salt: bytes, commitment: bytes
) -> None:
    """Keep a version, with what opens its log entry."""
    row = {
        "organisation": instruction.organisation,
        "version": instruction.version,
        "document": instruction.document,
        "at_ms": to_millis(instruction.at),
        "log_index": instruction.log_index,
        "salt": salt,
        "commitment": commitment,
    }
    db.execute(insert(INSTRUCTION).values(row))


def versions(engine: Engine, organisation: str | None = None) -> tuple[Instruction, ...]:
    """Return all versions, of one organisation or of all, in the order they were recorded."""
    query = select(INSTRUCTION).order_by(INSTRUCTION.c.log_index)
    if organisation is not None:
        query = query.where(INSTRUCTION.c.organisation == organisation)
    with engine.connect() as db:
        found = db.execute(query).all()
    return tuple(
        Instruction(
            organisation=row.organisation,
            version=row.version,
            document=row.document,
            at=from_millis(row.at_ms),
            log_index=row.log_index,
        )
        for row in found
    )


def in_force(engine: Engine) -> bytes | None:
    """Return the root that names all instructions in force; None if nobody has instructed anything.

    It is the root (RFC 6962, 2.1) over the commitments in the log entries of each organisation's
    latest version, in the order of the entries.
    """
    latest = select(func.max(INSTRUCTION.c.log_index)).group_by(INSTRUCTION.c.organisation)
    query = (
        select(INSTRUCTION.c.commitment)
        .where(INSTRUCTION.c.log_index.in_(latest))
        .order_by(INSTRUCTION.c.log_index)
    )
    with engine.connect() as db:
        commitments: Sequence[bytes] = db.execute(query).scalars().all()
    return MerkleTree([leaf_hash(one) for one in commitments]).root() if commitments else None
