"""The port behind which every store erases, and the targets of the stores below this room.

A room that keeps anything of a person has a target. The erasure map says which; what is on the map
without a target that does it refuses to start (`erasing.Eraser`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Column, Engine, MetaData

from volens.consent import store as consent
from volens.core.ids import ConversationId, ErasureId, IdKind, SubjectId, format_id
from volens.crypto import keystore
from volens.gate.accesses import AccessLeaves
from volens.log.kinds import ErasureScope
from volens.storage.engine import execute_many, find_among
from volens.vault import tables as vault
from volens.vault.subjects import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one erasure removes. Ids are raw, 16 bytes."""

    erasure: ErasureId
    scope: ErasureScope
    subject: bytes
    subject_number: int | None
    """The person's row; None if it was gone when the erasure started."""
    conversations: tuple[bytes, ...]
    numbers: tuple[int, ...]
    """Rows of the conversations, in the same order."""

    @property
    def is_account(self) -> bool:
        """Say whether all of the person goes."""
        return self.scope is ErasureScope.ACCOUNT


class ErasureTarget(Protocol):
    """A store, or several, that can forget.

    Contract: when `erase` returns, all of it is gone from these stores, durably. Erasing what is
    gone already is no error, so a run that was stopped is repeated. After `erase`, `probe` finds
    nothing; it looks at the stores themselves and never remembers what `erase` did.
    """

    @property
    def stores(self) -> Mapping[str, str]:
        """Return what it clears: a store of the erasure map -> the method, a word of the map."""
        ...

    def erase(self, items: Sequence[Item]) -> None:
        """Remove all of `items`.

        Raises:
            Unavailable: if a store can't be written; the rest is done by the next call.
        """
        ...

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Return the places, such as ``main.db leaf``, where anything of `items` still is."""
        ...


class ErasingVault(Protocol):
    """What the vault does to forget; both idempotent, keys before rows, the person's row last."""

    def erase_conversations(self, wanted: Mapping[Subject, Sequence[ConversationId]]) -> None:
        """Remove keys, ciphertext and rows of people's conversations, all at once."""
        ...

    def erase_accounts(self, subjects: Sequence[Subject]) -> None:
        """Remove keys, ciphertext and rows of whole accounts."""
        ...


class Journaled(Protocol):
    """A ledger with a journal in front of it."""

    def drain(self) -> int:
        """Take in what the journal holds."""
        ...


class FindingSubjects(Protocol):
    """Where people are found by id."""

    def several(self, ids: Sequence[SubjectId]) -> list[Subject]:
        """Return those of these people who are here."""
        ...


class VaultTarget:
    """Keys, content and rows: everything the vault holds."""

    def __init__(
        self, main: Engine, keys: Engine, subjects: FindingSubjects, erasing: ErasingVault
    ) -> None:
        """Let `erasing` do it, and look into `main` and `keys` afterwards."""
        self._main = main
        self._keys = keys
        self._subjects = subjects
        self._erasing = erasing

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"keys": "key_removed", "content": "resealed", "rows": "row_deleted"}

    def erase(self, items: Sequence[Item]) -> None:
        """Remove accounts all at once, then single conversations all at once."""
        # Who is not found is gone: a person's row goes last, after all that belongs to it.
        closing = {_person(item) for item in items if item.is_account}
        accounts = self._subjects.several(sorted(closing))
        if accounts:
            self._erasing.erase_accounts(accounts)
        parts = [item for item in items if not item.is_account and item.conversations]
        people = {one.id: one for one in self._subjects.several(sorted(set(map(_person, parts))))}
        chats: dict[Subject, list[ConversationId]] = {}
        for item in parts:
            if _person(item) in people:
                chats.setdefault(people[_person(item)], []).extend(_names(item))
        if chats:
            self._erasing.erase_conversations(chats)

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for ids and row numbers in every table of the vault and of the key store."""
        accounts = [item for item in items if item.is_account]
        people = [item.subject_number for item in accounts if item.subject_number is not None]
        found = set(_rows_left(self._keys, "keys.db", keystore.METADATA, "subject_no", people))
        found.update(_rows_left(self._main, "main.db", vault.METADATA, "subject_no", people))
        raws = [item.subject for item in accounts]
        found.update(_values_left(self._main, vault.SUBJECT.c.id, raws))
        chats = [raw for item in items for raw in item.conversations]
        found.update(_values_left(self._main, vault.CONVERSATION.c.id, chats))
        numbers = [number for item in items for number in item.numbers]
        found.update(_rows_left(self._main, "main.db", vault.METADATA, "conversation_no", numbers))
        found.update(_values_left(self._main, vault.OBSOLETE_KEY.c.key_id, chats))
        leaves = AccessLeaves(self._main)
        found.update("main.db bulk_access" for one in people if leaves.bulk_of_subject(one))
        return sorted(found)


class ChoicesTarget:
    """What a person chose: it goes with the account."""

    def __init__(self, main: Engine, journaled: Journaled | None = None) -> None:
        """Use the tables of the consent ledger in `main`, and its journal if there is one."""
        self._main = main
        self._journaled = journaled

    @property
    def stores(self) -> Mapping[str, str]:
        """See `ErasureTarget.stores`."""
        return {"choices": "row_deleted"}

    def erase(self, items: Sequence[Item]) -> None:
        """Delete the events and states of accounts."""
        people = [item.subject for item in items if item.is_account]
        if people and self._journaled is not None:
            self._journaled.drain()  # or a late withdrawal would bring a row back
        with self._main.begin() as db:
            for table in (consent.EVENT, consent.STATE):
                statement = f"DELETE FROM {table.name} WHERE subject = ?"  # noqa: S608 - a constant name
                execute_many(db, statement, [(raw,) for raw in people])

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Look for the people in both tables."""
        people = [item.subject for item in items if item.is_account]
        columns = (consent.EVENT.c.subject, consent.STATE.c.subject)
        return sorted({at for one in columns for at in _values_left(self._main, one, people)})


def _person(item: Item) -> SubjectId:
    return SubjectId(format_id(IdKind.SUBJECT, item.subject))


def _names(item: Item) -> list[ConversationId]:
    return [ConversationId(format_id(IdKind.CONVERSATION, raw)) for raw in item.conversations]


def _rows_left(
    engine: Engine, store: str, metadata: MetaData, column: str, numbers: Sequence[int]
) -> Iterator[str]:
    """Yield each table with a row that has one of `numbers` in the column of that name."""
    tables = [table for table in metadata.sorted_tables if column in table.c]
    with engine.connect() as db:
        for table in tables:
            if any(True for _ in find_among(db, table.c[column], numbers)):
                yield f"{store} {table.name}"


def _values_left(engine: Engine, column: Column[bytes], values: Sequence[bytes]) -> Iterator[str]:
    with engine.connect() as db:
        if any(True for _ in find_among(db, column, values)):
            yield f"main.db {column.table.name}"
