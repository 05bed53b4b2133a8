"""Backups that are made by themselves: a new folder a day, and none that can't be restored."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from volens.app.backup import LIFETIME, make_backup
from volens.app.home import Home

_NAME: Final = "volens-%Y%m%dT%H%M%SZ"


def back_up(home: Home, folder: Path) -> Path:
    """Write a backup into a new folder in `folder`, then remove what is past its time there.

    Raises:
        InvalidInput, Unavailable: as `make_backup`; nothing is removed then.
    """
    now = home.clock.now()
    made = make_backup(home, folder / now.strftime(_NAME))
    for path in kept(folder):
        if moment_of(path) < now - LIFETIME:  # nobody can restore it any more
            shutil.rmtree(path)
    return made.folder


def last_backup(folder: Path) -> datetime | None:
    """Return when the newest backup in `folder` was made, by its name; None without any."""
    return max((moment_of(path) for path in kept(folder)), default=None)


def kept(folder: Path) -> list[Path]:
    """Return the backups in `folder`; what has another name is none of ours."""
    found = []
    for path in sorted(folder.glob("volens-*")):
        try:
            moment_of(path)
        except ValueError:
            continue
        if path.is_dir():
            found.append(path)
    return found


def moment_of(path: Path) -> datetime:
    """Return the moment in a backup's name.

    Raises:
        ValueError: if it has another name.
    """
    return datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)
