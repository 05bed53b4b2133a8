"""Checks: nothing that was promised by a moment is late."""

from __future__ import annotations

from datetime import datetime

from volens.audit.model import Finding, Look, found
from volens.audit.survey import Survey
from volens.holds.erasure import ROTATION, Erasure, ErasureState
from volens.log.kinds import EntryKind

_OPEN = frozenset({ErasureState.ACCESS_ENDED, ErasureState.KEYS_REMOVED})


def erasures_in_time(survey: Survey) -> Look:
    """Compare every erasure with its two deadlines, and their number with the log."""
    register = survey.evidence.erasures
    logged = _logged(survey, EntryKind.ERASURE_REQUESTED)
    if register is None:
        return _without(logged, "erasures")
    erasures, at = register.all(), survey.evidence.at
    late = [no for no, one in enumerate(erasures, 1) if one.state in _OPEN and at >= one.owed_by]
    keys = [no for no, one in enumerate(erasures, 1) if _keys_late(one, at)]
    early = [no for no, one in enumerate(erasures, 1) if _too_early(one)]
    missing = logged - len(erasures)
    return Look(
        looked_at=len(erasures),
        violations=[
            *found("erasures past the moment they were promised by", late),
            *found("erasures whose keys should be removed by now", keys),
            *found("erasures said to be irrecoverable without their earlier steps", early),
        ],
        remarks=_unknown(missing, "erasures"),
    )


def _keys_late(one: Erasure, at: datetime) -> bool:
    # Keys that go later than this can't be irrecoverable in time: rotation comes after them.
    waiting = one.state is ErasureState.ACCESS_ENDED and one.keys_removed is None
    due = max(one.cool_off_ends, one.freed or one.cool_off_ends)
    return waiting and due + ROTATION <= at < one.owed_by


def _too_early(one: Erasure) -> bool:
    if one.state is not ErasureState.IRRECOVERABLE:
        return False
    steps = (one.access_ended, one.keys_removed, one.irrecoverable)
    told = [moment for moment in steps if moment is not None]
    return len(told) != len(steps) or told != sorted(told)


def holds_in_time(survey: Survey) -> Look:
    """Look for holds that go on past their end."""
    register = survey.evidence.holds
    logged = _logged(survey, EntryKind.HOLD_PLACED)
    if register is None:
        return _without(logged, "holds")
    holds, at = register.all(), survey.evidence.at
    late = [no for no, one in enumerate(holds, 1) if one.end is None and at >= one.until]
    missing = logged - len(holds)
    return Look(
        looked_at=len(holds),
        violations=[
            *found("holds past their end that were not released", late),
        ],
        remarks=_unknown(missing, "holds"),
    )


def requests_in_time(survey: Survey) -> Look:
    """Compare every rights request with its deadline; a hold changes the answer, not the time."""
    register = survey.evidence.requests
    logged = _logged(survey, EntryKind.REQUEST_OPENED)
    if register is None:
        return _without(logged, "rights requests")
    asked, at = register.all(), survey.evidence.at
    late = [no for no, one in enumerate(asked, 1) if one.closing is None and at >= one.due]
    missing = logged - len(asked)
    return Look(
        looked_at=len(asked),
        violations=[
            *found("rights requests past their deadline", late),
        ],
        remarks=_unknown(missing, "rights requests"),
    )


def _logged(survey: Survey, kind: EntryKind) -> int:
    return sum(1 for _ in survey.evidence.log().of(kind))


def _unknown(missing: int, what: str) -> list[Finding]:
    """Say how many entries have no row; `log.entries_have_rows` tells a stop from a set-back."""
    text = f"{what} that were logged and stopped before their row was stored"
    return [Finding(text=text, count=missing)] if missing > 0 else []


def _without(logged: int, what: str) -> Look:
    """Nothing of the kind was ever logged, or what the log tells of can't be looked up."""
    if logged:
        return Look(looked_at=0, not_checked=f"the log tells of {logged} {what}; no register here")
    return Look(looked_at=0)
