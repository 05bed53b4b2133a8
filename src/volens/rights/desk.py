"""Where rights requests are opened, answered and settled, each in the same way for every plan.

What can be done by itself is done at once: an objection holds when `open` returns, a restriction or
an erasure as soon as it is shown who asks. Whatever takes away from what is done with the data goes
first into its own ledger, then the request is recorded: a full disk or a stop in between never
leaves a recorded request without its deed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from volens.core.ports import Clock, Entropy
from volens.core.purposes import Purpose, SubjectStatus
from volens.core.regions import Region
from volens.holds.erasure import COOL_OFF, PROMISE, Erasure, ErasureState
from volens.log.kinds import ErasureCause, ErasureScope, RequestKind, RequestOutcome
from volens.policy.pack import LegalBasis, Pack
from volens.rights.deadlines import Deadline, deadline
from volens.rights.queue import Place, line_up
from volens.rights.requests import (
    UNVERIFIED,
    About,
    Channel,
    ExtensionReason,
    FromAgent,
    Reason,
    RequestState,
    RightsRequest,
    VerifiedBy,
    close,
    extend,
    start,
    verify,
)
from volens.rights.store import RequestStore
from volens.vault.store import Vault
from volens.vault.subjects import Subject, SubjectStore

SALE_PURPOSES = (
    Purpose.SALE,
    Purpose.TARGETED_ADVERTISING,
    Purpose.MARKETING_SHARING,
    Purpose.PROFILING_WITH_OUTSIDE_DATA,
)
"""What "do not sell or share" is about (CCPA 1798.120). All prohibited: the objection is kept, so
that it would still stand if ever a home with other rules took these people over."""


class Erasures(Protocol):
    """The ledger of erasures."""

    def request(self, erasure: Erasure) -> None:
        """Take a request: true at once, from any process; idempotent by id."""
        ...

    def find(self, erasure_id: str) -> Erasure:
        """Return one erasure; `NotFound` if there is none."""
        ...

    def of_subject(self, subject: str) -> Sequence[Erasure]:
        """Return a person's erasures, oldest first."""
        ...


class Exporter(Protocol):
    """Hands people their data."""

    def hand_over(self, subject: Subject, kind: RequestKind, request: RequestId) -> None:
        """Make the copy of all own data ready for the person; logged and ready when it returns."""
        ...


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


