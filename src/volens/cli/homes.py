"""Opening a home, and finding in it what a word on the command line means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from volens.app.home import Home, open_home
from volens.cli.commands import Session
from volens.core.errors import InvalidInput, VolensError
from volens.core.ids import IdKind
from volens.vault.store import Held
from volens.vault.subjects import Subject


def read_home(session: Session) -> Home:
    """Open the home for reading: no lock, no change."""
    return open_home(session.folder, writing=False, environment=session.environment)


@contextmanager
def write_home(session: Session, *, wait_seconds: float = 5.0) -> Iterator[Home]:
    """Open the home as its owner, or only for reading on a dry run.

    If what was done touched a model, an impact case is opened at the end.
    """
    with open_home(
        session.folder,
        writing=not session.dry_run,
        wait_seconds=wait_seconds,
        environment=session.environment,
    ) as home:
        yield home
        if not session.dry_run and (home.folder / "runs").is_dir():
            _look(session, home)


def _look(session: Session, home: Home) -> None:
    from volens.app.impact import look  # noqa: PLC0415 - few homes ever trained

    try:
        looked = look(home)
    except VolensError as error:  # what was asked for is done
        session.output.note(f"models were not looked at ({error.message}); the next command will")
        return
    if looked.opened:
        cases = "impact case" if looked.opened == 1 else "impact cases"
        session.output.note(
            f"{looked.opened:,} {cases} opened: a model used what may not be used any more; "
            "volens impact list"
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
