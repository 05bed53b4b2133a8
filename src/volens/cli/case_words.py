"""Cases said to people and to programs."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType

from volens.access.exception_records import (
    RECORD_OF,
    Abuse,
    AbuseKind,
    Danger,
    Finding,
    Horizon,
    Immediacy,
    OrderForm,
    Record,
    Sign,
    Validity,
    record_document,
)
from volens.access.exceptions import Case
from volens.cli.holding import minute, turn_words
from volens.cli.output import STRONG, block, indented, line
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.ids import AccountId
from volens.core.time import format_moment
from volens.log.kinds import ExceptionClass
from volens.safety.model import Lease, Look, Notice, QueueItem

Given = dict[str, str | bool | None]
_ANSWERS = {"keep": "You said: keep it.", "erase": "You said: erase it.", "silence": "No answer."}
_CLASS = {
    ExceptionClass.ILLEGAL_CONTENT: "illegal content",
    ExceptionClass.PHYSICAL_HARM: "immediate physical harm",
    ExceptionClass.SYSTEM_ABUSE: "abuse of the system",
    ExceptionClass.LEGAL_ORDER: "a legal order",
    ExceptionClass.CHILD_PROTECTION: "the protection of a child",
    ExceptionClass.SUPERVISORY_ACCESS: "access of a supervisory authority",
}
_BASIS = {
    "legal_obligation": "a legal obligation (GDPR Art. 6(1)(c))",
    "vital_interests": "somebody's vital interests (GDPR Art. 6(1)(d))",
    "legitimate_interest": "a legitimate interest (GDPR Art. 6(1)(f))",
}


def record_of(exception: ExceptionClass, given: Given) -> Record:
    """Make the record that a class demands out of the options given.

    Raises:
        InvalidInput: ``exception_record`` if one is missing, or belongs to another class.
    """
    wanted = RECORD_OF[exception]
    needs: dict[type[Record], tuple[str, ...]] = {
        Immediacy: ("danger", "horizon", "sign"),
        Finding: ("law",),
        Abuse: ("abuse",),
        Validity: ("form", "issuer", "jurisdiction", "docket", "reviewer"),
    }
    missing = [name for name in needs[wanted] if given.get(name) is None]
    if missing:
        options = ", ".join(f"--{name}" for name in missing)
        message = f"a case of {_CLASS[exception]} takes a record of what was checked"
        raise InvalidInput("exception_record", message, hint=f"give {options}")
    word = {name: str(given[name]) for name in needs[wanted]}
    if wanted is Immediacy:
        return Immediacy(
            danger=Danger(word["danger"]),
            horizon=Horizon(word["horizon"]),
            sign=Sign(word["sign"]),
        )
    if wanted is Finding:
        return Finding(law=word["law"])
    if wanted is Abuse:
        return Abuse(kind=AbuseKind(word["abuse"]))
    return Validity(
        form=OrderForm(word["form"]),
        issuer=word["issuer"],
        jurisdiction=word["jurisdiction"],
        docket=word["docket"],
        reviewer=AccountId(word["reviewer"]),
        has_jurisdiction=given.get("has_jurisdiction") is True,
        signed=given.get("signed") is True,
        names_turns=given.get("names_turns") is True,
    )


def case_document(case: Case, now: datetime) -> dict[str, Json]:
    """Describe a case: never what was said."""
    scope: list[Json] = [{"id": name, "turns": [*turns]} for name, turns in case.turns.items()]
    return {
        "id": case.id,
        "class": case.exception.value,
        "state": case.state(now).value,
        "conversations": scope,
        "reason": case.reason.value,
        "record": None if case.record is None else record_document(case.record),
        "legal_basis": case.legal_basis,
        "two_persons": case.two_persons,
        "opener": case.opener,
        "approver": case.approver,
        "asked": format_moment(case.asked),
        "opened": _moment(case.opened),
        "closes": format_moment(case.closes),
        "ended": _moment(case.ended),
        "ended_by": case.ended_by,
        "gag_until": None if case.gag is None else format_moment(case.gag.until),
        "told": _moment(case.told),
        "policy": case.policy,
    }


def lease_document(lease: Lease) -> dict[str, Json]:
    """Describe one view."""
    lasted = lease.lasted
    return {
        "lease": lease.number,
        "account": lease.account,
        "role": lease.role,
        "conversation": lease.conversation,
        "turns": [*lease.turns],
        "began": format_moment(lease.began),
        "ended": _moment(lease.ended),
        "seconds": None if lasted is None else int(lasted.total_seconds()),
        "log_index": lease.log_index,
    }


def item_document(item: QueueItem) -> dict[str, Json]:
    """Describe one item of the queue."""
    return {
        "conversation": item.conversation,
        "turns": [*item.turns],
        "whole": item.whole,
        "categories": [one.value for one in item.categories],
        "severity": item.severity.value,
        "origins": [one.value for one in item.origins],
        "first": format_moment(item.first),
        "last": format_moment(item.last),
        "cases": [*item.cases],
    }


def look_document(look: Look) -> dict[str, Json]:
    """Describe what one view gave out, words included."""
    turns: list[Json] = [
        {"index": turn.index, "role": turn.role, "text": turn.text, "flags": [*turn.flags]}
        for turn in look.turns
    ]
    return {
        "conversation": look.conversation,
        "case": look.case,
        "turns": turns,
        "log_index": look.log_index,
    }


def look_lines(look: Look) -> list[RenderableType]:
    """Say what one view gave out; the words are made safe for a terminal where they are printed."""
    shown: list[RenderableType] = []
    for turn in look.turns:
        shown += [line(f"{turn.index} {turn.role}", STRONG), indented(block(turn.text))]
    return shown


def notice_document(notice: Notice) -> dict[str, Json]:
    """Describe what a person was told."""
    looked: list[Json] = [
        {
            "conversation": one.conversation,
            "turns": [*one.turns],
            "role": one.role,
            "at": format_moment(one.at),
            "seconds": None if one.lasted is None else int(one.lasted.total_seconds()),
        }
        for one in notice.looked
    ]
    return {
        "case": notice.case,
        "class": notice.exception.value,
        "legal_basis": notice.legal_basis,
        "may_object": notice.may_object,
        "opened": format_moment(notice.opened),
        "over": format_moment(notice.over),
        "told": format_moment(notice.told),
        "looked": looked,
        "answer_by": format_moment(notice.answer_by),
        "answer": None if notice.answer is None else notice.answer.value,
        "erased": _moment(notice.erased),
    }


def notice_lines(notice: Notice) -> list[RenderableType]:
    """Say to a person what was done, on which basis, and what they can do."""
    basis = _BASIS.get(notice.legal_basis, notice.legal_basis)
    shown: list[RenderableType] = [
        line(f"{minute(notice.told)}: people looked at something you wrote.", STRONG)
        if notice.looked
        else line(f"{minute(notice.told)}: a case was open; nobody looked.", STRONG),
        indented(line(f"Why: {_CLASS[notice.exception]}. It rests on {basis}.")),
        indented(line(f"Open from {minute(notice.opened)} to {minute(notice.over)}.")),
    ]
    for one in notice.looked:
        what = "something that is erased now"
        if one.conversation is not None:
            what = f"turns {turn_words(one.turns)} of {one.conversation}"
        seconds = "" if one.lasted is None else f", for {one.lasted.total_seconds():.0f} s"
        role = one.role.replace("_", " ")
        shown.append(indented(line(f"{minute(one.at)}: {role} saw {what}{seconds}.")))
    rights = "You can complain to a data protection authority."
    if notice.may_object:
        rights = f"You can object to this. {rights}"
    shown.append(indented(line(rights)))
    if notice.erased is not None:
        shown.append(indented(line("What the case kept is erased. Your own chats are as before.")))
    elif notice.answer is not None:
        shown.append(indented(line(_ANSWERS[notice.answer.value])))
    else:
        ask = f"May it be kept? Answer until {minute(notice.answer_by)}; no answer erases it."
        answers = f"volens case answer PERSON {notice.case} keep, or: ... erase"
        shown += [indented(line(ask)), indented(line(answers))]
    return shown


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)
