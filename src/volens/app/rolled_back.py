"""Refuses a database, or a log, that is an older copy of itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

from volens.core.errors import VerificationFailed
from volens.log.store import TransparencyLog
from volens.storage.stamps import Stamp


def check_databases(
    stamps: Iterable[Stamp], log: TransparencyLog | None, opened: ExitStack
) -> None:
    """Refuse databases that are older than what custody has seen of them, or newer than the log.

    An owner's commits are followed from here on, until `opened` ends.

    Raises:
        VerificationFailed: ``database_rolled_back`` or ``log_rolled_back``.
    """
    for stamp in stamps:
        applied = stamp.check()
        if log is not None:
            if applied.log_size > log.size:
                message = f"the log ends at {log.size:,}, before entries the home has acted on"
                hint = "put the newest copy of the log back"
                raise VerificationFailed("log_rolled_back", message, hint=hint)
            stamp.follow(log)
            opened.callback(stamp.close)
