"""``volens retention``: what goes when, the run that lets it go, and the clock it goes by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.console import RenderableType

from volens.app.erasing import eraser_of
from volens.app.home import Home
from volens.app.retention import clock_of, forecast_of, late_in, retention_of
from volens.app.rights import rights_desk
from volens.app.safety import safety_of
from volens.cli.commands import ForceYes, Session, command, new_group
from volens.cli.failures import UNAVAILABLE, UNVERIFIED
from volens.cli.homes import parse_end, read_home, write_home
from volens.cli.output import BAD, DIM, GOOD, WARN, Answer, heading, line, table
from volens.core.canonical import Json
from volens.core.errors import InvalidInput
from volens.core.time import format_moment
from volens.holds.promises import Promise
from volens.lifecycle.forecast import Forecast, Tally
from volens.lifecycle.retention import RetentionRun
from volens.lifecycle.trusted_time import Judgement, Pause, confirm
from volens.policy.retention import RetentionClass
from volens.rights.requests import RightsRequest

GROUP = new_group("What goes when, and the run that lets it go.")
_AHEAD = timedelta(days=30)
_ROWS = 24
"""Bars in the picture at most."""
_BAR_COLUMNS = 40
_DAY = len("2026-01-31")
_WHAT = {
    RetentionClass.ACTIVE_CONVERSATIONS: "chats past their time",
    RetentionClass.DELETED_CHATS: "deleted chats",
    RetentionClass.CLOSED_ACCOUNTS: "closed accounts",
    RetentionClass.SAFETY_INVESTIGATIONS: "turns under a safety hold",
}
_WHY = {
    Pause.BACKWARDS: "this machine's clock was set back",
    Pause.LEAP: "this machine's clock is further on than one run to the next",
    Pause.UNCONFIRMED: "no witness has confirmed the time for two weeks",
}
_CONFIRM = "volens retention confirm-clock --time NOW --yes, or volens log witness URL --key VKEY"


@command(GROUP, "preview")
def preview(
    session: Session,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Up to the end of this day.  [default: in 30 days]"),
    ] = None,
) -> Answer:
    """Show what goes by a day, if nobody asks for more and holds stay as they are."""
    with read_home(session) as home:
        now = home.clock.now()
        until = now + _AHEAD if at is None else parse_end(at, now)
        found = forecast_of(home, until)
        judged = clock_of(home).look(now)
        late = late_in(home, judged)
    document: dict[str, Json] = {
        **_forecast_document(found),
        "overdue": _overdue_documents(late),
        "alarms": _alarms(judged, late),
    }
    shown: list[RenderableType] = [heading(f"What goes by {format_moment(until)[:_DAY]}")]
    shown += _pictured(found)
    shown += _alarm_lines(judged, late)
    return Answer(document=document, shown=tuple(shown), code=_code(judged, late))


@command(GROUP, "run", writes=True)
def run(session: Session) -> Answer:
    """Let go what is due. Run it every day; one that comes late does what was missed.

    Exit code 4: something is late. 5: the clock can't be trusted, so nothing was destroyed.
    """
    with write_home(session) as home:
        now = home.clock.now()
        if session.dry_run:
            return _would_run(home, now)
        safety_of(home).run(now)
        erasing = eraser_of(home)
        done = retention_of(home, erasing).run(now)
        judged = clock_of(home).look(now)
        closed = rights_desk(home).settle()
        merged = sum(
            home.removal.compact(home.subjects.by_number(number))
            for number in home.removal.scattered()
        )
    document: dict[str, Json] = {
        "at": format_moment(done.at),
        "paused": done.paused.value if done.paused else None,
        "taken_in": done.taken_in,
        "scheduled": done.scheduled,
        "due": done.due,
        "erased": done.erased,
        "held": done.held,
        "rotated": [*done.rotated],
        "destroyed": done.destroyed,
        "irrecoverable": done.irrecoverable,
        "requests_closed": [one.id for one in closed],
        "blocks_merged": merged,
        "overdue": _overdue_documents(done.overdue),
        "alarms": _alarms(judged, done.overdue),
    }
    shown = [*_run_lines(done), *_closed_lines(closed), *_alarm_lines(judged, done.overdue)]
    return Answer(document=document, shown=tuple(shown), code=_code(judged, done.overdue))


@command(GROUP, "confirm-clock", writes=True)
def confirm_clock(
    session: Session,
    time: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="What time it is by a clock you trust: 2027-01-31T09:30Z."
        ),
    ],
    yes: ForceYes = False,
) -> Answer:
    """State what time it is, so that destruction goes on after a pause. It is logged.

    Use a clock that is not this machine's: a phone, a radio clock.
    """
    stated = _moment(time)
    with write_home(session) as home:
        now = home.clock.now()
        clock = clock_of(home)
        before = clock.look(now)
        document: dict[str, Json] = {
            "stated": format_moment(stated),
            "clock": format_moment(now),
            "paused_before": before.paused.value if before.paused else None,
        }
        confirm(now, stated=stated)  # before anybody is asked
        if session.dry_run:
            text = f"would confirm that it is {_short(stated)} (this machine says {_short(now)})"
            return Answer(document={"dry_run": True, **document}, shown=(line(text),))
        question = f"Is it {_short(stated)}? What is due by then will be destroyed for good."
        if not yes and not (session.output.interactive and session.output.ask(question)):
            hint = "add --yes; --dry-run shows what would be confirmed"
            raise InvalidInput("not_confirmed", "nothing was confirmed", hint=hint)
        clock.confirm(now, stated=stated)
    shown = (
        line(f"Confirmed: it is {_short(stated)}.", GOOD),
        line("Next: volens retention run", DIM),
    )
    return Answer(document=document, shown=shown)


def _would_run(home: Home, now: datetime) -> Answer:
    found = forecast_of(home, now)
    judged = clock_of(home).look(now)
    late = late_in(home, judged)
    document: dict[str, Json] = {
        "dry_run": True,
        **_forecast_document(found),
        "overdue": _overdue_documents(late),
        "alarms": _alarms(judged, late),
    }
    free = [one for one in found.going if not one.held]
    chats = sum(one.chats for one in free)
    if judged.paused:
        text = "would destroy nothing: the clock can't be trusted"
    else:
        text = f"would do {_count(len(free), 'erasure')} with {_count(chats, 'chat')}"
    shown = [line(text), *_alarm_lines(judged, late)]
    return Answer(document=document, shown=tuple(shown), code=_code(judged, late))


def _run_lines(done: RetentionRun) -> list[RenderableType]:
    shown: list[RenderableType] = []
    if done.paused is None:
        text = f"{_count(done.erased, 'erasure')} done, {done.held:,} held."
        shown.append(line(text, GOOD if done.erased else ""))
    if done.scheduled:
        shown.append(line(f"{_count(done.scheduled, 'erasure')} asked for by the schedule."))
    if done.rotated:
        shown.append(line(f"Keys of {', '.join(done.rotated)} have a new epoch."))
    if done.irrecoverable:
        text = f"{_count(done.irrecoverable, 'erasure')} irrecoverable: no copy opens them."
        shown.append(line(text, GOOD))
    if done.taken_in:
        shown.append(line(f"{_count(done.taken_in, 'request')} taken in; access had ended.", DIM))
    return shown


def _closed_lines(closed: Sequence[RightsRequest]) -> list[RenderableType]:
    if not closed:
        return []
    return [line(f"{_count(len(closed), 'request')} of people answered by that: closed.", GOOD)]


def _pictured(found: Forecast) -> list[RenderableType]:
    rows = [
        (
            _WHAT[one.retention_class],
            one.organisation or "-",
            _day(one.first),
            _day(one.last),
            f"{one.chats:,}",
            f"{one.held_chats:,}" if one.held else "-",
        )
        for one in found.tallies()
    ]
    if not rows:
        return [line("Nothing.")]
    columns = ("what", "organisation", "!first", "!last", "#chats", "#held")
    shown: list[RenderableType] = [table(columns, rows)]
    days = found.by_day()
    if len(days) > 1:
        step = -(-((max(days) - min(days)).days + 1) // _ROWS)
        words = "day by day" if step == 1 else f"in steps of {step} days, each from the day named"
        shown.append(heading(f"Chats that go, {words}"))
        shown.append(table(("!day", "#chats", "!"), _bars(days, step)))
    return shown


def _bars(days: Mapping[date, int], step: int) -> list[tuple[str, str, str]]:
    """Return (day, count, bar) of each `step` days; days without any are left out of the sum."""
    first = min(days)
    sums: dict[date, int] = {}
    for day, count in days.items():
        start = first + timedelta(days=(day - first).days // step * step)
        sums[start] = sums.get(start, 0) + count
    most = max(sums.values()) or 1
    return [
        (day.isoformat(), f"{count:,}", "#" * max(1, count * _BAR_COLUMNS // most))
        for day, count in sorted(sums.items())
    ]


def _alarm_lines(judged: Judgement, late: Sequence[Promise]) -> list[RenderableType]:
    shown: list[RenderableType] = []
    if judged.paused:
        seen = f"; last trusted {_short(judged.state.seen)}"
        shown.append(line(f"Destruction is paused: {_WHY[judged.paused]}{seen}.", BAD))
        shown.append(line(f"-> {_CONFIRM}", DIM))
    if judged.witness_ahead:
        text = "A witness's clock is more than 36 hours ahead of this one: one of them is wrong."
        shown.append(line(text, WARN))
    if late:
        oldest = _short(late[0].promised_by)
        text = f"LATE: {_count(len(late), 'erasure')}, the oldest promised by {oldest}."
        shown.append(line(text, BAD))
        shown += [line(f"  {one.id}  {one.state.value}") for one in late[:_ROWS]]
    return shown


def _code(judged: Judgement, late: Sequence[Promise]) -> int:
    if late:
        return UNVERIFIED
    return UNAVAILABLE if judged.paused or judged.witness_ahead else 0


def _alarms(judged: Judgement, late: Sequence[Promise]) -> list[Json]:
    found: list[Json] = ["overdue"] if late else []
    found += ["clock_paused"] if judged.paused else []
    found += ["witness_ahead"] if judged.witness_ahead else []
    return found


def _forecast_document(found: Forecast) -> dict[str, Json]:
    tallies: list[Json] = [_tally_document(one) for one in found.tallies()]
    days: dict[str, Json] = {day.isoformat(): count for day, count in found.by_day().items()}
    return {"until": format_moment(found.at), "going": tallies, "chats_by_day": days}


def _tally_document(one: Tally) -> dict[str, Json]:
    return {
        "class": one.retention_class.value,
        "organisation": one.organisation,
        "erasures": one.erasures,
        "chats": one.chats,
        "first": None if one.first is None else format_moment(one.first),
        "last": None if one.last is None else format_moment(one.last),
        "held": one.held,
        "held_chats": one.held_chats,
    }


def _overdue_documents(late: Iterable[Promise]) -> list[Json]:
    return [
        {
            "erasure": one.id,
            "promised_by": format_moment(one.promised_by),
            "state": one.state.value,
        }
        for one in late
    ]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        hint = "write it with its zone, like 2027-01-31T09:30Z or 2027-01-31T10:30+01:00"
        raise InvalidInput("time_form", f"not a moment: {text[:40]!r}", hint=hint)
    return moment.astimezone(UTC).replace(microsecond=0)


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else format_moment(moment)[:_DAY]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
