"""``volens organisation``: the documented instructions of organisations (R16, R20)."""

from __future__ import annotations

from typing import Annotated

import typer

from volens.cli.commands import Session, command, new_group
from volens.cli.homes import read_home, write_home
from volens.cli.output import DIM, GOOD, Answer, line, table
from volens.core.errors import InvalidInput
from volens.gate.facts import known_purpose
from volens.vault.subjects import check_word

GROUP = new_group("What organisations have instructed.")


@command(GROUP, "list")
def list_organisations(session: Session) -> Answer:
    """List organisations and the purposes each has instructed."""
    with read_home(session) as home:
        found = {name: sorted(words) for name, words in home.subjects.instructions().items()}
    if not found:
        return Answer(
            document={"organisations": {}},
            shown=(line("No organisation has instructed anything."),),
        )
    rows = [(name, ", ".join(words) or "nothing") for name, words in sorted(found.items())]
    return Answer(
        document={"organisations": found}, shown=(table(("organisation", "instructed"), rows),)
    )


@command(GROUP, "instruct", writes=True)
def instruct(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The organisation.")],
    purposes: Annotated[
        list[str] | None,
        typer.Argument(metavar="PURPOSE...", help="All purposes it allows from now on."),
    ] = None,
    nothing: Annotated[
        bool, typer.Option("--nothing", help="Take every instruction back.")
    ] = False,
) -> Answer:
    """Record an organisation's instruction; it replaces the former one.

    It only opens the door: each person's own yes is needed as well.
    """
    if bool(purposes) == nothing:
        hint = "name purposes, or give --nothing"
        raise InvalidInput("nothing_given", "no purpose was given", hint=hint)
    check_word("organisation", name)
    wanted = sorted({known_purpose(word) for word in purposes or []})
    said = ", ".join(wanted) or "nothing"
    with write_home(session) as home:
        before = sorted(home.subjects.instructions().get(name, frozenset()))
        document = {"organisation": name, "purposes": [*wanted], "before": before}
        if session.dry_run:
            would = line(f"would record that {name} instructs: {said}")
            return Answer(document={"dry_run": True, **document}, shown=(would,))
        home.subjects.instruct(name, wanted)
    shown = (
        line(f"Recorded: {name} instructs {said}.", GOOD),
        line("Each person's own yes is needed as well.", DIM),
    )
    return Answer(document=document, shown=shown)
