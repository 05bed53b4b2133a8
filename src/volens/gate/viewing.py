"""A look at named turns: the only way by which staff see what a person wrote.

Order of every look:

1. What other processes journaled is taken in; the decision is made, with the exception that has to
   cover exactly the turns asked for.
2. An ``access.intent`` entry is durable in the log; it names the class of the exception.
3. What keeps the end of the look (a lease) is noted by the caller, and what opens the entry to its
   person is kept, unless a gag applies: then it waits with the lease.
4. The conversation is opened; turns that were not named are dropped, and so are its title and
   attachments. Nothing else is returned.

If it stops after 2, the intent stands in the log as the upper bound of what may have been seen. The
end of the look is logged by whoever keeps the lease, with `Gate.end_access`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from volens.access.exceptions import Case
from volens.core.errors import Denied, Unavailable
from volens.core.ids import IdKind, parse_id
from volens.core.ports import Clock
from volens.crypto.opening import Opener
from volens.gate.facts import Use, known_purpose
from volens.gate.gate import Asker, Gate
from volens.gate.reading import SealedReader
from volens.gate.scopes import check_scope
from volens.log.kinds import AccessOutcome, EntryKind
from volens.log.recorder import Recorder
from volens.policy.model import ReasonCode
from volens.policy.reference import EXCEPTIONAL
from volens.vault.model import Turn, TurnFlag, unpack_payload
from volens.vault.store import Held
from volens.vault.subjects import Subject

_NOT_SHOWN = TurnFlag.THIRD_PARTY | TurnFlag.HIDDEN | TurnFlag.REASONING


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A look that is in the log and has opened nothing yet."""

    log_index: int
    salt: bytes = field(repr=False)
    """Opens the entry to its person."""
    at: datetime
    told: bool
    """Whether what opens the entry is kept for the person already; not while a gag applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """What one look gives out."""

    begun: Begun
    turns: tuple[tuple[int, Turn], ...] = field(repr=False)
    """Index and turn, rising."""


class Viewer:
    """Opens named turns for staff, and granted chats for raters."""

    def __init__(
        self, gate: Gate, reader: SealedReader, opener: Opener, recorder: Recorder, *, clock: Clock
    ) -> None:
        """Decide by `gate`; what can't be recorded can't be opened."""
        self.gate = gate
        self._reader = reader
        self._opener = opener
        self._recorder = recorder
        self._clock = clock

    def look(
        self,
        held: Held,
        subject: Subject,
        use: Use,
        asker: Asker,
        *,
        note: Callable[[Begun], None],
    ) -> Viewed:
        """Open the turns that `use` names; without an exception, the chat as its person saw it.

        Args:
            held: the conversation.
            subject: its person.
            use: what for; for exceptional purposes with the case and the turns.
            asker: who asks, as a role.
            note: keeps what has to be known to end the look; called before anything is opened.

        Raises:
            Denied: with the decision's first reason; ``exception_missing`` if no open exception
                covers all turns asked for; ``role_scope`` if the asker's role never may.
            Unavailable: ``key_missing`` if it was erased.
        """
        self.gate.require_permit(held, subject, use)
        check_scope(asker.actor, known_purpose(use.purpose))
        at = self._clock.now()
        case = self._case(held, subject, use, at)
        salt, commitment = self._recorder.commit(parse_id(IdKind.CONVERSATION, held.id))
        fields = self.gate.intent_fields(known_purpose(use.purpose), asker, 1, commitment)
        if case is not None:
            fields["exception"] = case.exception
        intent = self._recorder.record(EntryKind.ACCESS_INTENT, fields)
        told = case is None or not case.gagged(at)
        begun = Begun(log_index=intent, salt=salt, at=at, told=told)
        try:
            note(begun)
            if told:
                self.gate.keep_leaf(subject, held, intent, salt)
            payload = unpack_payload(self._reader.one(held).open_one(self._opener, held))
        except BaseException:
            with suppress(Unavailable):
                self.gate.end_access(intent, 0, at, AccessOutcome.FAILED)
            raise
        return Viewed(begun=begun, turns=_named(payload.turns, use, case))

    def _case(self, held: Held, subject: Subject, use: Use, at: datetime) -> Case | None:
        if use.purpose not in EXCEPTIONAL:
            return None
        case = self.gate.facts.exception(subject, held, use, at)
        if case is None:
            message = f"no exception is open on these turns of {held.id}"
            raise Denied(ReasonCode.EXCEPTION_MISSING.value, message)
        return case


def _named(turns: tuple[Turn, ...], use: Use, case: Case | None) -> tuple[tuple[int, Turn], ...]:
    """Drop what was not asked for, before anything leaves."""
    if case is not None:
        wanted = set(use.turns)
        return tuple((index, turn) for index, turn in enumerate(turns) if index in wanted)
    return tuple((i, turn) for i, turn in enumerate(turns) if not turn.flags & _NOT_SHOWN)
