"""Trust and safety, and legal counsel: the queue, a case with its record, a second person, a look.

The queue and the cases show metadata. Text is shown in one place only, `_look`, in the answer to
the act itself: named turns, logged before, under a lease, each turn folded until it is asked for.
Who looks, and whether they may, is decided by the desk of `volens.safety` and by the gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from starlette.responses import Response

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
from volens.access.exception_terms import ClassTerms
from volens.access.exceptions import Case, CaseReason, CaseState, Gag
from volens.access.model import Role
from volens.app.home import Home
from volens.app.safety import safety_of
from volens.core.errors import Denied, InvalidInput, NotFound
from volens.core.ids import AccountId, ConversationId, IdKind, parse_id
from volens.log.kinds import ExceptionClass
from volens.safety.model import Origin, QueueItem
from volens.vault.model import MAX_TURNS
from volens.web.console_clock import stated_moment
from volens.web.console_frame import StaffPage, Visit, chosen
from volens.web.console_overview import exception_chart
from volens.web.console_turns import lease_number, look_values

_REVIEWERS: Final = frozenset({Role.TRUST_AND_SAFETY})
_OPENERS: Final = _REVIEWERS | {Role.LEGAL_COUNSEL}
_SECOND: Final = _OPENERS | {Role.PRIVACY_OFFICER}
_READERS: Final = _SECOND | {Role.AUDITOR}
_PATH: Final = "/staff/cases"
_MOST: Final = 100
_TURNS: Final = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
CHOICES: Final[Mapping[type[Record], Mapping[str, type[StrEnum]]]] = {
    Finding: {},
    Immediacy: {"danger": Danger, "horizon": Horizon, "sign": Sign},
    Abuse: {"abuse": AbuseKind},
    Validity: {"form": OrderForm},
}
"""Fields of each record that are words of closed lists."""


def read_record_form(exception: ExceptionClass, form: Mapping[str, str], by: AccountId) -> Record:
    """Read the record that a class demands from what a form says.

    Raises:
        InvalidInput: ``word_unknown``.
    """
    wanted = RECORD_OF[exception]
    if wanted is Finding:
        return Finding(law=form.get("law", "").strip())
    if wanted is Abuse:
        return Abuse(kind=chosen(AbuseKind, form.get("abuse", ""), "kind of abuse"))
    if wanted is Immediacy:
        return Immediacy(
            danger=chosen(Danger, form.get("danger", ""), "danger"),
            horizon=chosen(Horizon, form.get("horizon", ""), "horizon"),
            sign=chosen(Sign, form.get("sign", ""), "sign"),
        )
    return Validity(
        form=chosen(OrderForm, form.get("form", ""), "form of an order"),
        issuer=form.get("issuer", "").strip(),
        jurisdiction=form.get("jurisdiction", "").strip(),
        docket=form.get("docket", "").strip(),
        reviewer=by,
        has_jurisdiction=form.get("has_jurisdiction") == "yes",
        signed=form.get("signed") == "yes",
        names_turns=form.get("names_turns") == "yes",
    )


def read_turns(texts: tuple[str, ...]) -> tuple[int, ...]:
    """Read turns such as ``1`` or ``2-4``, several with commas between them.

    Raises:
        InvalidInput: ``turns_form``.
    """
    found: set[int] = set()
    for part in ",".join(texts).split(","):
        match = _TURNS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < MAX_TURNS:
            hint = "write them like 0,2-4; the first turn is 0"
            raise InvalidInput("turns_form", f"not turns: {part[:40]!r}", hint=hint)
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def read_gag(form: Mapping[str, str]) -> Gag | None:
    """Read a duty not to tell the person, if the form names one.

    Raises:
        InvalidInput: ``time_form``, ``exception_gag``.
    """
    until, authority = form.get("gag_until", "").strip(), form.get("gag_authority", "").strip()
    if not until and not authority:
        return None
    if not until or not authority:
        hint = "name both, or none"
        raise InvalidInput("exception_gag", "a gag has an end and who ordered it", hint=hint)
    return Gag(until=stated_moment(until), authority=authority)


def _own_terms(home: Home, visit: Visit) -> tuple[ClassTerms, ...]:
    roles = visit.principal.roles
    return tuple(one for one in safety_of(home).cases.terms() if one.opened_by in roles)


def _queued(home: Home, visit: Visit, name: str) -> QueueItem:
    for item in safety_of(home).queue.items(visit.principal, limit=10_000):
        if item.conversation == name:
            return item
    raise NotFound("page_missing", "nothing of this was flagged or reported")


def _find(home: Home, visit: Visit, name: str) -> Case:
    """Return a case that is theirs to see; of others they learn nothing."""
    try:
        parse_id(IdKind.CASE, name)
        return safety_of(home).cases.find(visit.principal, name)
    except (Denied, InvalidInput, NotFound):
        raise NotFound("case_unknown", "there is no such case, or it is not yours") from None


def _likely(item: QueueItem) -> CaseReason:
    """Return the reason that a form proposes: where the item came from."""
    by_person = Origin.PERSON in item.origins and Origin.CLASSIFIER not in item.origins
    return CaseReason.PERSON_REPORT if by_person else CaseReason.CLASSIFIER_FLAG


async def _queue(visit: Visit) -> Response:
    skip = visit.query("skip", "0")
    first = int(skip) if skip.isascii() and skip.isdigit() and len(skip) < 8 else 0  # noqa: PLR2004 - a place

    def act(home: Home) -> tuple[list[QueueItem], int]:
        queue = safety_of(home).queue
        found = queue.items(visit.principal, skip=first, limit=_MOST)
        return found, queue.count(visit.principal)

    items, total = await visit.run(act)
    values = {"items": items, "total": total, "next": first + len(items)}
    return visit.page("queue", values, here="queue")


async def _new(visit: Visit) -> Response:
    name = visit.query("conversation")
    terms = await visit.run(lambda home: _own_terms(home, visit))
    if name:
        terms = tuple(one for one in terms if one.flagged_only)
        item = await visit.run(lambda home: _queued(home, visit, name))
    else:
        terms = tuple(one for one in terms if not one.flagged_only)
        item = None
    if not terms:
        raise NotFound("page_missing", "your roles open no case of this kind")
    wanted = visit.query("class", terms[0].exception.value)
    known = [one for one in terms if one.exception.value == wanted]
    if not known:
        raise NotFound("page_missing", "there is no such class here")
    record = RECORD_OF[known[0].exception]
    values = {
        "item": item,
        "terms": terms,
        "one": known[0],
        "record": record.__name__.lower(),
        "choices": CHOICES[record],
        "reasons": tuple(CaseReason),
        "likely": CaseReason.AUTHORITY_ORDER if item is None else _likely(item),
    }
    return visit.page("case_new", values, here="queue" if item else "cases")


async def _open(visit: Visit) -> Response:
    form = visit.form
    exception = chosen(ExceptionClass, form.get("class", ""), "class")
    reason = chosen(CaseReason, form.get("reason", ""), "reason")
    record = read_record_form(exception, form, visit.account)
    conversation = ConversationId(form.get("conversation", "").strip())
    turns = read_turns(visit.lists.get("turn", ()))
    days = form.get("days", "").strip()
    if days and not (days.isascii() and days.isdigit() and len(days) < 5):  # noqa: PLR2004 - days
        raise InvalidInput("days_form", f"not a number of days: {days[:20]!r}", hint="such as 3")
    gag = read_gag(form)
    case = await visit.run(
        lambda home: safety_of(home).cases.open(
            visit.principal,
            exception=exception,
            turns={conversation: turns},
            reason=reason,
            record=record,
            days=int(days) if days else None,
            gag=gag,
        )
    )
    return visit.done(f"{_PATH}/{case.id}", "case_asked")


async def _cases(visit: Visit) -> Response:
    cases = await visit.run(lambda home: safety_of(home).cases.listed(visit.principal))
    order = [CaseState.WAITING, CaseState.OPEN]
    lines = sorted(
        ((case, case.state(visit.now)) for case in cases),
        key=lambda one: (one[1] not in order, one[0].asked),
    )
    terms = await visit.run(lambda home: _own_terms(home, visit))
    values = {
        "lines": lines[:_MOST],
        "may_order": any(not one.flagged_only for one in terms),
        "chart_of_classes": exception_chart(cases, visit.words),
    }
    return visit.page("cases", values, here="cases")


async def _case(visit: Visit) -> Response:
    name = visit.part("case")
    case = await visit.run(lambda home: _find(home, visit, name))
    terms = await visit.run(
        lambda home: {one.exception: one for one in safety_of(home).cases.terms()}.get(
            case.exception
        )
    )
    leases = await visit.run(lambda home: safety_of(home).cases.leases(visit.principal, case.id))
    state = case.state(visit.now)
    on_it = visit.account in {case.opener, case.approver}
    roles = visit.principal.roles
    second = terms is not None and bool(terms.approvers & roles) and visit.account != case.opener
    may_look = terms is not None and terms.opened_by in roles and on_it
    values = {
        "case": case,
        "state": state.value,
        "record": {} if case.record is None else record_document(case.record),
        "leases": leases,
        "may_approve": state is CaseState.WAITING and second,
        "waits_for_other": state is CaseState.WAITING and not second,
        "may_look": state is CaseState.OPEN and may_look,
        "may_close": state in {CaseState.WAITING, CaseState.OPEN}
        and (on_it or Role.PRIVACY_OFFICER in roles),
        "may_tell": not case.gagged(visit.now),
    }
    return visit.page("case", values, here="cases")


async def _approve(visit: Visit) -> Response:
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    await visit.run(lambda home: safety_of(home).cases.approve(visit.principal, case.id))
    return visit.done(f"{_PATH}/{case.id}", "approved")


async def _refuse(visit: Visit) -> Response:
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    await visit.run(lambda home: safety_of(home).cases.refuse(visit.principal, case.id))
    return visit.done(f"{_PATH}/{case.id}", "refused")


async def _close(visit: Visit) -> Response:
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    await visit.run(lambda home: safety_of(home).cases.close(visit.principal, case.id))
    return visit.done(f"{_PATH}/{case.id}", "case_closed")


async def _look(visit: Visit) -> Response:
    """Show named turns in the answer to the act: loading it again is another logged look."""
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    wanted = ConversationId(visit.form.get("conversation", ""))
    if wanted not in case.turns:
        raise NotFound("page_missing", "this case names no such conversation")
    look = await visit.run(
        lambda home: safety_of(home).cases.look(visit.principal, case.id, wanted)
    )
    path = f"{_PATH}/{case.id}"
    values = look_values(look, visit.now, done=f"{path}/done", over=f"{path}/over")
    return visit.page("look", values, here="cases")


async def _look_away(visit: Visit) -> Response:
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    number = lease_number(visit.form)
    await visit.run(lambda home: safety_of(home).cases.look_away(visit.principal, number))
    return visit.done(f"{_PATH}/{case.id}", "looked_away")


async def _over(visit: Visit) -> Response:
    case = await visit.run(lambda home: _find(home, visit, visit.part("case")))
    return visit.page("look_over", {"back": f"{_PATH}/{case.id}"}, here="cases")


PAGES: Final = (
    StaffPage(path="/queue", roles=_REVIEWERS, handler=_queue, key="queue", group="people"),
    StaffPage(path="/cases", roles=_READERS, handler=_cases, key="cases", group="people"),
    StaffPage(path="/cases", roles=_OPENERS, handler=_open, act=True, step_up=True),
    StaffPage(path="/cases/new", roles=_OPENERS, handler=_new),
    StaffPage(path="/cases/{case}", roles=_READERS, handler=_case),
    StaffPage(
        path="/cases/{case}/approve", roles=_SECOND, handler=_approve, act=True, step_up=True
    ),
    StaffPage(path="/cases/{case}/refuse", roles=_SECOND, handler=_refuse, act=True),
    StaffPage(path="/cases/{case}/close", roles=_SECOND, handler=_close, act=True),
    StaffPage(path="/cases/{case}/look", roles=_OPENERS, handler=_look, act=True),
    StaffPage(path="/cases/{case}/done", roles=_OPENERS, handler=_look_away, act=True),
    StaffPage(path="/cases/{case}/over", roles=_OPENERS, handler=_over),
)
