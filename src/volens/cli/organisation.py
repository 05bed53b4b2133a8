"""``volens organisation``: the documented instructions of organisations (R14, R16, R20, R37)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from volens.app.organisations import Agreed, prepare, record, standing
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.gate.facts import known_purpose
from volens.policy.retention import Days, RetentionClass
from volens.vault.subjects import check_word

GROUP = new_group("What organisations have instructed.")


_TIMES = {
    "keep_days": RetentionClass.ACTIVE_CONVERSATIONS,
    "deleted_days": RetentionClass.DELETED_CHATS,
    "closed_days": RetentionClass.CLOSED_ACCOUNTS,
    "safety_days": RetentionClass.SAFETY_INVESTIGATIONS,
}
"""Options and what each shortens."""
_TOLD = {
    RetentionClass.ACTIVE_CONVERSATIONS: "chats {} days after their last message",
    RetentionClass.DELETED_CHATS: "deleted chats {} days after the request",
    RetentionClass.CLOSED_ACCOUNTS: "closed accounts {} days after the request",
    RetentionClass.SAFETY_INVESTIGATIONS: "turns under a safety hold after {} days",
}


@command(GROUP, "list")
def list_organisations(session: Session) -> Answer:
    """List organisations, the purposes each has instructed, and the times it has shortened."""
    with read_home(session) as home:
        found = {name: sorted(words) for name, words in home.subjects.instructions().items()}
        keeping = home.subjects.keeping()
        versions = home.subjects.instruction_versions()
    document: dict[str, Json] = {
        "organisations": {name: [*words] for name, words in found.items()},
        "keeping": {
            name: {one.value: n for one, n in days.items()} for name, days in keeping.items()
        },
        "versions": [
            {
                "organisation": one.organisation,
                "version": one.version,
                "sha256": one.sha256,
                "at": format_moment(one.at),
                "log_index": one.log_index,
            }
            for one in versions
        ],
    }
    if not found:
        return Answer(document=document, shown=(line("No organisation has instructed anything."),))
    latest = {one.organisation: one.version for one in versions}
    rows = [
        (
            name,
            str(latest.get(name, "")),
            ", ".join(words) or "nothing",
            _said(keeping.get(name, {})) or "as the policy says",
        )
        for name, words in sorted(found.items())
    ]
    columns = ("organisation", "version", "instructed", "gone")
    return Answer(document=document, shown=(table(columns, rows),))


@command(GROUP, "instruct", writes=True)
def instruct(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The organisation.")],
    purposes: Annotated[
        list[str] | None,
        typer.Argument(metavar="PURPOSE...", help="All purposes it allows from now on."),
    ] = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Take every purpose back.")] = False,
    keep_days: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Chats go N days after their last message."),
    ] = None,
    deleted_days: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Deleted chats are gone within N days.")
    ] = None,
    closed_days: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Closed accounts are gone within N days."),
    ] = None,
    safety_days: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Safety holds end within N days.")
    ] = None,
    usual_times: Annotated[
        bool, typer.Option("--usual-times", help="Take all times back: the policy's hold.")
    ] = False,
) -> Answer:
    """Record an organisation's instruction: purposes it allows, times it shortens.

    What is not given stays as it was. Purposes only open the door: each person's own yes is needed
    as well. Times can only be shorter than the policy's, and purposes only what the policy has for
    organisations. Here all of them can be named, also what an administrator does not decide.
    """
    given = dict(
        zip(_TIMES.values(), (keep_days, deleted_days, closed_days, safety_days), strict=True)
    )
    times = {one: days for one, days in given.items() if days is not None}
    if bool(purposes) and nothing:
        raise InvalidInput("nothing_given", "purposes and --nothing", hint="give one of the two")
    if times and usual_times:
        raise InvalidInput("nothing_given", "times and --usual-times", hint="give one of the two")
    if not (purposes or nothing or times or usual_times):
        hint = "name purposes, give --nothing, or a time such as --keep-days 90"
        raise InvalidInput("nothing_given", "no purpose and no time was given", hint=hint)
    check_word("organisation", name)
    named = {known_purpose(word).value for word in purposes or []}
    with write_home(session) as home:
        before = standing(home, name)
        keeping = {} if usual_times else {**before.keeping, **times}
        wanted = named if purposes or nothing else None
        change = prepare(home, name, wanted, keeping, agreed=Agreed.REPLACE)
        document: dict[str, Json] = {
            "organisation": name,
            "purposes": [*change.purposes],
            "before": [*before.purposes],
            "keeping": {one.value: days for one, days in change.keeping.items()},
        }
        said = _instructed(change.purposes, change.keeping, purposes=wanted is not None)
        if session.dry_run:
            would = line(f"would record that {name} instructs: {said}")
            return Answer(document={"dry_run": True, **document}, shown=(would,))
        made = record(home, change)
    document |= {"version": made.version, "sha256": made.sha256}
    shown = [line(f"Recorded as version {made.version}: {name} instructs {said}.", GOOD)]
    if purposes:
        shown.append(line("Each person's own yes is needed as well.", DIM))
    if times:
        shown.append(line("See what goes when: volens retention preview", DIM))
    return Answer(document=document, shown=tuple(shown))


def _instructed(allowed: Sequence[str], keeping: Days, *, purposes: bool) -> str:
    parts = [", ".join(allowed) or "nothing"] if purposes else []
    times = _said(keeping)
    if times or not parts:
        parts.append(f"to erase {times}" if times else "no times of its own")
    return "; ".join(parts)


def _said(keeping: Days) -> str:
    return ", ".join(_TOLD[one].format(days) for one, days in sorted(keeping.items()))
