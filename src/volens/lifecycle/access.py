"""Ending access and giving it back, in the tables that answer for everybody at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, Engine, and_, insert, select, update

from volens.core.purposes import SubjectStatus
from volens.core.time import from_millis, to_millis
from volens.holds.access import Blocked, Ended, blocked_by
from volens.holds.erasure import Erasure
from volens.log.kinds import ChangedField, EntryKind, ErasureScope
from volens.log.recorder import Recorder
from volens.storage.engine import in_runs
from volens.vault.tables import CONVERSATION, LEAF, SUBJECT

_CLOSED = SubjectStatus.CLOSED.value
_STATUS = ChangedField.STATUS


class EndingAccess(Protocol):
    """What the vault does when access to some conversations ends or comes back; idempotent."""

    def end_access(self, ended: Sequence[tuple[int, datetime]]) -> None:
        """Mark rows as ended, each at its moment, all at once."""
        ...

    def resume_access(self, numbers: Sequence[int]) -> None:
        """Take the mark away."""
        ...


class VaultAccess:
    """Closes accounts and marks conversations; see `holds.access.Access` for the contract."""

    def __init__(self, engine: Engine, recorder: Recorder, vault: EndingAccess | None) -> None:
        """Use the vault's tables in `engine`; without `vault`, only accounts are closed."""
        self._engine = engine
        self._recorder = recorder
        self._vault = vault

    def former(self, subjects: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the status that each of these accounts has now."""
        found: dict[bytes, str] = {}
        with self._engine.connect() as db:
            for some in in_runs(subjects):
                query = select(SUBJECT.c.id, SUBJECT.c.status).where(SUBJECT.c.id.in_(some))
                found.update((raw, status) for raw, status in db.execute(query))
        return found

    def end(self, erasures: Sequence[Erasure]) -> None:
        """Close accounts, all in one group, and mark conversations."""
        blocked = [blocked_by(item) for item in erasures]
        self._close([item.subject for item in blocked if item.scope is ErasureScope.ACCOUNT])
        if self._vault is None:
            return
        ended = [
            (number, item.requested)
            for item in blocked
            if item.scope is not ErasureScope.ACCOUNT
            for number, *_ in self._numbers(item)
        ]
        if ended:
            self._vault.end_access(ended)

    def resume(self, erasure: Erasure, former: str | None, still: Ended) -> None:
        """Give back what no other request blocks: the status as it was, or the conversations."""
        item = blocked_by(erasure)
        if item.scope is ErasureScope.ACCOUNT:
            if former and item.subject not in still.accounts:
                self._set_status([item.subject], former)
            return
        if self._vault is None:
            return
        freed = [
            number
            for number, raw, captured in self._numbers(item)
            if not still.names(item.subject, raw, captured)
        ]
        if freed:
            self._vault.resume_access(freed)

    def _numbers(self, item: Blocked) -> list[tuple[int, bytes, datetime]]:
        """Return (row number, raw id, captured) of each conversation that a request blocks."""
        owner = select(SUBJECT.c.no).where(SUBJECT.c.id == item.subject).scalar_subquery()
        wanted: ColumnElement[bool] = CONVERSATION.c.captured_ms <= to_millis(item.requested)
        if item.scope is ErasureScope.CONVERSATION:
            wanted = CONVERSATION.c.id.in_(item.conversations)
        query = select(CONVERSATION.c.no, CONVERSATION.c.id, CONVERSATION.c.captured_ms)
        with self._engine.connect() as db:
            rows = db.execute(query.where(and_(CONVERSATION.c.subject_no == owner, wanted)))
            return [(number, raw, from_millis(captured)) for number, raw, captured in rows]

    def _close(self, subjects: Sequence[bytes]) -> None:
        known = self.former(subjects)
        self._set_status([raw for raw, status in known.items() if status != _CLOSED], _CLOSED)

    def _set_status(self, subjects: Sequence[bytes], status: str) -> None:
        """Change the status of accounts as `SubjectStore.change` does: logged first."""
        numbers: dict[bytes, int] = {}
        with self._engine.connect() as db:
            for some in in_runs(subjects):
                query = select(SUBJECT.c.id, SUBJECT.c.no).where(SUBJECT.c.id.in_(some))
                numbers.update((raw, number) for raw, number in db.execute(query))
        if not numbers:
            return
        salted = [self._recorder.commit(raw, _STATUS.value.encode()) for raw in numbers]
        indexes = self._recorder.record_all(
            [
                (EntryKind.SUBJECT_CHANGED, {"commitment": commitment, "field": _STATUS})
                for _, commitment in salted
            ]
        )
        leaves = [
            {"subject_no": number, "log_index": index, "salt": salt, "opening": _STATUS.value}
            for number, index, (salt, _) in zip(numbers.values(), indexes, salted, strict=True)
        ]
        with self._engine.begin() as db:
            for some in in_runs(list(numbers)):
                db.execute(update(SUBJECT).where(SUBJECT.c.id.in_(some)).values(status=status))
            db.execute(insert(LEAF), leaves)
