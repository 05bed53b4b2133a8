"""Where rights requests are opened, answered and settled, each in the same way for every plan.

What can be done by itself is done at once: an objection holds when `open` returns, a restriction or
an erasure as soon as it is shown who asks. The deed comes first, then its record: a full disk or a
stop in between never leaves a record without its deed, and repeating does nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from volens.core.errors import InvalidInput, NotFound
from volens.core.ids import ID_BYTES, ErasureId, IdKind, RequestId, format_id
from volens.core.ports import Clock, Entropy
from volens.core.regions import Region
from volens.core.time import from_millis, to_millis
from volens.holds.erasure import ErasureState
from volens.log.kinds import ErasureScope, RequestKind, RequestOutcome
from volens.policy.pack import RegionProfile
from volens.rights.deadlines import Deadline, deadline
from volens.rights.effects import Effects, Wish
from volens.rights.queue import Place, line_up
from volens.rights.requests import (
    UNVERIFIED,
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
from volens.vault.subjects import Subject, SubjectStore

COPIES = frozenset({RequestKind.ACCESS, RequestKind.PORTABILITY})
"""Kinds that are answered with a copy of the person's data (GDPR Art. 15(3), 20)."""

AT_ONCE = frozenset({RequestKind.OBJECTION, RequestKind.DO_NOT_SELL, RequestKind.RESTRICTION})
"""Kinds that are done by the time they are recorded as in progress."""


class Exporter(Protocol):
    """Hands people their data."""

    def hand_over(self, subject: Subject, request: RightsRequest) -> None:
        """Make the copy of all own data ready for the person; done and logged when it returns."""
        ...


