"""What an erasure does to the register of holds: it goes with what it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Column, Engine

from volens.core.ids import ConversationId, IdKind, SubjectId, format_id
from volens.holds.reports import REPORT, ReportStore
from volens.holds.store import HoldStore
from volens.holds.tables import HOLD, HOLD_SCOPE
from volens.storage.engine import find_among


class Erased(Protocol):
    """What one erasure removes. Ids are raw, 16 bytes."""

    @property
    def is_account(self) -> bool:
        """Say whether all of the person goes."""
        ...

    @property
    def subject(self) -> bytes:
        """Return whose it is."""
        ...

    @property
    def subject_number(self) -> int | None:
        """Return the person's row; None if it is gone."""
        ...

    @property
    def conversations(self) -> tuple[bytes, ...]:
        """Return the conversations that go."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the rows of the conversations."""
        ...


class HoldTarget:
    """A store of the erasure map. It comes before the others: it refuses what is still held."""

    def __init__(self, engine: Engine, holds: HoldStore) -> None:
        """Let `holds` do it, and look into `engine` afterwards."""
        self._engine = engine
        self._holds = holds

    @property
    def stores(self) -> Mapping[str, str]:
        """Return what it clears, and how."""
        return {"holds": "row_deleted"}

    def erase(self, items: Sequence[Erased]) -> None:
        """Remove what the register says of `items`; what is gone already is no error.

        Raises:
            Denied: ``held`` if a hold on one of them has not ended in the log.
        """
        chats = [raw for item in items for raw in item.conversations]
        people = [item.subject for item in items if item.is_account]
        self._holds.erase_conversations(
            [
                ConversationId(format_id(IdKind.CONVERSATION, raw))
                for raw in self._known(HOLD_SCOPE.c.conversation, chats)
            ]
        )
        for raw in self._known(HOLD.c.subject, people):
            self._holds.erase_subject(SubjectId(format_id(IdKind.SUBJECT, raw)))

    def probe(self, items: Sequence[Erased]) -> list[str]:
        """Return the tables in which anything of `items` still is."""
        chats = [raw for item in items for raw in item.conversations]
        people = [item.subject for item in items if item.is_account]
        found = []
        if self._known(HOLD_SCOPE.c.conversation, chats):
            found.append("main.db hold_scope")
        if self._known(HOLD.c.subject, people):
            found.append("main.db hold")
        return sorted(found)

    def _known(self, column: Column[bytes], raws: Sequence[bytes]) -> list[bytes]:
        """Return the few of `raws` that the register knows."""
        with self._engine.connect() as db:
            return sorted({bytes(raw) for raw in find_among(db, column, raws)})


class ReportTarget:
    """What people reported: it goes with the chat, or with the account."""

    def __init__(self, engine: Engine, reports: ReportStore) -> None:
        """Let `reports` do it, and look into `engine` afterwards."""
        self._engine = engine
        self._reports = reports

    @property
    def stores(self) -> Mapping[str, str]:
        """Return what it clears, and how."""
        return {"reports": "row_deleted"}

    def erase(self, items: Sequence[Erased]) -> None:
        """Remove what was reported of the conversations of `items`, and by the people."""
        self._reports.erase_conversations([number for item in items for number in item.numbers])
        self._reports.erase_subjects(_accounts(items))

    def probe(self, items: Sequence[Erased]) -> list[str]:
        """Return the table in which anything of `items` still is."""
        chats = [number for item in items for number in item.numbers]
        columns = ((REPORT.c.conversation_no, chats), (REPORT.c.subject_no, _accounts(items)))
        with self._engine.connect() as db:
            left = [one for column, numbers in columns for one in find_among(db, column, numbers)]
        return ["main.db report"] if left else []


def _accounts(items: Sequence[Erased]) -> list[int]:
    return [
        item.subject_number for item in items if item.is_account and item.subject_number is not None
    ]
