"""A policy pack as values: what its files say, checked once at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from volens.core.errors import Denied
from volens.core.purposes import AgeBand, Purpose, Tier
from volens.core.regions import Region
from volens.policy.model import PolicyRef

Text = Mapping[str, str]
"""One text in several languages: BCP 47 language -> text. English is always there."""


class PackKind(StrEnum):
    """What a pack is for."""

    ENFORCEABLE = "enforceable"
    COMPARISON = "comparison"
    """Describes how others do it, for `policy compare`; can never be put in force."""


class Cell(StrEnum):
    """One cell of the matrix: what a purpose needs on a tier."""

    BASIS = "basis"
    BASIS_INSIDE = "basis_inside"
    """As basis, and only inside the data's own tenant."""
    GRANT = "grant"
    NAMED_GRANT = "named_grant"
    EXCEPTION = "exception"
    NEVER = "never"
    ALWAYS = "always"
    """Comparison packs only: used by default, and nobody can object."""


STRICTNESS = (
    Cell.ALWAYS,
    Cell.BASIS,
    Cell.BASIS_INSIDE,
    Cell.GRANT,
    Cell.NAMED_GRANT,
    Cell.EXCEPTION,
    Cell.NEVER,
)
"""Cells from the most open to the most closed; combining two tiers takes the later one."""


class LegalBasis(StrEnum):
    """Legal bases (GDPR Art. 6(1)), bound to purposes (R62)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    LEGITIMATE_INTEREST = "legitimate_interest"
    NONE = "none"
    """Never permitted, so there is nothing to base it on."""


class ConsentClass(StrEnum):
    """How the person is involved (R06)."""

    IMPLICIT = "implicit"
    EXPLICIT = "explicit"
    RETROACTIVE = "retroactive"
    NONE = "none"


class Chooser(StrEnum):
    """Who may choose a tier other than the plan's own."""

    PERSON = "person"
    ORGANISATION = "organisation"
    """On a signed instruction of the organisation."""
    ACCOUNT = "account"
    """Whoever holds the account, a person or an organisation."""


class AccountKind(StrEnum):
    """Who stands behind an account on a plan."""

    PERSON = "person"
    ORGANISATION = "organisation"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan: where its accounts start and who may move them."""

    key: str
    label: Text
    account: AccountKind
    default_tier: Tier
    may_choose: Mapping[Tier, Chooser]
    note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class TierInfo:
    """A tier's words."""

    key: Tier
    label: Text
    description: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeInfo:
    """A purpose's words, its legal basis and what it needs besides the person."""

    key: Purpose
    label: Text
    description: Text
    legal_basis: LegalBasis
    consent_class: ConsentClass
    mechanism: str
    """The mechanism that must exist first, or empty."""
    signed_instruction: bool
    """Whether an organisation must have instructed it by name; the contract covers the rest."""
    prompted: bool
    """Whether people may be asked for it; False means nobody is ever prompted."""
    weights: bool
    """Whether the use changes the weights of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that people are shown, by the hash of its bytes (R09)."""

    id: str
    purposes: frozenset[Purpose]
    language: str
    file: str
    text: str = field(repr=False)
    hash: str
    accepts: frozenset[str]
    """Hashes of earlier texts that promised no less: grants given to them stay good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of a descriptive table: its key and its members, strict but not interpreted."""

    key: str
    label: Text
    values: Mapping[str, str | int | bool | tuple[str, ...] | Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProfile:
    """A region's law in short (R64-R67)."""

    key: Region
    label: Text
    requirements: tuple[str, ...]
    challenges: tuple[str, ...]
    deadlines_days: Mapping[str, int]
    accepted_ages: frozenset[AgeBand]
    """Ages cleared for consent purposes."""
    reviewer: str
    reviewed_on: str
    """Date of the sign-off, or empty: unsigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change against the version before, in words (R70)."""

    id: str
    summary: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One Cedar policy of a pack, with what its annotations say."""

    id: str
    base: bool
    permits: bool
    reason: str
    """A reason code; empty if `reason_from` is set."""
    reason_from: str
    """The attribute whose value gives the reason code; empty if `reason` is set."""
    rows: str
    text: Text
    body: str = field(repr=False)
    """Head and conditions as Cedar understands them; equal for rules that mean the same text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A loaded and admitted policy pack."""

    ref: PolicyRef
    kind: PackKind
    label: Text
    effective_from: datetime
    plans: Mapping[str, Plan]
    tiers: Mapping[Tier, TierInfo]
    purposes: Mapping[Purpose, PurposeInfo]
    matrix: Mapping[Purpose, Mapping[Tier, Cell]]
    regions: Mapping[Region, RegionProfile]
    notices: tuple[Notice, ...]
    tables: Mapping[str, tuple[Row, ...]]
    """The descriptive tables: stages, sources, terms, retention, roles, exceptions,
    protections."""
    changes: tuple[Change, ...]
    rules: Mapping[str, Rule]
    cedar: str = field(repr=False)
    schema: str = field(repr=False)

    @property
    def name(self) -> str:
        """The pack's name, the same in all its versions."""
        return self.ref.name

    @property
    def version(self) -> str:
        """The version's name."""
        return self.ref.version

    @property
    def hash(self) -> str:
        """SHA-256 over every file of the pack and of the base pack, in hexadecimal."""
        return self.ref.hash

    def cell(self, purpose: Purpose, tier: Tier) -> Cell:
        """Return the matrix cell; `Cell.NEVER` for a purpose that the pack does not know."""
        row = self.matrix.get(purpose)
        return Cell.NEVER if row is None else row[tier]

    def accepted_notices(self, purpose: Purpose) -> frozenset[str]:
        """Return the hashes of all notices under which `purpose` counts as explained."""
        hashes: set[str] = set()
        for notice in self.notices:
            if purpose in notice.purposes:
                hashes |= {notice.hash, *notice.accepts}
        return frozenset(hashes)

    def require_enforceable(self) -> None:
        """Pass if the pack may be put in force.

        Raises:
            Denied: ``comparison_pack`` if it only describes how others do it.
        """
        if self.kind is not PackKind.ENFORCEABLE:
            raise Denied(
                "comparison_pack",
                f"the pack {self.name} {self.version} is for comparison only",
                hint="choose an enforceable pack, such as consent-first",
            )
