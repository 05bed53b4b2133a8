"""What an error means for the exit code, and how it is said. No traceback for what is expected."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import typer

from volens.core.errors import VolensError

USAGE, DENIED, UNVERIFIED, UNAVAILABLE, INTERRUPTED = 2, 3, 4, 5, 130
EXIT_CODES = {
    "invalid_input": USAGE,
    "not_found": USAGE,
    "denied": DENIED,
    "verification_failed": UNVERIFIED,
    "unavailable": UNAVAILABLE,
}
"""From the kind of a `VolensError` to the exit code."""
_STORES = frozenset({"sqlalchemy", "sqlite3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error, as it is said."""

    exit_code: int
    code: str
    message: str
    hint: str = ""


def failure_of(error: BaseException) -> Failure | None:
    """Return how an error is said, or None if it is a mistake of the program itself."""
    if isinstance(error, VolensError):
        return Failure(
            exit_code=EXIT_CODES[error.kind],
            code=error.code,
            message=error.message,
            hint=error.hint,
        )
    if isinstance(error, KeyboardInterrupt | typer.Abort | EOFError):
        return Failure(exit_code=INTERRUPTED, code="interrupted", message="interrupted")
    if isinstance(error, OSError):
        return _system_failure(error)
    # Named by module, so that a command without a database need not load one.
    if type(error).__module__.split(".")[0] in _STORES:
        first = str(getattr(error, "orig", error)).split("\n", 1)[0]
        return Failure(
            exit_code=UNAVAILABLE,
            code="database",
            message=f"the database can't be used: {first}",
            hint="run volens doctor; nothing was half done",
        )
    return None


def _system_failure(error: OSError) -> Failure:
    what = (error.strerror or type(error).__name__).lower()
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Failure(
            exit_code=UNAVAILABLE,
            code="disk_full",
            message=f"{where}no room left on the disk",
            hint="free some space; withdrawing works without",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        hint = "check who owns it"
        return Failure(exit_code=UNAVAILABLE, code="no_access", message=f"{where}{what}", hint=hint)
    return Failure(exit_code=UNAVAILABLE, code="system", message=f"{where}{what}")
