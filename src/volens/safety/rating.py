"""Raters: only what was granted for ``human_feedback``, one chat at a time, each view logged.

The gate decides for each conversation; a withdrawal counts for the next view at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from volens.access.exceptions import staff_account
from volens.access.model import Principal, Role
from volens.core.errors import Denied
from volens.core.ids import AccountId, ConversationId
from volens.core.ports import Clock
from volens.core.purposes import Purpose
from volens.gate.facts import Use
from volens.gate.gate import Asker, Gate
from volens.gate.viewing import Viewer
from volens.log.kinds import AccessAction, AccessReason, Actor
from volens.policy.pack import Pack
from volens.safety.leases import LeaseStore, lease_of_plan
from volens.safety.looking import Viewing, look_at
from volens.safety.model import Look
from volens.vault.store import Vault
from volens.vault.subjects import SubjectStore

USE: Final = Use(purpose=Purpose.HUMAN_FEEDBACK.value)
_ASKER: Final = Asker(actor=Actor.RATER, action=AccessAction.SHOW, reason=AccessReason.REVIEW)
MOST: Final = 200


class RatingDesk:
    """Lists and shows what raters may see."""

    def __init__(
        self,
        gate: Gate,
        viewer: Viewer,
        leases: LeaseStore,
        vault: Vault,
        subjects: SubjectStore,
        *,
        pack: Pack,
        clock: Clock,
    ) -> None:
        """Decide by `gate`, open through `viewer`."""
        self._gate = gate
        self._viewer = viewer
        self._leases = leases
        self._vault = vault
        self._subjects = subjects
        self._pack = pack
        self._clock = clock

    def records(self, who: Principal, *, limit: int = 20) -> list[ConversationId]:
        """Return ids of conversations that may be rated now, oldest first; opens nothing.

        Raises:
            Denied: ``exception_role`` unless `who` is a rater.
        """
        _rater(who)
        return list(islice(self._granted(), max(0, min(limit, MOST))))

    def look(self, who: Principal, conversation: str) -> Look:
        """Open one conversation to be rated: what its person and the assistant said, no more.

        Raises:
            NotFound: ``conversation_unknown``.
            Denied: ``exception_role``, or the decision's first reason, such as ``no_grant``.
            Unavailable: ``key_missing`` if it was erased.
        """
        account = _rater(who)
        at = self._clock.now()
        self._leases.end_due(at)
        held = self._vault.find(conversation)
        subject = self._subjects.by_number(held.subject_no)
        self._leases.end_of(account, at, on=held)
        ends = at + lease_of_plan(self._pack, subject.plan)
        viewing = Viewing(use=USE, asker=_ASKER, account=account, ends=ends)
        return look_at(self._viewer, self._leases, held, subject, viewing)

    def _granted(self) -> Iterator[ConversationId]:
        """Yield what may be rated: people by the census, then each conversation on its own."""
        census = self._gate.facts.census(self._gate.policy, USE, self._clock.now())
        numbers = chain.from_iterable(one.subjects.tolist() for one in census.permitted())
        for subject in map(self._subjects.by_number, numbers):
            for held in list(self._vault.of_subject(subject)):  # no query stays open
                if self._gate.decide(subject, USE, held).permit:
                    yield held.id


def _rater(who: Principal) -> AccountId:
    account = staff_account(who)
    if Role.RATER not in who.roles:
        raise Denied("exception_role", "only raters see what was granted for rating")
    return account
