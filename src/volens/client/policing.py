"""Watches a program under test: did it ask before each use, and keep to the answer?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from volens.client.answer import Answer, Decided
from volens.core.ports import Clock

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One use that the answer given did not cover."""

    subject: str
    purpose: str
    what: str

    def __str__(self) -> str:
        return f"{self.subject} for {self.purpose}: {self.what}"


class Police:
    """Remembers what was answered, and compares each use with it."""

    def __init__(self, clock: Clock) -> None:
        """Go by this clock."""
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[Decided, datetime]] = {}
        self._withdrawn: set[tuple[str, str]] = set()
        self.violations: list[Violation] = []
        self.uses = 0
        """How many uses were seen."""

    def answered(self, answer: Answer) -> None:
        """Take note of an answer that was sent."""
        for one in answer.decisions:
            key = (one.subject, answer.purpose)
            self._told[key] = (one, answer.valid_until)
            self._withdrawn.discard(key)

    def changed(self, subject: str, purpose: str) -> None:
        """Take note of a withdrawal: what was answered before is worthless."""
        self._withdrawn.add((subject, purpose))

    def used(self, subject: str, purpose: str) -> None:
        """Take note of a use."""
        self.uses += 1
        what = self._wrong(subject, purpose)
        if what:
            self.violations.append(Violation(subject=subject, purpose=purpose, what=what))

    def report(self) -> str:
        """Return all violations, one a line; empty if there is none."""
        return "\n".join(f"used without a yes: {one}" for one in self.violations)

    def _wrong(self, subject: str, purpose: str) -> str:
        told = self._told.get((subject, purpose))
        if told is None:
            return "nobody asked before"
        decided, until = told
        if not decided.permit:
            return f"the answer was no ({', '.join(decided.reasons)})"
        if (subject, purpose) in self._withdrawn:
            return "withdrawn after the answer, and nobody asked again"
        if self._clock.now() >= until:
            return "the answer's time was over"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded(Generic[_Value]):
    """Data of one person, for one purpose; opening it is a use that is seen. `repr` shows none."""

    subject: str
    purpose: str
    police: Police = field(repr=False)
    value: _Value = field(repr=False)

    def open(self) -> _Value:
        """Return the data."""
        self.police.used(self.subject, self.purpose)
        return self.value
