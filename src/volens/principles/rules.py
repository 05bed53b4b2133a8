"""What a machine finds wrong with an answer, before any model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volens.principles.constitution import Constitution, Principle
from volens.principles.wording import says


class Fault(StrEnum):
    """A rule that an answer breaks."""

    FORBIDDEN = "forbidden"
    REQUIRED = "required"
    SHORT = "short"
    LONG = "long"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule of one principle.

    Attributes:
        principle: the id of the principle.
        fault: which kind of rule.
        words: what is wrong, for the writer that revises.
    """

    principle: str
    fault: Fault
    words: str


def findings(constitution: Constitution, answer: str) -> tuple[Finding, ...]:
    """Return every broken rule, in the order of the principles."""
    refuses = constitution.refuses(answer)
    return tuple(
        Finding(principle=one.id, fault=fault, words=words)
        for one in constitution.principles
        for fault, words in _broken(one, answer.strip(), refuses=refuses)
    )


def _broken(principle: Principle, answer: str, *, refuses: bool) -> list[tuple[Fault, str]]:
    rules = principle.rules
    found = [
        (Fault.FORBIDDEN, f"It says '{phrase}'.")
        for phrase in rules.forbidden
        if says(answer, phrase)
    ]
    if rules.required and not any(says(answer, phrase) for phrase in rules.required):
        found.append((Fault.REQUIRED, f"It says none of: {', '.join(rules.required)}."))
    if len(answer) < rules.least:
        found.append((Fault.SHORT, f"It has less than {rules.least} characters."))
    if len(answer) > rules.most:
        found.append((Fault.LONG, f"It has more than {rules.most} characters."))
    if refuses and not rules.may_refuse:
        found.append((Fault.REFUSAL, "It refuses to answer."))
    return found
