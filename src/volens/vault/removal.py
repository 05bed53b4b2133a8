"""Taking conversations and people out of the vault: keys, ciphertext, rows, in an order that holds.

A block is never changed in place: the one without what goes is sealed under a new key and stored
in one transaction with the list of keys that nothing needs any more (`obsolete_key`); those are
dropped right after, and by `finish` at the next start if the process died in between.

New keys are durable before what they open is stored. Whose keys are about to be drawn is noted
first (`begin`), under an empty key in the same list, and the note goes in the transaction that
stores what they open: what a stop in between left is found by the note and by nothing else, and
dropped by `finish` as well.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from volens.core.errors import NotFound
from volens.core.ids import ConversationId, IdKind, parse_id
from volens.core.ports import Entropy
from volens.core.time import to_millis
from volens.crypto.blocks import Member
from volens.crypto.keystore import Holder, KeyStore
from volens.crypto.sealing import SealedBlock
from volens.crypto.shredding import Rewrite, Shredder
from volens.storage.engine import driver_of, execute_many, in_runs
from volens.vault.blocks import change_body, merge_bodies
from volens.vault.people import any_of, without_people
from volens.vault.subjects import Subject
from volens.vault.tables import (
    BLOCK,
    BULK_ACCESS,
    CONVERSATION,
    LEAF,
    OBSOLETE_KEY,
    SUBJECT,
)

Change = Callable[[bytes], bytes]
"""From one payload to another; pure."""
_NOTE = b""  # as a key: keys of this person are being drawn
_SMALL_BYTES = 16 * 1024
_MANY_BLOCKS = 8
_SCATTERED = """
SELECT subject_no FROM block WHERE length(envelope) < ?
GROUP BY subject_no HAVING count(*) >= ? ORDER BY subject_no
"""  # the length of a blob is read without the blob
_MERGED_BYTES = 64 * 1024


class Removal:
    """Ends access, erases, and keeps blocks whole. The caller has logged why."""

    def __init__(self, engine: Engine, shredder: Shredder) -> None:
        """Use tables in `engine`."""
        self._engine = engine
        self._shredder = shredder

    def end_access(self, ended: Sequence[tuple[int, datetime]]) -> None:
        """Make conversations unreadable for everybody; what ended before keeps its moment."""
        with self._engine.begin() as db:
            execute_many(
                db,
                "UPDATE conversation SET ended_ms = ? WHERE no = ? AND ended_ms IS NULL",
                [(to_millis(at), number) for number, at in ended],
            )

    def resume_access(self, numbers: Sequence[int]) -> None:
        """Take that back."""
        with self._engine.begin() as db:
            execute_many(
                db,
                "UPDATE conversation SET ended_ms = NULL WHERE no = ?",
                [(number,) for number in numbers],
            )

    def erase_conversations(self, wanted: Mapping[Subject, Sequence[ConversationId]]) -> None:
        """Erase conversations; those that are gone already are no error.

        1. Each block that holds one of them is sealed anew without it, under a new key.
        2. In one transaction: the new blocks take the place of the old, the rows go, and the keys
           of what went are put on the list of obsolete ones.
        3. Those keys are dropped; from here on nothing in the home opens what went.

        If it stops after 1, there are keys that open nothing, until the next start. If it stops
        after 2, the next start does 3. Repeating the call leads to the same state.
        """
        numbers = [subject.number for subject in wanted]
        self.begin(numbers)
        with self._engine.begin() as db:
            self.stored(db, numbers)
            found = [
                (subject, row)
                for subject, names in wanted.items()
                for row in _rows(db, subject, names)
            ]
            self.former_versions(
                db, [(one.holder, row.block_no, (row.id, row.sequence)) for one, row in found]
            )
            _obsolete(db, [(one.number, row.id) for one, row in found])
            execute_many(
                db, "DELETE FROM conversation WHERE no = ?", [(row.no,) for _, row in found]
            )
            execute_many(
                db,
                "DELETE FROM leaf WHERE subject_no = ? AND opening = ?",
                [(one.number, name) for one, names in wanted.items() for name in names],
            )
        self.finish()

    def carve(
        self, subject: Subject, name: ConversationId, kept: Sequence[int], change: Change
    ) -> bool:
        """Change what is stored of one conversation, under a new key; say whether it was to do.

        In the steps of `erase_conversations`. The payload is handed to `change`, a pure function,
        inside the call and to nobody else. What it came to is remembered by `kept`, so that doing
        it again is no work.

        Args:
            subject: whose.
            name: which conversation.
            kept: the turns that `change` keeps.
            change: from the payload that is stored to the one that stays.

        Raises:
            NotFound: if it is not here.
        """
        done = hashlib.sha256(b"volens/carved/v1\x00" + repr(list(kept)).encode()).digest()[:16]
        self.begin([subject.number])
        with self._engine.begin() as db:
            self.stored(db, [subject.number])
            row = next(iter(_rows(db, subject, [name])), None)
            if row is None:
                raise NotFound("conversation_unknown", f"no conversation {name} here")
            if row.content_digest == done:
                return False
            layout = functools.partial(change_body, number=row.no, change=change)
            rewrite = Rewrite(
                holder=subject.holder,
                blocks=[_blocks(db, [row.block_no])[row.block_no]],
                anew=frozenset({row.id}),
                layout=layout,
            )
            self._replace(db, [row.block_no], rewrite)
            values = {"content_digest": done, "sequence": row.sequence + 1}
            db.execute(update(CONVERSATION).where(CONVERSATION.c.no == row.no).values(values))
        self.finish()
        return True

    def erase_accounts(self, subjects: Sequence[Subject]) -> None:
        """Erase people with everything the vault holds of them; twice is no error.

        1. All their keys are dropped, in one transaction: nothing opens any more.
        2. Rows and ciphertext go.

        If it stops after 1, repeating the call does 2.
        """
        self.drop_account_keys(subjects)
        numbers = [(subject.number,) for subject in subjects]
        with self._engine.begin() as db:
            _leave_sets(db, [subject.number for subject in subjects])
            for table in (BLOCK, CONVERSATION, LEAF, OBSOLETE_KEY):
                execute_many(db, f"DELETE FROM {table.name} WHERE subject_no = ?", numbers)  # noqa: S608 - a constant name
            execute_many(db, f"DELETE FROM {SUBJECT.name} WHERE no = ?", numbers)  # noqa: S608 - a constant name

    def drop_account_keys(self, subjects: Sequence[Subject]) -> None:
        """Do the first step of `erase_accounts` alone: from here on nothing of them opens."""
        self._shredder.drop_accounts([subject.number for subject in subjects])

    def former_versions(self, db: Connection, going: Sequence[tuple[Holder, int, Member]]) -> None:
        """Within `db`'s transaction, rewrite the blocks that hold versions which are to go.

        Args:
            db: an open transaction.
            going: (whose, number of the block, conversation and sequence); `finish` follows it.
        """
        by_block: dict[tuple[Holder, int], list[Member]] = {}
        for holder, block_no, member in going:
            by_block.setdefault((holder, block_no), []).append(member)
        self._rewrite(db, [(holder, [no], gone) for (holder, no), gone in by_block.items()])

    def compact(self, subject: Subject) -> int:
        """Merge a person's small blocks; return how many blocks are fewer now."""
        self.begin([subject.number])
        with self._engine.begin() as db:
            self.stored(db, [subject.number])
            runs = _small_runs(db, subject)
            self._rewrite(db, [(subject.holder, run, []) for run in runs])
        self.finish()
        return sum(len(run) - 1 for run in runs)

    def scattered(self) -> list[int]:
        """Return the numbers of people who have many small blocks, which are worth merging."""
        with self._engine.connect() as db:
            rows = driver_of(db).execute(_SCATTERED, (_SMALL_BYTES, _MANY_BLOCKS)).fetchall()
        return [number for (number,) in rows]

    def begin(self, numbers: Collection[int]) -> None:
        """Note that keys are about to be drawn for the people in these rows; durable on return."""
        self.finish()
        with self._engine.begin() as db:
            _obsolete(db, [(number, _NOTE) for number in numbers])

    def stored(self, db: Connection, numbers: Collection[int]) -> None:
        """Within `db`'s transaction, which stores what those keys open, take the note back."""
        execute_many(
            db,
            "DELETE FROM obsolete_key WHERE subject_no = ? AND key_id = ?",
            [(number, _NOTE) for number in numbers],
        )

    def finish(self) -> None:
        """Drop the keys that nothing needs any more, if a stop left some."""
        with self._engine.connect() as db:
            rows = db.execute(
                select(OBSOLETE_KEY.c.subject_no, OBSOLETE_KEY.c.key_id, SUBJECT.c.id).join(
                    SUBJECT, SUBJECT.c.no == OBSOLETE_KEY.c.subject_no
                )
            ).all()
        if not rows:
            return
        unwanted: dict[Holder, list[bytes]] = {}
        for row in rows:
            holder = Holder(number=row.subject_no, raw=row.id)
            unwanted.setdefault(holder, []).append(row.key_id)
        self._shredder.drop(unwanted)
        for holder, keys in unwanted.items():
            if _NOTE in keys:
                self._shredder.keep_only(holder, self._needed(holder))
        with self._engine.begin() as db:
            execute_many(
                db,
                "DELETE FROM obsolete_key WHERE subject_no = ? AND key_id = ?",
                [(row.subject_no, row.key_id) for row in rows],
            )

    def _needed(self, holder: Holder) -> set[bytes]:
        """Return the ids of all of a person's conversations and blocks: each has a key."""
        with self._engine.connect() as db:
            return {
                raw
                for table in (CONVERSATION, BLOCK)
                for raw in db.execute(
                    select(table.c.id).where(table.c.subject_no == holder.number)
                ).scalars()
            }

    def _rewrite(
        self, db: Connection, wanted: Sequence[tuple[Holder, list[int], list[Member]]]
    ) -> None:
        """Merge the blocks of each (whose, block numbers, what goes) into the first of them."""
        if not wanted:
            return
        stored = _blocks(db, [no for _, numbers, _ in wanted for no in numbers])
        rewrites = [
            Rewrite(holder=holder, blocks=[stored[no] for no in numbers], without=gone)
            for holder, numbers, gone in wanted
        ]
        new = self._shredder.rewrite(rewrites)
        for (_, numbers, _), one, block in zip(wanted, rewrites, new, strict=True):
            _put_in_place(db, numbers, one, block)

    def _replace(self, db: Connection, numbers: list[int], rewrite: Rewrite) -> None:
        (block,) = self._shredder.rewrite([rewrite])
        _put_in_place(db, numbers, rewrite, block)


