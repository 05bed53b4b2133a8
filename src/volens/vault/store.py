"""The vault: captures conversations as ciphertext and tells what it holds, never what they say."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from volens.core.errors import NotFound
from volens.core.ids import ConversationId, IdKind, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import Signal
from volens.core.time import from_millis, to_millis
from volens.crypto.blocks import Member
from volens.crypto.keystore import Holder
from volens.crypto.sealing import Drawn, SealedBlock, Sealer
from volens.log.fields import Value
from volens.log.kinds import CaptureSource, EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs
from volens.vault.blocks import Entry, pack_body
from volens.vault.changes import Change, in_blocks, row_of, update_row, with_signal
from volens.vault.model import Conversation, pack_payload
from volens.vault.removal import Removal
from volens.vault.subjects import Subject, check_word, next_number
from volens.vault.tables import BLOCK, CAPTURE_BATCH, CONVERSATION, LEAF


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the vault knows of one conversation without opening it."""

    number: int
    id: ConversationId
    subject_no: int
    source: str
    created: datetime | None
    updated: datetime | None
    captured: datetime
    signal: Signal
    turns: int
    size_bytes: int
    sequence: int
    batch_no: int
    position: int
    block_no: int
    ended: datetime | None
    """When access to it ended; its erasure follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """How many conversations of a capture were new, changed or known already."""

    added: int
    updated: int
    known: int
    held: int = 0
    """Changed elsewhere, but left as they are here: a hold keeps them."""


class Holding(Protocol):
    """Tells what a hold keeps. Adapter: `volens.holds.register.HoldRegister`."""

    def holding_many(
        self, conversations: Iterable[ConversationId], at: datetime
    ) -> Mapping[ConversationId, object]:
        """Return those of the conversations that are held at `at`, as keys."""
        ...


class NoneHeld:
    """Holds nothing."""

    def holding_many(
        self, conversations: Iterable[ConversationId], at: datetime
    ) -> Mapping[ConversationId, object]:
        """Return none of them."""
        del conversations, at
        return {}


class Vault:
    """Captures and lists sealed conversations of the subjects in the same database."""

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        removal: Removal,
        recorder: Recorder,
        *,
        tenant: bytes,
        clock: Clock,
        entropy: Entropy,
        holding: Holding | None = None,
    ) -> None:
        """Use tables in `engine`; `tenant` (16 bytes) is bound into every ciphertext.

        What `holding` names is not replaced by a later version.
        """
        self._holding = holding or NoneHeld()
        self._engine = engine
        self._sealer = sealer
        self._removal = removal
        self._recorder = recorder
        self._tenant = tenant
        self._clock = clock
        self._entropy = entropy

    def capture(
        self, wanted: Mapping[Subject, Sequence[Conversation]], *, source: CaptureSource
    ) -> CaptureResult:
        """Seal and store conversations; a second capture of the same thing changes nothing.

        1. Keys of the new conversations, and of the blocks to hold them, become durable.
        2. One log entry commits to all of them under a Merkle root.
        3. Rows and ciphertext are committed together; former versions leave their blocks.
        4. The keys of blocks that are not stored any more are dropped.

        If it stops after 1 or 2 there are keys without content, which the next start drops, or an
        entry about content that never came to be held; a repeated call captures it anew. If it
        stops after 3, the next start does 4. Nothing here grants a use.

        What a hold keeps stays as it is, turn for turn, until the hold ends; a repeated call takes
        the new version in then. A negative signal that comes with it counts at once.

        Raises:
            InvalidInput: if a conversation is over a limit; nothing of the call is stored.
        """
        for conversation in itertools.chain.from_iterable(wanted.values()):
            check_word("source", conversation.source)
        changes: list[Change] = []
        known = 0
        with self._engine.connect() as db:
            next_no = next_number(db, CONVERSATION)
            for subject, conversations in wanted.items():
                latest: dict[bytes, Conversation] = {}
                for conversation in conversations:
                    digest = self._source_digest(conversation)
                    known += digest in latest
                    latest[digest] = with_signal(conversation, latest.get(digest))
                found, unchanged = self._changes(db, subject, latest, next_no)
                next_no += sum(change.old_block is None for change in found)
                changes += found
                known += unchanged
        changes, frozen = self._without_held(changes)
        if not changes:
            return CaptureResult(added=0, updated=0, known=known, held=frozen)
        blocks = in_blocks(changes)
        wanted_keys: dict[Holder, list[bytes]] = {}
        counts: dict[Holder, int] = {}
        for holder, some in blocks:
            wanted_keys.setdefault(holder, []).extend(change.raw for change in some)
            counts[holder] = counts.get(holder, 0) + 1
        self._removal.begin({change.subject.number for change in changes})
        drawn = self._sealer.draw(wanted_keys, counts)
        commitments = b"".join(
            drawn.commitments[change.raw] for _, some in blocks for change in some
        )
        index = self._log_capture(commitments, source)
        self._store(blocks, drawn, commitments, index)
        added = sum(change.old_block is None for change in changes)
        updated = len(changes) - added
        return CaptureResult(added=added, updated=updated, known=known, held=frozen)

    def find(self, name: str) -> Held:
        """Return the conversation with this id.

        Raises:
            InvalidInput: if `name` is not a conversation id.
            NotFound: if it is not here, or access to it has ended.
        """
        held = self.find_ended(name)
        if held.ended is not None:
            raise NotFound("conversation_unknown", f"no conversation {name} here")
        return held

    def find_ended(self, name: str) -> Held:
        """Do as `find`, also for what only waits for its erasure."""
        raw = parse_id(IdKind.CONVERSATION, name)
        with self._engine.connect() as db:
            row = db.execute(select(CONVERSATION).where(CONVERSATION.c.id == raw)).first()
        if row is None:
            raise NotFound("conversation_unknown", f"no conversation {name} here")
        return held_from(row)

    def of_subject(self, subject: Subject, *, ended: bool = False) -> Iterator[Held]:
        """Yield a person's conversations, in the order they were captured.

        Args:
            subject: whose.
            ended: also what only waits for its erasure.
        """
        query = select(CONVERSATION).where(CONVERSATION.c.subject_no == subject.number)
        if not ended:
            query = query.where(CONVERSATION.c.ended_ms.is_(None))
        with self._engine.connect() as db:
            for row in db.execute(query.order_by(CONVERSATION.c.no)).yield_per(1000):
                yield held_from(row)

    def count(self) -> int:
        """Return how many conversations are held."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.count()).select_from(CONVERSATION)).scalar() or 0)

    def counts_by_subject(self) -> dict[int, int]:
        """Return how many conversations each subject number has."""
        query = select(CONVERSATION.c.subject_no, func.count()).group_by(CONVERSATION.c.subject_no)
        with self._engine.connect() as db:
            return {row[0]: row[1] for row in db.execute(query)}

    def set_signal(self, held: Held, signal: Signal, holder: Holder) -> None:
        """Record a negative signal on one conversation, or take one back; logged first."""
        salt, commitment = self._recorder.commit(parse_id(IdKind.CONVERSATION, held.id))
        index = self._recorder.record(
            EntryKind.CONVERSATION_SIGNALLED, {"commitment": commitment, "signal": signal}
        )
        leaf = {"subject_no": holder.number, "log_index": index, "salt": salt, "opening": held.id}
        with self._engine.begin() as db:
            where = CONVERSATION.c.no == held.number
            db.execute(update(CONVERSATION).where(where).values(signal=signal.value))
            db.execute(insert(LEAF).values(leaf))

    def batch(self, number: int) -> tuple[int, list[bytes]]:
        """Return (log index, capture commitments in order) of one capture batch."""
        with self._engine.connect() as db:
            row = db.execute(select(CAPTURE_BATCH).where(CAPTURE_BATCH.c.no == number)).one()
        data = row.commitments
        return row.log_index, [data[at : at + 32] for at in range(0, len(data), 32)]

    def _changes(
        self, db: Connection, subject: Subject, latest: Mapping[bytes, Conversation], next_no: int
    ) -> tuple[list[Change], int]:
        columns = select(
            CONVERSATION.c.source_digest,
            CONVERSATION.c.no,
            CONVERSATION.c.id,
            CONVERSATION.c.content_digest,
            CONVERSATION.c.sequence,
            CONVERSATION.c.block_no,
            CONVERSATION.c.ended_ms,
        ).where(CONVERSATION.c.subject_no == subject.number)
        there: dict[bytes, Row[tuple[object, ...]]] = {}
        for some in in_runs(list(latest)):
            rows = db.execute(columns.where(CONVERSATION.c.source_digest.in_(some)))
            there.update({row.source_digest: row for row in rows})
        changes = []
        for digest, conversation in latest.items():
            payload = pack_payload(conversation)
            content = self._sealer.lookup(b"content", payload + conversation.signal.value.encode())
            row = there.get(digest)
            # What waits for its erasure is not brought back by another copy of it.
            if row is not None and (row.content_digest == content or row.ended_ms is not None):
                continue
            changes.append(
                Change(
                    subject=subject,
                    conversation=conversation,
                    raw=self._entropy.draw(16) if row is None else row.id,
                    payload=payload,
                    sequence=0 if row is None else row.sequence + 1,
                    number=next_no if row is None else row.no,
                    old_block=None if row is None else row.block_no,
                    content_digest=content,
                    source_digest=digest,
                )
            )
            next_no += row is None
        return changes, len(latest) - len(changes)

    def _without_held(self, changes: list[Change]) -> tuple[list[Change], int]:
        """Leave out what a hold keeps, but take its signal in; return the rest, and how many."""
        known = {
            ConversationId(format_id(IdKind.CONVERSATION, change.raw)): change
            for change in changes
            if change.old_block is not None
        }
        held = self._holding.holding_many(known, self._clock.now()) if known else {}
        for name in held:
            change = known[name]
            stored = self.find_ended(name)
            if change.conversation.signal is not Signal.NONE is stored.signal:
                self.set_signal(stored, change.conversation.signal, change.subject.holder)
        frozen = {known[name].raw for name in held}
        return [change for change in changes if change.raw not in frozen], len(frozen)

    def _log_capture(self, commitments: bytes, source: CaptureSource) -> int:
        hashes = [leaf_hash(commitments[at : at + 32]) for at in range(0, len(commitments), 32)]
        fields: dict[str, Value] = {
            "count": len(hashes),
            "root": MerkleTree(hashes).root(),
            "source": source,
        }
        return self._recorder.record(EntryKind.CAPTURE_DONE, fields)

    def _store(
        self,
        blocks: Sequence[tuple[Holder, list[Change]]],
        drawn: Drawn,
        commitments: bytes,
        log_index: int,
    ) -> None:
        now = to_millis(self._clock.now())
        with self._engine.begin() as db:
            self._removal.stored(db, {holder.number for holder, _ in blocks})
            batch_no = next_number(db, CAPTURE_BATCH)
            batch = {"no": batch_no, "log_index": log_index, "commitments": commitments}
            db.execute(insert(CAPTURE_BATCH).values(batch))
            first_block, position = next_number(db, BLOCK), 0
            new: list[dict[str, object]] = []
            changed: list[dict[str, object]] = []
            sealed: list[dict[str, object]] = []
            former: list[tuple[Holder, int, Member]] = []
            for block_no, (holder, changes) in enumerate(blocks, first_block):
                block = self._seal(holder, changes, drawn, batch_no, position)
                sealed.append(
                    {
                        "no": block_no,
                        "subject_no": holder.number,
                        "id": block.id,
                        "envelope": block.envelope,
                    }
                )
                for place, change in enumerate(changes, position):
                    row = row_of(change, now, batch_no, place, block_no)
                    (new if change.old_block is None else changed).append(row)
                former += [
                    (holder, change.old_block, (change.raw, change.sequence - 1))
                    for change in changes
                    if change.old_block is not None
                ]
                position += len(changes)
            self._removal.former_versions(db, former)
            db.execute(insert(BLOCK), sealed)
            if new:
                db.execute(insert(CONVERSATION), new)
            for row in changed:
                update_row(db, row)
        self._removal.finish()

    def _seal(
        self,
        holder: Holder,
        changes: Sequence[Change],
        drawn: Drawn,
        batch_no: int,
        position: int,
    ) -> SealedBlock:
        body = pack_body(
            [
                Entry(
                    number=change.number,
                    batch=batch_no,
                    position=position + place,
                    payload=change.payload,
                )
                for place, change in enumerate(changes)
            ]
        )
        members = [(change.raw, change.sequence) for change in changes]
        return drawn.seal(holder, members, body, tenant=self._tenant)

    def _source_digest(self, conversation: Conversation) -> bytes:
        name = f"{conversation.source}\x00{conversation.source_id}"
        return self._sealer.lookup(b"source", name.encode("utf-8", "surrogatepass"))


def held_from(row: Row[tuple[object, ...]]) -> Held:
    """Return what one row says of a conversation."""
    return Held(
        number=row.no,
        id=ConversationId(format_id(IdKind.CONVERSATION, row.id)),
        subject_no=row.subject_no,
        source=row.source,
        created=None if row.created_ms is None else from_millis(row.created_ms),
        updated=None if row.updated_ms is None else from_millis(row.updated_ms),
        captured=from_millis(row.captured_ms),
        signal=Signal(row.signal),
        turns=row.turns,
        size_bytes=row.size_bytes,
        sequence=row.sequence,
        batch_no=row.batch_no,
        position=row.position,
        block_no=row.block_no,
        ended=None if row.ended_ms is None else from_millis(row.ended_ms),
    )
