"""The one error tree.

    VolensError
    |-- InvalidInput          what came in is not well-formed or not known   exit 2
    |-- NotFound              the thing named does not exist here            exit 2
    |-- Denied                the rules say no                               exit 3
    |-- VerificationFailed    a proof, signature or digest does not hold     exit 4
    `-- Unavailable           a store, key or lock can't be had right now    exit 5

Messages are lower case, say what and which, and carry a hint that says what to do. The mapping to
exit codes and HTTP statuses lives at the doors. Messages never contain conversation text.
"""

from __future__ import annotations


class VolensError(Exception):
    """Base of every error that Volens raises on purpose.

    Attributes:
        code: a stable, machine-readable word such as ``"duplicate_key"``.
        message: what went wrong and where, lower case.
        hint: what the reader can do about it; may be empty.
    """

    kind = "error"

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        """Keep the three parts apart so that doors can show them as they need."""
        super().__init__(f"{message} ({hint})" if hint else message)
        self.code = code
        self.message = message
        self.hint = hint


class InvalidInput(VolensError):
    """What came in is malformed, over a limit, or names something unknown."""

    kind = "invalid_input"


class NotFound(VolensError):
    """The thing named does not exist here (or is not the asker's to see)."""

    kind = "not_found"


class Denied(VolensError):
    """The rules in force do not permit the act; ``code`` is the first reason code."""

    kind = "denied"


class VerificationFailed(VolensError):
    """A proof, signature, digest or format does not hold."""

    kind = "verification_failed"


class Unavailable(VolensError):
    """A store, key, lock or optional part can't be had right now; nothing was done."""

    kind = "unavailable"
