"""Which chats and accounts a schedule looks at: whose, of which organisation, since when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select

from volens.core.ids import ConversationId, IdKind, SubjectId, format_id, parse_id
from volens.core.purposes import SubjectStatus
from volens.core.time import from_millis, to_millis
from volens.lifecycle.schedule import Cutoffs
from volens.vault.aging import last_message_ms
from volens.vault.tables import CONVERSATION, SUBJECT

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """One chat past its time."""

    subject: SubjectId
    conversation: ConversationId
    organisation: str | None
    captured: datetime
    last: datetime
    """Its last message, see `vault.aging.last_message`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a schedule needs to know of an account."""

    organisation: str | None
    chats: int


class Register(Protocol):
    """Whose data there is and how old. Adapter: `VaultRegister`."""

    def aged(self, cutoffs: Cutoffs, at: datetime) -> Iterator[Aged]:
        """Yield the chats past their time, one person's after another."""
        ...

    def closed(self) -> Iterator[tuple[SubjectId, str | None]]:
        """Yield the accounts that are closed, with their organisation."""
        ...

    def accounts(self, subjects: Collection[SubjectId]) -> Mapping[SubjectId, Account]:
        """Return those of these accounts that are here."""
        ...


class VaultRegister:
    """Reads the vault's tables."""

    def __init__(self, engine: Engine) -> None:
        """Use tables in `engine`."""
        self._engine = engine

    def aged(self, cutoffs: Cutoffs, at: datetime) -> Iterator[Aged]:
        """Yield the chats past their time, one person's after another."""
        wanted = [
            and_(SUBJECT.c.organisation == name, last_message_ms(at) <= to_millis(moment))
            for name, moment in cutoffs.of_organisation.items()
        ]
        if cutoffs.everyone is not None:
            named = list(cutoffs.of_organisation)
            others = or_(SUBJECT.c.organisation.is_(None), SUBJECT.c.organisation.not_in(named))
            wanted.append(and_(others, last_message_ms(at) <= to_millis(cutoffs.everyone)))
        for start in range(0, len(wanted), _AT_ONCE):
            yield from self._aged(wanted[start : start + _AT_ONCE], at)

    def closed(self) -> Iterator[tuple[SubjectId, str | None]]:
        """Yield the accounts that are closed, with their organisation."""
        query = select(SUBJECT.c.id, SUBJECT.c.organisation).where(
            SUBJECT.c.status == SubjectStatus.CLOSED.value
        )
        with self._engine.connect() as db:
            rows = db.execute(query.order_by(SUBJECT.c.no)).all()
        for raw, organisation in rows:
            yield SubjectId(format_id(IdKind.SUBJECT, raw)), organisation

    def accounts(self, subjects: Collection[SubjectId]) -> Mapping[SubjectId, Account]:
        """Return those of these accounts that are here."""
        raws = sorted({parse_id(IdKind.SUBJECT, name) for name in subjects})
        found: dict[SubjectId, Account] = {}
        with self._engine.connect() as db:
            for start in range(0, len(raws), _AT_ONCE):
                query = (
                    select(SUBJECT.c.id, SUBJECT.c.organisation, func.count(CONVERSATION.c.no))
                    .outerjoin(CONVERSATION, CONVERSATION.c.subject_no == SUBJECT.c.no)
                    .where(SUBJECT.c.id.in_(raws[start : start + _AT_ONCE]))
                    .group_by(SUBJECT.c.no)
                )
                for raw, organisation, chats in db.execute(query):
                    name = SubjectId(format_id(IdKind.SUBJECT, raw))
                    found[name] = Account(organisation=organisation, chats=chats)
        return found

    def _aged(self, wanted: list[ColumnElement[bool]], at: datetime) -> Iterator[Aged]:
        query = (
            select(
                SUBJECT.c.id,
                SUBJECT.c.organisation,
                CONVERSATION.c.id,
                CONVERSATION.c.captured_ms,
                last_message_ms(at),
            )
            .join(SUBJECT, SUBJECT.c.no == CONVERSATION.c.subject_no)
            .where(or_(*wanted))
            .order_by(CONVERSATION.c.subject_no, CONVERSATION.c.no)
        )
        with self._engine.connect() as db:
            rows = db.execute(query).all()  # read whole: whoever asks writes to the same tables
        for subject, organisation, conversation, captured, last in rows:
            yield Aged(
                subject=SubjectId(format_id(IdKind.SUBJECT, subject)),
                conversation=ConversationId(format_id(IdKind.CONVERSATION, conversation)),
                organisation=organisation,
                captured=from_millis(captured),
                last=from_millis(last),
            )
