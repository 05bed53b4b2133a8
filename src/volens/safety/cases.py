"""The desk where staff open cases and look under them (R22-R29).

Roles are asked for anew at each call, from what the caller proved; nothing here opens content by
itself: the gate decides, with the case as a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from volens.access.exception_records import Record, Refused
from volens.access.exception_store import CaseStore, unknown_case
from volens.access.exception_terms import REASON_OF, ClassTerms, all_terms, terms_of
from volens.access.exceptions import (
    Case,
    CaseReason,
    CaseState,
    Gag,
    approve_case,
    ask_case,
    close_case,
    expire_case,
    refuse_case,
    require_viewer,
    staff_account,
)
from volens.access.model import Principal, Role
from volens.core.errors import Denied, InvalidInput
from volens.core.ids import CaseId, ConversationId, IdKind, format_id
from volens.core.ports import Clock, Entropy
from volens.core.regions import Region
from volens.gate.facts import Use
from volens.gate.gate import Asker
from volens.gate.viewing import Viewer
from volens.log.kinds import AccessAction, Actor, ExceptionClass
from volens.safety.flags import check_turns
from volens.safety.leases import LeaseStore, lease_of_plan
from volens.safety.looking import Viewing, look_at
from volens.safety.model import Lease, Look
from volens.safety.queue import ReviewQueue
from volens.vault.store import Vault
from volens.vault.subjects import Subject

_SEE_ALL: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
_ID_BYTES: Final = 16


class CaseDesk:
    """Opens, approves, shows and closes cases."""

    def __init__(
        self,
        store: CaseStore,
        queue: ReviewQueue,
        leases: LeaseStore,
        viewer: Viewer,
        vault: Vault,
        *,
        region: Region,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Work on `store`, under the policy of the gate of `viewer`, in a home in `region`."""
        self._store = store
        self._queue = queue
        self._leases = leases
        self._viewer = viewer
        self._vault = vault
        self._subjects = viewer.gate.facts.subjects
        self._pack = viewer.gate.policy.pack
        self._region = region
        self._clock = clock
        self._entropy = entropy

    def terms(self) -> tuple[ClassTerms, ...]:
        """Return the classes that may be opened here, with their terms."""
        return all_terms(self._pack, self._region)

    def open(
        self,
        who: Principal,
        *,
        exception: ExceptionClass,
        turns: Mapping[ConversationId, tuple[int, ...]],
        reason: CaseReason,
        record: Record,
        days: int | None = None,
        gag: Gag | None = None,
    ) -> Case:
        """Open a case, or ask a second person to, where the class demands two.

        Args:
            who: the member of staff.
            exception: the class.
            turns: named turns of conversations of one person.
            reason: why.
            record: what the class demands to be written down.
            days: for how long; the most that the policy allows by default.
            gag: a recorded duty not to tell the person for a while.

        Raises:
            Denied: ``exception_class``, ``exception_role``, or ``exception_not_flagged`` if a turn
                was neither flagged nor reported and the class reviews only those.
            Refused: if the record says that nothing may be opened: logged, nothing else is kept.
            InvalidInput: ``exception_scope``, ``exception_record``, ``exception_too_long``,
                ``exception_gag`` or ``turn_unknown``.
            NotFound: ``conversation_unknown``.
        """
        terms = terms_of(self._pack, exception, self._region)
        at = self._clock.now()
        length = terms.most if days is None else timedelta(days=days)
        if length <= timedelta(0):
            raise InvalidInput("exception_end", "a case is open for a day at least")
        wanted = Case(
            id=CaseId(format_id(IdKind.CASE, self._entropy.draw(_ID_BYTES))),
            exception=exception,
            subject=self._owner(turns).id,
            turns=turns,
            reason=reason,
            record=record,
            legal_basis=terms.legal_basis,
            two_persons=terms.two_persons,
            opener=staff_account(who),
            asked=at,
            closes=at + length,
            most=length,
            gag=gag,
            policy=f"{self._pack.ref.name} {self._pack.ref.version}",
        )
        try:
            asked = ask_case(wanted, terms, who, at)
        except Refused as error:
            self._store.refuse_request(exception, error.ground)
            raise
        if terms.flagged_only:
            self._require_flagged(asked)
        return self._store.add(asked)

    def approve(self, who: Principal, case_id: str) -> Case:
        """Approve a case that waits, as its second person; it is open from now.

        Raises:
            NotFound: ``case_unknown``.
            Denied: ``exception_persons`` if `who` opened it; ``exception_role``.
            InvalidInput: ``exception_state``.
        """
        case = self._store.find(case_id)
        terms = self._terms(case)
        return self._store.approve(approve_case(case, terms, who, self._clock.now()))

    def refuse(self, who: Principal, case_id: str) -> Case:
        """Refuse a case that waits, as its second person; it was never open.

        Raises:
            NotFound, Denied, InvalidInput: as `approve`.
        """
        case = self._store.find(case_id)
        return self._store.end(refuse_case(case, self._terms(case), who, self._clock.now()))

    def close(self, who: Principal, case_id: str) -> Case:
        """Close a case before its time; what is open under it ends.

        Raises:
            NotFound: ``case_unknown``.
            Denied: ``exception_role``.
            InvalidInput: ``exception_state``.
        """
        at = self._clock.now()
        closed = self._store.end(close_case(self._store.find(case_id), who, at))
        self._leases.end_of_case(self._store.number_of(case_id), at)
        return closed

    def find(self, who: Principal, case_id: str) -> Case:
        """Return a case that `who` may see: metadata only.

        Raises:
            NotFound: ``case_unknown``, also if it is not theirs to see.
            Denied: ``exception_role`` unless they are staff.
        """
        case = self._store.find(case_id)
        if not self._may_see(who, case):
            raise unknown_case(case_id)
        return case

    def listed(self, who: Principal) -> list[Case]:
        """Return the cases that `who` may see, oldest first: metadata only.

        Their own, those that they may approve, and for officers and auditors all.

        Raises:
            Denied: ``exception_role`` unless they are staff.
        """
        return [case for case in self._store.all() if self._may_see(who, case)]

    def leases(self, who: Principal, case_id: str) -> list[Lease]:
        """Return who looked under a case, at what, when and how long.

        Raises:
            NotFound, Denied: as `find`.
        """
        self.find(who, case_id)
        self._leases.end_due(self._clock.now())
        return self._leases.of_case(self._store.number_of(case_id))

    def views(self, who: Principal, case_id: str) -> list[Lease]:
        """Return what `leases` does, of a home opened for reading: nothing is ended first.

        Raises:
            NotFound, Denied: as `find`.
        """
        self.find(who, case_id)
        return self._leases.of_case(self._store.number_of(case_id))

    def look(self, who: Principal, case_id: str, conversation: str) -> Look:
        """Open the turns of one conversation that a case names, to be looked at under a lease.

        Leases that ran out, and a former one of the same person on the same conversation, end
        first. The log has the access before anything is opened.

        Raises:
            NotFound: ``case_unknown``, ``conversation_unknown``.
            Denied: ``exception_role``, ``exception_missing`` if it is not open or does not name it.
            Unavailable: ``key_missing`` if it was erased.
        """
        at = self._clock.now()
        self._leases.end_due(at)
        case = self.find(who, case_id)
        terms = self._terms(case)
        account = require_viewer(case, terms, who)
        held = self._vault.find_ended(conversation)
        subject = self._subjects.by_number(held.subject_no)
        turns = case.turns.get(held.id, ())
        if not turns or subject.id != case.subject:
            raise Denied("exception_missing", f"{case.id} names nothing of {held.id}")
        self._leases.end_of(account, at, on=held)
        actor = Actor(terms.opened_by.value)
        asker = Asker(actor=actor, action=AccessAction.SHOW, reason=REASON_OF[terms.purpose])
        use = Use(purpose=terms.purpose.value, case=case.id, turns=turns)
        ends = min(at + lease_of_plan(self._pack, subject.plan), case.closes)
        number = self._store.number_of(case.id)
        return look_at(
            self._viewer,
            self._leases,
            held,
            subject,
            Viewing(use=use, asker=asker, account=account, ends=ends, case_no=number, case=case.id),
        )

    def look_away(self, who: Principal, lease: int) -> Lease:
        """End a lease of one's own; idempotent.

        Raises:
            NotFound: ``lease_unknown``.
            Denied: ``exception_role`` unless they are staff.
        """
        return self._leases.end(lease, staff_account(who), self._clock.now())

    def expire(self, at: datetime) -> int:
        """Log the end of every case whose time is over, with what is open; return how many."""
        over = self._store.over(at)
        for case in over:
            self._leases.end_of_case(self._store.number_of(case.id), at)
            self._store.end(expire_case(case, at))
        return len(over)

    def _owner(self, turns: Mapping[ConversationId, tuple[int, ...]]) -> Subject:
        held = [self._vault.find_ended(name) for name in turns]
        for one in held:
            check_turns(one, turns[one.id])
        owners = {one.subject_no for one in held}
        if len(owners) != 1:
            hint = "open a case for each person, and name turns"
            raise InvalidInput("exception_scope", "a case is about one person", hint=hint)
        return self._subjects.by_number(owners.pop())

    def _require_flagged(self, case: Case) -> None:
        for name, turns in case.turns.items():
            others = set(turns) - self._queue.turns_of(self._vault.find_ended(name))
            if others:
                first = min(others)
                message = f"turn {first} of {name} was neither flagged nor reported"
                hint = "people review only what was flagged or reported: volens flag list"
                raise Denied("exception_not_flagged", message, hint=hint)

    def _terms(self, case: Case) -> ClassTerms:
        return terms_of(self._pack, case.exception, self._region)

    def _may_see(self, who: Principal, case: Case) -> bool:
        account = staff_account(who)
        if who.roles & _SEE_ALL or account in {case.opener, case.approver}:
            return True
        waiting = case.state(self._clock.now()) is CaseState.WAITING
        return waiting and bool(who.roles & self._terms(case).approvers)
