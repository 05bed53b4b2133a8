"""Which conversations have ciphertext: the only place of this room that knows how it is kept."""

from __future__ import annotations

from volens.audit.survey import Survey, rows


def with_ciphertext(survey: Survey) -> set[int]:
    """Return the numbers of the conversations that ciphertext is kept of."""
    return {
        number for (number,) in rows(survey.evidence.main, "SELECT conversation_no FROM sealed")
    }
