"""What an erasure does to flags, cases, views and notices: they go with what they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Engine

from volens.access.exception_store import CaseStore
from volens.lifecycle.targets import Item
from volens.safety.flags import FlagStore
from volens.safety.leases import LeaseStore
from volens.safety.notices import NoticeDesk
from volens.safety.tables import FLAG, LEASE, NOTICE
from volens.storage.engine import find_among


class SafetyTarget:
    """A store of the erasure map."""

    def __init__(
        self,
        engine: Engine,
        cases: CaseStore,
        flags: FlagStore,
        leases: LeaseStore,
        notices: NoticeDesk,
    ) -> None:
        """Let the stores do it, and look into `engine` afterwards."""
        self._engine = engine
        self._cases = cases
        self._flags = flags
        self._leases = leases
        self._notices = notices

    @property
    def stores(self) -> Mapping[str, str]:
        """Return what it clears, and how."""
        return {"safety": "row_deleted"}

    def erase(self, items: Sequence[Item]) -> None:
        """Remove what is kept of the conversations and people among `items`."""
        raws = [raw for item in items for raw in item.conversations]
        self._flags.erase_conversations([number for item in items for number in item.numbers])
        self._cases.erase_conversations(raws)
        self._leases.erase_conversations(raws)
        accounts = _accounts(items)
        self._notices.erase_subjects(accounts)
        self._leases.erase_subjects(accounts)
        self._flags.erase_subjects(accounts)
        self._cases.erase_subjects([item.subject for item in items if item.is_account])

    def probe(self, items: Sequence[Item]) -> list[str]:
        """Return the tables in which anything of `items` still is."""
        raws = [raw for item in items for raw in item.conversations]
        numbers = [number for item in items for number in item.numbers]
        people = [item.subject for item in items if item.is_account]
        accounts = _accounts(items)
        columns: tuple[tuple[Column[int] | Column[bytes], Sequence[object]], ...] = (
            (FLAG.c.conversation_no, numbers),
            (FLAG.c.subject_no, accounts),
            (LEASE.c.conversation, raws),
            (LEASE.c.subject_no, accounts),
            (NOTICE.c.subject_no, accounts),
        )
        found = set(self._cases.left_of(people, raws))
        with self._engine.connect() as db:
            found |= {
                f"main.db {column.table.name}"
                for column, values in columns
                if any(True for _ in find_among(db, column, values))
            }
        return sorted(found)


def _accounts(items: Sequence[Item]) -> list[int]:
    return [
        item.subject_number for item in items if item.is_account and item.subject_number is not None
    ]
