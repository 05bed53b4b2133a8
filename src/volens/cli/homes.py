"""Opening a home, and finding in it what a word on the command line means."""

from __future__ import annotations

from datetime import UTC, datetime

from volens.app.home import Home, open_home
from volens.cli.commands import Session
from volens.core.errors import InvalidInput
from volens.core.ids import IdKind
from volens.vault.store import Held
from volens.vault.subjects import Subject


def read_home(session: Session) -> Home:
    """Open the home for reading: no lock, no change."""
    return open_home(session.folder, writing=False, environment=session.environment)


def write_home(session: Session, *, wait_seconds: float = 5.0) -> Home:
    """Open the home as its owner, or only for reading on a dry run."""
    return open_home(
        session.folder,
        writing=not session.dry_run,
        wait_seconds=wait_seconds,
        environment=session.environment,
    )


def find_target(home: Home, name: str) -> tuple[Subject, Held | None]:
    """Return the person that `name` means, and the conversation if it names one."""
    if name.startswith(f"{IdKind.CONVERSATION.value}_"):
        held = home.vault.find(name)
        return home.subjects.by_number(held.subject_no), held
    return home.subjects.find(name), None


def parse_end(text: str, now: datetime) -> datetime:
    """Read a date (the end of that day, UTC) or a moment, later than now.

    Raises:
        InvalidInput: ``date_form`` or ``date_past``.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        hint = "write it like 2027-01-31 or 2027-01-31T09:30:00Z"
        raise InvalidInput("date_form", f"not a date: {text[:40]!r}", hint=hint) from None
    if len(text) == len("2027-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment <= now:
        raise InvalidInput("date_past", f"{text} is past", hint="name a day to come")
    return moment.replace(microsecond=0)