class RightsDesk:
    """Opens, answers and settles the rights requests of one home, as its owner."""

    def __init__(
        self,
        store: RequestStore,
        subjects: SubjectStore,
        ledger: ConsentLedger,
        vault: Vault,
        erasures: Erasures,
        *,
        pack: Pack,
        home: Region,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Use the ledgers of a home in the region `home`, under the policy `pack`."""
        self._store = store
        self._subjects = subjects
        self._ledger = ledger
        self._vault = vault
        self._erasures = erasures
        self._pack = pack
        self._home = home
        self._clock = clock
        self._entropy = entropy

    def deadline(
        self, kind: RequestKind, account: Region, received: datetime | None = None
    ) -> Deadline:
        """Return by when a request must be answered, and whose law says so."""
        return deadline(
            kind,
            received or self._clock.now(),
            account=account,
            home=self._home,
            profiles=self._pack.regions,
        )

    def objectable(self) -> tuple[Purpose, ...]:
        """Return the purposes that rest on legitimate interest (GDPR Art. 21(1))."""
        return tuple(
            purpose
            for purpose, info in self._pack.purposes.items()
            if info.legal_basis is LegalBasis.LEGITIMATE_INTEREST
        )

    def check(self, subject: Subject, wish: Wish) -> None:
        """Pass if the wish can be taken up at all.

        Raises:
            InvalidInput: ``request_about``, ``request_purposes``, ``request_conversations``.
            NotFound: ``conversation_unknown``, also for a conversation of somebody else.
        """
        allowed = set(self.objectable())
        if set(wish.purposes) - allowed or (wish.purposes and not _objects(wish)):
            hint = f"one of {', '.join(sorted(allowed))}; what rests on a yes is withdrawn instead"
            message = "an objection is to purposes that rest on legitimate interest"
            raise InvalidInput("request_purposes", message, hint=hint)
        named = wish.kind is RequestKind.ERASURE and wish.scope is ErasureScope.CONVERSATION
        if named != bool(wish.conversations):
            message = "conversations are named for the erasure of conversations, and only for it"
            raise InvalidInput("request_conversations", message)
        for name in wish.conversations:
            if self._vault.find(name).subject_no != subject.number:
                raise NotFound("conversation_unknown", f"no conversation {name} here")

    def open(
        self,
        subject: Subject,
        wish: Wish,
        *,
        channel: Channel,
        verified_by: VerifiedBy | None = None,
        agent: FromAgent | None = None,
        request_id: RequestId | None = None,
    ) -> RightsRequest:
        """Take up a request and do at once what can be done at once.

        1. Objections are in the consent ledger: from here on they hold.
        2. The request is in the log and in the table.
        3. If it is shown who asks: restriction and erasure take effect, as `answer` does.

        If it stops after 1, the objection holds and was not acknowledged; a repeated call changes
        nothing about it. If it stops after 2, the request is open and `answer` goes on.

        Args:
            subject: whose right it is.
            wish: what is asked.
            channel: the door.
            verified_by: how it was shown who asks; None if it was not, yet.
            agent: the authorised agent that asks for the person, if one does.
            request_id: the reference number; a new one by default.

        Raises:
            InvalidInput, NotFound: as `check`.
        """
        self.check(subject, wish)
        now = self._clock.now()
        until = self.deadline(wish.kind, subject.region, now)
        raw = self._entropy.draw(ID_BYTES)
        request = RightsRequest(
            id=request_id or RequestId(format_id(IdKind.REQUEST, raw)),
            kind=wish.kind,
            subject=subject.id,
            channel=channel,
            opened=now,
            due=until.due,
            region=until.decided_by.region,
            about=wish.about,
            agent=agent,
        )
        if wish.kind in UNVERIFIED:
            changed = self._object(subject, wish, request, channel)
            self._store.add(request, subject)
            request = verify(request, verified_by or VerifiedBy.NOT_NEEDED, now)
            never = wish.kind is RequestKind.DO_NOT_SELL
            done = Reason.NEVER_DONE if never else Reason.DONE if changed else Reason.ALREADY_SO
            return self._close(request, RequestOutcome.FULFILLED, done)
        self._store.add(request, subject)
        if verified_by is None:
            return request
        return self.answer(self.verify(request.id, verified_by), wish)

    def verify(self, request_id: str, by: VerifiedBy) -> RightsRequest:
        """Record that it was shown who asks. Nothing else happens: `answer` goes on.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_verification``.
        """
        request = verify(self._store.find(request_id), by, self._clock.now())
        self._store.change(request)
        return request

    def answer(self, request: RightsRequest, wish: Wish | None = None) -> RightsRequest:
        """Do what a verified request asks for, as far as it goes by itself.

        A restriction is done and closed. An erasure is handed to the erasure ledger, under an id
        made from the request's, so that a repeated call asks for the same one; `settle` closes it.
        Access, portability and rectification are in progress until `hand_over` or `close`.

        Raises:
            InvalidInput: ``request_state`` unless it is verified.
        """
        wish = wish or Wish(kind=request.kind, about=request.about)
        now = self._clock.now()
        if request.kind is RequestKind.RESTRICTION:
            started = start(request, now)
            reason = self._restrict(self._subject(request))
            return self._close(started, RequestOutcome.FULFILLED, reason)
        erasure = None
        if request.kind is RequestKind.ERASURE:
            start(request, now)  # before anything is erased
            erasure = self._erase(self._subject(request), wish, request, now)
        request = start(request, now, erasure=erasure)
        self._store.change(request)
        return request

    def hand_over(self, request_id: str, exporter: Exporter) -> RightsRequest:
        """Answer a request for access or portability with the person's data, and close it.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_kind``.
        """
        request = self._store.find(request_id)
        if request.kind not in {RequestKind.ACCESS, RequestKind.PORTABILITY}:
            message = f"a request for {request.kind} is not answered with a copy of the data"
            raise InvalidInput("request_kind", message)
        if request.state is not RequestState.IN_PROGRESS:
            raise InvalidInput("request_state", f"{request.id} is {request.state.value}")
        exporter.hand_over(self._subject(request), request.kind, request.id)
        return self._close(request, RequestOutcome.FULFILLED, Reason.DONE)

    def close(self, request_id: str, outcome: RequestOutcome, reason: Reason) -> RightsRequest:
        """Close a request by somebody's decision.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_reason``; ``erasure_runs`` if it led to an
                erasure: that is over when it is irrecoverable, not when somebody says so.
        """
        request = self._store.find(request_id)
        if request.erasure is not None and outcome is not RequestOutcome.PARTLY:
            hint = "it closes by itself; within the cool-off the erasure can be taken back"
            message = f"{request.id} led to the erasure {request.erasure}"
            raise InvalidInput("erasure_runs", message, hint=hint)
        return self._close(request, outcome, reason)

    def extend(self, request_id: str, reason: ExtensionReason) -> RightsRequest:
        """Give a request more time, once; the person has been told by now, with the reason.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: as `volens.rights.requests.extend`.
        """
        request = self._store.find(request_id)
        account = self._home if request.subject is None else self._subject(request).region
        until = self.deadline(request.kind, account, request.opened).extended
        extended = extend(request, reason, until=until, at=self._clock.now())
        self._store.change(extended)
        return extended

    def settle(self) -> list[RightsRequest]:
        """Close the requests whose erasure has come to its end; return them. Idempotent.

        An erasure is answered when it is irrecoverable, or when the person took it back. One under
        a hold stays open and in the queue, until somebody closes it as partly fulfilled.
        """
        closed = []
        for request in self._store.unanswered():
            ended = None if request.erasure is None else self._ended(request.erasure)
            if ended is not None:
                closed.append(self._close(request, *ended))
        return closed

    def signalled(self, subject: Subject) -> RightsRequest | None:
        """Honour a Global Privacy Control signal of a person: recorded once, then nothing new.

        Returns:
            The request, closed; None if the person's objection stood already.
        """
        if self.sale_objected(subject):
            return None
        wish = Wish(kind=RequestKind.DO_NOT_SELL)
        return self.open(subject, wish, channel=Channel.SIGNAL)

    def sale_objected(self, subject: Subject) -> bool:
        """Say whether a person's "do not sell or share" stands, journal included."""
        states = self._ledger.states(subject.id)
        return all(purpose in states and states[purpose].objected for purpose in SALE_PURPOSES)

    def queue(self) -> tuple[Place, ...]:
        """Return the open requests in the order in which they are to be taken up."""
        plans: Mapping[str, str] = {one.id: one.plan for one in self._subjects.all()}
        waiting = self._store.unanswered()
        return line_up(waiting, lambda subject: plans.get(subject, ""), self._clock.now())

    def refuse_unmatched(
        self, request_id: RequestId, kind: RequestKind, reason: Reason, agent: FromAgent
    ) -> RightsRequest:
        """Record and refuse an agent's request that is about nobody here, or can't be met."""
        now = self._clock.now()
        until = self.deadline(kind, self._home, now)
        request = RightsRequest(
            id=request_id,
            kind=kind,
            subject=None,
            channel=Channel.AGENT,
            opened=now,
            due=until.due,
            region=until.decided_by.region,
            agent=replace(agent, number=agent.number),
        )
        self._store.add(request, None)
        return self._close(request, RequestOutcome.REFUSED, reason)

    def _object(
        self, subject: Subject, wish: Wish, request: RightsRequest, channel: Channel
    ) -> bool:
        """Record the objections that do not stand yet; say whether there were any."""
        if wish.kind is RequestKind.DO_NOT_SELL:
            wanted: Sequence[Purpose] = SALE_PURPOSES
        else:
            wanted = wish.purposes or self.objectable()
        states = self._ledger.states(subject.id)
        events = [
            ConsentEvent(
                id=EventId(_derived(IdKind.EVENT, request.id, purpose.value)),
                subject=subject.id,
                purpose=purpose,
                act=Act.OBJECT,
                at=request.opened,
                channel=channel.value,
            )
            for purpose in wanted
            if purpose not in states or not states[purpose].objected
        ]
        self._ledger.record(events)
        return bool(events)

    def _restrict(self, subject: Subject) -> Reason:
        if subject.status is not SubjectStatus.ACTIVE:
            return Reason.ALREADY_SO  # the other states block every use as well
        self._subjects.change(subject, {"status": SubjectStatus.RESTRICTED.value})
        return Reason.DONE

    def _erase(
        self, subject: Subject, wish: Wish, request: RightsRequest, now: datetime
    ) -> ErasureId:
        for other in self._erasures.of_subject(subject.id):
            running = other.state is not ErasureState.CANCELLED
            if running and _covers(other, wish):
                return other.id  # asking twice is one erasure, with one receipt
        erasure = Erasure(
            id=ErasureId(_derived(IdKind.ERASURE, request.id, "erasure")),
            scope=wish.scope,
            cause=ErasureCause.REQUEST,
            subject=subject.id,
            conversations=wish.conversations,
            requested=now,
            cool_off_ends=now + COOL_OFF,
            promised_by=now + PROMISE,
            state=ErasureState.ACCESS_ENDED,
            access_ended=now,
        )
        self._erasures.request(erasure)
        return erasure.id

    def _ended(self, erasure_id: str) -> tuple[RequestOutcome, Reason] | None:
        state = self._erasures.find(erasure_id).state
        if state is ErasureState.IRRECOVERABLE:
            return RequestOutcome.FULFILLED, Reason.DONE
        if state is ErasureState.CANCELLED:
            return RequestOutcome.WITHDRAWN, Reason.TAKEN_BACK
        return None

    def _close(
        self, request: RightsRequest, outcome: RequestOutcome, reason: Reason
    ) -> RightsRequest:
        closed = close(request, outcome, reason, self._clock.now())
        self._store.close(closed, None if closed.subject is None else self._subject(closed))
        return closed

    def _subject(self, request: RightsRequest) -> Subject:
        if request.subject is None:
            raise NotFound("subject_unknown", f"the account of {request.id} is gone")
        return self._subjects.find(request.subject)


def _objects(wish: Wish) -> bool:
    return wish.kind is RequestKind.OBJECTION


def _covers(erasure: Erasure, wish: Wish) -> bool:
    """Say whether an erasure that is under way is the very one asked for."""
    if erasure.scope is not wish.scope:
        return False
    open_account = erasure.scope is ErasureScope.ACCOUNT
    return open_account or (
        erasure.scope is ErasureScope.CONVERSATION
        and set(wish.conversations) <= set(erasure.conversations)
    )


def _derived(kind: IdKind, request: RequestId, what: str) -> str:
    """Return an id that follows from a request's, which is random: repeating gives the same."""
    raw = parse_id(IdKind.REQUEST, request)
    digest = hashlib.sha256(b"volens/request/v1\x00" + raw + what.encode()).digest()
    return format_id(kind, digest[:ID_BYTES])
