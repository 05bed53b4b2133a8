"""Requests that authorised agents make for people, by the Data Rights Protocol 1.0.

The same rights as for everybody who asks in person. What an agent says of the person is used to
find the account and kept nowhere.
"""

from __future__ import annotations

from volens.core.canonical import Json
from volens.core.errors import NotFound
from volens.core.ids import IdKind, RequestId, format_id
from volens.core.ports import Clock
from volens.crypto.sealing import Sealer
from volens.rights.desk import RightsDesk
from volens.rights.drp import (
    WISHES,
    Agent,
    Exercise,
    Exercised,
    Identity,
    request_of,
    status,
    verify_exercise,
    verify_revocation,
)
from volens.rights.requests import (
    UNVERIFIED,
    Channel,
    FromAgent,
    Reason,
    RightsRequest,
    VerifiedBy,
)
from volens.rights.store import RequestStore
from volens.vault.subjects import Subject, SubjectStore


class AgentDoor:
    """Takes agents' messages and answers with status objects."""

    def __init__(
        self,
        desk: RightsDesk,
        store: RequestStore,
        subjects: SubjectStore,
        sealer: Sealer,
        *,
        business: str,
        clock: Clock,
    ) -> None:
        """Serve the business that agents know as `business`."""
        self._desk = desk
        self._store = store
        self._subjects = subjects
        self._sealer = sealer
        self._business = business
        self._clock = clock

    def read(self, data: bytes, agent: Agent) -> Exercised:
        """Check a message and read it; nothing is done.

        Raises:
            VerificationFailed, InvalidInput: as `volens.rights.drp.verify_exercise`.
        """
        return verify_exercise(data, agent=agent, business=self._business, at=self._clock.now())

    def receive(self, data: bytes, agent: Agent) -> dict[str, Json]:
        """Take up a request to exercise a right, and return its status object (2.01.1).

        The same message again, within its time, gets the status of the request that it led to and
        does nothing: its reference number follows from what was signed.

        Raises:
            VerificationFailed, InvalidInput: as `volens.rights.drp.verify_exercise`; nothing is
                kept of the message.
        """
        asked = self.read(data, agent)
        request_id = self._request_id(asked)
        try:
            return status(self._store.find(request_id))
        except NotFound:
            return status(self._open(asked, request_id))

    def status(self, wire: str, agent: Agent) -> dict[str, Json]:
        """Return the status object of an agent's own request (2.02).

        Raises:
            InvalidInput: ``drp_request_id``.
            NotFound: ``request_unknown``, also for the request of somebody else. The protocol wants
                403 for those; a door answers 403 to both, so that nobody learns which exist.
        """
        return status(self._own(wire, agent))

    def revoke(self, wire: str, data: bytes, agent: Agent) -> dict[str, Json]:
        """Take an agent's own request back, and return its status object (2.04).

        Raises:
            VerificationFailed, InvalidInput: as `volens.rights.drp.verify_revocation`.
            NotFound: ``request_unknown``, as `status`.
            Denied: ``cool_off_over``.
        """
        verify_revocation(data, agent=agent)
        request = self._own(wire, agent)
        if request.closing is None:
            request = self._desk.take_back(request.id)
        return status(request)

    def _open(self, asked: Exercised, request_id: RequestId) -> RightsRequest:
        wish = WISHES[asked.exercise]
        source = FromAgent(agent=asked.agent, number=asked.number, callback=asked.status_callback)
        found: Subject | Reason = Reason.NOT_OFFERED
        if asked.exercise is not Exercise.SALE_OPT_IN:
            found = self._match(asked.identity, verified=wish.kind not in UNVERIFIED)
        if isinstance(found, Reason):
            return self._desk.refuse_unmatched(request_id, wish, found, source)
        return self._desk.open(
            found,
            wish,
            channel=Channel.AGENT,
            verified_by=VerifiedBy.AGENT,
            agent=source,
            request_id=request_id,
        )

    def _match(self, identity: Identity, *, verified: bool) -> Subject | Reason:
        """Return the one person that the agent's words name, or why there is none.

        Where it matters who asks, only what the agent has verified counts; if that is nothing, the
        answer is the same whether or not the person is here.
        """
        names = identity.verified() if verified else identity.given()
        if not names:
            return Reason.IDENTITY_NOT_SHOWN
        found = {}
        for name in names:
            try:
                subject = self._subjects.find(name)
            except NotFound:
                continue
            found[subject.number] = subject
        return found.popitem()[1] if len(found) == 1 else Reason.NO_MATCH

    def _request_id(self, asked: Exercised) -> RequestId:
        """Return the id that a message leads to: under the look-up key, it shows nothing of it."""
        value = asked.agent.encode() + b"\x00" + asked.body
        return RequestId(format_id(IdKind.REQUEST, self._sealer.lookup(b"drp", value)))

    def _own(self, wire: str, agent: Agent) -> RightsRequest:
        request = self._store.find(request_of(wire))
        if request.agent is None or request.agent.agent != agent.id:
            hint = "volens rights list shows which there are"
            raise NotFound("request_unknown", f"no rights request {request.id} here", hint=hint)
        return request
