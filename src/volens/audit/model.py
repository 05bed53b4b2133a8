"""What an audit finds, as values: checks, outcomes, findings, and the whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from volens.core.canonical import Json
from volens.core.time import format_moment

VERSION = "volens-audit/v1"
MAX_NUMBERS = 20
"""How many row numbers one finding lists; its count says how many there are."""


class Outcome(StrEnum):
    """What became of one check."""

    HELD = "held"
    VIOLATED = "violated"
    NOT_CHECKED = "not_checked"
    """It could not be looked at. That is not a pass: the audit fails as it does on a violation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found. It names nobody: row numbers, places in the log and counts only."""

    text: str
    count: int = 1
    numbers: tuple[int, ...] = ()
    """At most `MAX_NUMBERS` of the places, ascending."""


def found(text: str, numbers: Sequence[int]) -> list[Finding]:
    """Return one finding over `numbers`, or none if there are none; 0 counts and is not listed."""
    if not numbers:
        return []
    named = tuple(sorted(number for number in numbers if number)[:MAX_NUMBERS])
    return [Finding(text=text, count=len(numbers), numbers=named)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What running one check brought."""

    looked_at: int
    violations: Sequence[Finding] = ()
    remarks: Sequence[Finding] = ()
    """What a reader should know and breaks no promise: upper bounds, what is owed to others."""
    not_checked: str = ""
    """Why it could not be looked at; empty if it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check with what it promises and what was found."""

    id: str
    promise: str
    rows: tuple[str, ...]
    """Rows of the requirements, such as ``R47``."""
    how: str
    look: Look
    duration_ms: int

    @property
    def outcome(self) -> Outcome:
        """Say what became of it; a violation that was seen counts before anything unseen."""
        if self.look.violations:
            return Outcome.VIOLATED
        return Outcome.NOT_CHECKED if self.look.not_checked else Outcome.HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One audit of one home."""

    origin: str
    region: str
    realm: str
    software: str
    policy: Mapping[str, str]
    """Name, version and SHA-256 of the policy in force."""
    log_size: int
    log_root: str
    """Root of the log that was looked at, in hexadecimal; empty if it did not verify."""
    at: datetime
    every_days: int
    """How often an audit is due here."""
    results: tuple[Result, ...] = field(default=())

    @property
    def failed(self) -> int:
        """Count the checks that did not hold or could not be made."""
        return sum(one.outcome is not Outcome.HELD for one in self.results)

    def counts(self) -> dict[Outcome, int]:
        """Return how many checks had each outcome."""
        return {outcome: sum(one.outcome is outcome for one in self.results) for outcome in Outcome}

    def document(self) -> dict[str, Json]:
        """Write the report as JSON values."""
        return {
            "version": VERSION,
            "origin": self.origin,
            "region": self.region,
            "realm": self.realm,
            "software": self.software,
            "policy": dict(self.policy),
            "log": {"size": self.log_size, "root": self.log_root},
            "at": format_moment(self.at),
            "every_days": self.every_days,
            "counts": {outcome.value: count for outcome, count in self.counts().items()},
            "checks": [_result(one) for one in self.results],
        }


def _result(one: Result) -> dict[str, Json]:
    return {
        "id": one.id,
        "promise": one.promise,
        "rows": list(one.rows),
        "how": one.how,
        "outcome": one.outcome.value,
        "looked_at": one.look.looked_at,
        "violations": [_finding(each) for each in one.look.violations],
        "remarks": [_finding(each) for each in one.look.remarks],
        "not_checked": one.look.not_checked,
        "duration_ms": one.duration_ms,
    }


def _finding(one: Finding) -> dict[str, Json]:
    return {"text": one.text, "count": one.count, "numbers": list(one.numbers)}