def _put_in_place(
    db: Connection, numbers: Sequence[int], rewrite: Rewrite, block: SealedBlock | None
) -> None:
    """Store a rewritten block in the place of the blocks with these numbers."""
    _obsolete(db, [(rewrite.holder.number, key) for key, _ in rewrite.blocks])
    first, others = numbers[0], numbers[1:]
    if block is None:
        others = numbers
    else:
        values = {"id": block.id, "envelope": block.envelope}
        db.execute(update(BLOCK).where(BLOCK.c.no == first).values(values))
    if others:
        db.execute(delete(BLOCK).where(BLOCK.c.no.in_(others)))
        moved = update(CONVERSATION).where(CONVERSATION.c.block_no.in_(others))
        db.execute(moved.values(block_no=first))


def shredder_for(keys: KeyStore, *, tenant: bytes, entropy: Entropy) -> Shredder:
    """Make the shredder that a vault is wired with; the wiring itself may not import it."""
    return Shredder(keys, merge_bodies, tenant=tenant, entropy=entropy)


def _rows(
    db: Connection, subject: Subject, names: Sequence[ConversationId]
) -> Iterator[Row[tuple[object, ...]]]:
    """Yield the rows of a person's conversations that are still there."""
    raws = [parse_id(IdKind.CONVERSATION, name) for name in names]
    theirs = select(CONVERSATION).where(CONVERSATION.c.subject_no == subject.number)
    for some in in_runs(raws):
        yield from db.execute(theirs.where(CONVERSATION.c.id.in_(some)))


