"""What a capture changes: conversations on their way into blocks and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, update

from volens.core.purposes import Signal
from volens.core.time import to_millis
from volens.crypto.keystore import Holder
from volens.vault.model import Conversation
from volens.vault.subjects import Subject
from volens.vault.tables import CONVERSATION

BLOCK_BYTES = 64 * 1024
"""About how much one block holds; a longer conversation has a block of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One conversation that has to be sealed: new, or new bytes of a known one."""

    subject: Subject
    conversation: Conversation
    raw: bytes
    payload: bytes = field(repr=False)
    sequence: int
    number: int
    """Its row; of a new one, the row it will have."""
    old_block: int | None
    """The block that holds its former version; None for a new one."""
    content_digest: bytes
    source_digest: bytes


def in_blocks(changes: Sequence[Change]) -> list[tuple[Holder, list[Change]]]:
    """Return blocks of about `BLOCK_BYTES`, each of one person, in order."""
    blocks: list[tuple[Holder, list[Change]]] = []
    size = 0
    for change in changes:
        holder, more = change.subject.holder, len(change.payload)
        if not blocks or blocks[-1][0] != holder or size + more > BLOCK_BYTES:
            blocks.append((holder, []))
            size = 0
        blocks[-1][1].append(change)
        size += more
    return blocks


def with_signal(conversation: Conversation, before: Conversation | None) -> Conversation:
    """Keep the signal of an earlier copy in the same capture that the later one lacks."""
    if before is None or conversation.signal is not Signal.NONE:
        return conversation
    return replace(conversation, signal=before.signal)


def row_of(
    change: Change, now_ms: int, batch_no: int, position: int, block_no: int
) -> dict[str, object]:
    """Return a change as the row that it becomes."""
    conversation = change.conversation
    created, updated = conversation.created, conversation.updated
    return {
        "no": change.number,
        "id": change.raw,
        "subject_no": change.subject.number,
        "source": conversation.source,
        "source_digest": change.source_digest,
        "content_digest": change.content_digest,
        "created_ms": None if created is None else to_millis(created),
        "updated_ms": None if updated is None else to_millis(updated),
        "captured_ms": now_ms,
        "signal": conversation.signal.value,
        "turns": len(conversation.turns),
        "size_bytes": len(change.payload),
        "sequence": change.sequence,
        "batch_no": batch_no,
        "position": position,
        "block_no": block_no,
    }


def update_row(db: Connection, row: dict[str, object]) -> None:
    """Change the row of a known conversation to its new version."""
    values = {name: value for name, value in row.items() if name != "captured_ms"}
    # A signal once given is never lost by a later copy that lacks it.
    if values["signal"] == Signal.NONE.value:
        values.pop("signal")
    db.execute(update(CONVERSATION).where(CONVERSATION.c.no == row["no"]).values(values))
