"""What an error means for the exit code, and how it is said. No traceback for what is expected."""

from __future__ import annotations

import errno

from volens.core.errors import VolensError

OK, USAGE, DENIED, UNVERIFIED, UNAVAILABLE, INTERRUPTED = 0, 2, 3, 4, 5, 130
EXIT_CODES = {
    "invalid_input": USAGE,
    "not_found": USAGE,
    "denied": DENIED,
    "verification_failed": UNVERIFIED,
    "unavailable": UNAVAILABLE,
}
"""From the kind of a `VolensError` to the exit code."""


def exit_code(error: VolensError) -> int:
    """Return the exit code of an error."""
    return EXIT_CODES[error.kind]


def describe_system_error(error: OSError) -> tuple[str, str, str]:
    """Return code, message and hint for an error of the operating system."""
    what = error.strerror or type(error).__name__
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        hint = "free some space; withdrawing works without"
        return "disk_full", f"{where}no room left on the disk", hint
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "no_access", f"{where}{what.lower()}", "check who owns the folder"
    return "system", f"{where}{what.lower()}", ""
