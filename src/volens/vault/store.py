"""The vault: captures conversations as ciphertext and tells what it holds, never what they say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from volens.core.errors import NotFound
from volens.core.ids import ConversationId, IdKind, format_id, parse_id
from volens.core.ports import Clock, Entropy
from volens.core.purposes import Signal
from volens.core.time import from_millis, to_millis
from volens.crypto.binding import ContentPlace
from volens.crypto.keystore import Holder
from volens.crypto.sealing import Sealed, Sealer, ToSeal
from volens.log.fields import Value
from volens.log.kinds import CaptureSource, EntryKind
from volens.log.merkle import MerkleTree, leaf_hash
from volens.log.recorder import Recorder
from volens.vault.model import Conversation, pack_payload
from volens.vault.subjects import Subject, check_word
from volens.vault.tables import CAPTURE_BATCH, CONVERSATION, LEAF, SEALED


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the vault knows of one conversation without opening it."""

    number: int
    id: ConversationId
    subject_no: int
    source: str
    created: datetime | None
    captured: datetime
    signal: Signal
    turns: int
    size_bytes: int
    sequence: int
    batch_no: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """How many conversations of a capture were new, changed or known already."""

    added: int
    updated: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One conversation that has to be sealed: new, or new bytes of a known one."""

    subject: Subject
    conversation: Conversation
    raw: bytes
    payload: bytes
    sequence: int
    number: int | None
    content_digest: bytes
    source_digest: bytes


class Vault:
    """Captures and lists sealed conversations of the subjects in the same database."""

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        recorder: Recorder,
        *,
        tenant: bytes,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Use tables in `engine`; `tenant` (16 bytes) is bound into every ciphertext."""
        self._engine = engine
        self._sealer = sealer
        self._recorder = recorder
        self._tenant = tenant
        self._clock = clock
        self._entropy = entropy

    def capture(
        self, wanted: Mapping[Subject, Sequence[Conversation]], *, source: CaptureSource
    ) -> CaptureResult:
        """Seal and store conversations; a second capture of the same thing changes nothing.

        1. Keys of the new conversations become durable.
        2. One log entry commits to all of them under a Merkle root.
        3. Rows and ciphertext are committed together.

        If it stops after 1 or 2 there are keys without content, or an entry about content that
        never came to be held; a repeated call captures it anew. Nothing here grants a use.

        Raises:
            InvalidInput: if a conversation is over a limit; nothing of the call is stored.
        """
        for conversation in itertools.chain.from_iterable(wanted.values()):
            check_word("source", conversation.source)
        changes: list[_Change] = []
        known = 0
        with self._engine.connect() as db:
            for subject, conversations in wanted.items():
                latest: dict[bytes, Conversation] = {}
                for conversation in conversations:
                    digest = self._source_digest(conversation)
                    known += digest in latest
                    latest[digest] = _with_signal(conversation, latest.get(digest))
                found, unchanged = self._changes(db, subject, latest)
                changes += found
                known += unchanged
        if not changes:
            return CaptureResult(added=0, updated=0, known=known)
        sealed = self._sealer.seal(self._to_seal(changes))
        commitments = b"".join(sealed[change.raw].commitment for change in changes)
        index = self._log_capture(commitments, source)
        with self._engine.begin() as db:
            self._store(db, changes, sealed, commitments, index)
        added = sum(change.number is None for change in changes)
        return CaptureResult(added=added, updated=len(changes) - added, known=known)

    def find(self, name: str) -> Held:
        """Return the conversation with this id.

        Raises:
            InvalidInput: if `name` is not a conversation id.
            NotFound: if it is not here.
        """
        raw = parse_id(IdKind.CONVERSATION, name)
        with self._engine.connect() as db:
            row = db.execute(select(CONVERSATION).where(CONVERSATION.c.id == raw)).first()
        if row is None:
            raise NotFound("conversation_unknown", f"no conversation {name} here")
        return _held(row)

    def of_subject(self, subject: Subject) -> Iterator[Held]:
        """Yield a person's conversations, in the order they were captured."""
        query = select(CONVERSATION).where(CONVERSATION.c.subject_no == subject.number)
        with self._engine.connect() as db:
            for row in db.execute(query.order_by(CONVERSATION.c.no)).yield_per(1000):
                yield _held(row)

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
        self, db: Connection, subject: Subject, latest: Mapping[bytes, Conversation]
    ) -> tuple[list[_Change], int]:
        columns = select(
            CONVERSATION.c.source_digest,
            CONVERSATION.c.no,
            CONVERSATION.c.id,
            CONVERSATION.c.content_digest,
            CONVERSATION.c.sequence,
        ).where(CONVERSATION.c.subject_no == subject.number)
        there: dict[bytes, Row[tuple[bytes, int, bytes, bytes, int]]] = {}
        digests = list(latest)
        for start in range(0, len(digests), 900):  # SQLite's least limit is 999 variables
            some = digests[start : start + 900]
            rows = db.execute(columns.where(CONVERSATION.c.source_digest.in_(some)))
            there.update({row.source_digest: row for row in rows})
        changes = []
        for digest, conversation in latest.items():
            payload = pack_payload(conversation)
            content = self._sealer.lookup(b"content", payload + conversation.signal.value.encode())
            row = there.get(digest)
            if row is not None and row.content_digest == content:
                continue
            changes.append(
                _Change(
                    subject=subject,
                    conversation=conversation,
                    raw=self._entropy.draw(16) if row is None else row.id,
                    payload=payload,
                    sequence=0 if row is None else row.sequence + 1,
                    number=None if row is None else row.no,
                    content_digest=content,
                    source_digest=digest,
                )
            )
        return changes, len(latest) - len(changes)

    def _to_seal(self, changes: Sequence[_Change]) -> dict[Holder, list[ToSeal]]:
        items: dict[Holder, list[ToSeal]] = {}
        for change in changes:
            holder = change.subject.holder
            place = ContentPlace(
                tenant=self._tenant,
                subject=holder.raw,
                conversation=change.raw,
                sequence=change.sequence,
            )
            items.setdefault(holder, []).append(ToSeal(place=place, payload=change.payload))
        return items

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
        db: Connection,
        changes: Sequence[_Change],
        sealed: Mapping[bytes, Sealed],
        commitments: bytes,
        log_index: int,
    ) -> None:
        batch = db.execute(
            insert(CAPTURE_BATCH).values(log_index=log_index, commitments=commitments)
        )
        (batch_no,) = batch.inserted_primary_key or (0,)
        next_no = (db.execute(select(func.max(CONVERSATION.c.no))).scalar() or 0) + 1
        now = to_millis(self._clock.now())
        rows, envelopes = [], []
        for position, change in enumerate(changes):
            number = change.number
            row = _row(change, now, batch_no, position)
            if number is None:
                number, next_no = next_no, next_no + 1
                rows.append({"no": number, **row})
            else:
                row.pop("captured_ms")
                # A signal once given is never lost by a later copy that lacks it.
                if row["signal"] == Signal.NONE.value:
                    row.pop("signal")
                db.execute(update(CONVERSATION).where(CONVERSATION.c.no == number).values(row))
            envelope = sealed[change.raw].envelope
            envelopes.append({"conversation_no": number, "envelope": envelope})
        if rows:
            db.execute(insert(CONVERSATION), rows)
        db.execute(insert(SEALED).prefix_with("OR REPLACE"), envelopes)

    def _source_digest(self, conversation: Conversation) -> bytes:
        name = f"{conversation.source}\x00{conversation.source_id}"
        return self._sealer.lookup(b"source", name.encode("utf-8", "surrogatepass"))


def _with_signal(conversation: Conversation, before: Conversation | None) -> Conversation:
    """Keep the signal of an earlier copy in the same capture that the later one lacks."""
    if before is None or conversation.signal is not Signal.NONE:
        return conversation
    return replace(conversation, signal=before.signal)


def _row(change: _Change, now_ms: int, batch_no: int, position: int) -> dict[str, object]:
    conversation = change.conversation
    created, updated = conversation.created, conversation.updated
    return {
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
    }


def _held(row: Row[tuple[object, ...]]) -> Held:
    return Held(
        number=row.no,
        id=ConversationId(format_id(IdKind.CONVERSATION, row.id)),
        subject_no=row.subject_no,
        source=row.source,
        created=None if row.created_ms is None else from_millis(row.created_ms),
        captured=from_millis(row.captured_ms),
        signal=Signal(row.signal),
        turns=row.turns,
        size_bytes=row.size_bytes,
        sequence=row.sequence,
        batch_no=row.batch_no,
        position=row.position,
    )
