"""What a rights request does to the ledgers: each deed idempotent, each true on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from volens.consent.model import Act, ConsentEvent
from volens.consent.store import ConsentLedger
from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import (
    ID_BYTES,
    ConversationId,
    ErasureId,
    EventId,
    IdKind,
    RequestId,
    format_id,
    parse_id,
)
from volens.core.purposes import Purpose, SubjectStatus
from volens.holds.erasure import Erasure, ErasureState
from volens.holds.erasures import ErasureLedger
from volens.log.kinds import ErasureScope, RequestKind
from volens.policy.pack import LegalBasis, Pack
from volens.rights.requests import UNVERIFIED, About, Channel, Reason
from volens.vault.store import Vault
from volens.vault.subjects import Subject, SubjectStore

SALE_PURPOSES = (
    Purpose.SALE,
    Purpose.TARGETED_ADVERTISING,
    Purpose.MARKETING_SHARING,
    Purpose.PROFILING_WITH_OUTSIDE_DATA,
)
"""What "do not sell or share" is about (CCPA 1798.120). All prohibited: the objection is kept, so
that it still stands wherever these people's choices go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for."""

    kind: RequestKind
    about: About = About.NOTHING
    """For a rectification."""
    purposes: tuple[Purpose, ...] = ()
    """For an objection: to what; empty for everything that may be objected to."""
    scope: ErasureScope = ErasureScope.ACCOUNT
    """For an erasure."""
    conversations: tuple[ConversationId, ...] = ()
    """For an erasure of the scope `conversation`."""


class Asked(Protocol):
    """Says what somebody who asks for an erasure now is promised."""

    def __call__(
        self,
        raw: bytes,
        scope: ErasureScope,
        subject: Subject,
        *,
        at: datetime,
        conversations: Sequence[ConversationId] = (),
    ) -> Erasure:
        """Return the request; `raw` is 16 bytes, for its reference number."""
        ...


