"""Auditing a home in a test: what was violated, what was not looked at."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.homes import Place
from tests.support.stores import TRAINING
from volens.app.auditing import evidence_of
from volens.app.home import Home
from volens.audit.evidence import Evidence
from volens.audit.model import Outcome, Report, Result
from volens.audit.run import run_audit
from volens.core.errors import VerificationFailed
from volens.datasets.build import BuildResult
from volens.datasets.model import Format

PEOPLE = ("ada", "bo", "cem", "dee")


def same(evidence: Evidence) -> Evidence:
    return evidence


def look(
    where: Place, *, change: Callable[[Evidence], Evidence] = same, witnesses: int = 0
) -> Report:
    """Audit a home as its owner does; `change` may put other registers in."""
    try:
        opened = where.open()
    except VerificationFailed:  # nobody may write to a log that does not verify
        opened = where.open(writing=False)
    with opened as home:
        evidence = change(evidence_of(home, witnesses_wanted=witnesses))
        return run_audit(evidence, clock=where.clock)


def broken(report: Report) -> set[str]:
    return {one.id for one in report.results if one.outcome is Outcome.VIOLATED}


def unseen(report: Report) -> set[str]:
    return {one.id for one in report.results if one.outcome is Outcome.NOT_CHECKED}


def result(report: Report, name: str) -> Result:
    (found,) = [one for one in report.results if one.id == name]
    return found


def texts(report: Report, name: str) -> list[str]:
    return [one.text for one in result(report, name).look.violations]


def remarks(report: Report, name: str) -> list[str]:
    return [one.text for one in result(report, name).look.remarks]


def sql(where: Place, text: str, *values: object, database: str = "main.db") -> None:
    """Change a database behind the back of everybody."""
    with sqlite3.connect(where.folder / database) as db:
        assert db.execute(text, values).rowcount != 0
    db.close()


def built(home: Home, out: Path) -> BuildResult:
    return home.datasets().build(TRAINING, out, form=Format.TRL)


@dataclass(frozen=True)
class Registers:
    """Registers of other rooms, as an audit sees them."""

    values: Sequence[Any] = ()

    def all(self) -> Sequence[Any]:
        return self.values


@dataclass(frozen=True)
class Gone:
    """Whose access has ended, as an audit sees it."""

    accounts: frozenset[bytes] = frozenset()
    conversations: frozenset[bytes] = frozenset()

    def ended(self) -> "Gone":
        return self

    def covers(self, subject: bytes, conversation: bytes, captured: datetime) -> bool:
        assert captured.tzinfo is not None
        return subject in self.accounts or conversation in self.conversations


@dataclass(frozen=True)
class Asking:
    """A rights request, as an audit sees it."""

    due: datetime
    closing: object | None = None


def having(**registers: object) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, **registers)  # type: ignore[arg-type]
