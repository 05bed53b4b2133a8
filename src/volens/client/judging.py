"""When an answer counts: about what was asked, signed, fresh, and in its own time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from volens.client.answer import (
    MOST_PURPOSES,
    MOST_SUBJECTS,
    Answer,
    Decided,
    verify_answer,
    verify_answers,
)
from volens.client.model import NO_TIME, Checked, Failure
from volens.core.errors import InvalidInput, VerificationFailed
from volens.core.members import WORD
from volens.log.note import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question."""

    purpose: str
    subjects: tuple[str, ...]


def read_question(subjects: Sequence[str], purpose: str) -> Asked:
    """Take a question as a program asks it.

    Raises:
        InvalidInput: ``check_form`` if nobody, too many or somebody twice is asked about, or
            ``subjects`` is one string.
    """
    asked = () if isinstance(subjects, str) else tuple(subjects)
    if not 0 < len(asked) <= MOST_SUBJECTS or len(set(asked)) != len(asked) or "" in asked:
        hint = f"a list of 1 to {MOST_SUBJECTS} people, each once"
        raise InvalidInput("check_form", f"{len(asked)} people asked about", hint=hint)
    if not WORD.fullmatch(purpose):
        raise InvalidInput("check_form", "not a purpose", hint="such as batch_training")
    return Asked(purpose=purpose, subjects=asked)


def read_questions(subjects: Sequence[str], purposes: Sequence[str]) -> tuple[Asked, ...]:
    """Take a question about several purposes as a program asks it; one for each purpose.

    Raises:
        InvalidInput: ``check_form``, as `read_question`, or if there is no purpose, there are too
            many, or one is named twice, or ``purposes`` is one string.
    """
    wanted = () if isinstance(purposes, str) else tuple(purposes)
    if not 0 < len(wanted) <= MOST_PURPOSES or len(set(wanted)) != len(wanted):
        hint = f"a list of 1 to {MOST_PURPOSES} purposes, each once"
        raise InvalidInput("check_form", f"{len(wanted)} purposes asked about", hint=hint)
    return tuple(read_question(subjects, purpose) for purpose in wanted)


def judge(
    data: bytes,
    asked: Asked,
    verifier: Verifier,
    *,
    now: datetime,
    within: timedelta,
    ahead: timedelta,
) -> Answer:
    """Return a new answer if it counts.

    Args:
        data: what the server sent.
        asked: what it must be about.
        verifier: whose signature it must carry.
        now: the moment it is used.
        within: how old it may be, as nothing was asked before that.
        ahead: how far the server's clock may be ahead of ours.

    Raises:
        VerificationFailed: with the value of a `Failure` as its code.
    """
    return _counting(verify_answer(data, verifier), asked, now, within, ahead)


def judge_each(
    data: bytes,
    several: Sequence[Asked],
    verifier: Verifier,
    *,
    now: datetime,
    within: timedelta,
    ahead: timedelta,
) -> tuple[Answer, ...]:
    """Return the new answers to a question about several purposes, if all of them count.

    Raises:
        VerificationFailed: as `judge`.
    """
    answers = verify_answers(data, verifier)
    if len(answers) != len(several):
        raise _failed(Failure.ANSWER_INVALID, "there is not an answer for each purpose")
    return tuple(
        _counting(answer, asked, now, within, ahead)
        for answer, asked in zip(answers, several, strict=True)
    )


def _counting(
    answer: Answer, asked: Asked, now: datetime, within: timedelta, ahead: timedelta
) -> Answer:
    about = tuple(one.subject for one in answer.decisions)
    if (answer.purpose, about) != (asked.purpose, asked.subjects):
        raise _failed(Failure.ANSWER_INVALID, "the answer is about something else")
    if answer.at > now + ahead:
        raise _failed(Failure.ANSWER_FROM_FUTURE, "the answer is from the future")
    if now - answer.at > within or now >= answer.valid_until:
        raise _failed(Failure.ANSWER_STALE, "the answer's time is over")
    return answer


def handed_out(
    asked: Asked, decisions: Sequence[tuple[Answer, Decided]], now: datetime, *, reused: bool
) -> Checked:
    """Return decisions as a program gets them; they come from answers of one policy."""
    answers = [answer for answer, _ in decisions]
    at = min(answer.at for answer in answers)
    return Checked(
        purpose=asked.purpose,
        decisions=tuple(one for _, one in decisions),
        policy=answers[0].policy,
        at=at,
        valid_until=min(answer.valid_until for answer in answers),
        age=max(now - at, NO_TIME),
        reused=reused,
        mark=answers[0].mark,
    )


def denied(asked: Asked, failure: Failure, *more: str) -> Checked:
    """Return a deny for everybody asked about.

    Args:
        asked: the question.
        failure: why.
        more: further reasons, such as the server's own code.
    """
    reasons = (failure.value, *(word for word in more if WORD.fullmatch(word)))
    return Checked(
        purpose=asked.purpose,
        decisions=tuple(
            Decided(subject=subject, permit=False, reasons=reasons) for subject in asked.subjects
        ),
        failure=failure,
    )


def _failed(failure: Failure, message: str) -> VerificationFailed:
    return VerificationFailed(failure.value, message)