class Effects:
    """Does what requests ask for in the ledgers of one home."""

    def __init__(
        self,
        subjects: SubjectStore,
        ledger: ConsentLedger,
        vault: Vault,
        erasures: ErasureLedger,
        pack: Pack,
        *,
        asked: Asked,
    ) -> None:
        """Use the ledgers of a home under the policy `pack`; `asked` makes erasures."""
        self._asked = asked
        self._subjects = subjects
        self._ledger = ledger
        self._vault = vault
        self._erasures = erasures
        self._pack = pack

    def objectable(self) -> tuple[Purpose, ...]:
        """Return the purposes that rest on legitimate interest (GDPR Art. 21(1))."""
        return tuple(
            purpose
            for purpose, info in self._pack.purposes.items()
            if info.legal_basis is LegalBasis.LEGITIMATE_INTEREST
        )

    def check(self, subject: Subject, wish: Wish, *, verified: bool) -> None:
        """Pass if the wish can be taken up at all.

        Raises:
            InvalidInput: ``request_purposes``, ``request_conversations``,
                ``request_verification``.
            NotFound: ``conversation_unknown``, also for a conversation of somebody else.
        """
        allowed = set(self.objectable())
        misplaced = wish.purposes and wish.kind is not RequestKind.OBJECTION
        if misplaced or set(wish.purposes) - allowed:
            hint = f"one of {', '.join(sorted(allowed))}; a yes is withdrawn instead"
            message = "an objection is to purposes that rest on legitimate interest"
            raise InvalidInput("request_purposes", message, hint=hint)
        named = wish.kind is RequestKind.ERASURE and wish.scope is ErasureScope.CONVERSATION
        if named != bool(wish.conversations):
            message = "conversations are named for the erasure of conversations, and only for it"
            raise InvalidInput("request_conversations", message)
        if named and not verified:  # which ones is kept nowhere until somebody shows who asks
            message = "the erasure of single conversations is asked for by who shows who they are"
            raise InvalidInput("request_verification", message, hint="signed_in or documents")
        for name in wish.conversations:
            if self._vault.find(name).subject_no != subject.number:
                raise NotFound("conversation_unknown", f"no conversation {name} here")

    def object_to(
        self, subject: Subject, wish: Wish, *, request: RequestId, channel: Channel, at: datetime
    ) -> bool:
        """Record the objections that do not stand yet, journal first; say whether there were any.

        A "do not sell" is an objection to `SALE_PURPOSES`.
        """
        events = self._objections(subject, wish, request=request, channel=channel, at=at)
        self._ledger.record(events)
        return bool(events)

    def hold(
        self, subject: Subject, wish: Wish, *, request: RequestId, channel: Channel, at: datetime
    ) -> ErasureId | None:
        """Make objections or an erasure true from any process, by their journals alone.

        Returns:
            The reference number of the erasure; None for objections.

        Raises:
            InvalidInput: ``request_kind`` for what no journal takes.
            Unavailable: ``journal_full``, ``journal_missing``.
        """
        if wish.kind is RequestKind.ERASURE:
            return self._erasures.request(self._erasure(subject, wish, request, at)).id
        if wish.kind not in UNVERIFIED:
            raise InvalidInput("request_kind", f"no journal takes a request for {wish.kind}")
        for event in self._objections(subject, wish, request=request, channel=channel, at=at):
            self._ledger.journal(event)
        return None

    def sale_objected(self, subject: Subject) -> bool:
        """Say whether a person's "do not sell or share" stands, journal included."""
        states = self._ledger.states(subject.id)
        return all(purpose in states and states[purpose].objected for purpose in SALE_PURPOSES)

    def restrict(self, subject: Subject) -> Reason:
        """Block every use of a person's data (GDPR Art. 18); never loosen a stricter block."""
        if subject.status is not SubjectStatus.ACTIVE:
            return Reason.ALREADY_SO  # the other states block every use as well
        self._subjects.change(subject, {"status": SubjectStatus.RESTRICTED.value})
        return Reason.DONE

    def erase(self, subject: Subject, wish: Wish, *, request: RequestId, at: datetime) -> ErasureId:
        """Ask the erasure ledger: true at once, also on a full disk; return the reference number.

        That is the one of an earlier request if the same is under way.

        Raises:
            Unavailable: if it can't be logged now; it holds all the same.
        """
        standing = self._erasures.request(self._erasure(subject, wish, request, at))
        self._erasures.drain()
        return standing.id

    def _erasure(self, subject: Subject, wish: Wish, request: RequestId, at: datetime) -> Erasure:
        raw = derived(request, "erasure")
        return self._asked(raw, wish.scope, subject, at=at, conversations=wish.conversations)

    def _objections(
        self, subject: Subject, wish: Wish, *, request: RequestId, channel: Channel, at: datetime
    ) -> list[ConsentEvent]:
        """Return the objections that do not stand yet."""
        wanted: Sequence[Purpose] = wish.purposes or self.objectable()
        if wish.kind is RequestKind.DO_NOT_SELL:
            wanted = SALE_PURPOSES
        states = self._ledger.states(subject.id)
        return [
            ConsentEvent(
                id=EventId(format_id(IdKind.EVENT, derived(request, purpose.value))),
                subject=subject.id,
                purpose=purpose,
                act=Act.OBJECT,
                at=at,
                channel=channel.value,
            )
            for purpose in wanted
            if purpose not in states or not states[purpose].objected
        ]

    def erasure(self, erasure_id: str) -> Erasure:
        """Return one erasure.

        Raises:
            NotFound: ``erasure_unknown``.
        """
        return self._erasures.find(erasure_id)

    def take_back_erasure(self, erasure_id: str, at: datetime) -> None:
        """Take an erasure back within its cool-off; one that was taken back before is no error.

        Raises:
            NotFound: ``erasure_unknown``.
            Denied: ``cool_off_over``.
        """
        if self._erasures.find(erasure_id).state is not ErasureState.CANCELLED:
            self._erasures.cancel(erasure_id, at)


def derived(request: RequestId, what: str) -> bytes:
    """Return 16 bytes that follow from a request's id, which is random: repeating gives the same.

    What a repeated call asks of another ledger is then the same act there.
    """
    raw = parse_id(IdKind.REQUEST, request)
    return hashlib.sha256(b"volens/request/v1\x00" + raw + what.encode()).digest()[:ID_BYTES]
