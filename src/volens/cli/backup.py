"""``volens backup``: copy the home, without the keys that open it, to a new folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from volens.app.backup import DATABASES, FILES, FOLDERS, LIFETIME, make_backup
from volens.cli.commands import Session, command, new_group
from volens.cli.homes import write_home
from volens.cli.output import DIM, GOOD, Answer, line
from volens.core.canonical import Json
from volens.core.time import format_moment

GROUP: typer.Typer = new_group("Copy the home, without its keys, to a new folder.")


@command(GROUP, "backup", writes=True)
def backup(
    session: Session,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The new folder: main, keys and log in it.")
    ],
) -> Answer:
    """Copy the home, without its keys, to a new folder. It can be restored for 30 days."""
    with write_home(session) as home:
        if session.dry_run:
            places = [*DATABASES.values(), *FILES.values(), *FOLDERS.values(), "journal"]
            size = sum(
                path.stat().st_size
                for place in places
                for path in (home.folder / place, *(home.folder / place).rglob("*"))
                if path.is_file()
            )
            text = f"would write about {_mib(size)} to {out}"
            return Answer(document={"dry_run": True, "size_bytes": size}, shown=(line(text),))
        made = make_backup(home, out)
    until = made.manifest.made + LIFETIME
    document: dict[str, Json] = {
        "folder": str(made.folder),
        "files": len(made.manifest.files),
        "size_bytes": made.size_bytes,
        "made": format_moment(made.manifest.made),
        "log_size": made.manifest.log_size,
        "restorable_until": format_moment(until),
    }
    count = len(made.manifest.files)
    shown = (
        line(f"Wrote {count:,} files, {_mib(made.size_bytes)}, to {made.folder}.", GOOD),
        line("The keys are not in it. Keep the three folders in different hands.", DIM),
        line(f"Restore it until {format_moment(until)[:10]}, while its keys are there.", DIM),
    )
    return Answer(document=document, shown=shown)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"
