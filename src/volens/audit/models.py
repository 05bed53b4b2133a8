"""Check: who may not be used any more has a case for each model, and none was given out since."""

from __future__ import annotations

from volens.audit.model import Finding, Look
from volens.audit.survey import Survey
from volens.core.errors import VolensError


def cases_are_open(survey: Survey) -> Look:
    """Compare what runs were planned with, what may be used now, cases, and copies that left.

    Raises:
        VolensError: why it can't be known.
    """
    models = survey.evidence.models
    if isinstance(models, VolensError):
        raise models
    wrong = {
        "records in models that may not be used any more, without a case": models.without_case,
        "copies of models that left after a case had stopped them": models.left_after,
    }
    return Look(
        looked_at=models.families,
        violations=[Finding(text=text, count=count) for text, count in wrong.items() if count],
    )