def _blocks(db: Connection, numbers: Sequence[int]) -> dict[int, tuple[bytes, bytes]]:
    """Return (id, envelope) of each block."""
    found: dict[int, tuple[bytes, bytes]] = {}
    for some in in_runs(numbers):
        query = select(BLOCK).where(BLOCK.c.no.in_(some))
        found.update({row.no: (row.id, row.envelope) for row in db.execute(query)})
    return found


def _small_runs(db: Connection, subject: Subject) -> list[list[int]]:
    """Return runs of two and more small blocks of a person that fit into one."""
    query = "SELECT no, length(envelope) FROM block WHERE subject_no = ? ORDER BY no"
    runs: list[list[int]] = [[]]
    size = 0
    for number, length in driver_of(db).execute(query, (subject.number,)):
        if length >= _SMALL_BYTES:
            continue
        if size + length > _MERGED_BYTES:
            runs.append([])
            size = 0
        runs[-1].append(number)
        size += length
    return [run for run in runs if len(run) > 1]


def _leave_sets(db: Connection, numbers: Collection[int]) -> None:
    """Take people out of whom each access to many may have opened something of."""
    at = BULK_ACCESS.c.log_index
    for index in db.execute(select(at)).scalars().all():
        people = db.execute(select(BULK_ACCESS.c.people).where(at == index)).scalar_one()
        if any_of(people, numbers):
            left = without_people(people, numbers)
            db.execute(update(BULK_ACCESS).where(at == index).values(people=left))


def _obsolete(db: Connection, keys: Sequence[tuple[int, bytes]]) -> None:
    if keys:
        rows = [{"subject_no": number, "key_id": key} for number, key in keys]
        db.execute(insert(OBSOLETE_KEY).prefix_with("OR IGNORE"), rows)
