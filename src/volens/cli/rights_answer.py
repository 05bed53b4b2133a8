"""One request, said to people and to programs: what happens, by when, what is promised."""

from __future__ import annotations

from rich.console import RenderableType

from volens.app.home import Home
from volens.app.rights import rights_desk
from volens.cli.output import BAD, GOOD, Answer, line
from volens.cli.rights_words import (
    HAPPENS,
    deadline_document,
    region_label,
    request_document,
    said_left,
    said_moment,
    say_deadline,
    say_ending,
    say_promise,
)
from volens.core.canonical import Json
from volens.core.time import format_moment
from volens.rights.requests import RightsRequest


def request_answer(home: Home, request: RightsRequest, first: str) -> Answer:
    """Say of a request, after `first`, what happens, by when, and what was promised."""
    now = home.clock.now()
    desk = rights_desk(home)
    account = home.identity.region
    if request.subject is not None:
        account = home.subjects.find(request.subject).region
    until = desk.deadline(request.kind, account, request.opened)
    document: dict[str, Json] = {
        **request_document(request, now),
        "deadline": deadline_document(until),
    }
    shown: list[RenderableType] = [line(first, GOOD)]
    shown.append(line(f"What happens: {HAPPENS[request.kind]}."))
    if request.closing is None:
        region = until.decided_by.region
        label = region_label(region, home.policy.pack.regions.get(region))
        first_due = request.extension.first_due if request.extension else request.due
        shown += say_deadline(until, label, due=first_due)
        if request.extension is not None:
            reason = request.extension.reason.value.replace("_", " ")
            shown.append(line(f"Extended to {said_moment(request.due)}: {reason}."))
        if request.late(now):
            shown.append(line(f"It is {said_left(request.due, now)}.", BAD))
    shown += say_ending(request)
    if request.closing is None and request.erasure is not None:
        erasure = home.erasures.find(request.erasure)
        document["promise"] = {
            "cool_off_ends": format_moment(erasure.cool_off_ends),
            "promised_by": format_moment(erasure.promised_by),
        }
        shown += say_promise(erasure, request)
    return Answer(document=document, shown=tuple(shown))
