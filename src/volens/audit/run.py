"""Running an audit: every check, each on its own; what can't be looked at counts as not held."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from volens import __version__
from volens.audit.checks import CHECKS, Check
from volens.audit.evidence import Evidence
from volens.audit.model import Look, Report, Result
from volens.audit.survey import Survey
from volens.audit.trail import Trail
from volens.core.errors import VolensError
from volens.core.ports import Clock
from volens.core.regions import Region
from volens.policy.decision import Policy

Tell = Callable[[int, int], None]
"""Told how many checks are done, and of how many."""
EVERY_DAYS = 30
DEADLINE = "audit"
"""The name under which a region's profile may say how many days may lie between two audits."""
_TROUBLE = (
    *(OSError, ValueError, LookupError, TypeError, ArithmeticError, AssertionError),
    *(sqlite3.Error, SQLAlchemyError, struct.error),
)
"""What damaged data makes of code that reads it."""


def run_audit(
    evidence: Evidence,
    *,
    clock: Clock,
    tell: Tell = lambda _done, _of: None,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Make every check on `evidence` and return what was found; nothing is changed.

    Args:
        evidence: one home.
        clock: times the checks.
        tell: told after each check.
        checks: which ones; all by default.
    """
    survey = Survey(evidence)
    results = []
    for done, check in enumerate(checks, start=1):
        started = clock.now()
        look = _look(check, survey)
        lasted = max(0, (clock.now() - started) // timedelta(milliseconds=1))
        results.append(
            Result(
                id=check.id,
                promise=check.promise,
                rows=check.rows,
                how=check.how,
                look=look,
                duration_ms=lasted,
            )
        )
        tell(done, len(checks))
    ref = evidence.policy.ref
    trail = evidence.trail if isinstance(evidence.trail, Trail) else None
    return Report(
        origin=evidence.origin,
        region=evidence.region.value,
        realm=evidence.realm.value,
        software=f"volens {__version__}",
        policy={"name": ref.name, "version": ref.version, "sha256": ref.hash},
        log_size=0 if trail is None else trail.report.checkpoint.size,
        log_root="" if trail is None else trail.report.checkpoint.root.hex(),
        at=evidence.at,
        every_days=every_days(evidence.policy, evidence.region),
        results=tuple(results),
    )


def every_days(policy: Policy, region: Region) -> int:
    """Return how many days may lie between two audits in a home's region."""
    profile = policy.pack.regions.get(region)
    return EVERY_DAYS if profile is None else profile.deadlines_days.get(DEADLINE, EVERY_DAYS)


def _look(check: Check, survey: Survey) -> Look:
    try:
        return check.look(survey)
    except VolensError as error:
        return Look(looked_at=0, not_checked=f"{error.message} ({error.code})")
    except _TROUBLE as error:
        return Look(looked_at=0, not_checked=f"it can't be read: {type(error).__name__}")
