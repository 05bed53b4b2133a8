"""``volens restore``: make a home from a backup, and re-apply what people took back since."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.creation import check_empty
from volens.app.restoring import Plan, plan_restore, restore
from volens.cli.commands import Session, command, new_group
from volens.cli.output import DIM, GOOD, WARN, Answer, line
from volens.core.canonical import Json
from volens.core.time import format_moment

GROUP: typer.Typer = new_group("Make a home from a backup; nobody is brought back.")


@command(GROUP, "restore", writes=True)
def restore_home(
    session: Session,
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What volens backup wrote.")],
    newer_log: Annotated[
        Path | None,
        typer.Option("--log", metavar="DIR", help="The old home's log, if it is left."),
    ] = None,
    journals: Annotated[
        Path | None,
        typer.Option("--journal", metavar="DIR", help="The old home's journal, if it is left."),
    ] = None,
    incomplete: Annotated[
        bool,
        typer.Option(
            "--incomplete", help="Go on although the log has more acts than can be named."
        ),
    ] = False,
) -> Answer:
    """Make the home from a backup. Withdrawals and erasures since are re-applied first."""
    check_empty(session.folder)
    plan = plan_restore(
        backup,
        newer_log=newer_log,
        journals=journals,
        incomplete=incomplete,
        environment=session.environment,
    )
    if not session.dry_run:
        restore(plan, session.folder, environment=session.environment)
    document: dict[str, Json] = {
        "home": str(session.folder),
        "made": format_moment(plan.manifest.made),
        "withdrawn": plan.withdrawn,
        "erased": plan.erased,
        "unnamed": plan.unnamed,
        "log": "newer" if newer_log else "backup",
    }
    if session.dry_run:
        document = {"dry_run": True, **document}
    return Answer(
        document=document, shown=tuple(_shown(session, plan, newer=newer_log is not None))
    )


def _shown(session: Session, plan: Plan, *, newer: bool) -> list[RenderableType]:
    made = format_moment(plan.manifest.made)
    again = "would re-apply" if session.dry_run else "Re-applied"
    verb = "would restore" if session.dry_run else "Restored"
    shown: list[RenderableType] = [
        line(f"{verb} {session.folder} as of {made}.", "" if session.dry_run else GOOD),
        line(f"{again}: {plan.withdrawn:,} withdrawals, {plan.erased:,} erasures."),
    ]
    if plan.unnamed:
        text = f"{plan.unnamed:,} changes of accounts, chats, instructions or policies since are"
        shown.append(line(f"{text} lost: the log says that they were, not which.", WARN))
    if not newer:
        text = "The log is the backup's: witnesses that saw more of it will say so."
        shown.append(line(text, WARN))
    if not session.dry_run:
        shown.append(line("Next: volens keys destroy-expired, when its time has come.", DIM))
    return shown
