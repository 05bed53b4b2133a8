"""What support sees of an account (R22): how it is set up. No conversation, not even how many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from volens.access.exceptions import staff_account
from volens.access.model import Principal, Role
from volens.core.errors import Denied
from volens.core.ids import SubjectId
from volens.vault.subjects import SubjectStore

_MAY: Final = frozenset({Role.SUPPORT, Role.PRIVACY_OFFICER})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBasics:
    """The basic account data. There is deliberately no field for anything of a conversation."""

    id: SubjectId
    plan: str
    tier: str | None
    """The one chosen; None: the plan's own."""
    region: str
    organisation: str | None
    status: str
    created: datetime


class BasicsDesk:
    """Answers support."""

    def __init__(self, subjects: SubjectStore) -> None:
        """Look accounts up in `subjects`."""
        self._subjects = subjects

    def of(self, who: Principal, name: str) -> AccountBasics:
        """Return the basic data of the account with this id or product reference.

        Raises:
            Denied: ``exception_role`` unless `who` is support or the privacy officer.
            NotFound: ``subject_unknown``.
        """
        staff_account(who)
        if not who.roles & _MAY:
            raise Denied("exception_role", "only support sees basic account data")
        found = self._subjects.find(name)
        return AccountBasics(
            id=found.id,
            plan=found.plan,
            tier=None if found.tier is None else found.tier.value,
            region=found.region.value,
            organisation=found.organisation,
            status=found.status.value,
            created=found.created,
        )
