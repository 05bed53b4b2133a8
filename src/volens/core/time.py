"""Moments: timezone-aware UTC, written one way (RFC 3339 with milliseconds and ``Z``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from volens.core.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(9999, 12, 31, tzinfo=UTC)
_LENGTH = len("2026-01-01T00:00:00.000Z")


def format_moment(moment: datetime) -> str:
    """Write a moment, cut to milliseconds.

    Raises:
        InvalidInput: if `moment` carries no timezone.
    """
    if moment.tzinfo is None:
        raise InvalidInput("naive_time", "a moment needs a timezone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> datetime:
    """Read a moment in the one spelling that `format_moment` writes.

    Raises:
        InvalidInput: on any other spelling.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or len(text) != _LENGTH or moment.tzinfo is None:
        raise InvalidInput(
            "time_form", f"not a moment: {text[:40]!r}", hint="2026-01-31T09:30:00.000Z"
        )
    if format_moment(moment) != text:
        raise InvalidInput("time_form", f"not a moment in UTC: {text!r}", hint="end it with Z")
    return moment


def to_millis(moment: datetime) -> int:
    """Return whole milliseconds since 1970-01-01 UTC; negative before."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    """Return the moment `millis` milliseconds after 1970-01-01 UTC."""
    return EPOCH + timedelta(milliseconds=millis)
