"""Refuses a database, or a log, that is an older copy of itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from volens.core.errors import VerificationFailed

if TYPE_CHECKING:
    from volens.app.home import Home


def check_databases(home: Home, opened: ExitStack) -> None:
    """Refuse databases that are older than what custody has seen of them, or newer than the log.

    An owner's commits are followed from here on, until `opened` ends.

    Raises:
        VerificationFailed: ``database_rolled_back`` or ``log_rolled_back``.
    """
    for stamp in home.stamps():
        applied = stamp.check()
        if home.log is not None:
            if applied.log_size > home.log.size:
                message = f"the log ends at {home.log.size:,}, before entries the home has acted on"
                hint = "put the newest copy of the log back"
                raise VerificationFailed("log_rolled_back", message, hint=hint)
            stamp.follow(home.log)
            opened.callback(stamp.close)
