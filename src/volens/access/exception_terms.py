"""On which terms an exception of each class may be opened: read from the policy pack in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from volens.access.model import Role
from volens.core.errors import Denied, InvalidInput
from volens.core.purposes import Purpose
from volens.core.regions import Region
from volens.log.kinds import AccessReason, ExceptionClass
from volens.policy.pack import Pack, Row

PURPOSE_OF: Final = {
    ExceptionClass.ILLEGAL_CONTENT: Purpose.SAFETY_REVIEW,
    ExceptionClass.PHYSICAL_HARM: Purpose.EMERGENCY,
    ExceptionClass.SYSTEM_ABUSE: Purpose.SAFETY_REVIEW,
    ExceptionClass.LEGAL_ORDER: Purpose.LEGAL_ORDER,
    ExceptionClass.CHILD_PROTECTION: Purpose.SAFETY_REVIEW,
    ExceptionClass.SUPERVISORY_ACCESS: Purpose.LEGAL_ORDER,
}
"""What content is opened for under an exception of each class."""
REASON_OF: Final = {
    Purpose.SAFETY_REVIEW: AccessReason.REVIEW,
    Purpose.LEGAL_ORDER: AccessReason.LEGAL_ORDER,
    Purpose.EMERGENCY: AccessReason.EMERGENCY,
}
SUPERVISION: Final = "supervisory access as a documented exception"
"""The requirement of a region's profile without which there is no supervisory access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTerms:
    """The terms of one class under one policy."""

    exception: ExceptionClass
    legal_basis: str
    """``legal_obligation``, ``vital_interests`` or ``legitimate_interest``."""
    opened_by: Role
    most: timedelta
    two_persons: bool

    @property
    def purpose(self) -> Purpose:
        """Return what content is opened for."""
        return PURPOSE_OF[self.exception]

    @property
    def approvers(self) -> frozenset[Role]:
        """Return the roles that may be the second person."""
        return frozenset({self.opened_by, Role.PRIVACY_OFFICER})

    @property
    def may_object(self) -> bool:
        """Say whether the person may object to it (GDPR Art. 21(1))."""
        return self.legal_basis == "legitimate_interest"

    @property
    def flagged_only(self) -> bool:
        """Say whether only turns that were flagged or reported may be named (R22, R31)."""
        return self.opened_by is Role.TRUST_AND_SAFETY


def terms_of(pack: Pack, exception: ExceptionClass, region: Region) -> ClassTerms:
    """Return the terms of a class.

    Supervisory access has the terms of a legal order, and only where the region's profile asks for
    it; a pack may give it terms of its own.

    Raises:
        Denied: ``exception_class`` if the policy in force does not know the class here.
    """
    rows = {row.key: row for row in pack.tables["exceptions"]}
    row = rows.get(exception.value)
    if exception is ExceptionClass.SUPERVISORY_ACCESS:
        profile = pack.regions.get(region)
        asked = profile is not None and SUPERVISION in profile.requirements
        row = (row or rows.get(ExceptionClass.LEGAL_ORDER.value)) if asked else None
    if row is None:
        known = ", ".join(rows) or "none"
        message = f"the policy in force knows no {exception.value} in {region.value}"
        raise Denied("exception_class", message, hint=f"it knows: {known}")
    return _terms(exception, row)


def all_terms(pack: Pack, region: Region) -> tuple[ClassTerms, ...]:
    """Return the terms of every class that may be opened in `region`."""
    found = []
    for exception in ExceptionClass:
        try:
            found.append(terms_of(pack, exception, region))
        except Denied:
            continue
    return tuple(found)


def _terms(exception: ExceptionClass, row: Row) -> ClassTerms:
    days, two = row.values["max_days"], row.values["two_persons"]
    try:
        role = Role(str(row.values["opened_by"]))
    except ValueError:
        message = f"{exception.value} is opened by a role that nobody has"
        raise InvalidInput("exception_terms", message) from None
    if not isinstance(days, int) or days <= 0 or not isinstance(two, bool):
        raise InvalidInput("exception_terms", f"{exception.value} has no end")
    return ClassTerms(
        exception=exception,
        legal_basis=str(row.values["legal_basis"]),
        opened_by=role,
        most=timedelta(days=days),
        two_persons=two,
    )