class RightsDesk:
    """Opens, answers and settles the rights requests of one home, as its owner."""

    def __init__(
        self,
        store: RequestStore,
        subjects: SubjectStore,
        effects: Effects,
        *,
        profiles: Mapping[Region, RegionProfile],
        priority: frozenset[str],
        home: Region,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Serve a home in the region `home`, under the policy's region profiles and fast plans."""
        self._store = store
        self._subjects = subjects
        self._effects = effects
        self._profiles = profiles
        self._priority = priority
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
            profiles=self._profiles,
        )

    def check(self, subject: Subject, wish: Wish, *, verified: bool) -> None:
        """Pass if `open` would take the wish up; change nothing.

        Raises:
            InvalidInput, NotFound: as `open`.
        """
        self._effects.check(subject, wish, verified=verified)

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

        1. The deed, where there is one and it is shown who asks (objections need not): objections
           and erasures are true in their journals from here on, a restriction in the register.
        2. The request is in the log and in the table.
        3. If nothing more is to be done, its closing follows.

        If it stops after 1, the deed stands and was not acknowledged; a repeated call does nothing
        twice. If it stops after 2, `settle` closes it.

        Args:
            subject: whose right it is.
            wish: what is asked.
            channel: the door.
            verified_by: how it was shown who asks; None if it was not, yet.
            agent: the authorised agent that asks for the person, if one does.
            request_id: the reference number; a new one by default.

        Raises:
            InvalidInput: ``request_about``, ``request_purposes``, ``request_conversations``,
                ``request_verification``.
            NotFound: ``conversation_unknown``.
            Unavailable: if log or database can't be written; see 1.
        """
        if verified_by is None and wish.kind in UNVERIFIED:
            verified_by = VerifiedBy.NOT_NEEDED
        self._effects.check(subject, wish, verified=verified_by is not None)
        now = _to_millisecond(self._clock.now())
        until = self.deadline(wish.kind, subject.region, now)
        request = RightsRequest(
            id=request_id or RequestId(format_id(IdKind.REQUEST, self._entropy.draw(ID_BYTES))),
            kind=wish.kind,
            subject=subject.id,
            channel=channel,
            opened=now,
            due=until.due,
            region=until.decided_by.region,
            about=wish.about,
            scope=wish.scope if wish.kind is RequestKind.ERASURE else None,
            agent=agent,
        )
        done = None
        if verified_by is not None:
            request, done = self._act(verify(request, verified_by, now), subject, wish)
        self._store.add(request, subject)
        return request if done is None else self._close(request, RequestOutcome.FULFILLED, done)

    def hold(
        self,
        subject: Subject,
        wish: Wish,
        *,
        channel: Channel,
        verified_by: VerifiedBy | None = None,
    ) -> ErasureId | None:
        """Make an objection or an erasure true, from any process, without recording the request.

        For when the home is in use or the disk is full. `open`, called later for the same wish,
        records the request and finds the deed done.

        Returns:
            The reference number of the erasure; None for objections.

        Raises:
            InvalidInput: ``request_kind`` for other kinds; ``request_verification`` for an erasure
                if it was not shown who asks; or as `open`.
            Unavailable: ``journal_full``, ``journal_missing``.
        """
        if wish.kind not in UNVERIFIED and verified_by in {None, VerifiedBy.NOT_NEEDED}:
            message = f"a request for {wish.kind} needs to show who asks"
            raise InvalidInput("request_verification", message, hint="signed_in or documents")
        self._effects.check(subject, wish, verified=True)
        now = _to_millisecond(self._clock.now())
        name = RequestId(format_id(IdKind.REQUEST, self._entropy.draw(ID_BYTES)))
        return self._effects.hold(subject, wish, request=name, channel=channel, at=now)

    def verify(self, request_id: str, by: VerifiedBy) -> RightsRequest:
        """Record that it was shown who asks, and do what can be done at once, as `open`.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_verification``.
        """
        request = verify(self._store.find(request_id), by, self._clock.now())
        scope = request.scope or ErasureScope.ACCOUNT
        wish = Wish(kind=request.kind, about=request.about, scope=scope)
        request, done = self._act(request, self._subject(request), wish)
        if done is not None:
            return self._close(request, RequestOutcome.FULFILLED, done)
        self._store.change(request)
        return request

    def take_up(self, request_id: str) -> RightsRequest:
        """Record that somebody works on a verified request.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``.
        """
        request = start(self._store.find(request_id), self._clock.now())
        self._store.change(request)
        return request

    def check_copy(self, request: RightsRequest) -> Subject:
        """Pass if a request can be answered with a copy now; return whose.

        Raises:
            InvalidInput: ``request_state``, ``request_kind``.
            NotFound: ``subject_unknown`` if the account is gone.
        """
        if request.kind not in COPIES:
            message = f"a request for {request.kind} is not answered with a copy of the data"
            raise InvalidInput("request_kind", message)
        if request.state not in {RequestState.VERIFIED, RequestState.IN_PROGRESS}:
            hint = f"volens rights show {request.id}"
            message = f"{request.id} is {request.state.value}: nothing is handed over"
            raise InvalidInput("request_state", message, hint=hint)
        return self._subject(request)

    def hand_over(self, request_id: str, exporter: Exporter) -> RightsRequest:
        """Answer a request for access or portability with the person's data, and close it.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_kind``.
        """
        request = self._store.find(request_id)
        exporter.hand_over(self.check_copy(request), request)
        return self._close(request, RequestOutcome.FULFILLED, Reason.DONE)

    def close(self, request_id: str, outcome: RequestOutcome, reason: Reason) -> RightsRequest:
        """Close a request by somebody's decision.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``, ``request_reason``; ``erasure_runs`` if it led to an
                erasure: that is over when it is irrecoverable, not when somebody says so.
        """
        request = self._store.find(request_id)
        running = request.closing is None and request.erasure is not None
        if running and outcome is not RequestOutcome.PARTLY:
            hint = "it closes by itself; volens rights withdraw takes it back in time"
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

    def take_back(self, request_id: str) -> RightsRequest:
        """Close a request that the person no longer wants, its erasure with it.

        Raises:
            NotFound: ``request_unknown``.
            InvalidInput: ``request_state``.
            Denied: ``cool_off_over`` if the erasure can't be taken back any more.
        """
        request = self._store.find(request_id)
        if request.closing is None and request.erasure is not None:
            self._effects.take_back_erasure(request.erasure, self._clock.now())
        return self._close(request, RequestOutcome.WITHDRAWN, Reason.TAKEN_BACK)

    def settle(self) -> list[RightsRequest]:
        """Close the requests whose deed has come to its end; return them. Idempotent.

        An erasure is answered when it is irrecoverable, or when the person took it back. One under
        a hold stays open and in the queue, until somebody closes it as partly fulfilled. What is
        done at once was done before it was recorded: a stop may have left it to be closed here.
        """
        closed = []
        for request in self._store.unanswered():
            ended = None
            if request.erasure is not None:
                ended = self._ended(request.erasure)
            elif request.kind in AT_ONCE and request.state is RequestState.IN_PROGRESS:
                never = request.kind is RequestKind.DO_NOT_SELL
                ended = RequestOutcome.FULFILLED, Reason.NEVER_DONE if never else Reason.DONE
            if ended is not None:
                closed.append(self._close(request, *ended))
        return closed

    def signalled(self, subject: Subject) -> RightsRequest | None:
        """Honour a Global Privacy Control signal of a person: recorded once, then nothing new.

        Returns:
            The request, closed; None if the person's objection stood already.
        """
        if self._effects.sale_objected(subject):
            return None
        return self.open(subject, Wish(kind=RequestKind.DO_NOT_SELL), channel=Channel.SIGNAL)

    def queue(self) -> tuple[Place, ...]:
        """Return the open requests in the order in which they are to be taken up."""
        waiting = self._store.unanswered()
        named = {one.subject for one in waiting if one.subject is not None}
        plans = {subject: self._subjects.find(subject).plan for subject in named}
        return line_up(waiting, plans, self._clock.now(), priority=self._priority)

    def refuse_unmatched(
        self, request_id: RequestId, wish: Wish, reason: Reason, agent: FromAgent
    ) -> RightsRequest:
        """Record and refuse an agent's request that is about nobody here, or can't be met."""
        now = _to_millisecond(self._clock.now())
        until = self.deadline(wish.kind, self._home, now)
        request = RightsRequest(
            id=request_id,
            kind=wish.kind,
            subject=None,
            channel=Channel.AGENT,
            opened=now,
            due=until.due,
            region=until.decided_by.region,
            scope=wish.scope if wish.kind is RequestKind.ERASURE else None,
            agent=agent,
        )
        self._store.add(request, None)
        return self._close(request, RequestOutcome.REFUSED, reason)

    def _act(
        self, request: RightsRequest, subject: Subject, wish: Wish
    ) -> tuple[RightsRequest, Reason | None]:
        """Do what a verified request asks for, as far as it goes by itself.

        Returns:
            The request, and why it can be closed at once; None if it can't.
        """
        now = request.verified or self._clock.now()
        match request.kind:
            case RequestKind.OBJECTION | RequestKind.DO_NOT_SELL:
                fresh = self._effects.object_to(
                    subject, wish, request=request.id, channel=request.channel, at=now
                )
                if request.kind is RequestKind.DO_NOT_SELL:
                    return start(request, now), Reason.NEVER_DONE
                return start(request, now), Reason.DONE if fresh else Reason.ALREADY_SO
            case RequestKind.RESTRICTION:
                return start(request, now), self._effects.restrict(subject)
            case RequestKind.ERASURE:
                erasure = self._effects.erase(subject, wish, request=request.id, at=now)
                return start(request, now, erasure=erasure), None
            case RequestKind.ACCESS | RequestKind.PORTABILITY | RequestKind.RECTIFICATION:
                return request, None

    def _ended(self, erasure_id: str) -> tuple[RequestOutcome, Reason] | None:
        try:
            state = self._effects.erasure(erasure_id).state
        except NotFound:
            return None  # nothing shows that it ended: the request stays, and is late in time
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


def _to_millisecond(moment: datetime) -> datetime:
    return from_millis(to_millis(moment))
