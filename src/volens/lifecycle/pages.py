"""Free space of the database, written anew after rows went.

SQLite zeroes what it deletes (`secure_delete`), but when it moves rows between pages to keep them
balanced it can leave a copy of a row in the free space of the page that the row left, and that copy
is not deleted with the row. Seldom, and only keys of an index such as ids: content is ciphertext
whose key is gone. Writing the database anew (https://sqlite.org/lang_vacuum.html) leaves no free
space at all.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy import Engine

from volens.core.errors import Unavailable
from volens.storage.engine import driver_of

MOST_BYTES: Final = 256 * 1024 * 1024
"""Larger databases are not written anew: it takes as long as copying them, and all else waits."""


class FreeSpace:
    """The free space of a database."""

    def __init__(self, engine: Engine, *, most_bytes: int = MOST_BYTES) -> None:
        """Use the database of `engine`."""
        self._engine = engine
        self._most_bytes = most_bytes

    def clear(self) -> None:
        """Leave no free space behind what went.

        Raises:
            Unavailable: ``database_trouble`` if the disk has no room for a copy.
        """
        with self._engine.connect() as db:
            driver = driver_of(db)
            (pages,) = driver.execute("PRAGMA page_count").fetchone()
            (size,) = driver.execute("PRAGMA page_size").fetchone()
            if pages * size <= self._most_bytes:
                _write_anew(driver)


def _write_anew(driver: sqlite3.Connection) -> None:
    try:
        driver.execute("VACUUM")
    except sqlite3.Error as error:
        hint = "see that the disk has room for a copy of the database; the next run goes on"
        message = f"the database can't be written anew: {error}"
        raise Unavailable("database_trouble", message, hint=hint) from error
