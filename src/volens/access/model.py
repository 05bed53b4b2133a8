"""Who asks: the one value that every door hands to what it calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from volens.core.ids import AccountId, SubjectId, TokenId


class PrincipalKind(StrEnum):
    """What sort of somebody asks."""

    ANONYMOUS = "anonymous"
    SUBJECT = "subject"
    """A person, for their own data."""
    STAFF = "staff"
    """A member of staff, with roles."""
    SERVICE = "service"
    """A program, with an API token."""


class Role(StrEnum):
    """What a member of staff may do; nobody has a role that sees everything (R22)."""

    SUPPORT = "support"
    TRUST_AND_SAFETY = "trust_and_safety"
    RESEARCH = "research"
    RATER = "rater"
    ENGINEERING = "engineering"
    PRIVACY_OFFICER = "privacy_officer"
    LEGAL_COUNSEL = "legal_counsel"
    AUDITOR = "auditor"
    ORGANISATION_ADMIN = "organisation_admin"
    """Of one organisation, for its own instructions."""


class Scope(StrEnum):
    """What an API token is good for."""

    CHOICES_READ = "choices:read"
    CHOICES_WRITE = "choices:write"
    SUBJECTS_READ = "subjects:read"
    SUBJECTS_WRITE = "subjects:write"
    CAPTURE = "conversations:capture"
    FLAGS = "flags:raise"
    EMBED = "embed:issue"
    REQUESTS = "requests:write"
    WEBHOOKS = "webhooks:manage"
    METRICS = "metrics:read"
    ORGANISATIONS = "organisations:instruct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as far as it was proven. Nothing in a request's body can change it."""

    kind: PrincipalKind
    account: AccountId | None = None
    """The local account signed in with; None for tokens."""
    subject: SubjectId | None = None
    """The person whose own data may be asked for; only for the kind ``subject``."""
    roles: frozenset[Role] = frozenset()
    organisation: str | None = None
    """Whose administrator this is, for the role ``organisation_admin``; or whose token."""
    scopes: frozenset[Scope] = frozenset()
    token: TokenId | None = None
    stepped_up_until: datetime | None = None
    """Until when a second proof of identity counts (step-up)."""

    def stepped_up(self, at: datetime) -> bool:
        """Say whether a fresh second proof counts at a moment."""
        return self.stepped_up_until is not None and at < self.stepped_up_until


ANONYMOUS = Principal(kind=PrincipalKind.ANONYMOUS)
