"""What a killed owner leaves of a transaction, undone for readers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from volens.core.errors import Unavailable
from volens.storage.engine import open_database
from volens.storage.lock import HomeLock


def roll_back_left_overs(folder: Path) -> None:
    """Undo a transaction that a killed owner left behind: a reader alone may not.

    If somebody owns the home, the transaction is theirs and alive, and nothing is done.
    """
    databases = [folder / "main.db", folder / "keys" / "keys.db"]
    if not any(path.with_name(f"{path.name}-journal").exists() for path in databases):
        return
    with HomeLock(folder / "lock") as lock, suppress(Unavailable):
        lock.acquire()
        for path in databases:
            engine = open_database(path)
            with engine.connect() as db:
                db.exec_driver_sql("SELECT count(*) FROM sqlite_schema")
            engine.dispose()
