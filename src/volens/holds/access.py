"""Whose access has ended: what the gate reads, and what the vault is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.core.ids import IdKind, parse_id
from volens.holds.erasure import Erasure
from volens.log.kinds import ErasureScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Whose access has ended and whose data is not removed yet; ids are raw, 16 bytes."""

    accounts: frozenset[bytes]
    """People all of whose data is blocked, whenever it came."""
    histories: Mapping[bytes, datetime]
    """People of whom everything is blocked that was first captured up to this moment."""
    conversations: frozenset[bytes]
    """Conversations that are blocked by themselves."""

    def covers(self, subject: bytes, conversation: bytes, captured: datetime) -> bool:
        """Say whether access to one conversation has ended."""
        return subject in self.accounts or self.names(subject, conversation, captured)

    def names(self, subject: bytes, conversation: bytes, captured: datetime) -> bool:
        """Say whether access to one conversation has ended by itself, not with its account."""
        moment = self.histories.get(subject)
        return conversation in self.conversations or (moment is not None and captured <= moment)


class Access(Protocol):
    """What the vault is told when access ends or comes back; all idempotent.

    The gate reads `ErasureLedger.ended` in any case. This makes the same visible in the tables that
    answer for everybody at once.
    """

    def former(self, subjects: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the status that each of these accounts has now."""
        ...

    def end(self, erasures: Sequence[Erasure]) -> None:
        """Make it visible that access to these has ended."""
        ...

    def resume(self, erasure: Erasure, former: str | None, still: Ended) -> None:
        """Give access back, but to nothing that `still` covers.

        A closed account keeps its conversations out of reach by itself: those of an erasure that
        was taken back lose their mark then too, or nothing would take it away later.
        """
        ...


class NoAccess:
    """Tells nobody: for readers, and where the gate alone decides."""

    def former(self, subjects: Sequence[bytes]) -> Mapping[bytes, str]:
        """Know of no status."""
        del subjects
        return {}

    def end(self, erasures: Sequence[Erasure]) -> None:
        """Do nothing."""

    def resume(self, erasure: Erasure, former: str | None, still: Ended) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """What one open request blocks; ids are raw."""

    scope: ErasureScope
    subject: bytes
    conversations: tuple[bytes, ...]
    requested: datetime


def blocked_by(erasure: Erasure) -> Blocked:
    """Return what a request blocks that names its person."""
    return Blocked(
        scope=erasure.scope,
        subject=parse_id(IdKind.SUBJECT, str(erasure.subject)),
        conversations=tuple(parse_id(IdKind.CONVERSATION, one) for one in erasure.conversations),
        requested=erasure.requested,
    )


def add_up(items: Iterable[Blocked]) -> Ended:
    """Return what open requests block together."""
    accounts: set[bytes] = set()
    conversations: set[bytes] = set()
    histories: dict[bytes, datetime] = {}
    for item in items:
        match item.scope:
            case ErasureScope.ACCOUNT:
                accounts.add(item.subject)
            case ErasureScope.HISTORY:
                latest = histories.get(item.subject, item.requested)
                histories[item.subject] = max(latest, item.requested)
            case ErasureScope.CONVERSATION:
                conversations.update(item.conversations)
    return Ended(
        accounts=frozenset(accounts),
        histories=histories,
        conversations=frozenset(conversations),
    )
